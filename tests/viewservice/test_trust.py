"""``viewservice/trust.py``, and an instance that asks for its token."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from viewservice.__main__ import main
from viewservice.core import Service
from viewservice.driver import Driver
from viewservice.stores.sqlite import SqliteStore
from viewservice.trust import Trust, TrustError, is_local
from viewservice.web import create_app

TOKEN = "t" * 20


def test_the_token_is_shown_and_asked_for(tmp_path: Path) -> None:
    """Goal: nodes are told it, people have to show it. Method: with it, without it, and with another."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    trust = Trust(str(tmp_path / "token"))
    assert trust.headers() == {"authorization": f"Bearer {TOKEN}"}
    assert trust.admits(f"bearer {TOKEN}")
    for wrong in ("", TOKEN, f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer é"):
        assert not trust.admits(wrong)


def test_without_a_file_everybody_is_admitted() -> None:
    """On loopback, as by default."""
    assert Trust().admits("")
    assert Trust().headers() == {}
    assert Trust().scheme == "http"


def test_the_token_is_rotated_by_replacing_the_file(tmp_path: Path) -> None:
    """Goal: no restart. Method: replace it; while there is none, the last one goes on to be good."""
    path = tmp_path / "token"
    path.write_text(TOKEN)
    trust = Trust(str(path))
    path.unlink()
    assert trust.admits(f"Bearer {TOKEN}")
    path.write_text("n" * 20)
    assert trust.admits(f"Bearer {'n' * 20}")
    assert not trust.admits(f"Bearer {TOKEN}")


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
    assert isinstance(trust.verify, ssl.SSLContext)


async def test_orders_need_the_token(tmp_path: Path) -> None:
    """Goal: nobody gives orders without it. Method: each route of an instance, without and with it."""
    (tmp_path / "token").write_text(TOKEN)
    driver = Driver(Service(), SqliteStore(tmp_path / "db"), trust=Trust(str(tmp_path / "token")))
    client = create_app(driver).test_client()
    assert (await client.get("/ping")).status_code == 200
    for method, path in (("GET", "/status"), ("POST", "/orders"), ("GET", "/nothing")):
        answer = await (client.get(path) if method == "GET" else client.post(path))
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
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
        (Trust(), {}, 403),
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
