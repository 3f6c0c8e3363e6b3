"""The marks: which line is held against what."""

from __future__ import annotations

import pytest

from bench import marks
from bench.cells import Results
from bench.figures import Spread
from bench.marks import Mark
from tests.bench.made_up import cell, result

SERVERS = ["hypercorn", "granian"]


def everything() -> Results:
    """Results with which some marks are reached and some are not."""
    rates = {
        ("hypercorn", "put"): 700.0,
        ("granian", "put"): 4100.0,
        ("etcd", "put"): 2000.0,
        ("hypercorn", "get"): 900.0,
        ("granian", "get"): 3000.0,
        ("etcd", "get"): 2000.0,
        ("granian-lease", "get"): 9000.0,
        ("limit-hypercorn", "put"): 1000.0,
        ("limit-granian", "put"): 9000.0,
        ("waitress", "put"): 1000.0,
        ("naive", "put"): 100.0,
    }
    found = Results()
    for (contender, work), rate in rates.items():
        for many in (1, 32, 128):
            p50 = 0.0004 if contender == "granian" else 0.001
            found.add(result(cell(contender, work, many), 0, rate, p50))
    return found


def test_the_best_of_our_servers_is_held_against_etcd() -> None:
    """Goal: ratios of the right cells, in the right direction. Method: made-up rates, look at every
    line."""
    found = marks.against_etcd(everything(), SERVERS)
    assert [(mark.measured.middle if mark.measured else None, mark.verdict) for mark in found] == [
        (2.05, "reached"),
        (2.05, "reached"),
        (1.5, "not reached"),
        (1.5, "not reached"),
        (4.5, "reached"),
        (4.5, "reached"),
        (0.4, "reached"),
    ]
    assert found[0].detail == "granian 4,100/s : etcd 2,000/s"
    assert found[6].detail == "granian 0.40 ms : etcd 1.00 ms"


def test_replication_is_held_against_the_limit_of_the_same_server() -> None:
    """Goal: nobody is compared with the limit of another. Method: made-up rates, every line looked at."""
    found = marks.against_limits(everything(), SERVERS)
    assert [round(mark.measured.middle, 3) if mark.measured else None for mark in found] == [
        0.456,
        0.456,
        0.7,
        10.0,
    ]
    assert [mark.verdict for mark in found] == ["not reached", "not reached", "reached", "reached"]


def test_what_was_not_measured_is_not_reached() -> None:
    """Goal: a missing contender reaches no mark. Method: no results at all."""
    found = marks.against_etcd(Results(), SERVERS) + marks.against_limits(Results(), SERVERS)
    found += marks.of_the_best(Results(), "granian")
    assert {mark.verdict for mark in found} == {"not measured"}


def test_the_best_server_alone_is_held_against_itself() -> None:
    """Goal: many keys against few, many connections against fewer. Method: made-up rates."""
    found = Results()
    for where, rate in [
        (cell("granian", "put", 32), 1000.0),
        (cell("granian", "put", 32, marks.MANY_KEYS), 950.0),
        (cell("granian", "put", 128), 1500.0),
        (cell("granian", "put", 512), 900.0),
    ]:
        found.add(result(where, 0, rate))
    assert sorted(found.cells()) == sorted(marks.best_cells("granian"))
    assert [mark.verdict for mark in marks.of_the_best(found, "granian")] == ["reached", "not reached"]


def test_every_cell_that_a_mark_needs_is_measured() -> None:
    """Goal: no line stays empty for want of a cell. Method: results of exactly the planned cells."""
    planned = marks.cells(SERVERS, lease=True, naive=True)
    found = Results(result(each, 0, 1000.0) for each in planned)
    lines = marks.against_etcd(found, SERVERS) + marks.against_limits(found, SERVERS)
    assert "not measured" not in {mark.verdict for mark in lines}
    assert "–" not in marks.each_server(found, SERVERS)


@pytest.mark.parametrize(
    ("measured", "at_least", "errors", "verdict"),
    [
        (Spread(1, 2, 3), True, 0, "reached"),
        (Spread(1, 1.99, 3), True, 0, "not reached"),
        (Spread(1, 2, 3), False, 0, "reached"),
        (Spread(1, 2.01, 3), False, 0, "not reached"),
        (Spread(9, 9, 9), True, 4, "not reached (4 errors)"),
        (None, False, 0, "not measured"),
    ],
)
def test_the_median_decides(measured: Spread | None, at_least: bool, errors: int, verdict: str) -> None:
    """Goal: neither the best nor the worst round decides, and a run with errors never counts. Method: each
    case."""
    mark = Mark("a line", 2.0, at_least, measured, "of this", errors)
    assert mark.verdict == verdict
    assert verdict in marks.show([mark])
