"""Who may do what: ``frontends/common/access.py`` and ``door.py``."""

from __future__ import annotations

from pathlib import Path

import pytest

from frontends.common import access, watched
from frontends.common.access import Role
from frontends.common.door import Caller, Door
from frontends.common.node import Node
from frontends.common.responses import Response
from frontends.common.routes import Plan, Route, plan
from frontends.common.settings import SettingError, Settings

READER, WRITER, ADMIN, SCRAPER, PEER = "r" * 16, "w" * 16, "a" * 16, "s" * 16, "p" * 16
FILE = f"""
# who may do what
read  {READER}
write {WRITER}
admin {ADMIN}
metrics {SCRAPER}
peer  {PEER}
"""


def written(tmp_path: Path, text: str = FILE) -> Settings:
    """The settings of a node with this file of tokens."""
    path = tmp_path / "tokens"
    path.write_text(text)
    return Settings(id=1, tokens=str(path))


def answer(found: access.Access, method: str, target: bytes, token: str | None) -> int:
    """The status of the refusal, or 0."""
    request = plan(method, target, Settings(id=1))
    assert isinstance(request, Plan)
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    refusal = found.refusal(request, headers)
    return refusal.status if refusal is not None else 0


@pytest.mark.parametrize("route", [route for route in Route if route is not Route.PEER])
def test_every_route_has_roles(route: Route) -> None:
    """Goal: nothing is open by having been forgotten.

    Method: each route is free, or has roles for reading, of which none is the one of peers.
    """
    needed = access.allowed(route, "GET")
    assert (needed is None) == (route in access.FREE)
    assert needed is None or (needed and Role.PEER not in needed)


def test_each_role_may_do_its_own(tmp_path: Path) -> None:
    """Goal: a token is good for what its role says and for nothing else. Method: every request with each."""
    found = access.Access(written(tmp_path))
    tokens = {"none": None, "wrong": "x" * 16, "read": READER, "write": WRITER, "admin": ADMIN}
    tokens |= {"metrics": SCRAPER, "peer": PEER}
    seen = {
        name: [
            answer(found, method, target, token)
            for method, target in [
                ("GET", b"/ping"),
                ("GET", b"/view"),
                ("GET", b"/data"),
                ("GET", b"/data/k"),
                ("HEAD", b"/data/k"),
                ("PUT", b"/data/k"),
                ("DELETE", b"/data/k"),
                ("PUT", b"/view"),
                ("GET", b"/metrics"),
            ]
        ]
        for name, token in tokens.items()
    }
    assert seen == {
        "none": [0, 401, 401, 401, 401, 401, 401, 401, 401],
        "wrong": [0, 401, 401, 401, 401, 401, 401, 401, 401],
        "read": [0, 0, 0, 0, 0, 403, 403, 403, 0],
        "write": [0, 0, 0, 0, 0, 0, 0, 403, 0],
        "admin": [0, 0, 403, 403, 403, 403, 403, 0, 0],
        "metrics": [0, 403, 403, 403, 403, 403, 403, 403, 0],
        "peer": [0, 401, 401, 401, 401, 401, 401, 401, 401],  # it is nobody's token
    }


@pytest.mark.parametrize(
    "header", ["", READER, f"Basic {READER}", f"Bearer{READER}", "Bearer ", "Bearer \xff"]
)
def test_what_is_no_bearer_token_is_none(tmp_path: Path, header: str) -> None:
    """Only RFC 6750's form counts: other schemes, and a token without one, are 401."""
    found = access.Access(written(tmp_path))
    refusal = found.refusal(Plan(Route.VIEW, "GET"), {"authorization": header})
    assert refusal is not None
    assert refusal.status == 401
    assert dict(refusal.headers)["www-authenticate"].startswith("Bearer")


def test_a_token_may_have_several_roles_and_the_scheme_any_case(tmp_path: Path) -> None:
    """`write,admin` is one token for both; so are two lines with the same token."""
    found = access.Access(
        written(tmp_path, f"write,admin {WRITER}\nread {READER}\nadmin {READER}\npeer {PEER}")
    )
    headers = {"authorization": f"bEARER {WRITER}"}
    assert found.refusal(Plan(Route.VIEW, "PUT"), headers) is None
    assert found.refusal(Plan(Route.KEY, "PUT"), headers) is None
    assert found.tokens.roles(READER) == {Role.READ, Role.ADMIN}


def test_tokens_from_the_environment_count_as_well(tmp_path: Path) -> None:
    """PBPROTO_TOKEN_WRITE beside a file: both are good."""
    settings = Settings(id=1, tokens=written(tmp_path).tokens, named_tokens=(("write", "e" * 16),))
    found = access.Access(settings)
    assert found.tokens.roles("e" * 16) == {Role.WRITE}
    assert found.tokens.roles(READER) == {Role.READ}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (f"reader {READER}\npeer {PEER}", "line 1"),
        (f"read\npeer {PEER}", "line 1"),
        (f"peer {PEER}\nread {READER} more", "line 2"),
        (f"read short\npeer {PEER}", "line 1: a token has 16 to 256"),
        (f"read {READER}é\npeer {PEER}", "16 to 256"),
        (f"read,peer {PEER}", "no client's token"),
        (f"read {PEER}\npeer {PEER}", "no client's token"),
        (f"read {READER}", "one of the role peer"),
        ("", "one of the role peer"),
        ("".join(f"read {READER}{n}\n" for n in range(1001)) + f"peer {PEER}", "more than 1000"),
    ],
)
def test_a_bad_file_is_refused_and_its_tokens_are_not_shown(tmp_path: Path, text: str, word: str) -> None:
    """Goal: a node does not start with half a file, and says why without a secret. Method: bad files."""
    with pytest.raises(SettingError) as caught:
        access.Access(written(tmp_path, text))
    assert word in str(caught.value)
    assert READER not in str(caught.value)
    assert PEER not in str(caught.value)


def test_no_file_and_one_that_is_not_text_are_refused(tmp_path: Path) -> None:
    """One line that names the file."""
    with pytest.raises(SettingError, match="nowhere"):
        access.Access(Settings(id=1, tokens=str(tmp_path / "nowhere")))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingError, match="cannot read"):
        access.Access(Settings(id=1, tokens=str(tmp_path / "bytes")))


def test_tokens_are_rotated_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Goal: a changed file counts; one that is wrong changes nothing and is logged once.

    Method: change it to a good one, a bad one, none, and back.
    """
    monkeypatch.setattr(watched, "LOOK_EVERY", 0.0)
    settings = written(tmp_path)
    found = access.Access(settings)
    path = Path(settings.tokens)
    assert answer(found, "GET", b"/data", READER) == 0
    path.write_text(FILE.replace(READER, "n" * 17))
    assert answer(found, "GET", b"/data", READER) == 401
    assert answer(found, "GET", b"/data", "n" * 17) == 0
    path.write_text("nonsense")
    for _ in range(3):
        assert answer(found, "GET", b"/data", "n" * 17) == 0
    assert [record.getMessage().partition(" reason")[0] for record in caplog.records] == [
        "node=1 event=tokens_not_read"
    ]
    path.unlink()
    assert answer(found, "GET", b"/data", "n" * 17) == 0
    path.write_text(FILE)
    assert answer(found, "GET", b"/data", READER) == 0


def test_a_file_that_stays_the_same_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking costs next to nothing: the reading is counted."""
    monkeypatch.setattr(watched, "LOOK_EVERY", 0.0)
    found = access.Access(written(tmp_path))
    monkeypatch.setattr(access, "read_tokens", lambda _: pytest.fail("read again"))
    assert answer(found, "GET", b"/data", READER) == 0


def node(settings: Settings) -> Node:
    """A node that nobody drives."""
    return Node(settings, lambda _: None, lambda _: None)


def test_a_node_under_a_server_of_somebody_else_serves_its_own_machine(tmp_path: Path) -> None:
    """Goal: a node that cannot know where it listens is not open by accident.

    Method: callers from here and there, and a proxy here that asks for somebody. With tokens, or told so, it
    lets everybody as far as the tokens do.
    """
    request = Plan(Route.VIEW, "GET")
    shut = Door(node(Settings(id=1, place_known=False)))
    for host in ("", "127.0.0.1", "127.8.9.1", "::1"):
        assert shut.pass_(request, {}, Caller(host)) == request
    for host in ("10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "example.org"):
        refusal = shut.pass_(request, {}, Caller(host))
        assert isinstance(refusal, Response)
        assert refusal.status == 403
    for header in ("forwarded", "x-forwarded-for", "x-real-ip"):
        refusal = shut.pass_(request, {header: "127.0.0.1"}, Caller("127.0.0.1"))
        assert isinstance(refusal, Response)
        assert refusal.status == 403
    for settings in (Settings(id=1, place_known=False, insecure=True), Settings(id=1)):
        assert Door(node(settings)).pass_(request, {}, Caller("10.0.0.1")) == request
    refusal = Door(node(written(tmp_path))).pass_(request, {}, Caller("10.0.0.1"))
    assert isinstance(refusal, Response)
    assert refusal.status == 401


OWN = (
    "127.0.0.1",
    "127.0.0.1:8081",
    "[::1]:8081",
    "10.0.0.1:80",
    "localhost:8081",
    "LOCALHOST",
    "a.localhost.:1",
)
FOREIGN = (
    "evil.example",
    "evil.example:8081",
    "localhost.evil.example",
    "127.0.0.1.evil.example:80",
    ":80",
    "[x",
    "é",
)


def test_a_web_page_has_no_name_for_a_node_without_tokens(tmp_path: Path) -> None:
    """Goal: a name that is made to mean 127.0.0.1 (DNS rebinding) opens no store to the page that has it.

    Method: ``Host`` as those who belong here send it, and as such a page's browser does. What is no secret,
    what takes a token, and what was opened by name is not asked for it.
    """
    plain, guarded = Settings(id=1), written(tmp_path)
    read, ping = Plan(Route.KEY, "GET", b"k"), Plan(Route.PING, "GET")
    for host in (*OWN, ""):
        assert Door(node(plain)).pass_(read, {"host": host}, Caller()) == read
    assert Door(node(plain)).pass_(read, {}, Caller()) == read
    for host in (*FOREIGN, "a" * 10_000, "127.0.0.1, evil.example"):
        refusal = Door(node(plain)).pass_(read, {"host": host}, Caller())
        assert isinstance(refusal, Response)
        assert refusal.status == 421
        assert Door(node(plain)).pass_(ping, {"host": host}, Caller()) == ping
        assert Door(node(Settings(id=1, insecure=True))).pass_(read, {"host": host}, Caller()) == read
        headers = {"host": host, "authorization": f"Bearer {READER}"}
        assert Door(node(guarded)).pass_(read, headers, Caller()) == read


def test_a_web_page_sends_no_mail() -> None:
    """Goal: a page cannot pose as a node to one that takes mail without a proof.

    Method: browsers send ``Origin`` with each POST, ``null`` where they hide it; nodes do not.
    """
    mail = Plan(Route.PEER, "POST")
    for settings in (Settings(id=1), Settings(id=1, insecure=True)):
        assert Door(node(settings)).pass_(mail, {"host": "node-2:8081"}, Caller()) == mail
        for origin in ("null", "http://evil.example"):
            refusal = Door(node(settings)).pass_(mail, {"origin": origin}, Caller())
            assert isinstance(refusal, Response)
            assert refusal.status == 403


def test_no_secret_is_in_a_message(tmp_path: Path) -> None:
    """Goal: whatever is logged or raised shows no secret. Method: the texts of all that holds one."""
    settings = Settings(id=1, tokens=written(tmp_path).tokens, named_tokens=(("write", "e" * 16),))
    tokens = access.Access(settings).tokens
    shown = f"{settings!r} {tokens!r} {tokens} {Plan(Route.PEER, 'POST', secret=PEER.encode())!r}"
    for secret in ("e" * 16, READER, PEER):
        assert secret not in shown


def test_a_file_that_anybody_may_read_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Goal: an operator hears of it; the node starts. Method: one file open to all, one that is not."""
    settings = written(tmp_path)
    path = Path(settings.tokens)
    path.chmod(0o640)
    node(settings)
    assert caplog.records == []
    path.chmod(0o644)
    node(settings)
    (record,) = caplog.records
    assert "event=secrets_open_to_all" in record.getMessage()
    assert str(path) in record.getMessage()


def test_a_file_may_begin_as_windows_writes_it(tmp_path: Path) -> None:
    """A byte order mark and CR LF are not part of the first role, or of a token."""
    settings = written(tmp_path)
    Path(settings.tokens).write_bytes(b"\xef\xbb\xbf" + FILE.strip().replace("\n", "\r\n").encode())
    assert access.Access(settings).tokens.roles(READER) == {Role.READ}
