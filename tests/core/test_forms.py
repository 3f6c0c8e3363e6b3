"""Values as bytes and back, by their declared types."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from struct import pack
from typing import Any, NamedTuple

import pytest

from pbproto.forms import BYTES, FormError, Forms, Reader


class Colour(Enum):
    RED = "r"
    BLUE = "b"


class Level(IntEnum):
    LOW = 3


class Point(NamedTuple):
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Shelf:
    boxes: dict[bytes, list[Point]]
    colour: Colour = Colour.RED
    open: bool = False


VALUES: list[tuple[Any, Any]] = [
    (int, 0),
    (int, -1),
    (int, 127),
    (int, 128),
    (int, 2**63),
    (int, -(2**100)),
    (bool, True),
    (bool, False),
    (bytes, b""),
    (bytes, bytes(range(256))),
    (str, "ä\0"),
    (str | None, None),
    (str | None, ""),
    (str | int, 7),
    (str | int, "7"),
    (tuple[int, ...], ()),
    (tuple[int, ...], (1, 2, 3)),
    (tuple[int, str], (1, "one")),
    (list[bool], [True, False]),
    (dict[int, None], {3: None, 1: None}),
    (OrderedDict[str, int], OrderedDict(b=1, a=2)),
    (Mapping[bytes, bytes], {b"k": b"v"}),
    (deque[int], deque([1, 2])),
    (deque[int], deque([1, 2], 5)),
    (deque[int], deque(maxlen=0)),
    (Colour, Colour.BLUE),
    (Point, Point(1, -1)),
    (Point | bytes, Point(1, 2)),
    (Shelf, Shelf({b"a": [Point(0, 0)], b"": []}, Colour.BLUE, True)),
]


@pytest.mark.parametrize(("hint", "value"), VALUES, ids=str)
def test_what_is_written_is_read(hint: Any, value: Any) -> None:
    """Nothing is lost, nor order nor the longest length of a deque: write each kind of value, read it."""
    form = Forms({}).of(hint)
    back = form.load(form.dump(value))
    assert back == value
    assert type(back) is type(value)
    if isinstance(value, deque):
        assert back.maxlen == value.maxlen
    if isinstance(value, dict):
        assert list(back) == list(value)


def test_the_layout_is_the_one_that_is_documented() -> None:
    """Bytes last longer than code: compare with bytes put together by hand."""
    form = Forms({}).of(Shelf)
    by_hand = (
        pack(">I", 1) + pack(">I", 1) + b"a" + pack(">I", 1) + b"\x01\x01" + b"\x02\xff\x00" + b"\x01\x00"
    )
    assert form.dump(Shelf({b"a": [Point(1, -256)]}, Colour.BLUE)) == by_hand


def test_a_derived_class_is_written_as_what_it_is_derived_from() -> None:
    """An IntEnum counts as an integer where one is declared, alone or among others: it compares equal."""
    assert Forms({}).of(str | int).load(Forms({}).of(str | int).dump(Level.LOW)) == 3
    assert Forms({}).of(int).dump(Level.LOW) == Forms({}).of(int).dump(3)


def test_what_is_declared_nowhere_has_no_form() -> None:
    """A field of an unknown type is found when the form is made, not when it is used: ask for one."""
    for hint in (float, object, set[int], Any):
        with pytest.raises(TypeError, match="has no form"):
            Forms({}).of(hint)


def test_forms_name_the_classes_that_they_write() -> None:
    """Two codes with other fields can tell: read the text, which has them as the source has."""
    forms = Forms({})
    forms.of(Shelf)
    assert forms.declared == [
        "Shelf(boxes: dict[bytes, list[Point]], colour: Colour, open: bool)",
        "Point(x: int, y: int)",
        "Colour: ['RED', 'BLUE']",
    ]


def test_forms_name_the_alternatives_that_they_number() -> None:
    """The number of an alternative means nothing without the others: read the text of some unions."""
    forms = Forms({})
    forms.of(dict[str | None, Point | Shelf | tuple[int, ...]])
    assert forms.declared[0] == "str | NoneType"
    assert "Point | Shelf | tuple" in forms.declared


def test_special_forms_come_first() -> None:
    """Whoever needs another form gives it, for a class as well as for a type in brackets: give both."""
    always = Forms({Point: BYTES, list[int]: BYTES})
    assert always.of(Point) is BYTES
    assert always.of(dict[str, list[int]]).dump({"a": b"x"}).endswith(b"\0\0\0\x01x")


BAD: list[tuple[Any, bytes, str]] = [
    (int, b"", "too early"),
    (int, b"\x02\x00", "too early"),
    (int, b"\x11" + bytes(17), "too long"),
    (bool, b"\x02", "neither 0 nor 1"),
    (bytes, b"\xff\xff\xff\xff", "too early"),
    (str, b"\0\0\0\x01\xff", "cannot have"),
    (list[int], b"\xff\xff\xff\xff\0", "count is larger"),
    (str | None, b"\x02", "no alternative 2"),
    (Colour, b"\x02", "no member 2"),
    (deque[int], b"\x01\xfe" + bytes(4), "cannot have"),
    (deque[int], b"\x10\x7f" + bytes(15) + bytes(4), "cannot have"),
    (Shelf, bytes(6) + b"x", "follows the value"),
    (dict[int, int], b"\0\0\0\x01\x01\x01", "too early"),
]


@pytest.mark.parametrize(("hint", "data", "words"), BAD, ids=[str(case[0]) for case in BAD])
def test_what_does_not_fit_is_a_form_error(hint: Any, data: bytes, words: str) -> None:
    """Hostile bytes give one error that says what is wrong: read what no writer wrote."""
    with pytest.raises(FormError, match=words):
        Forms({}).of(hint).load(data)


def test_a_class_that_refuses_its_fields_is_a_form_error() -> None:
    """What a class does not accept does not come in by the back door: read a box that its class refuses."""

    @dataclass
    class Picky:
        number: int

        def __post_init__(self) -> None:
            if self.number == 2:
                raise ValueError("not 2")

    form = Forms({}).of(Picky)
    assert form.load(form.dump(Picky(1))) == Picky(1)
    with pytest.raises(FormError, match="not 2"):
        form.load(b"\x01\x02")


def test_a_reader_stays_within_its_part() -> None:
    """A part of a larger whole is read without its neighbours: read from the middle."""
    reader = Reader(b"aabbbc", 2, 5)
    assert reader.take(3) == b"bbb"
    with pytest.raises(FormError):
        reader.take(1)


def test_a_brief_form_sees_lengths_and_the_items_of_short_collections() -> None:
    """A brief form costs little and still tells much apart: change one thing after another."""
    form = Forms({}, brief=True).of(dict[bytes, list[int]])
    few: dict[bytes, list[int]] = {b"k": [1, 2]}
    many: dict[bytes, list[int]] = {b"%d" % number: [] for number in range(9)}
    assert form.dump(few) != form.dump({b"k": [1, 3]})
    assert form.dump(few) == form.dump({b"x": [1, 2]})
    assert form.dump(few) != form.dump({b"kk": [1, 2]})
    assert len(form.dump(many)) == 4
    assert len(form.dump({b"k": list(range(1000))})) < 20
