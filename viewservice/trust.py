"""What the service proves itself to nodes by, what people prove themselves to it by, and whom it trusts."""

from __future__ import annotations

import contextlib
import hashlib
import ssl
from collections.abc import Iterable
from pathlib import Path

from frontends.common import tls
from frontends.common.access import ADMIN, Role, Tokens, refusal_of, tokens_of
from frontends.common.door import is_own_name
from frontends.common.responses import Response, problem
from frontends.common.settings import SettingError, Settings, is_loopback
from frontends.common.watched import Files

from .logs import LOGGER

MIN_TOKEN = 16
MAX_TOKEN_BYTES = 4_096


class TrustError(ValueError):
    """A file with a secret or a certificate is of no use."""


class Trust:
    """``token_file`` holds the nodes' token of the role admin, ``tls_ca`` the authority of their TLS.

    People and programs that talk to the service show that token, too (who may tell nodes a view may tell the
    service), or one of ``tokens``: a file as nodes have it, of which the lines of the role peer mean nothing
    here. ``named`` are roles and tokens from the environment. All files are read again when they
    change, so that a secret is rotated by replacing them. Raises ``TrustError`` if a file is of no use when
    the service begins. ``insecure``: whoever can reach the service may tell it anything, by whatever name.
    """

    def __init__(
        self,
        token_file: str = "",
        tls_ca: str = "",
        *,
        tokens: str = "",
        named: Iterable[tuple[str, str]] = (),
        insecure: bool = False,
    ) -> None:
        self._file = Path(token_file) if token_file else None
        self._last = ""
        self._tokens_file = tokens
        self._named = tuple((role, token) for role, token in named if role != Role.PEER.value)
        self._files = Files((tokens,))
        self._tls_ca = tls_ca
        self._authority = Files((tls_ca,))
        if self._file is not None:
            self._last = self._read()
        try:
            self._tokens = tokens_of(self._named, tokens)
        except SettingError as error:
            raise TrustError(str(error)) from None
        if tokens and not self._tokens.clients:
            raise TrustError(f"{tokens} has no token by which anybody could talk to the service")
        self.guarded = self._file is not None or bool(self._tokens.clients)
        """Whether it takes a token to talk to the service."""
        self._own_names_only = not (self.guarded or insecure)
        self.scheme = "https" if tls_ca else "http"
        """How nodes are talked to."""
        self._verify: ssl.SSLContext | bool = self._by_authority() if tls_ca else True

    def verify(self) -> ssl.SSLContext | bool:
        """For an HTTP client that talks to nodes; another object when the authority has changed."""
        if self._authority.changed():
            self._authority.seen()
            try:
                self._verify = self._by_authority()
            except TrustError as error:
                LOGGER.error("authority_not_read: %s", error)
            else:
                LOGGER.info("authority_read: nodes are known by what is in %s now", self._tls_ca)
        return self._verify

    def _by_authority(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._tls_ca)
        except (OSError, ssl.SSLError) as error:
            raise TrustError(f"cannot use the authority in {self._tls_ca}: {error}") from None

    def headers(self) -> dict[str, str]:
        """What goes with a request to a node."""
        return {"authorization": f"Bearer {self._token()}"} if self._file is not None else {}

    def refusal(self, needed: frozenset[Role], authorization: str) -> Response | None:
        """The answer to who has no token of one of these roles; ``None`` to who may go on."""
        if not self.guarded:
            return None
        self._look()
        clients = self._tokens.clients
        if self._file is not None:
            clients = (*clients, (hashlib.sha256(self._token().encode()).digest(), ADMIN))
        return refusal_of(Tokens(clients, ()), needed, authorization)

    def stranger(self, host: str | None, origin: str | None) -> Response | None:
        """The answer to a request behind which a web page may be, as ``Host`` and ``Origin`` tell.

        A browser tells the service what any page wants. It says so by an ``Origin`` with each POST. And where
        no token is asked for, a name of the page's own may have been made to mean this machine (DNS
        rebinding): an IP address and localhost may not.
        """
        if origin is not None:
            return problem(403, "from_a_page", "orders are taken from programs, not from web pages")
        if self._own_names_only and not is_own_name(host):
            detail = (
                "a service without tokens is asked by its IP address or as localhost, or a web page could ask"
                " it by a name of its own: give it tokens, or say --insecure"
            )
            return problem(421, "foreign_host", detail)
        return None

    def _look(self) -> None:
        """Read the file of tokens again if it has changed. A wrong one is logged, and changes nothing."""
        if not self._files.changed():
            return
        self._files.seen()
        try:
            self._tokens = tokens_of(self._named, self._tokens_file)
        except SettingError as error:
            LOGGER.error("tokens_not_read: %s", error)
        else:
            LOGGER.info("tokens_read: %d tokens of clients are in force", len(self._tokens.clients))

    def _token(self) -> str:
        with contextlib.suppress(TrustError):  # it is being replaced: the last one may still be good
            self._last = self._read()
        return self._last

    def _read(self) -> str:
        try:
            with (self._file or Path()).open("rb") as file:
                token = file.read(MAX_TOKEN_BYTES).decode("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise TrustError(f"cannot read the token in {self._file}: {error}") from None
        if len(token) < MIN_TOKEN or not token.isprintable() or " " in token:
            raise TrustError(f"{self._file} has to hold one token of {MIN_TOKEN} characters or more")
        return token


class Certificates(tls.Contexts):
    """The service's own certificate, which is read again when its files change.

    Clients of the service show none: they have tokens. Raises ``TrustError`` if the files are of no use when
    the service begins.
    """

    def __init__(self, certificate: str, key: str) -> None:
        try:
            super().__init__(Settings(id=0, tls_cert=certificate, tls_key=key))
        except SettingError as error:
            raise TrustError(str(error)) from None

    def not_read(self, error: SettingError) -> None:
        LOGGER.error("certificates_not_read: %s", error)

    def were_read(self) -> None:
        LOGGER.info("certificates_read: new connections get the new certificate")


def is_local(bind: str) -> bool:
    """Whether what listens at ``host:port`` is to be reached from this machine alone."""
    return is_loopback(bind.rpartition(":")[0].strip("[]"))
