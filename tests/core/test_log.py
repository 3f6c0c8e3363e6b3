"""The log: positions, bounded reads, cutting at both ends."""

from __future__ import annotations

from random import Random

import pytest

from pbproto import InvariantError, Operation
from pbproto.log import Log


def operation(counter: int, size: int = 100) -> Operation:
    made = Operation(1, 1, counter, 0, b"k", b"v" * (size - 81), b"")
    assert made.size == size
    return made


def filled(count: int, start: int = 0) -> Log:
    log = Log(start)
    for counter in range(start, start + count):
        assert log.append(operation(counter)) == counter
    return log


def test_positions_count_from_the_start() -> None:
    """A log that begins after a snapshot goes on with its numbers: append to one, read it back."""
    log = filled(3, start=5)
    assert (log.start, log.end, log.bytes) == (5, 8, 300)
    assert [log[position].counter for position in (5, 6, 7)] == [5, 6, 7]


@pytest.mark.parametrize("position", [4, 8, -1])
def test_only_what_is_kept_is_read(position: int) -> None:
    """Reading beside the log is a broken invariant, not a wrong operation: read just beside both ends."""
    with pytest.raises(InvariantError):
        filled(3, start=5)[position]


@pytest.mark.parametrize(
    ("first", "end", "max_bytes", "counters"),
    [
        (2, 10, 10_000, [2, 3, 4, 5]),
        (3, 5, 10_000, [3, 4]),
        (2, 6, 200, [2, 3]),
        (2, 6, 299, [2, 3]),
        (2, 6, 300, [2, 3, 4]),
        (4, 6, 1, [4]),
        (6, 6, 10_000, []),
        (5, 3, 10_000, []),
        (9, 12, 10_000, []),
    ],
)
def test_a_batch_is_bounded_but_never_empty_without_need(
    first: int, end: int, max_bytes: int, counters: list[int]
) -> None:
    """One operation larger than the bound must travel too: ask for stretches within various bounds."""
    log = filled(4, start=2)
    assert [made.counter for made in log.since(first, end, max_bytes)] == counters


@pytest.mark.parametrize(
    ("end", "max_bytes", "first"),
    [
        (6, 10_000, 2),
        (6, 400, 2),
        (6, 399, 3),
        (6, 100, 5),
        (6, 99, 6),
        (6, 0, 6),
        (4, 100, 3),
        (4, 10_000, 2),
        (2, 10_000, 2),
    ],
)
def test_a_tail_is_as_long_as_it_may_be(end: int, max_bytes: int, first: int) -> None:
    """Whole operations, the last ones before its end, never more than the bound; the log was trimmed."""
    log = filled(6)
    log.trim(2, 0)
    assert log.tail(end, max_bytes) == first
    assert sum(log[position].size for position in range(first, end)) <= max_bytes


def test_what_was_trimmed_is_not_sent() -> None:
    """Sending the wrong operations would be silent: ask for some below the start."""
    with pytest.raises(InvariantError):
        filled(2, start=2).since(1, 4, 1000)


def test_truncate_forgets_the_end() -> None:
    """Cut in the middle, at the end, and at the start; the bytes follow."""
    log = filled(4, start=2)
    log.truncate(6)
    assert (log.start, log.end, log.bytes) == (2, 6, 400)
    log.truncate(4)
    assert (log.start, log.end, log.bytes) == (2, 4, 200)
    assert log.append(operation(77)) == 4
    log.truncate(2)
    assert (log.start, log.end, log.bytes) == (2, 2, 0)
    with pytest.raises(InvariantError):
        log.truncate(1)


def test_trim_keeps_what_may_be_needed_and_what_is_cheap() -> None:
    """Nothing at or above the limit goes, and nothing while it fits: trim with various limits."""
    log = filled(10)
    log.trim(10, 1000)
    assert log.start == 0
    log.trim(3, 0)
    assert (log.start, log.end, log.bytes) == (3, 10, 700)
    log.trim(10, 450)
    assert (log.start, log.end, log.bytes) == (6, 10, 400)
    assert [made.counter for made in log.since(6, 10, 10_000)] == [6, 7, 8, 9]


def test_trimming_much_gives_the_memory_back_and_changes_no_position() -> None:
    """The list is cut in bulk now and then: trim a long log step by step, reading it on the way."""
    log = filled(300)
    for limit in range(0, 301, 10):
        log.trim(limit, 0)
        assert (log.start, log.end, log.bytes) == (limit, 300, (300 - limit) * 100)
        assert [made.counter for made in log.since(limit, 300, 150)] == list(
            range(limit, min(limit + 1, 300))
        )
        assert all(log[position].counter == position for position in range(limit, 300, 7))
    assert len(log._operations) < 150
    log.append(operation(300))
    log.truncate(300)
    assert log.end == 300


def test_its_sums_are_those_of_a_plain_list() -> None:
    """Goal: what is found by subtraction and bisection is what adding up finds. Method: random appends, cuts
    and trims, beside a list that is added up each time.
    """
    random = Random(7)
    log, kept, start = Log(3), list[Operation](), 3
    for counter in range(3_000):
        end = start + len(kept)
        first, last = sorted((random.randint(start, end), random.randint(start, end)))
        bound = random.choice((0, 1, random.randint(0, 3_000)))
        match random.randrange(8):
            case 0:
                log.truncate(last)
                del kept[last - start :]
            case 1:
                log.trim(first, bound)
                while start < first and sum(each.size for each in kept) > bound:
                    del kept[0]
                    start += 1
            case 2:
                sent: list[Operation] = []
                for each in kept[first - start : last - start]:
                    if sent and sum(other.size for other in sent) + each.size > bound:
                        break
                    sent.append(each)
                assert list(log.since(first, last, bound)) == sent
            case 3:
                at = last
                while at > start and sum(each.size for each in kept[at - 1 - start : last - start]) <= bound:
                    at -= 1
                assert log.tail(last, bound) == at
            case _:
                made = operation(counter, random.randint(81, 400))
                assert log.append(made) == end
                kept.append(made)
        assert (log.start, log.end, log.bytes) == (start, start + len(kept), sum(each.size for each in kept))
        assert log.between(log.start, log.end) == kept
