"""HTTPS for clients, and certificates on both sides between peers (RFC 8446).

``--tls-cert`` and ``--tls-key`` make a node serve HTTPS, and speak it to the addresses in its views.
With ``--tls-ca`` peers have to show each other certificates of that authority, and mail is taken from nobody
else. Files that change are read again: certificates that are good for a day are normal.
"""

from __future__ import annotations

import ssl
import threading

from .logs import LOGGER, logfmt
from .settings import SettingError, Settings
from .watched import Files

HANDSHAKE_TIMEOUT = 10.0
"""Seconds that a client may take for TLS to begin."""


class Contexts:
    """The TLS of a node. Raises ``SettingError`` if the files are of no use when it starts.

    Connections that are there go on with the files that they began with, and new ones have the newest.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._looking = threading.Lock()
        self._files = Files((settings.tls_cert, settings.tls_key, settings.tls_ca))
        self._server, self._client = _made(settings)
        self.server = _server(settings)
        """For a server's connections. It stays the same one: what it presents is chosen for each of them."""
        self.server.sni_callback = self._choose

    @property
    def client(self) -> ssl.SSLContext:
        """For the next connection to a peer."""
        self._look()
        return self._client

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Called at each handshake, whether or not the client names a server."""
        self._look()
        connection.context = self._server

    def _look(self) -> None:
        """Read the files again if one of them has changed. Files that are wrong by then are logged."""
        if not self._looking.acquire(blocking=False):
            return  # another thread does, and until it has them the ones before are as good
        try:
            if self._files.changed():
                self._read()
        finally:
            self._looking.release()

    def _read(self) -> None:
        try:
            self._server, self._client = _made(self._settings)
        except SettingError as error:
            # Half of a new pair, most likely: the other file is looked for again.
            self.not_read(error)
            return
        self._files.seen()
        self.were_read()

    def not_read(self, error: SettingError) -> None:
        """Say that files have changed and are of no use."""
        LOGGER.error("%s", logfmt(self._settings.id, "certificates_not_read", reason=error))

    def were_read(self) -> None:
        """Say that files have changed and are in use."""
        LOGGER.info("%s", logfmt(self._settings.id, "certificates_read"))


def _made(settings: Settings) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    try:
        return _server(settings), _client(settings)
    except (OSError, ssl.SSLError, ValueError) as error:
        names = ", ".join(filter(None, (settings.tls_cert, settings.tls_key, settings.tls_ca)))
        raise SettingError(f"cannot use the certificates in {names}: {error}") from None


def _server(settings: Settings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.tls_cert, settings.tls_key, password=_no_password)
    context.set_alpn_protocols(["http/1.1"])
    if settings.tls_ca:
        # Asked of everybody, demanded from peers alone: clients come in by the same port (``door.py``).
        context.load_verify_locations(settings.tls_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _client(settings: Settings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.tls_ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.tls_cert, settings.tls_key, password=_no_password)
    return context


def _no_password() -> str:
    """In place of OpenSSL's prompt, at which a node would wait for ever."""
    raise ValueError("the private key is encrypted")


def has_shown(connection: ssl.SSLSocket | ssl.SSLObject | None) -> bool:
    """Whether the other side has shown a certificate that the authority of now has signed.

    One that goes on with a session has shown it when that began. OpenSSL keeps it with the session, and asks
    nobody again: a certificate would be good for ever, whatever authority there is by now. Nodes do not
    resume sessions.
    """
    return connection is not None and bool(connection.getpeercert()) and not connection.session_reused


def of(settings: Settings) -> Contexts | None:
    """The TLS of a node, or ``None`` without. Raises ``SettingError``."""
    if bool(settings.tls_cert) != bool(settings.tls_key) or (settings.tls_ca and not settings.tls_cert):
        raise SettingError("tls_cert and tls_key belong together, and tls_ca needs both")
    return Contexts(settings) if settings.tls_cert else None


def check(settings: Settings) -> None:
    """Raises ``SettingError`` if the certificates are of no use, or of none under this server."""
    if settings.tls_cert and settings.server == "granian":
        raise SettingError("granian tells nobody who has shown a certificate; hypercorn and uvicorn do")
    of(settings)
