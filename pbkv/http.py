"""What both clients need around httpx: how a request is written, an answer read, and trouble told."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from .calls import Try
from .errors import ClientClosed
from .judging import Failure
from .requests import Answer, Request

TROUBLE = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError)
"""What httpx and the system raise while they talk to a node."""
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
CLOSED = Failure(False, "this client was closed", hopeless=True)
"""What comes of an attempt that would begin when somebody has closed the client under a call."""
CLOSED_MEANWHILE = Failure(True, "this client was closed", hopeless=True)
"""And of one that had begun."""
_IDLE = 1.0
"""Seconds after which an idle connection is given up: sooner than any server does it, since a write that
meets a connection which is just being closed has an unknown outcome."""


def options(verify: Any, max_connections: int) -> dict[str, Any]:
    """For both clients of httpx.

    No proxies from the environment: they are for the web, and repeat requests as they like. No redirects:
    they would carry the token to strangers. No cookies.
    """
    limits = httpx.Limits(
        max_connections=max_connections, max_keepalive_connections=max_connections, keepalive_expiry=_IDLE
    )
    return {
        "verify": verify,
        "limits": limits,
        "trust_env": False,
        "follow_redirects": False,
        "cookies": no_cookies(),
    }


def no_cookies() -> CookieJar:
    """A jar that stays empty.

    Cookies know no ports: what listens at one would be in the head of each request to the nodes at others,
    until it is too long for them.
    """
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


def closed(client: httpx.Client | httpx.AsyncClient) -> bool:
    """Whether the client was closed; at any moment another thread may do it."""
    return client.is_closed


def check_open(client: httpx.Client | httpx.AsyncClient) -> None:
    """Raises ``ClientClosed`` where httpx would raise a ``RuntimeError`` of its own."""
    if client.is_closed:
        raise ClientClosed("this client was closed; nothing was sent")


def authorization(token: str | None) -> dict[str, str]:
    """The header for a bearer token. Raises ``ValueError``, which does not show it."""
    if token is None:
        return {}
    if not token or not all("!" <= character <= "~" for character in token):
        raise ValueError("a token has visible ASCII characters only, and one at least")
    return {"Authorization": f"Bearer {token}"}


def arguments(
    request: Request[Any], attempt: Try, extra: dict[str, str], connect_timeout: float
) -> dict[str, Any]:
    """The arguments of httpx's ``build_request``."""
    url = attempt.node + request.target
    # httpx would tidy the path of the URL up; the target is what goes into the request line.
    path = "/" + url.partition("://")[2].partition("/")[2]
    seconds = attempt.timeout
    timeout = httpx.Timeout(seconds, connect=min(connect_timeout, seconds), pool=0.9 * seconds)
    return {
        "method": request.method,
        "url": url,
        "headers": request.headers() | extra,
        "content": request.body,
        "timeout": timeout,
        "extensions": {"target": path.encode("ascii")},
    }


def failure(error: BaseException, attempt: Try) -> Failure:
    """What an exception of httpx means."""
    if isinstance(error, httpx.ConnectTimeout):
        return Failure(False, "no connection in time")
    if isinstance(error, httpx.PoolTimeout):
        return Failure(False, "all connections of this client were in use")
    if isinstance(error, httpx.TimeoutException):
        return silent(attempt)
    words = _words(error)
    if isinstance(error, _NOT_SENT):
        return Failure(False, f"no connection: {words}", _untrusted(error))
    return Failure(True, f"the connection broke: {words}")


def silent(attempt: Try, *, sent: bool = True) -> Failure:
    """The time of the attempt is up."""
    if not sent:
        return Failure(False, "no connection in time")
    return Failure(True, f"no answer within {attempt.timeout:.3g} s")


def _untrusted(error: BaseException | None) -> bool:
    """Whether somewhere beneath it a certificate was not trusted."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


class Trace:
    """Sees, in httpcore, how far a request has come: where it is cut off from outside, no exception tells.

    Another transport shows nothing; then it may have been sent.
    """

    def __init__(self) -> None:
        self._last = ""

    async def __call__(self, event: str, _: object) -> None:
        if not self._last.startswith("http"):
            self._last = event

    @property
    def sent(self) -> bool:
        """Whether any of the request may have left."""
        return not self._last.startswith("connection.")


def _words(error: BaseException) -> str:
    text = " ".join(str(error).split())[:300]
    return text or type(error).__name__


class Reading:
    """The answer that is coming in."""

    def __init__(self, response: httpx.Response, attempt: Try, limit: int) -> None:
        self._response = response
        self._attempt = attempt
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0
        self._cut = ""
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            # Nobody was asked to compress, and a short body may unpack to a very long one.
            self._cut = "a body in an encoding that was not asked for"

    @property
    def over(self) -> bool:
        """Whether the rest is of no use."""
        return bool(self._cut)

    def take(self, piece: bytes, now: float) -> bool:
        """Take a piece of the body; whether to go on."""
        self._size += len(piece)
        if self._size > self._limit:
            self._cut = f"a body of more than {self._limit:,} bytes"
        elif now > self._attempt.deadline:
            self._cut = "a body that was not there in time"
        else:
            self._pieces.append(piece)
        return not self._cut

    def late(self) -> None:
        """The time is up."""
        self._cut = "a body that was not there in time"

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """A body that breaks off leaves the head, which may say all."""
        try:
            yield
        except httpx.TimeoutException:
            self._cut = "a body that stopped coming"
        except TROUBLE as error:
            self._cut = f"a body that broke off: {_words(error)}"

    def answer(self) -> Answer:
        headers = {name.lower(): value for name, value in self._response.headers.items()}
        body = None if self._cut else b"".join(self._pieces)
        return Answer(self._response.status_code, headers, body, self._cut)
