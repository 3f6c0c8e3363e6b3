"""Keys and values: what a command prints, as what it ends, and what it says when it fails."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from pbkv.cli import cli, data, session, waiting
from tests.client.desk import (
    NOT_APPLIED,
    A,
    B,
    OneNode,
    Reaction,
    Script,
    answers,
    done,
    listening,
    no_connection,
    problem,
    reset,
)

from .running import ONE, QUICK, run


def test_the_life_of_a_key(node: OneNode) -> None:
    """Goal: get, put, delete and list say what they did, and end as they should. Method: one key."""
    steps: list[tuple[tuple[str, ...], int, str]] = [
        (("get", "k"), 1, ""),
        (("put", "k", "v"), 0, "created (Msg-Num 0)\n"),
        (("put", "k", "w é"), 0, "updated (Msg-Num 1)\n"),
        (("get", "k"), 0, "w é\n"),
        (("get", "--raw", "k"), 0, "w é"),
        (("list",), 0, "k\tw é\n"),
        (("list", "--keys-only"), 0, "k\n"),
        (("list", "--prefix", "x"), 0, ""),
        (("delete", "k"), 0, "deleted (Msg-Num 2)\n"),
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


def test_nothing_in_a_value_is_obeyed_by_a_terminal(node: OneNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: whoever may write a key does not write to the terminal of who reads it, and programs get every
    byte. Method: a value with escapes, as a program, a terminal, and a terminal that asks for it, gets it."""
    value = "a\x1b]52;c;aWQ=\x07\tb\n\x9b31m\u202e\r\nc"
    run(node, *ONE, "put", "k", "--", value)
    assert run(node, *ONE, "get", "k").stdout_bytes == f"{value}\n".encode()
    monkeypatch.setattr(data, "at_terminal", lambda: True)
    assert run(node, *ONE, "get", "k").stdout == "a\\x1b]52;c;aWQ=\\x07\tb\n\\x9b31m\\u202e\\r\nc\n"
    assert run(node, *ONE, "get", "--raw", "k").stdout_bytes == value.encode()


LOST_THEN_DOWN = [reset, no_connection]


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on the PATH")
def test_a_command_to_paste_names_the_very_same_write() -> None:
    """Goal: whoever pastes the command of an unknown outcome repeats that write, and nothing else. Method:
    keys and values with what a shell or a terminal takes for more than text; bash says what arguments it
    makes of the command."""
    for key, value in (
        ("a b", "$(id)"),
        ("a\n; id\n", "'\x1b[31m\\"),
        ("\u202e'", "`id`\r\x9b"),
        ("-k", "é\U000e0001"),
    ):
        for arguments in (("put", "--", key, value), ("delete", "--", key)):
            result = run(Script({A: list(LOST_THEN_DOWN)}), *ONE, *QUICK, *arguments)
            (command,) = [each for each in result.stderr.splitlines() if "--idempotency-key" in each]
            command = command.partition(": pbkv ")[2]
            assert command.isprintable()
            script = ["bash", "-c", f"printf '%s\\0' {command}"]
            words = (
                subprocess.run(script, check=True, stdout=subprocess.PIPE).stdout.decode().split("\0")[:-1]
            )
            assert words[-len(arguments) + 1 :] == list(arguments[1:])


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


class Patience:
    """Stands in for the timer: it ends when a test says so."""

    def __init__(self, seconds: float, tell: Callable[[], None]) -> None:
        self.end = tell
        self.daemon = self.cancelled = False
        assert seconds == waiting.PATIENCE
        TIMERS.append(self)

    def start(self) -> None:
        """It has to run beside the call, and must not keep the process."""
        assert self.daemon

    def cancel(self) -> None:
        """It may have ended in this very moment."""
        self.cancelled = True


TIMERS: list[Patience] = []


@pytest.mark.parametrize(
    ("somebody", "more", "told"),
    [(True, (), 1), (False, (), 0), (True, ("--json",), 0), (True, ("--quiet",), 0)],
)
def test_whoever_waits_at_a_terminal_is_told_why(
    somebody: bool,
    more: tuple[str, ...],
    told: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Goal: no silence of half a minute, but a word on whom it asks and what they say; none in a script.

    Method: of two nodes one is not there, and the other lets the patience of a person end before it answers.
    Afterwards, and where it ends once more, nothing is said.
    """
    monkeypatch.setattr(session, "watched", lambda: somebody)
    monkeypatch.setattr(waiting, "Timer", Patience)
    del TIMERS[:]

    def slow(request: httpx.Request) -> httpx.Response:
        for timer in TIMERS:
            timer.end()
        return done(200, text='{"value": "v"}')(request)

    script = Script({A: [no_connection], B: [slow]})
    for _ in range(8):  # with which node a call begins is chance
        del TIMERS[:], script.asked[:]
        result = run(script, "--node", f"{A},{B}", *more, "get", "k")
        for timer in TIMERS:
            assert timer.cancelled
            timer.end()
        assert capsys.readouterr().err == ""
        assert result.exit_code == 0
        lines = result.stderr.splitlines()
        assert len(lines) == told
        for words in lines:
            assert words.startswith("pbkv: no answer yet; trying until 30 s are over, Ctrl-C ends it")
            assert f"; what it waits for: pbkv why --node {A},{B} (" in words
            assert f"{B}: the answer is not there yet)" in words
            assert (f"{A}: no connection: refused; " in words) == (A in script.nodes)


def hangs_up(request: httpx.Request) -> httpx.Response:
    """As a server of https does to somebody who speaks http."""
    raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)


@pytest.mark.parametrize(
    ("reaction", "remedy"),
    [
        (no_connection, f"see how the nodes are: pbkv status --node {A}"),
        (hangs_up, "if they speak TLS, name them with https://: pbkv --node https://HOST:PORT"),
    ],
)
def test_the_last_line_says_what_to_do_next(reaction: Reaction, remedy: str) -> None:
    """Goal: the next command can be taken as it stands. Method: a node that is away, one that hangs up."""
    result = run(Script({A: [reaction]}), *ONE, *QUICK, "get", "k")
    assert (result.exit_code, result.stderr.splitlines()[-1].strip()) == (3, remedy)


def test_a_command_goes_where_the_view_went(node: OneNode) -> None:
    """Goal: a command finds the store through a node that has left it, unless it was told to ask no other.

    Method: a real node that is outside, and one that has the view for itself.
    """
    outside = OneNode(told=False, id=2)

    def network(request: httpx.Request) -> httpx.Response:
        return (node if request.url.host == "a" else outside)(request)

    assert run(outside, "--node", B, "view", "set", "1=a:80").exit_code == 0
    assert run(network, "--node", B, "put", "k", "v").stdout == "created (Msg-Num 0)\n"
    assert run(network, "--node", B, "get", "k").stdout == "v\n"
    result = run(network, "--node", B, "--no-follow-view", *QUICK, "get", "k")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "outside_view" in result.stderr


def test_a_write_is_gone_on_with(node: OneNode) -> None:
    """Goal: the line that is printed works. Method: lose the answer, then run what the message says."""

    def loses(request: httpx.Request) -> httpx.Response:
        node(request)
        return no_connection(request) if node.targets[1:] else reset(request)

    result = run(loses, *ONE, *QUICK, "put", "k", "a 'b'")
    assert result.exit_code == 4
    words = shlex.split(result.stderr.splitlines()[1].partition("pbkv ")[2])
    assert run(node, *words).stdout == "created (Msg-Num 0)\n"
    assert run(node, *ONE, "get", "k").stdout == "a 'b'\n"


def test_options_behind_the_command_count_for_what_goes_wrong() -> None:
    """Goal: the command and the one who tells of its failure know the same. Method: as a user has it, with
    nothing handed in: a server that hangs up on a write, all options last."""
    with listening(b"") as url:
        arguments = ["put", "k", "v", "--node", url, "--timeout", "0.5"]
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
