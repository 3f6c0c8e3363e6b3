"""What the single measurements conclude from what they saw."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import core, report, request
from bench.__main__ import COMMANDS
from bench.join import conclude
from bench.layers import aggregate, layer_of, show
from bench.memory import growth
from bench.memory import show as show_memory
from bench.overload import Overload
from bench.probes import Seen, between
from bench.processes import BenchError
from bench.work import WORKS
from bench.wrk import Load, command, parse


def load(**statuses: int) -> Load:
    """What wrk saw, as far as the statuses go."""
    return Load(1, 2.0, 0, 0.0, 0.0, 0.0, 0.0, 0, 0.0, {name.strip("s_"): n for name, n in statuses.items()})


# Joins, pauses.


def seen(due: float, answered: float, status: int = 200) -> Seen:
    """One write."""
    return Seen("put", due, answered, status)


def test_a_request_belongs_to_every_time_in_which_it_waited() -> None:
    """Goal: who waited through the join counts. Method: before, across each edge, across both, after."""
    requests = [seen(0, 1), seen(1, 3), seen(3, 4), seen(4, 6), seen(1, 9), seen(6, 7)]
    assert between(requests, 2, 5) == [seen(1, 3), seen(3, 4), seen(4, 6), seen(1, 9)]


def test_a_join_is_judged_by_what_the_others_saw() -> None:
    """Goal: latencies before and during are kept apart, the worst client counts. Method: two clients; one of
    them waits through the join and is turned away once."""
    calm = [seen(at / 10, at / 10 + 0.01) for at in range(200)]
    hit = [*calm[:95], seen(9.5, 12.5), seen(12.6, 12.7, 503), seen(12.8, 12.9), seen(13.9, 14.0)]
    join = conclude([calm, hit], quiet=0.0, begin=10.0, end=14.0, moved=4000.0)
    assert join.seconds == 4.0
    assert join.bandwidth == 1000.0
    assert join.normal == pytest.approx(0.01)
    assert join.during == 3.0
    assert join.longest == pytest.approx(2.5)
    assert join.errors == 1
    assert dict(join.course)[2.5] == 3.0
    with pytest.raises(BenchError, match="no answers"):
        conclude([[], []], 0.0, 10.0, 14.0, 0.0)


# Memory, overload.


def test_memory_that_has_levelled_off_is_flat() -> None:
    """Goal: warming up is no leak, and a leak is one. Method: a course that rises and stays, one that goes on
    rising."""
    levelled = [(float(at), min(at, 20) * 1e6 + 50e6) for at in range(60)]
    rising = [(float(at), at * 1e6 + 50e6) for at in range(60)]
    assert growth(levelled) == pytest.approx(0)
    assert growth(rising) == pytest.approx(59 / 80)
    rows = show_memory("granian", {1: levelled, 2: rising}, load())
    assert [row[7] for row in rows] == ["flat", "**growing**"]
    with pytest.raises(BenchError, match="too short"):
        show_memory("granian", {1: rising[:3]}, load())


def test_an_overloaded_node_is_judged_by_every_answer() -> None:
    """Goal: a refusal without Retry-After is none of the good ones. Method: one of each kind."""
    statuses = {"200": 60, "201": 10, "503 with Retry-After": 20, "503": 4, "504": 6}
    found = Overload(Load(100, 10.0, 0, 0, 0, 0, 0, 0, 0, statuses), {})
    assert (found.accepted, found.refused, found.others) == (70, 20, {"503": 4, "504": 6})


# Profiles.

STACK = ["run (asyncio/runners.py:118)", "_run (asyncio/events.py:80)"]


@pytest.mark.parametrize(
    ("inner", "layer"),
    [
        ([], "event loop"),
        (["app (quart/app.py:1)"], "framework"),
        (["app (quart/app.py:1)", "_handle (frontends/quart_app/app.py:83)"], "frontend mapping"),
        (["start (frontends/common/api.py:9)", "loads (json/__init__.py:346)"], "frontend mapping"),
        (["run (uvloop.py:1)", "_respond (frontends/quart_app/uvicorn_direct.py:147)"], "server"),
        (["ended (frontends/quart_app/carrier.py:5)"], "peer client"),
        (["request (frontends/common/node.py:9)"], "node"),
        (["_run (frontends/common/node.py:9)", "step (pbproto/replica.py:9)"], "core"),
        (["take_mail (frontends/common/node.py:9)", "encode (/root/x/pbproto/codec.py:9)"], "codec"),
        (
            ["_post (frontends/quart_app/driver.py:9)", "w (aiohttp/http_writer.py:9)", "w (asyncio/x.py:1)"],
            "peer client",
        ),
        (["send (uvicorn/protocols/http/h11_impl.py:490)", "f (h11/_connection.py:1)"], "server"),
    ],
)
def test_a_sample_belongs_to_the_innermost_layer(inner: list[str], layer: str) -> None:
    """Goal: the standard library counts for who called it, the loop only for itself. Method: a stack
    of each."""
    assert layer_of([*STACK, *inner]) == layer


def test_samples_are_added_up_by_layer() -> None:
    """Goal: py-spy's lines become shares. Method: three lines, and a table of them."""
    raw = "a (x/pbproto/log.py:1) 6\nb (nowhere.py:1);c <built-in> 3\n"
    raw += "d (x/pbproto/store.py:7);e (bisect.py:1) 1\n"
    layers = aggregate(raw)
    assert layers == {"core": 7, "other": 3}
    assert "| core  |   70.0% |" in show({"granian": layers})


# wrk, the core, the documents.


def test_wrk_is_told_the_work() -> None:
    """Goal: what is asked for is what wrk does. Method: look at a command line, of work with a mix."""
    arguments = command(
        "http://h:1", WORKS["mixed-90-10"], dialect="rest", connections=7, seconds=3, keys=50, size=16, seed=9
    )
    assert arguments[:7] == ["wrk", "-t", "1", "-c", "7", "-d", "3s"]
    assert arguments[-9:] == ["--", "rest", "get:90,put:10", "50", "zipf", "16", "9", "none", "0"]


def test_the_result_of_wrk_is_read_in_seconds() -> None:
    """Goal: no factor of a thousand is lost, no kind of error. Method: a line as the script prints it."""
    line = (
        'result {"requests":100,"microseconds":2000000,"bytes":7,"p50":1500,"p99":20000,"p999":30000,'
        '"longest":40000,"bad_status":1,"broken":2,"timeouts":4,"statuses":[["200",98],["503",1],["503",1]]}'
    )
    found = parse(f"Running\n{line}\n", cpu=0.5)
    assert (found.rate, found.p50, found.p99, found.p999, found.longest) == (50.0, 0.0015, 0.02, 0.03, 0.04)
    assert (found.errors, found.cpu, found.statuses) == (7, 0.5, {"200": 98, "503": 2})
    with pytest.raises(BenchError, match="no result"):
        parse("Running\n")


@pytest.mark.parametrize("codec", [False, True])
def test_the_core_answers_every_write_of_a_batch(codec: bool) -> None:
    """Goal: the core's figure counts writes that all members have. Method: count the answers to
    some batches."""
    cluster = core.InProcess(codec)
    for first in range(0, 64, 32):
        cluster.write(first, 32)
    assert cluster.answered == 64
    assert core.operations_per_second(8, codec, 20) > 0


async def test_what_a_request_costs_is_that_of_requests_that_took_effect() -> None:
    """Goal: the cost is one of writes that all members have, and of answers of success. Method: turns of
    both kinds of work; look at every node; then one whose key is not there.
    """
    cluster = request.Cluster()
    with pytest.raises(BenchError, match="404"):
        cluster.turns("get", 3)(1)
    cluster.turns("put", 3)(5)
    cluster.turns("get", 3)(2)
    looks = [node.node.look() for node in cluster._nodes.values()]
    assert [look.status.log_end for look in looks] == [15, 15, 15]
    assert looks[0].status.commit == 15
    assert set(await request.costs([2], 1, 4)) == {("put", 2), ("get", 2)}


def test_every_command_has_its_place_in_the_document() -> None:
    """Goal: `--write-docs` finds where to write, and touches nothing else. Method: write twice for every
    command."""
    text = report.DOCUMENT.read_text(encoding="utf-8")
    for name in COMMANDS:
        once = report.replace_block(text, name, "| new \\1 |")
        assert once.count("| new \\1 |") == 1
        assert report.replace_block(once, name, "| new \\1 |") == once
        head, _, rest = text.partition(f"<!-- {name}: begin -->")
        assert once.startswith(head)
        assert once.endswith(rest.partition(f"<!-- {name}: end -->")[2])
    with pytest.raises(BenchError, match="0 places"):
        report.replace_block(text, "nothing", "")


def test_a_report_leaves_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: figures can be read by programs, with where they come from. Method: publish one, read it."""
    report.publish(report.Report("core", "| a |", {"x": [1]}, {}), tmp_path / "new", write_docs=False)
    text = (tmp_path / "new" / "core.json").read_text(encoding="utf-8")
    assert '"x": [' in text
    assert '"commit"' in text
    assert capsys.readouterr().out.endswith("| a |\n")
