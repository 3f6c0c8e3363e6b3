"""Numbers and tables as text."""

from __future__ import annotations

import argparse

import pytest

from bench.contenders import DESCRIPTIONS
from bench.figures import Spread
from bench.options import counts, names
from bench.tables import count, number, size, spread, table


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (12345.6, "12,346"),
        (100.4, "100"),
        (99.94, "99.9"),
        (9.876, "9.88"),
        (1.0, "1.00"),
        (0.5, "0.50"),
        (0.0123, "0.012"),
        (0.00123, "0.0012"),
        (-3.14159, "-3.14"),
    ],
)
def test_a_number_keeps_the_digits_that_matter(value: float, text: str) -> None:
    """Goal: large figures are read at a glance, small ones do not vanish. Method: a few of each size."""
    assert number(value) == text


def test_a_spread_that_was_not_measured_is_a_dash() -> None:
    """Goal: no zero stands for nothing. Method: both."""
    assert spread(Spread(1, 20, 3000)) == "1.00 / 20.0 / 3,000"
    assert spread(None) == "–"


@pytest.mark.parametrize(
    ("value", "text"),
    [(16, "16 B"), (1023, "1.02e+03 B"), (1536, "1.5 KiB"), (2**20, "1 MiB"), (5 * 2**40, "5.12e+03 GiB")],
)
def test_a_size_is_in_the_largest_unit_that_fits(value: float, text: str) -> None:
    """Goal: binary units, no invented digits. Method: sizes on both sides of a unit, and beyond the last."""
    assert size(value) == text


@pytest.mark.parametrize(
    ("text", "value"), [("1000", 1000), ("1e6", 10**6), ("16B", 16), ("64KiB", 65536), ("1.5MiB", 1572864)]
)
def test_a_count_is_read_as_people_write_it(text: str, value: int) -> None:
    """Goal: `--keys 1e6 --sizes 64KiB` work. Method: every form."""
    assert count(text) == value


@pytest.mark.parametrize("text", ["", "x", "1.5", "-1", "MiB"])
def test_what_is_no_count_is_refused(text: str) -> None:
    """Goal: no half key is measured. Method: things that are none."""
    with pytest.raises(ValueError, match=r"."):
        count(text)
    with pytest.raises(argparse.ArgumentTypeError):
        counts(f"1,{text}")


def test_a_table_is_markdown_with_padded_columns() -> None:
    """Goal: the same text is read on a terminal and rendered in a document. Method: one of each alignment."""
    assert table(["who", "n", "why"], [["a", "1,000", "x"], ["long", "2", "yes"]], (0, 2)).splitlines() == [
        "| who  |     n | why |",
        "| ---- | ----: | --- |",
        "| a    | 1,000 | x   |",
        "| long |     2 | yes |",
    ]


def test_names_are_checked_against_what_there_is() -> None:
    """Goal: a misspelt contender is no silent gap. Method: good names, a bad one, none."""
    parse = names(DESCRIPTIONS)
    assert parse("etcd, limit-granian") == ["etcd", "limit-granian"]
    for text in ("etcd,etcf", ","):
        with pytest.raises(argparse.ArgumentTypeError):
            parse(text)
