"""The judge of tiny histories: it knows right from wrong, by definition."""

from __future__ import annotations

import pytest

from pbproto import Ballot
from pbproto.values import Kind, RequestId

from .histories import Histories
from .history import Entry, History, judge
from .nodes import ViolationError
from .scope import Ask, Scope

PUT1, PUT2 = Ask(0, "put", value="1"), Ask(0, "put", value="2")
NAMED = Ask(0, "put", value="1", name="once")
OTHER = Ask(1, "put", value="2", name="once")
DELETE = Ask(0, "delete")
GET, ALL = Ask(0, "get"), Ask(0, "list")
BALLOT = Ballot(1, 0, 0, 50)


def wrote(position: int, kind: Kind = Kind.CREATED, before: int = 0) -> Entry:
    return Entry("written", before, RequestId(0, 50, position), None, kind, position, BALLOT)


def read(value: bytes | None, position: int, before: int = 0) -> Entry:
    return Entry("value", before, RequestId(0, 50, 9), value, Kind.CREATED, position)


def listed(items: tuple[tuple[bytes, bytes], ...], position: int, before: int = 0) -> Entry:
    return Entry("listing", before, RequestId(0, 50, 9), items, Kind.CREATED, position)


def open_(state: str, before: int = 0) -> Entry:
    return Entry(state, before, RequestId(0, 50, 9))  # type: ignore[arg-type]


RIGHT: dict[str, tuple[tuple[Ask, ...], History]] = {
    "nothing": ((PUT1,), (None,)),
    "a write and a later read": ((PUT1, GET), (wrote(0), read(b"1", 1, 0b1))),
    "a read that overlaps sees the old": ((PUT1, GET), (wrote(0), read(None, 0))),
    "a read that overlaps sees the new": ((PUT1, GET), (wrote(0), read(b"1", 1))),
    "a lost write is seen": ((PUT1, GET), (open_("lost"), read(b"1", 1))),
    "a lost write is not seen": ((PUT1, GET), (open_("lost"), read(None, 0))),
    "an unknown write is seen late": (
        (PUT1, GET, GET),
        (open_("unknown"), read(None, 0), read(b"1", 1, 0b10)),
    ),
    "a write that waits is seen": ((PUT1, GET), (open_("waits"), read(b"1", 1))),
    "a write turned away is not": ((PUT1, GET), (open_("not applied"), read(None, 0))),
    "a read turned away tells nothing": ((PUT1, GET), (wrote(0), open_("not applied"))),
    "two writes in the order of their numbers": (
        (PUT1, PUT2, GET),
        (wrote(1, Kind.UPDATED), wrote(0), read(b"1", 2, 0b11)),
    ),
    "a delete of nothing": ((DELETE, PUT1), (wrote(0, Kind.MISSING), wrote(1, Kind.CREATED, 0b1))),
    "a delete of something": ((PUT1, DELETE, GET), (wrote(0), wrote(1, Kind.DELETED), read(None, 2, 0b10))),
    "everything": ((PUT1, ALL), (wrote(0), listed(((b"k", b"1"),), 1, 0b1))),
    "a repeated write has one answer": (
        (NAMED, PUT2, NAMED, GET),
        (wrote(0), wrote(1, Kind.UPDATED, 0b1), wrote(0, Kind.CREATED, 0b11), read(b"2", 2, 0b111)),
    ),
    "a repeated write whose first answer is unknown": (
        (NAMED, NAMED, GET),
        (open_("unknown"), wrote(0), read(b"1", 1, 0b10)),
    ),
    "another write under the same key, refused or without an answer": (
        (NAMED, OTHER, OTHER, GET),
        (wrote(0), open_("not applied"), open_("unknown"), read(b"1", 1, 0b1)),
    ),
    "a later read of the same place": ((PUT1, GET, GET), (wrote(0), read(b"1", 1), read(b"1", 1, 0b10))),
}

WRONG: dict[str, tuple[tuple[Ask, ...], History]] = {
    "a lost acknowledged write": ((PUT1, GET), (wrote(0), read(None, 0, 0b1))),
    "a value nobody wrote": ((PUT1, GET), (wrote(0), read(b"2", 1))),
    "a value from before it was written": ((GET, PUT1), (read(b"1", 1), wrote(0, before=0b1))),
    "new, then old": ((PUT1, GET, GET), (wrote(0), read(b"1", 1), read(None, 0, 0b10))),
    "a lost write seen, then not": ((PUT1, GET, GET), (open_("lost"), read(b"1", 1), read(None, 0, 0b10))),
    "a write turned away is seen": ((PUT1, GET), (open_("not applied"), read(b"1", 1))),
    "a write asked after the read is seen": ((GET, PUT1), (read(b"1", 1), open_("lost", 0b1))),
    "both created": ((PUT1, PUT2), (wrote(0), wrote(1))),
    "a delete of what is there finds nothing": ((PUT1, DELETE), (wrote(0), wrote(1, Kind.MISSING, 0b1))),
    "half of everything": ((PUT1, ALL), (wrote(0), listed((), 1, 0b1))),
    "one number for two writes": ((PUT1, PUT2), (wrote(0), wrote(0, Kind.UPDATED))),
    "a number that leaves one out": ((PUT1, GET), (wrote(0), read(b"1", 2, 0b1))),
    "numbers against real time": ((PUT1, PUT2), (wrote(1), wrote(0, Kind.UPDATED, 0b1))),
    "a repeated write with another number": ((NAMED, NAMED), (wrote(0), wrote(1, Kind.UPDATED, 0b1))),
    "a repeated write with another answer": ((NAMED, NAMED), (wrote(0), wrote(0, Kind.UPDATED, 0b1))),
    "another write under the same key with its answer": ((NAMED, OTHER), (wrote(0), wrote(0))),
    "two writes under one key": ((NAMED, OTHER), (wrote(0), wrote(1, Kind.UPDATED, 0b1))),
    "a repeated write takes effect again": (
        (NAMED, PUT2, NAMED, GET),
        (wrote(0), wrote(1, Kind.UPDATED, 0b1), wrote(0, Kind.CREATED, 0b11), read(b"1", 2, 0b111)),
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_the_judge_lets_right_histories_pass(name: str) -> None:
    """Whatever a plain map could have answered is right, or good runs would be called wrong.

    Judge one history of each kind.
    """
    assert judge(*RIGHT[name]) == ""


@pytest.mark.parametrize("name", WRONG)
def test_the_judge_finds_what_is_wrong(name: str) -> None:
    """Whatever no plain map answers is wrong, or a broken store would pass.

    Judge one history of each kind.
    """
    assert judge(*WRONG[name]).startswith("no order")


def test_the_judge_names_wrong_numbers() -> None:
    """A wrong ``Msg-Num`` is told from a wrong answer.

    A history that is right but for a number, and one that is not.
    """
    assert judge(*WRONG["a number that leaves one out"]).endswith("with these numbers")
    assert judge(*WRONG["new, then old"]).endswith("these answers")


def test_a_request_is_answered_once_and_fittingly() -> None:
    """An answer to nobody, a second one, and one of the wrong kind are violations.

    Answer a request that was not asked, then twice, then a read as a write.
    """
    histories = Histories(Scope("s", "", nodes=1, clients=((PUT1, GET),)))
    answer = ((0, ("written", 0, 0)),)
    with pytest.raises(ViolationError, match="without being asked"):
        histories.answer(histories.empty, answer, BALLOT)
    asked = histories.ask(histories.empty, 0, RequestId(0, 50, 0))
    done = histories.answer(asked, answer, BALLOT)
    with pytest.raises(ViolationError, match="twice"):
        histories.answer(done, answer, BALLOT)
    reads = histories.ask(done, 1, RequestId(0, 50, 1))
    with pytest.raises(ViolationError, match="was answered"):
        histories.answer(reads, ((1, ("written", 0, 1)),), BALLOT)


def test_clients_are_sequential_and_a_crash_ends_what_waits() -> None:
    """A client asks its next request when the one before has ended, by an answer or by a crash.

    Ask, see that nothing else can be asked, crash another life (nothing ends) and then the right one.
    """
    histories = Histories(Scope("s", "", nodes=1, clients=((PUT1, GET), (GET,))))
    assert histories.wishes[histories.empty] == (0, 2)
    asked = histories.ask(histories.empty, 0, RequestId(0, 50, 0))
    assert histories.wishes[asked] == (2,)
    assert histories.crash(asked, 0, 20) == asked
    lost = histories.crash(asked, 0, 50)
    entry = histories.met[lost][0]
    assert entry is not None
    assert entry.state == "lost"
    assert histories.wishes[lost] == (1, 2)
    with pytest.raises(ViolationError, match="no order"):
        histories.answer(histories.ask(lost, 1, RequestId(0, 20, 0)), ((1, ("value", b"7", 0)),), BALLOT)
