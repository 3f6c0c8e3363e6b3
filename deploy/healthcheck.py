"""Whether a program of the store serves here: the exit status is 0 if ``GET /ping`` is answered with 200.

python -I healthcheck.py                    a node, at the address in PBPROTO_BIND
python -I healthcheck.py 127.0.0.1:8070     the view service

For containers, whose images have no curl. It asks whether the process lives, not whether the store answers
requests for data: a node that waits for others is in good health, and to restart it would empty it.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys

TIMEOUT = 3.0
"""Seconds."""
HERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where to ask who listens everywhere."""


def connection(address: str, certificate: str = "", key: str = "") -> http.client.HTTPConnection:
    """A connection to ``host:port``, by TLS where the node has a certificate. Raises ``ValueError``."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    host = HERE.get(host, host)
    if not certificate:
        return http.client.HTTPConnection(host, int(port), timeout=TIMEOUT)
    # The certificate is for the names that others use, and this is no other machine. The node's own is shown
    # in case it wants one.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(certificate, key or None)
    return http.client.HTTPSConnection(host, int(port), timeout=TIMEOUT, context=context)


def main(arguments: list[str]) -> int:
    """Ask once. What is wrong is one line on standard error."""
    tls = "" if arguments else os.environ.get("PBPROTO_TLS_CERT", "")
    address = arguments[0] if arguments else os.environ.get("PBPROTO_BIND", "127.0.0.1:8081")
    try:
        asked = connection(address, tls, os.environ.get("PBPROTO_TLS_KEY", ""))
        asked.request("GET", "/ping")
        status = asked.getresponse().status
    except (OSError, ValueError, http.client.HTTPException) as error:
        print(f"healthcheck: {address}: {error}", file=sys.stderr)
        return 1
    if status != http.client.OK:
        print(f"healthcheck: {address}: status {status}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
