"""``viewservice/trust.py``, and an instance that asks for its token."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from frontends.common import watched
from frontends.common.access import ADMIN, LOOK, SCRAPE, Role
from viewservice.__main__ import main
from viewservice.core import Service
from viewservice.driver import Driver
from viewservice.effects import Ask
from viewservice.report import Trouble
from viewservice.stores.sqlite import SqliteStore
from viewservice.trust import Certificates, Trust, TrustError, is_local
from viewservice.web import create_app

TOKEN = "t" * 20


def test_the_token_is_shown_and_asked_for(tmp_path: Path) -> None:
    """Goal: nodes are told it, people have to show it. Method: with it, without it, and with another."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    trust = Trust(str(tmp_path / "token"))
    assert trust.headers() == {"authorization": f"Bearer {TOKEN}"}
    assert trust.refusal(ADMIN, f"bearer {TOKEN}") is None
    for wrong in ("", TOKEN, f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer é"):
        refusal = trust.refusal(ADMIN, wrong)
        assert refusal is not None
        assert refusal.status == 401


def test_without_a_file_everybody_is_admitted() -> None:
    """On loopback, as by default."""
    assert Trust().refusal(ADMIN, "") is None
    assert Trust().headers() == {}
    assert Trust().scheme == "http"


def test_the_token_is_rotated_by_replacing_the_file(tmp_path: Path) -> None:
    """Goal: no restart. Method: replace it; while there is none, the last one goes on to be good."""
    path = tmp_path / "token"
    path.write_text(TOKEN)
    trust = Trust(str(path))
    path.unlink()
    assert trust.refusal(ADMIN, f"Bearer {TOKEN}") is None
    path.write_text("n" * 20)
    assert trust.refusal(ADMIN, f"Bearer {'n' * 20}") is None
    assert trust.refusal(ADMIN, f"Bearer {TOKEN}") is not None


def test_tokens_by_role_are_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: as at a node, a file is read again, and a wrong one changes nothing. Method: replace it twice.

    What nodes prove themselves by is no client's token, and the token for nodes goes on to be good for all.
    """
    monkeypatch.setattr(watched, "LOOK_EVERY", -1.0)
    path = tmp_path / "tokens"
    path.write_text(f"read {'r' * 20}\npeer {'p' * 20}\n")
    (tmp_path / "token").write_text(TOKEN)
    named = [("metrics", "m" * 20), ("peer", "q" * 20)]
    trust = Trust(str(tmp_path / "token"), tokens=str(path), named=named)

    def status(needed: frozenset[Role], token: str) -> int:
        refusal = trust.refusal(needed, f"Bearer {token}")
        return 200 if refusal is None else refusal.status

    assert [status(needed, "r" * 20) for needed in (LOOK, SCRAPE, ADMIN)] == [200, 200, 403]
    assert [status(needed, "m" * 20) for needed in (LOOK, SCRAPE, ADMIN)] == [403, 200, 403]
    assert [status(needed, TOKEN) for needed in (LOOK, SCRAPE, ADMIN)] == [200, 200, 200]
    assert [status(LOOK, secret * 20) for secret in "pq"] == [401, 401]
    path.write_text(f"read,admin {'s' * 21}\n")
    assert [status(ADMIN, token) for token in ("s" * 21, "r" * 20)] == [200, 401]
    path.write_text("dance " + "s" * 30)
    assert status(ADMIN, "s" * 21) == 200


@pytest.mark.parametrize("content", ["", f"peer {TOKEN}", "read short", f"dance {TOKEN}"])
def test_a_bad_file_of_tokens_is_refused(tmp_path: Path, content: str) -> None:
    """Goal: an instance does not begin with tokens that are none, or that nobody may use."""
    (tmp_path / "tokens").write_text(content)
    with pytest.raises(TrustError):
        Trust(tokens=str(tmp_path / "tokens"))


def test_a_certificate_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: certificates are good for days. Method: shake hands, write new files, shake hands again."""
    monkeypatch.setattr(watched, "LOOK_EVERY", -1.0)
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    def issue(serial_of: str) -> None:
        made = authority.issue_cert("localhost", serial_of)
        made.private_key_pem.write_to_path(tmp_path / "key")
        made.cert_chain_pems[0].write_to_path(tmp_path / "cert")

    issue("one.example")
    certificates = Certificates(str(tmp_path / "cert"), str(tmp_path / "key"))
    assert "one.example" in _names(certificates.server, trusting)
    issue("two.example")
    assert "two.example" in _names(certificates.server, trusting)
    (tmp_path / "key").write_text("nonsense")
    assert "two.example" in _names(certificates.server, trusting)
    with pytest.raises(TrustError):
        Certificates(str(tmp_path / "cert"), str(tmp_path / "key"))


def _names(server: ssl.SSLContext, client: ssl.SSLContext) -> list[str]:
    """The names in the certificate that a server shows in a handshake, in memory."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(back, there, server_hostname="localhost")
    two = server.wrap_bio(there, back, server_side=True)
    done: set[ssl.SSLObject] = set()
    for each in (one, two) * 4:
        with contextlib.suppress(ssl.SSLWantReadError):
            each.do_handshake()
            done.add(each)
    assert done == {one, two}
    shown: Any = one.getpeercert()
    return [name for _, name in shown["subjectAltName"]]


@pytest.mark.parametrize(
    "content", [b"", b"short", b"two words of sixteen", b"\xff" * 20, b"a" * 16 + b"\x00"]
)
def test_a_bad_token_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """An instance does not begin with a secret that is none."""
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(TrustError):
        Trust(str(tmp_path / "token"))


def test_an_authority_makes_it_https(tmp_path: Path) -> None:
    """A file that is no authority is refused; with one, nodes are asked by HTTPS."""
    with pytest.raises(TrustError):
        Trust(tls_ca=str(tmp_path / "nowhere"))
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca")
    trust = Trust(tls_ca=str(tmp_path / "ca"))
    assert trust.scheme == "https"
    assert isinstance(trust.verify(), ssl.SSLContext)


async def test_another_authority_is_taken_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Goal: nodes that show certificates of another authority are known once its file is there, and until
    then the log says what is the matter. Method: such a node, and a file that is replaced twice.
    """
    monkeypatch.setattr(watched, "LOOK_EVERY", -1.0)
    path, authority = tmp_path / "ca", trustme.CA()
    trustme.CA().cert_pem.write_to_path(path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    node = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    ask = Ask(7, f"127.0.0.1:{node.sockets[0].getsockname()[1]}", 0)
    driver = Driver(Service(), SqliteStore(tmp_path / "db"), trust=Trust(tls_ca=str(path)))
    try:
        assert [await driver._look(ask) for _ in range(2)] == [Trouble.SILENT] * 2
        assert caplog.text.count("not_trusted: node 7") == 1
        path.write_text("nonsense")
        assert await driver._look(ask) is Trouble.SILENT
        assert "authority_not_read" in caplog.text
        authority.cert_pem.write_to_path(path)
        assert await driver._look(ask) is Trouble.STRANGER, "by its answer, not its certificate"
    finally:
        node.close()


async def test_orders_need_the_token(tmp_path: Path) -> None:
    """Goal: nobody gives orders without it. Method: each route of an instance, without and with it."""
    (tmp_path / "token").write_text(TOKEN)
    driver = Driver(Service(), SqliteStore(tmp_path / "db"), trust=Trust(str(tmp_path / "token")))
    client = create_app(driver).test_client()
    assert (await client.get("/ping")).status_code == 200
    for method, path in (("GET", "/status"), ("POST", "/orders"), ("GET", "/nothing")):
        answer = await (client.get(path) if method == "GET" else client.post(path))
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="pbproto"'
    shown = {"authorization": f"Bearer {TOKEN}"}
    assert (await client.post("/orders", headers=shown, data=b"nonsense")).status_code == 400


def test_an_open_instance_has_to_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: orders are not open to a network by accident. Method: bind to all addresses without a token."""
    assert main(["--nodes", "1=127.0.0.1:1", "--bind", "0.0.0.0:1"]) == 1
    assert "--insecure" in capsys.readouterr().err
    assert is_local("127.0.0.1:1")
    assert is_local("localhost:1")
    assert is_local("[::1]:1")
    assert not is_local("[::]:1")
    assert not is_local("example.org:1")


async def test_no_web_page_gives_orders(tmp_path: Path) -> None:
    """Goal: what a page has its reader's browser send to this machine is no order.

    Method: as such requests look: a POST that asks nobody before (with ``Origin``, and any type), and one to
    a name that was made to mean this machine. Without either it is taken; so is any name with a token.
    """
    (tmp_path / "token").write_text(TOKEN)
    shown = {"authorization": f"Bearer {TOKEN}"}
    order = b'{"word":"nonsense"}'
    for trust, headers, by_name in (
        (Trust(), {}, 421),
        (Trust(insecure=True), {}, 400),
        (Trust(str(tmp_path / "token")), shown, 400),
    ):
        client = create_app(Driver(Service(), SqliteStore(tmp_path / "db"), trust=trust)).test_client()
        for extra, status in (
            ({"host": "127.0.0.1:8070"}, 400),
            ({"host": "[::1]:8070"}, 400),
            ({"host": "localhost"}, 400),
            ({"host": "evil.example:8070"}, by_name),
            ({"host": "127.0.0.1:8070", "origin": "http://evil.example"}, 403),
            ({"host": "127.0.0.1:8070", "origin": "null", "content-type": "text/plain"}, 403),
        ):
            answer = await client.post("/orders", headers=headers | extra, data=order)
            assert answer.status_code == status, extra
