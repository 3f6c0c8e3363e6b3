"""The documents speak of what is there: tests, planted faults, files, rules, and places to read on."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.planted.all import ALL

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
HAZARDS = ROOT / "docs" / "hazards.md"
PROTOCOL = ROOT / "docs" / "protocol.md"
PLACES = ("pbproto", "frontends", "viewservice", "pbkv", "tests", "bench", "docs", "examples", "deploy")
"""Where files of the repository are, apart from its root."""
COUNT = 63
GROUPS = {"A": 1, "B": 8, "C": 23, "D": 34, "E": 49}
"""The first row of each group of hazards."""
COLUMNS = 5
NO_FAULT = "–"
NOT_APPLICABLE = "Does not apply: "
PARTLY = "Partly: "

TEST_ID = re.compile(r"\btests/[\w/]+\.py(?:::\w+)+")
QUOTED_FILE = re.compile(r"`([\w./*-]+\.(?:py|md))`")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
ROW = re.compile(r"^\| *(\d+) *\|(.*)\|$")


# Tests.


@cache
def defined_in(path: Path) -> frozenset[str]:
    """The tests that a file defines, as they stand behind its name in a node id: ``::test_this``."""
    return frozenset(_tests_in(ast.parse(path.read_text(encoding="utf-8")).body, ""))


def _tests_in(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield f"{prefix}::{node.name}"
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from _tests_in(node.body, f"{prefix}::{node.name}")


def missing_tests(text: str) -> list[str]:
    """The node ids in a text for which there is no test; parameters in brackets are not looked at."""
    missing = []
    for name in TEST_ID.findall(text):
        file, separator, test = name.partition("::")
        path = ROOT / file
        if not path.is_file() or separator + test not in defined_in(path):
            missing.append(name)
    return missing


# Files and links.


@cache
def files() -> tuple[Path, ...]:
    """All files of the repository, from its root."""
    inside = (path for place in PLACES for path in (ROOT / place).rglob("*.*"))
    return tuple(path.relative_to(ROOT) for path in (*ROOT.glob("*.*"), *inside) if path.is_file())


def missing_files(text: str) -> list[str]:
    """The names of files in backticks for which there is no file; the first directories may be left out."""
    return [name for name in QUOTED_FILE.findall(text) if not any(path.match(name) for path in files())]


@cache
def anchors_of(path: Path) -> frozenset[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


def broken_links(text: str, folder: Path) -> list[str]:
    """The relative links of a text in ``folder`` that lead to no file, or to no heading of it."""
    broken = []
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        path = folder / file
        if not file or not path.exists() or (anchor and anchor not in anchors_of(path)):
            broken.append(link)
    return broken


def test_counts_are_those_of_what_is_counted() -> None:
    """Goal: front pages do not fall behind. Method: compare the numbers of hazards and of rules that are
    broken, wherever they are told, with what there is."""
    pages = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/index.md")]
    hazards = [int(number) for page in pages for number in re.findall(r"(\d+) ways to break", page)]
    rules = [int(number) for page in pages for number in re.findall(r"break (\d+) rules", page)]
    assert hazards == [COUNT, COUNT]
    assert rules == [len(ALL)]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_a_document_names_is_there(path: Path) -> None:
    """Goal: nobody looks for what is gone. Method: look up every test, file and relative link it names."""
    text = path.read_text(encoding="utf-8")
    assert missing_tests(text) == []
    assert missing_files(text) == []
    assert broken_links(text, path.parent) == []


# Hazards.


@cache
def rules() -> frozenset[str]:
    """The names of rules of the protocol: its headings, and what stands in bold type."""
    text = PROTOCOL.read_text(encoding="utf-8")
    bold = re.findall(r"\*\*([^*]+)\*\*", text)
    return frozenset((*re.findall(r"^#+ +(.+)$", text, re.MULTILINE), *(name.rstrip(".") for name in bold)))


def wrong_rows(text: str) -> list[str]:
    """What is wrong with the tables of hazards, in words."""
    wrong: list[str] = []
    numbers: list[int] = []
    group, firsts = "", dict[str, int]()
    for line in text.splitlines():
        if line.startswith("## "):
            group = line[3]
        row = ROW.match(line)
        if row is None:
            continue
        number = int(row[1])
        numbers.append(number)
        firsts.setdefault(group, number)
        wrong += [f"{number}: {what}" for what in _wrong_cells([cell.strip() for cell in row[2].split("|")])]
    if numbers != list(range(1, COUNT + 1)):
        wrong.append(f"the rows are not 1 to {COUNT}, each once and in order: {numbers}")
    if firsts != GROUPS:
        wrong.append(f"the groups begin with {firsts}")
    return wrong


def _wrong_cells(cells: list[str]) -> Iterator[str]:
    if len(cells) != COLUMNS - 1 or not all(cells):
        yield "it has not four cells with something in them behind the number"
        return
    _, prevention, tests, faults = cells
    yield from (
        f"the protocol has no rule {rule!r}"
        for rule in re.findall(r"\*([^*]+)\*", prevention)
        if rule not in rules()
    )
    for label in (NOT_APPLICABLE, PARTLY):
        if tests.startswith(label) and len(_words_before_tests(tests.removeprefix(label))) < 3:
            yield f"{label.strip()!r} without a reason"
    if not tests.startswith(NOT_APPLICABLE) and not TEST_ID.search(tests):
        yield "neither a test nor a reason why it does not apply"
    named = re.findall(r"`(\w+)`", faults)
    if faults != (", ".join(f"`{name}`" for name in named) or NO_FAULT):
        yield f"the last cell is no list of faults: {faults}"
    known = [bug.name for bug in ALL]
    yield from (f"there is no planted fault {name}" for name in named if name not in known)


def _words_before_tests(text: str) -> list[str]:
    return text.partition("`")[0].split()


def test_every_hazard_has_a_test_or_a_reason() -> None:
    """Goal: the list is whole, and no row is an empty promise. Method: read its tables, row by row."""
    assert wrong_rows(HAZARDS.read_text(encoding="utf-8")) == []


# The checks can fail.

GOOD = "`tests/core/test_views.py::test_nudges_become_rarer`"


@pytest.mark.parametrize(
    "name",
    [
        "tests/core/test_views.py::test_that_nobody_wrote",
        "tests/core/test_nothing.py::test_nudges_become_rarer",
        "tests/core/test_views.py::deposed",
        "tests/core/test_views.py::TestNothing::test_nudges_become_rarer",
    ],
)
def test_a_test_that_is_gone_is_missed(name: str) -> None:
    """Goal: a renamed test shows. Method: name some that are not there beside two that are."""
    there = "tests/core/test_reads.py::test_a_replaced_primary_never_answers_from_the_past[1]"
    assert missing_tests(f"See `{there}`, {GOOD} and `{name}`.") == [name]


def test_tests_in_classes_have_the_name_of_the_class(tmp_path: Path) -> None:
    """Goal: node ids of every form are understood. Method: read a file with all of them."""
    path = tmp_path / "test_forms.py"
    path.write_text(
        "def test_a(): ...\nasync def test_b(): ...\ndef c(): ...\nclass TestD:\n def test_e(self): ..."
    )
    assert sorted(defined_in(path)) == ["::TestD::test_e", "::test_a", "::test_b"]


def test_a_file_that_is_gone_is_missed() -> None:
    """Goal: a renamed file shows. Method: name files that are not there beside some that are."""
    text = "`reads.py`, `quart_app/app.py`, `frontends/*/app.py`; `writes.py`, `docs/reads.py`, `no/*/app.py`"
    assert missing_files(text) == ["writes.py", "docs/reads.py", "no/*/app.py"]


def test_a_link_that_leads_nowhere_is_missed() -> None:
    """Goal: who follows a link arrives. Method: links to what is there, and to what is not."""
    good = (
        "[a](protocol.md) [b](../README.md) [c](protocol.md#what-the-outside-owes) [d](https://example.org/x)"
    )
    assert broken_links(good, ROOT / "docs") == []
    bad = ["README.md", "protocol.md#what-nobody-owes", "nothing.md#reads"]
    assert broken_links(" ".join(f"[x]({link})" for link in bad), ROOT / "docs") == bad


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (f"| 5 | a | b | {GOOD} | `no_such_fault` |", "5: there is no planted fault no_such_fault"),
        (f"| 5 | a | b | {GOOD} | no_seal |", "5: the last cell is no list of faults: no_seal"),
        (f"| 5 | a | b (*Wishes*) | {GOOD} | – |", "5: the protocol has no rule 'Wishes'"),
        ("| 5 | a | b | to do | `no_seal` |", "5: neither a test nor a reason why it does not apply"),
        (
            "| 5 | a | b | Partly: the rest is to do | – |",
            "5: neither a test nor a reason why it does not apply",
        ),
        ("| 5 | a | b | Does not apply: | – |", "5: neither a test nor a reason why it does not apply"),
        (f"| 5 | a | b | Does not apply: {GOOD} | – |", "5: 'Does not apply:' without a reason"),
        (f"| 5 | a | b | Partly: {GOOD} | – |", "5: 'Partly:' without a reason"),
        (f"| 5 | a |  | {GOOD} | – |", "5: it has not four cells with something in them behind the number"),
        (f"| 5 | a | b | {GOOD} |", "5: it has not four cells with something in them behind the number"),
        ("", "the rows are not 1 to 63"),
        (f"| 4 | a | b | {GOOD} | – |", "the rows are not 1 to 63"),
        (f"| 5 | a | b | {GOOD} | – |\n| 5 | a | b | {GOOD} | – |", "the rows are not 1 to 63"),
        (f"## X. A heading\n| 5 | a | b | {GOOD} | – |", "the groups begin with"),
    ],
)
def test_a_bad_row_is_found(row: str, complaint: str) -> None:
    """Goal: the check of the hazards can fail. Method: put a bad row in place of row 5 of a good list."""
    lines = []
    for number in range(1, COUNT + 1):
        lines += [f"## {letter}. A group" for letter, first in GROUPS.items() if first == number]
        lines.append(f"| {number} | a | b (*Reads*) | Partly: not all of it. {GOOD} | `no_seal` |")
    assert wrong_rows("\n".join(lines)) == []
    lines[5] = row
    (found,) = wrong_rows("\n".join(lines))
    assert found.startswith(complaint)
