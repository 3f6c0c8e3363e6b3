"""deploy/healthcheck.py: what a container's supervisor is told."""

from __future__ import annotations

import importlib.util
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType

import pytest
import trustme

from .files import DEPLOY


@pytest.fixture(scope="module")
def healthcheck() -> ModuleType:
    """The script as a module: it is in no package."""
    spec = importlib.util.spec_from_file_location("healthcheck", DEPLOY / "healthcheck.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def answering(status: int, context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[int]:
    """A server that answers ``GET /ping`` with this status and everything else with 404; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/ping" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(HTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    with Server((host, 0), Handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("status", "expected"), [(200, 0), (204, 1), (404, 1), (503, 1)])
def test_only_200_is_health(healthcheck: ModuleType, status: int, expected: int) -> None:
    """Goal: what is no node, or a node that fails, is not healthy. Method: answer by each status."""
    with answering(status) as port:
        assert healthcheck.main([f"127.0.0.1:{port}"]) == expected


@pytest.mark.parametrize("bind", ["0.0.0.0", "127.0.0.1", "localhost"])
def test_a_node_is_asked_where_it_listens(
    healthcheck: ModuleType, monkeypatch: pytest.MonkeyPatch, bind: str
) -> None:
    """Goal: a container needs no other setting. Method: give the address as the node has it."""
    with answering(200) as port:
        monkeypatch.setenv("PBPROTO_BIND", f"{bind}:{port}")
        assert healthcheck.main([]) == 0


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_everywhere_in_ipv6(healthcheck: ModuleType) -> None:
    """Goal: it works where pods have IPv6 addresses. Method: answer at that loopback address alone."""
    with answering(200, host="::1") as port:
        assert healthcheck.main([f"[::]:{port}"]) == 0
        assert healthcheck.main([f"[::1]:{port}"]) == 0
        assert healthcheck.main([f"127.0.0.1:{port}"]) == 1


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1", "127.0.0.1:none", ":"])
def test_what_does_not_answer_is_one_line(
    healthcheck: ModuleType, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    """Goal: `docker inspect` shows why. Method: ask where nobody listens, and at what is no address."""
    assert healthcheck.main([address]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"healthcheck: {address}: ")


def test_what_never_answers_is_given_up(healthcheck: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: a check ends before its supervisor's patience. Method: a socket that accepts and says nothing."""
    monkeypatch.setattr(healthcheck, "TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert healthcheck.main([f"127.0.0.1:{silent.getsockname()[1]}"]) == 1


@pytest.mark.parametrize("wanted", [False, True], ids=["", "asked for a certificate"])
def test_a_node_with_a_certificate(
    healthcheck: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wanted: bool
) -> None:
    """Goal: with TLS it works unchanged. Method: a certificate for the name that others use, which is not the
    one that is asked; a server that wants one of its own authority in return. Without TLS the same fails."""
    authority = trustme.CA()
    certificate = authority.issue_cert("node1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if wanted:
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
    certificate.private_key_pem.write_to_path(tmp_path / "key")
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(tmp_path / "certificate", append=True)
    with answering(200, context) as port:
        monkeypatch.setenv("PBPROTO_BIND", f"127.0.0.1:{port}")
        monkeypatch.setenv("PBPROTO_TLS_CERT", str(tmp_path / "certificate"))
        monkeypatch.setenv("PBPROTO_TLS_KEY", str(tmp_path / "key"))
        assert healthcheck.main([]) == 0
        monkeypatch.delenv("PBPROTO_TLS_CERT")
        monkeypatch.setattr(healthcheck, "TIMEOUT", 1)
        assert healthcheck.main([]) == 1


def test_it_needs_nothing_but_python() -> None:
    """Goal: it runs by `python -I`, in any image. Method: it imports nothing that is not Python's own."""
    lines = (DEPLOY / "healthcheck.py").read_text().splitlines()
    imported = {line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))}
    assert imported <= set(sys.stdlib_module_names)
