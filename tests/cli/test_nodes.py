"""Nodes and views: tables, lines of changes, documents."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from pbkv.cli import cli
from pbkv.cli.session import Session
from pbkv.testing import Cluster
from tests.client.desk import (
    A,
    B,
    C,
    OneNode,
    Reaction,
    Script,
    answers,
    no_connection,
    problem,
    reset,
)

from .running import ONE, QUICK, run


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
    assert "wrong:" not in result.stdout
    first, second, _ = json.loads(run(script, *nodes, "why", "--json").stdout)["nodes"]
    assert first["why"] == {"waiting": [item]}
    assert (second["answered"], second["why"]) == (False, None)


def test_why_says_what_the_primary_holds_and_what_ends_it() -> None:
    """Goal: whoever asks why a write is stuck is not told "nothing waits" by the node that holds it up, and
    gets the command that ends it. Method: a backup is paused while a write waits that another backup brought;
    do what is advised.
    """
    cluster = Cluster()
    cluster.pause(2)
    with cluster.http(3, timeout=2.0) as http, pytest.raises(httpx.ReadTimeout):
        http.put("/data/stuck", json={"value": "v"})

    def pbkv(*arguments: str) -> str:
        session = Session(transport=cluster.transport(), sleep=cluster.sleep)
        at = ("--node", f"{cluster.url(1)},{cluster.url(3)}")
        result = CliRunner().invoke(cli, (*at, *arguments), obj=session, prog_name="pbkv")
        assert result.exit_code == 0, result.output
        return result.stdout

    words = pbkv("why")
    assert f"{cluster.url(1)}: no client waits here, but 1 write that a backup brought waits" in words
    assert re.search(r"put stuck +\d\.\d s +\d\.\d s +unknown +it was forwarded to the primary", words)
    assert "as node1 says:\n  wrong:   node 2 (node2:80) keeps the view waiting" in words
    (command,) = re.findall(r"  with:    pbkv (view set .*) --wait\n", words)
    assert command == f"view set 1=node1:80 3=node3:80 --epoch 2 --node {cluster.url(1)},{cluster.url(3)}"
    pbkv(*command.split())
    cluster.wait_until_active()
    cluster.run_until(lambda: cluster.data() == {"stuck": "v"})
    assert pbkv("why") == "".join(f"{cluster.url(each)}: nothing waits\n" for each in (1, 3))


def test_why_says_what_ends_it() -> None:
    """Goal: whoever is on call reads what is wrong and has the command. Method: what a backup without its
    primary advises, what a node outside does, and what no node of ours would say.
    """
    put = {"view": [{"id": 2, "address": "b:80"}, {"id": 3, "address": "c:80"}], "epoch": 7}
    parts = {
        "what": "node 1 is silent",
        "costs": "writes wait",
        "remedy": "a view without it",
        "caution": "ask",
    }
    strange = {"what": 1, "put": {"view": [{"id": "1;rm", "address": "\x1b"}, 5]}}
    script = Script(
        {
            A: [answers(200, json.dumps({"waiting": [], "advice": {**parts, "put": put}}))],
            B: [answers(200, json.dumps({"waiting": [], "advice": {**parts, "caution": None, "put": None}}))],
            C: [answers(200, json.dumps({"advice": strange}))],
        }
    )
    shown = run(script, "--node", ",".join((A, B, C)), "why").stdout
    for words in parts.values():
        assert words in shown
    assert shown.count("ask") == 1
    assert "pbkv view set 2=b:80 3=c:80 --epoch 7" in shown
    assert "'1;rm=" in shown
    assert "\x1b" not in shown


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


def test_a_newcomer_says_itself_how_far_it_is() -> None:
    """Goal: a copy that takes long is seen to go on. Method: real nodes in virtual time, one of which fetches
    slowly; the primary, which is shown before it, has it at position 0. Where the newcomer is not asked, the
    primary's words stand."""
    cluster = Cluster(3, view=False, fill_rate=10_000, chunk_bytes=1000)
    cluster.set_view(1, 2)
    cluster.wait_until_active()
    client = cluster.client()
    for number in range(50):
        client.put(f"{number}", "x" * 1000)
    cluster.set_view(1, 2, 3)

    def fetches() -> bool:
        waits = cluster.status(3).waiting_for
        return any(re.search(r"item [1-9]\d* of", wait.reason) for wait in waits)

    cluster.run_until(fetches)
    assert [wait.reason for wait in cluster.status(1).waiting_for] == ["it is being filled: position 0 of 50"]

    def status(*ids: int) -> str:
        session = Session(transport=cluster.transport())
        nodes = ",".join(cluster.url(id_) for id_ in ids)
        result = CliRunner().invoke(cli, ("--node", nodes, "status"), obj=session)
        assert result.exit_code == 0
        return result.output

    shown = re.findall(r"waits for node 3: it is fetching a copy from node 1: item (\d+) of", status(1, 2, 3))
    assert [int(item) > 0 for item in shown] == [True]
    assert "waits for node 3: it is being filled: position 0 of 50" in status(1, 2)


def test_words_on_anything_else_stay() -> None:
    """Goal: that a newcomer is silent is not hidden by what it said of its copy. Method: both at once."""
    waits = [{"id": 2, "address": "b:80", "reason": "it does not answer, for 700 ms"}]
    copies = [{"id": 1, "address": "a:80", "reason": "fetching a copy from it: item 5 of 9"}]
    script = Script({A: [told(waiting_for=waits)], B: [told(id=2, waiting_for=copies)]})
    shown = run(script, "--node", f"{A},{B}", "status").stdout
    assert "waits for node 2: it does not answer, for 700 ms" in shown
    assert "waits for node 1: fetching a copy from it: item 5 of 9" in shown
