"""What hypercorn is told wherever it serves: at a node, and at an instance of the view service."""

from __future__ import annotations

import ssl

from hypercorn.asyncio import run
from hypercorn.config import Config

from frontends.common import tls
from frontends.common.settings import Settings

from .patience import connection


def configured(settings: Settings, contexts: tls.Contexts | None) -> Config:
    """Patient with connections as ``settings`` say, and with the TLS of ``contexts``, which may change.

    How patient it is holds for the whole process: hypercorn has no setting for the class of its connections.
    """

    class Secure(Config):
        def create_ssl_context(self) -> ssl.SSLContext | None:
            return contexts.server if contexts is not None else None

    vars(run)["TCPServer"] = connection(settings)
    config = Secure()
    config.certfile, config.keyfile = settings.tls_cert or None, settings.tls_key or None
    config.ssl_handshake_timeout = tls.HANDSHAKE_TIMEOUT
    config.loglevel = "WARNING"
    config.include_server_header = False
    return config
