"""What the service proves itself to nodes by, what people prove themselves to it by, and whom it trusts."""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
import ssl
from pathlib import Path

MIN_TOKEN = 16
MAX_TOKEN_BYTES = 4_096


class TrustError(ValueError):
    """A file with a secret or a certificate is of no use."""


class Trust:
    """``token_file`` holds the nodes' token of the role admin, ``tls_ca`` the authority of their TLS.

    People and programs that talk to the service show the same token: who may tell nodes a view may tell the
    service, too. The file is read for each use, so that a token is rotated by replacing it. Raises
    ``TrustError`` if a file is of no use when the service begins. ``insecure``: whoever can reach the service
    may tell it anything, by whatever name.
    """

    def __init__(self, token_file: str = "", tls_ca: str = "", *, insecure: bool = False) -> None:
        self._file = Path(token_file) if token_file else None
        self._last = ""
        self.guarded = self._file is not None
        """Whether it takes the token to talk to the service."""
        self._own_names_only = not (self.guarded or insecure)
        if self.guarded:
            self._last = self._read()
        self.scheme = "https" if tls_ca else "http"
        """How nodes are talked to."""
        self.verify: ssl.SSLContext | bool = True
        """For an HTTP client that talks to them."""
        if tls_ca:
            try:
                self.verify = ssl.create_default_context(cafile=tls_ca)
            except (OSError, ssl.SSLError) as error:
                raise TrustError(f"cannot use the authority in {tls_ca}: {error}") from None

    def headers(self) -> dict[str, str]:
        """What goes with a request to a node."""
        return {"authorization": f"Bearer {self._token()}"} if self.guarded else {}

    def admits(self, authorization: str) -> bool:
        """Whether a request with this ``Authorization`` may be carried out."""
        if not self.guarded:
            return True
        scheme, _, token = authorization.partition(" ")
        shown = token.strip().encode("latin-1", "replace")
        return scheme.lower() == "bearer" and hmac.compare_digest(shown, self._token().encode())

    def is_from_a_page(self, host: str, origin: str | None) -> bool:
        """Whether a web page may be behind a request with this ``Host`` and this ``Origin``, if it has one.

        A browser tells the service what any page wants. It says so by an ``Origin`` with each POST. And where
        no token is asked for, a name of the page's own may have been made to mean this machine (DNS
        rebinding): an IP address and localhost may not.
        """
        return origin is not None or (self._own_names_only and not _is_own_name(host))

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


def _is_own_name(host: str) -> bool:
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0].lower()
    try:
        return name in ("", "localhost") or bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def is_local(bind: str) -> bool:
    """Whether what listens at ``host:port`` is to be reached from this machine alone."""
    host = bind.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name may mean anything
