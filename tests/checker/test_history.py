"""Histories in files: what is written is read back, what is no history is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from .cases import delete, get, listing, put, refused, unknown
from .history import Call, HistoryError, load, save
from .linearizability import check
from .random_histories import execution, small_plan

CALLS = (
    put('key with / and "quotes"', "", (0, 1), 0),
    put("ключ", "line\nend\ttab\x00\x1f\x7f \U0001f600", (2, 3), 1, True, name="n-1"),
    delete("k", (4, 5), 2, False),
    get("k", None, (6, 7), 3),
    listing({}, (8, 9), 3),
    listing({"a": "", "b": "2"}, (8, 9), 3),
    unknown(put("k", "v", (10, 11), 4)),
    unknown(delete("k", (10, 11), 4), answered=True),
    refused(put("k", "v", (12, 12), 5)),
)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.what)
def test_a_line_is_a_call(call: Call) -> None:
    """Goal: nothing is lost on the way to a line and back. Method: every kind of call, with odd texts."""
    line = call.to_json()
    assert "\n" not in line
    assert Call.from_json(line) == call


def test_files(tmp_path: Path) -> None:
    """Goal: a file holds a history, whoever wrote it.

    Method: save and load odd calls and random executions; load with empty lines; nothing at all is a
    history too.
    """
    path = tmp_path / "history.jsonl"
    random = Random(1)
    for calls in (CALLS, (), *(execution(random, small_plan(random, 20)) for _ in range(50))):
        save(path, calls)
        assert load(path) == calls
    path.write_text(f"\n{CALLS[0].to_json()}\n\n  \n{CALLS[1].to_json()}", encoding="utf-8")
    assert load(path) == CALLS[:2]


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\x85"])
def test_odd_line_ends_in_values(tmp_path: Path, odd: str) -> None:
    """Goal: a value may hold every character. Method: those at which Python, and not JSON Lines, ends a
    line."""
    path = tmp_path / "history.jsonl"
    calls = (put("k", f"a{odd}b", (0, 1), 0),)
    save(path, calls)
    assert load(path) == calls


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "5",
        "null",
        "[]",
        '"put"',
        "{}",
        '{"client":1,"node":1,"what":"get","start":0}',
        '{"client":1,"node":1,"what":"get","start":0,"end":1,"outcome":"ok","colour":"red"}',
        '{"client":1,"node":1,"what":"get","start":0,"end":null,"outcome":"ok"}',
        '{"client":1,"node":1,"what":"get","start":0,"end":null,"outcome":"not_applied"}',
        '{"client":1,"node":1,"what":"get","start":2,"end":1,"outcome":"ok"}',
        '{"client":1,"node":1,"what":"get","start":"2","end":1,"outcome":"ok"}',
        '{"client":1,"node":1,"what":"list","start":0,"end":1,"outcome":"ok"}',
    ],
)
def test_what_is_no_call(line: str) -> None:
    """Goal: what is no call is not taken for one. Method: JSON that is broken, of other kinds, or
    contradicts itself."""
    with pytest.raises(HistoryError):
        Call.from_json(line)


def test_a_file_names_the_bad_line(tmp_path: Path) -> None:
    """Goal: one finds the error in a long file. Method: a bad line between good ones."""
    path = tmp_path / "history.jsonl"
    path.write_text(f"{CALLS[0].to_json()}\n\nnonsense\n{CALLS[1].to_json()}\n", encoding="utf-8")
    with pytest.raises(HistoryError, match=r"^line 3: not a call: "):
        load(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"what": "post"},
        {"outcome": "maybe"},
        {"what": "put", "value": None},
        {"start": "0", "end": None, "outcome": "unknown"},
        {"end": 0.5},
        {"key": 5},
        {"value": 5},
        {"existed": "yes"},
        {"items": "x"},
        {"number": "1"},
        {"name": 1},
    ],
    ids=str,
)
def test_the_checker_refuses_what_cannot_be_judged(changes: dict[str, object]) -> None:
    """Goal: nonsense gets no verdict. Method: calls that the class lets pass, with fields of other kinds."""
    call = replace(put("k", "v", (0, 1), 0), **changes)  # type: ignore[arg-type]
    with pytest.raises(HistoryError):
        check([call])


def test_writes() -> None:
    """Goal: puts and deletes are writes, and nothing else. Method: ask each."""
    assert [call.writes for call in CALLS[:6]] == [True, True, True, False, False, False]


def test_a_file_that_is_no_text_is_no_history(tmp_path: Path) -> None:
    """Goal: one clear error. Method: bytes that are not UTF-8."""
    path = tmp_path / "history.jsonl"
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(HistoryError, match="UTF-8"):
        load(path)
