"""Every command, in this process: what it prints, as what it ends."""

from __future__ import annotations

import json
import shlex
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from click.testing import CliRunner, Result

from pbkv.cli import cli, data
from pbkv.cli.session import Session
from tests.client.desk import (
    NOT_APPLIED,
    A,
    B,
    C,
    OneNode,
    Reaction,
    Script,
    answers,
    listening,
    no_connection,
    problem,
    reset,
)

ONE = ("--node", A)
QUICK = ("--timeout", "0.05")


def run(handler: Reaction, *arguments: str, **more: Any) -> Result:
    """Run a command at these nodes."""
    session = Session(transport=httpx.MockTransport(handler), sleep=more.pop("sleep", lambda _: None))
    environment = {"PBKV_NODES": None, "PBKV_TOKEN": None, "PBKV_CACERT": None, "NO_COLOR": None}
    environment |= {"FORCE_COLOR": None, **more.pop("env", {})}
    result = CliRunner(env=environment).invoke(cli, arguments, obj=session, prog_name="pbkv", **more)
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def node() -> OneNode:
    return OneNode()


def test_the_life_of_a_key(node: OneNode) -> None:
    """Goal: get, put, delete and list say what they did, and end as they should. Method: one key."""
    steps: list[tuple[tuple[str, ...], int, str]] = [
        (("get", "k"), 1, ""),
        (("put", "k", "v"), 0, "created (write 0)\n"),
        (("put", "k", "w é"), 0, "updated (write 1)\n"),
        (("get", "k"), 0, "w é\n"),
        (("get", "--raw", "k"), 0, "w é"),
        (("list",), 0, "k\tw é\n"),
        (("list", "--keys-only"), 0, "k\n"),
        (("list", "--prefix", "x"), 0, ""),
        (("delete", "k"), 0, "deleted (write 2)\n"),
        (("delete", "k"), 1, ""),
    ]
    for arguments, status, output in steps:
        result = run(node, *ONE, *arguments)
        assert (result.exit_code, result.stdout) == (status, output), arguments
        assert ("no key 'k'" in result.stderr) == (status == 1)


def test_json_is_for_programs(node: OneNode) -> None:
    """Goal: one document a call, of one shape. Method: every command of data with --json, before or after."""

    def document(*arguments: str) -> Any:
        result = run(node, *arguments, *ONE)
        assert result.stdout.count("\n") == 1
        return result.exit_code, json.loads(result.stdout)

    assert document("get", "k", "--json") == (1, {"key": "k", "value": None, "number": 0})
    status, written = document("--json", "put", "k", "v", "--idempotency-key", "one")
    assert (status, written) == (0, {"key": "k", "number": 0, "created": True, "idempotency_key": "one"})
    assert document("put", "k", "v", "--idempotency-key", "one", "--json") == (0, written)
    assert document("get", "k", "--json") == (0, {"key": "k", "value": "v", "number": 1})
    assert document("list", "--json") == (0, {"items": {"k": "v"}, "number": 1})
    assert document("list", "--json", "--keys-only") == (0, {"keys": ["k"], "number": 1})
    status, gone = document("delete", "k", "--json")
    assert (status, gone["number"], gone["existed"]) == (0, 1, True)
    status, gone = document("delete", "k", "--json")
    assert (status, gone["existed"]) == (1, False)
    assert (
        document("put", "k", "other", "--idempotency-key", "one", "--json")[1]["error"]["outcome"]
        == "refused"
    )


def test_values_from_elsewhere(node: OneNode, tmp_path: Path) -> None:
    """Goal: a value arrives as it is, or not at all. Method: standard input and files, text and no text."""
    text = "two\nlines €\n"
    assert run(node, *ONE, "put", "k", "-", input=text.encode()).exit_code == 0
    assert run(node, *ONE, "get", "--raw", "k").stdout == text
    file = tmp_path / "value"
    file.write_bytes(b"\r\n\x00 in a file")
    assert run(node, *ONE, "put", "k", "--value-file", str(file)).exit_code == 0
    assert run(node, *ONE, "get", "--raw", "k").stdout_bytes == b"\r\n\x00 in a file"
    assert run(node, *ONE, "put", "k", "--", "-1").exit_code == 0
    file.write_bytes(b"ok \xff")
    before = len(node.targets)
    for result in (
        run(node, *ONE, "put", "k", "-", input=b"\xfe"),
        run(node, *ONE, "put", "k", "--value-file", str(file)),
    ):
        assert result.exit_code == 2
        assert "is not UTF-8: byte" in result.stderr
    assert len(node.targets) == before


def test_a_value_without_an_end_is_not_read_to_it(
    node: OneNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goal: bounded memory. Method: a file above the bound, which is made small here."""
    monkeypatch.setattr(data, "MAX_VALUE_BYTES", 10)
    file = tmp_path / "value"
    file.write_bytes(b"x" * 11)
    result = run(node, *ONE, "put", "k", "--value-file", str(file))
    assert result.exit_code == 2
    assert "more than 10 bytes" in result.stderr


def test_nothing_in_a_list_is_obeyed_by_a_terminal(node: OneNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: one line an entry, whatever is stored. Method: escapes and tabs in keys and values; as lines, and
    as the table that a terminal gets."""
    run(node, *ONE, "put", "a\x1b[31m\nb", "[red]\t\u202e")
    assert run(node, *ONE, "list").stdout == "a\\x1b[31m\\nb\t[red]\\t\\u202e\n"
    monkeypatch.setattr(data, "at_terminal", lambda: True)
    result = run(node, *ONE, "list")
    assert [each.split() for each in result.stdout.splitlines()] == [
        ["key", "value"],
        ["a\\x1b[31m\\nb", "[red]\\t\\u202e"],
    ]
    assert "1 key after 1 writes" in result.stderr


LOST_THEN_DOWN = [reset, no_connection]


@pytest.mark.parametrize(
    ("reactions", "arguments", "status", "outcome", "words"),
    [
        ([no_connection], ("put", "k", "v"), 3, "not_applied", "nothing was written"),
        ([NOT_APPLIED], ("put", "k", "v"), 3, "not_applied", "pbkv status"),
        (LOST_THEN_DOWN, ("put", "k", "v w"), 4, "unknown", "-- k 'v w'"),
        (LOST_THEN_DOWN, ("delete", "k"), 4, "unknown", "pbkv delete --node http://a:80 --idempotency-key"),
        ([no_connection], ("get", "k"), 3, "unavailable", "pbkv status"),
        ([no_connection], ("list",), 3, "unavailable", A),
        ([problem(401, "unauthenticated")], ("get", "k"), 5, "denied", "PBKV_TOKEN"),
        ([problem(413, "value_too_large")], ("put", "k", "v"), 5, "refused", "wrong as it is"),
        (
            [problem(422, "reused", "not_applied")],
            ("put", "k", "v"),
            5,
            "refused",
            "another --idempotency-key",
        ),
        ([no_connection], ("get", "\udcff"), 2, "invalid", "surrogate"),
        ([no_connection], ("get", ""), 2, "invalid", "4096 bytes"),
        ([answers(302, "", {"Location": "x"})], ("put", "k", "v"), 4, "unknown", "redirect"),
    ],
)
def test_what_went_wrong_and_what_to_do(
    reactions: list[Reaction], arguments: tuple[str, ...], status: int, outcome: str, words: str
) -> None:
    """Goal: the exit status and the words tell a script and a person the same. Method: every way to fail."""
    result = run(Script({A: list(reactions)}), *ONE, *QUICK, *arguments)
    assert (result.exit_code, result.stdout) == (status, "")
    assert words in result.stderr
    assert len(result.stderr.splitlines()) <= 2
    result = run(Script({A: list(reactions)}), *ONE, *QUICK, "--json", *arguments)
    assert result.exit_code == status
    error = json.loads(result.stdout)["error"]
    assert error["outcome"] == outcome
    assert (status == 4) == bool(error.get("idempotency_key"))
    assert all(set(each) == {"node", "status", "detail", "may_take_effect"} for each in error["attempts"])


def test_a_write_is_gone_on_with(node: OneNode) -> None:
    """Goal: the line that is printed works. Method: lose the answer, then run what the message says."""

    def loses(request: httpx.Request) -> httpx.Response:
        node(request)
        return no_connection(request) if node.targets[1:] else reset(request)

    result = run(loses, *ONE, *QUICK, "put", "k", "a 'b'")
    assert result.exit_code == 4
    words = shlex.split(result.stderr.splitlines()[1].partition("pbkv ")[2])
    assert run(node, *words).stdout == "created (write 0)\n"
    assert run(node, *ONE, "get", "k").stdout == "a 'b'\n"


def test_options_behind_the_command_count_for_what_goes_wrong() -> None:
    """Goal: the command and the one who tells of its failure know the same. Method: as a user has it, with
    nothing handed in: a server that hangs up on a write, all options last."""
    with listening(b"") as url:
        arguments = ["put", "k", "v", "--node", url, "--timeout", "0.2"]
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 4
        assert f"pbkv put --node {url} --idempotency-key" in result.stderr.splitlines()[1]
        result = CliRunner().invoke(cli, [*arguments, "--json"])
        assert (result.exit_code, result.stderr) == (4, "")
        assert json.loads(result.stdout)["error"]["outcome"] == "unknown"


def test_ctrl_c_in_a_write_says_how_to_go_on() -> None:
    """Goal: who interrupts a write is not left alone with it. Method: interrupt while it is sent."""

    def interrupts(_: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    result = run(interrupts, *ONE, "put", "k", "v")
    assert result.exit_code == 130
    assert "go on with it: pbkv put --node http://a:80 --idempotency-key" in result.stderr
    result = run(interrupts, *ONE, "get", "k")
    assert (result.exit_code, result.stderr.strip()) == (130, "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("get",), "Missing argument 'KEY'"),
        (("put", "k"), "VALUE or --value-file"),
        (("put", "k", "v", "--value-file", __file__), "VALUE or --value-file"),
        (("--node", "ftp://x", "get", "k"), "not the URL of a node"),
        (("get", "k", "--timeout", "0"), "--timeout"),
        (("get", "k", "--timeout", "nan"), "not nan"),
        (("watch-status", "--interval", "nan"), "--interval"),
        (("--token", "a b", "get", "k"), "visible ASCII"),
        (("--token", "x", "--token-file", __file__, "get", "k"), "one of them"),
        (("--token-file", "/nothing/here", "get", "k"), "does not exist"),
        (("--cacert", __file__, "get", "k"), "PEM"),
        (("view", "set"), "Missing argument"),
        (("view", "set", "1"), "ID=HOST:PORT"),
        (("view", "set", "one=a:1"), "ID=HOST:PORT"),
        (("view", "set", "1=a:99999"), "URL of a node"),
        (("nothing",), "No such command"),
        (("completion", "tcsh"), "tcsh"),
    ],
)
def test_wrong_arguments(node: OneNode, arguments: tuple[str, ...], words: str) -> None:
    """Goal: a clear word, status 2, and nothing is sent. Method: mistakes."""
    result = run(node, *arguments)
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert node.targets == []


def headers_of(*arguments: str, **env: str) -> list[httpx.Headers]:
    script = Script({A: [no_connection], B: [no_connection], C: [no_connection]})
    run(script, *arguments, *QUICK, "get", "k", env=env)
    return [request.headers for _, _, request in script.asked]


def test_nodes_and_tokens_come_from_where_they_should(tmp_path: Path) -> None:
    """Goal: what is nearer wins. Method: the environment, options before and behind the command, files."""
    script = Script({A: [no_connection], B: [no_connection], C: [no_connection]})
    run(script, *QUICK, "get", "k", env={"PBKV_NODES": "http://a:80,http://b:80"})
    assert set(script.nodes) == {A, B}
    del script.asked[:]
    run(script, *QUICK, "--node", B, "get", "k", "--node", C, env={"PBKV_NODES": "http://a:80"})
    assert set(script.nodes) == {C}
    token = tmp_path / "token"
    token.write_text("filed\n")
    for arguments, environment, expected in (
        ((), {}, None),
        ((), {"PBKV_TOKEN": "kept"}, "Bearer kept"),
        (("--token", "given"), {"PBKV_TOKEN": "kept"}, "Bearer given"),
        (("--token-file", str(token)), {"PBKV_TOKEN": "kept"}, "Bearer filed"),
    ):
        sent = headers_of(*ONE, *arguments, **environment)
        assert {each.get("authorization") for each in sent} == {expected}


def test_certificates_are_named(tmp_path: Path) -> None:
    """Goal: --cacert is what is missing, and is enough. Method: a server with a certificate of a new one."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    body = b'HTTP/1.1 200 OK\r\nMsg-Num: 4\r\nContent-Length: 13\r\n\r\n{"value":"v"}'
    with listening(body, tls=context) as url:
        arguments = ("--node", url, "get", "k")
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 3
        assert "--cacert FILE" in result.stderr
        for more, environment in ((("--cacert", str(file)), {}), ((), {"PBKV_CACERT": str(file)})):
            result = CliRunner(env=environment).invoke(cli, (*more, *arguments))
            assert (result.exit_code, result.stdout) == (0, "v\n")


# Nodes.


def told(**fields: Any) -> Reaction:
    """A node that says this of itself."""
    document = {
        "id": 1,
        "incarnation": "0" * 15 + "1",
        "view": [{"id": 1, "address": "a:80"}, {"id": 2, "address": "b:80"}],
        "epoch": 3,
        "primary": 1,
        "status": "active",
        "role": "primary",
        "waiting_for": [],
        "blocked": None,
        "dropped": [],
        "commit": 12,
        "log_end": 12,
    }
    return answers(200, json.dumps(document | fields))


WAITS = told(waiting_for=[{"id": 2, "address": "b:80", "reason": "it owes an answer, for 7 ms"}])
DROPPED = told(dropped=[{"id": 2, "from": 5, "to": 9}], blocked="no member holds state")


def test_status_shows_every_node() -> None:
    """Goal: at a glance who is how, the bad in red. Method: a healthy node, one with all kinds of trouble,
    one that is dead; with colours, without, and for programs."""
    script = Script({A: [WAITS], B: [DROPPED], C: [no_connection]})
    nodes = ("--node", ",".join((A, B, C)))
    result = run(script, *nodes, "status")
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    rows = [" ".join(each.split()) for each in result.stdout.splitlines()]
    assert rows[0] == "node id role status view epoch commit trouble"
    assert "a:80 1 primary active 1,2 3 12 waits for node 2: it owes an answer, for 7 ms" in rows
    assert "b:80 1 primary active 1,2 3 12 blocked: no member holds state" in rows
    assert "dropped: writes 5 to 8 of node 2" in rows
    assert "c:80 no answer no connection: refused" in rows
    colours = run(script, *nodes, "status", env={"FORCE_COLOR": "1"}).stdout
    assert "\x1b[1;31mdropped" in colours
    plain = run(script, *nodes, "status", env={"FORCE_COLOR": "1", "NO_COLOR": "1"}).stdout
    assert "\x1b[1;31m" not in plain
    first, second, third = json.loads(run(script, *nodes, "--json", "status").stdout)["nodes"]
    assert (first["node"], first["answered"], first["status"]["commit"]) == (A, True, 12)
    assert second["status"]["dropped"] == [{"id": 2, "from": 5, "to": 9}]
    assert (third["answered"], third["status"], third["problem"]) == (False, None, "no connection: refused")


@pytest.mark.parametrize("command", ["status", "view", "why"])
def test_nobody_answers(command: str) -> None:
    """Goal: a script sees it. Method: no node at all."""
    result = run(Script({A: [no_connection]}), *ONE, command)
    assert result.exit_code == 3
    assert "no connection" in result.stdout


def test_a_view_is_told_and_shown() -> None:
    """Goal: what is told arrives, and is waited for. Method: a real node without a view, by number."""
    node = OneNode(told=False)
    result = run(node, *ONE, "view")
    assert (result.exit_code, "none" in result.stdout) == (0, True)
    result = run(node, "view", "set", "1=a:80", "--epoch", "1", "--wait")
    assert result.exit_code == 0
    assert "the view is active" in result.stdout
    result = run(node, *ONE, "view", "--json")
    assert json.loads(result.stdout)["nodes"][0]["status"]["view"] == [{"address": "a:80", "id": 1}]
    assert "1=a:80" in run(node, *ONE, "view").stdout
    result = run(node, "view", "set", "2=a:80", "--epoch", "1", "--json")
    assert result.exit_code == 5
    (only,) = json.loads(result.stdout)["nodes"]
    assert (only["node"], only["told"]) == (A, False)
    assert only["detail"].startswith("409")


@pytest.mark.parametrize(
    ("reactions", "status"),
    [
        ({A: told(), B: told(), C: told()}, 0),
        ({A: told(), B: told(), C: no_connection}, 0),  # who leaves the view may be dead
        ({A: told(), B: no_connection, C: told()}, 3),
        ({A: no_connection, B: reset, C: told()}, 4),
        ({A: problem(409, "stale"), B: reset, C: told()}, 5),
    ],
)
def test_every_member_has_to_be_told(reactions: dict[str, Reaction], status: int) -> None:
    """Goal: the exit status is the worst of the members. Method: a view of two of three nodes, all named."""
    script = Script({node: [reaction] for node, reaction in reactions.items()})
    result = run(script, "--node", ",".join((A, B, C)), "view", "set", "1=a:80", "2=b:80")
    assert result.exit_code == status
    assert sorted(script.nodes) == [A, B, C]
    assert ("not every member was told" in result.stderr) == (status != 0)


def test_only_named_nodes_are_told() -> None:
    """Goal: the default nodes hear of no view that they are not in. Method: nobody named any."""
    script = Script({A: [told()]})
    assert run(script, "view", "set", "1=a:80").exit_code == 0
    assert script.nodes == [A]


def test_a_view_that_does_not_become_active_is_not_waited_for_for_ever() -> None:
    """Goal: --wait ends. Method: a node that goes on installing."""
    script = Script({A: [told(status="installing")]})
    result = run(script, *QUICK, "view", "set", "1=a:80", "--wait", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["active"] is False


def test_why() -> None:
    """Goal: what waits is shown whatever a node says of it; older nodes are no failure.

    Method: a node in which a request waits, one that does not know the question, one in which nothing waits.
    """
    item = {
        "what": "put",
        "key": "k\x1b",
        "for_ms": 3,
        "awaited": [{"id": 2, "reason": "it is slow"}],
        "note": None,
    }
    script = Script(
        {
            A: [answers(200, json.dumps({"waiting": [item]}))],
            B: [problem(404, "no_such_resource")],
            C: [answers(200)],
        }
    )
    nodes = ("--node", ",".join((A, B, C)))
    result = run(script, *nodes, "why")
    assert result.exit_code == 0
    assert "id 2, reason it is slow" in result.stdout
    assert "\x1b" not in result.stdout
    assert f"{B}: this node does not know GET /why" in result.stdout
    assert f"{C}: nothing waits" in result.stdout
    first, second, _ = json.loads(run(script, *nodes, "why", "--json").stdout)["nodes"]
    assert first["why"] == {"waiting": [item]}
    assert (second["answered"], second["why"]) == (False, None)


def test_changes_are_told_line_by_line() -> None:
    """Goal: a line when something happens, and only then. Method: six looks; interrupt after the last.

    Counters grow, and a wait grows longer, all the time: that is nothing that happens.
    """
    longer = told(waiting_for=[{"id": 2, "address": "b:80", "reason": "it owes an answer, for 1007 ms"}])
    looks: list[Reaction] = [told(), told(commit=13), WAITS, longer, no_connection, told()]

    def sleeper() -> Callable[[float], None]:
        left = len(looks)

        def sleep(_: float) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise KeyboardInterrupt

        return sleep

    result = run(Script({A: list(looks)}), *ONE, "watch-status", sleep=sleeper())
    assert result.exit_code == 130
    lines = [each.partition(" ")[2] for each in result.stdout.splitlines()]
    assert lines == [
        f"{A} node 1 primary active view 1,2 epoch 3 commit 12",
        f"{A} node 1 primary active view 1,2 epoch 3 commit 12 waits for node 2: it owes an answer, for 7 ms",
        f"{A} no answer: no connection: refused",
        f"{A} node 1 primary active view 1,2 epoch 3 commit 12",
    ]
    result = run(Script({A: list(looks)}), *ONE, "watch-status", "--json", sleep=sleeper())
    documents = [json.loads(each) for each in result.stdout.splitlines()]
    assert [each["answered"] for each in documents] == [True, True, False, True]
    assert all(set(each) == {"time", "node", "answered", "problem", "status"} for each in documents)


# The rest.


@pytest.mark.parametrize("frontend", ["quart", "wsgi"])
def test_serve_hands_its_arguments_on(frontend: str, node: OneNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: a node is started by its own program. Method: its own word on a bad id, and its own help."""
    monkeypatch.setattr("sys.argv", ["put back by pytest"])
    result = run(node, "serve", "--frontend", frontend, "--id", "x", "--bind", "127.0.0.1:1")
    assert result.exit_code == 2
    assert "the id has to be an integer" in result.stderr
    result = run(node, "serve", "--frontend", frontend, "--", "--help")
    assert (result.exit_code, "--request-timeout" in result.stdout) == (0, True)


def test_help_and_completion(node: OneNode) -> None:
    """Goal: a user finds exit codes, variables and completion. Method: read the help of everything."""
    text = run(node, "--help").stdout
    for word in ("Exit status:", "130", "PBKV_NODES", "PBKV_TOKEN", "PBKV_CACERT"):
        assert word in text
    for name, command in cli.commands.items():
        assert command.help
        assert name in text
        assert run(node, name, "--help").exit_code == 0
    assert "pbkv completion zsh" in run(node, "completion").stdout
    for shell in ("bash", "zsh", "fish"):
        assert "_PBKV_COMPLETE" in run(node, "completion", shell).stdout
    assert run(node, "--version").stdout.startswith("pbproto ")
