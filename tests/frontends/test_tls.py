"""Certificates of a node and its server."""

from __future__ import annotations

import logging
import threading
import uuid
from pathlib import Path

import pytest
import trustme

from frontends.common import tls, watched
from frontends.common.settings import Settings
from frontends.quart_app import create_app, servers


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A node with a certificate."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issue(trustme.CA(), cert, key)
    return Settings(id=1, tls_cert=str(cert), tls_key=str(key))


def issue(authority: trustme.CA, cert: Path, key: Path) -> None:
    """A new certificate."""
    made = authority.issue_cert("127.0.0.1")
    made.private_key_pem.write_to_path(key)
    cert.write_bytes(b"".join(part.bytes() for part in made.cert_chain_pems))


async def test_a_node_and_its_server_have_one_tls(settings: Settings) -> None:
    """Goal: a rotation is read, and logged, once. Method: what an ASGI server takes is what the node has."""
    app = create_app(settings, scope=uuid.uuid4().hex)
    taken = servers._contexts(app, settings)
    async with app.test_app():
        assert taken is not None
        assert taken is app.extensions["pbproto"]._life.driver.node.tls


def test_files_are_read_by_one_of_several_threads(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goal: nobody waits for new files, and one line says them. Method: threads that carry mail ask for the
    client's side while one of them is reading.
    """
    caplog.set_level(logging.INFO, logger="pbproto")
    monkeypatch.setattr(watched, "LOOK_EVERY", 0.0)
    contexts = tls.Contexts(settings)
    before = contexts.client
    issue(trustme.CA(), Path(settings.tls_cert), Path(settings.tls_key))
    reading, go_on = threading.Event(), threading.Event()
    make = tls._made

    def slow(of: Settings) -> object:
        reading.set()
        assert go_on.wait(30)
        return make(of)

    monkeypatch.setattr(tls, "_made", slow)
    thread = threading.Thread(target=lambda: contexts.client)
    thread.start()
    assert reading.wait(30)
    assert contexts.client is before
    go_on.set()
    thread.join()
    assert contexts.client is not before
    assert [record.getMessage() for record in caplog.records] == ["node=1 event=certificates_read"]
