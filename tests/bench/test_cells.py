"""Cells, their order in a round, and what is asked of the results."""

from __future__ import annotations

import importlib.util
import json
from itertools import groupby
from pathlib import Path

import pytest

from bench.cells import Results, arrange, from_document, rate
from bench.figures import Spread
from bench.matrix import choose, show
from bench.plots import HOW_TO_GET, matrix_lines, matrix_plots
from tests.bench.made_up import cell, result

MANY = [cell(name, work, many) for name in "abcd" for work in ("put", "get") for many in (1, 32)]


def test_a_round_runs_every_cell_once_in_an_order_from_the_seed() -> None:
    """Goal: everybody takes turns, repeatably. Method: two rounds, the same round again, another seed."""
    first = arrange(MANY, 0, seed=1, resident=9)
    assert sorted(first) == sorted(MANY)
    assert first == arrange(list(reversed(MANY)), 0, seed=1, resident=9)
    assert first != arrange(MANY, 1, seed=1, resident=9)
    assert first != arrange(MANY, 0, seed=2, resident=9)


def test_a_stand_is_started_once_where_not_all_can_be_up() -> None:
    """Goal: no contender is started again and again in one round. Method: fewer places than stands."""
    order = arrange(MANY, 3, seed=1, resident=3)
    assert sorted(order) == sorted(MANY)
    assert len(list(groupby(order, key=lambda each: each.stand))) == 4
    mixed = arrange(MANY, 3, seed=1, resident=4)
    assert len(list(groupby(mixed, key=lambda each: each.stand))) > 4


def test_a_result_survives_its_file() -> None:
    """Goal: what was written can be read and judged later. Method: to JSON and back."""
    before = result(cell("a", "get", 128, 10**6), 2, 1234.5, errors=3)
    document = before.document()
    assert document["contender"] == "a"
    assert document["keys"] == 10**6
    assert from_document(json.loads(json.dumps(document))) == before


def test_results_are_asked_for_spreads_ratios_and_errors() -> None:
    """Goal: each question has its answer, or none. Method: two cells over three rounds, and one never run."""
    results = Results()
    for round_, (mine, yours) in enumerate([(100.0, 50.0), (80.0, 20.0), (90.0, 30.0)]):
        results.add(result(cell("a"), round_, mine, errors=round_))
        results.add(result(cell("b"), round_, yours))
    assert results.spread(cell("a"), rate) == Spread(80, 90, 100)
    assert results.ratio(cell("a"), cell("b"), rate) == Spread(2, 3, 4)
    assert results.errors(cell("a")) == 3
    assert results.spread(cell("c"), rate) is None
    assert results.ratio(cell("a"), cell("c"), rate) is None
    assert results.cells() == [cell("a"), cell("b")]
    assert [each.round for each in results.all()] == [0, 1, 2, 0, 1, 2]


def test_only_what_there_is_becomes_a_cell() -> None:
    """Goal: a limit is measured once, whatever the number of nodes, and nobody asks a backup that is
    missing. Method: three contenders, of which one has no backups to talk to, with one and three nodes."""
    cells = choose(["uvicorn", "limit-uvicorn", "redis"], ["put", "put-backup"], [32], [100], [1, 3], [1000])
    found = [(each.stand.contender, each.stand.nodes, each.work) for each in cells]
    assert sorted(found) == [
        ("limit-uvicorn", 1, "put"),
        ("redis", 1, "put"),
        ("redis", 3, "put"),
        ("uvicorn", 1, "put"),
        ("uvicorn", 3, "put"),
        ("uvicorn", 3, "put-backup"),
    ]


def test_the_matrix_shows_ratios_to_the_baseline_and_marks_errors() -> None:
    """Goal: a row can be judged by itself. Method: a contender with errors beside the baseline."""
    results = Results([result(cell("uvicorn"), 0, 3000, errors=1200), result(cell("etcd"), 0, 1500)])
    rows = {
        line.split("|")[1].strip(): line
        for line in show(results, ["uvicorn", "etcd"], "etcd").splitlines()[4:]
    }
    assert "2.00 / 2.00 / 2.00" in rows["uvicorn"]
    assert rows["uvicorn"].endswith("| **1,200** |")
    assert "1.00 / 1.00 / 1.00" in rows["etcd"]
    assert rows["etcd"].endswith(" 0 |")
    assert "2 MiB" in rows["etcd"]


def test_no_answer_is_no_latency_of_zero() -> None:
    """Goal: who answers nothing does not look fast. Method: a contender without an answer beside
    the baseline."""
    results = Results([result(cell("uvicorn"), 0, 0, p50=0.0, errors=1), result(cell("etcd"), 0, 1500)])
    rows = show(results, ["uvicorn", "etcd"], "etcd").splitlines()[4:]
    cells = [text.strip() for text in rows[0].split("|")[1:-1]]
    assert cells[0] == "uvicorn"
    assert cells[5:11] == ["0 / 0 / 0", "0 / 0 / 0", "–", "–", "–", "–"]
    assert cells[-1] == "**1**"


def test_a_picture_has_a_line_for_each_contender_and_other_condition() -> None:
    """Goal: only comparable points are joined. Method: two connections and two numbers of keys, one gap."""
    cells = [cell("a", "put", many, keys) for many in (128, 1) for keys in (1000, 10**6)] + [
        cell("b", "put", 1)
    ]
    results = Results(result(each, 0, each.connections * 10.0 + len(str(each.stand.keys))) for each in cells)
    lines = {line.name: line for line in matrix_lines(results, cells, "connections")}
    assert sorted(lines) == ["a, 1,000 keys", "a, 1,000,000 keys"]
    assert (lines["a, 1,000 keys"].x, lines["a, 1,000 keys"].y) == ([1, 128], [14.0, 1284.0])


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason=HOW_TO_GET)
def test_the_same_results_make_the_same_picture(tmp_path: Path) -> None:
    """Goal: pictures change in a document only when figures do. Method: draw each twice, look for
    the names."""
    cells = [cell(name, "put", many) for name in ("granian", "etcd") for many in (1, 32)]
    plots = matrix_plots(Results(result(each, 0, each.connections * 10.0) for each in cells))
    assert list(plots) == ["matrix-put-connections"]
    for name, plot in plots.items():
        plot(tmp_path / "first.svg")
        plot(tmp_path / f"{name}.svg")
        drawn = (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
        assert drawn == (tmp_path / "first.svg").read_text(encoding="utf-8")
        assert ">granian<" in drawn
        assert ">etcd<" in drawn
