"""The map against plain dicts, and what its snapshots cost: which buckets are shared, copied and freed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from random import Random
from zlib import crc32

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pbproto import buckets
from pbproto.buckets import LOAD, TIDY, BucketMap, Snapshot


def name(number: int) -> bytes:
    return b"%d" % number


def filled(count: int, place: Callable[[bytes], int] = crc32) -> BucketMap:
    """A map of the keys 0, 1, 2, …"""
    made = BucketMap(place=place)
    for number in range(count):
        made.put(name(number), b"v%d" % number)
    return made


def test_it_is_a_map() -> None:
    """Whoever had a dict finds what it had: put, read, update, remove and miss, with few keys and many."""
    for count in (3, 3 * LOAD):
        made = filled(count)
        plain = {name(number): b"v%d" % number for number in range(count)}
        assert made == plain
        assert plain == made
        assert (len(made), sorted(made)) == (count, sorted(plain))
        assert [made[key] for key in plain] == list(plain.values())
        assert [made.get(key) for key in plain] == list(plain.values())
        assert all(key in made for key in plain)
        assert made.put(b"0", b"w")
        assert not made.put(b"new", b"x")
        assert (made[b"0"], made[b"new"], len(made)) == (b"w", b"x", count + 1)
        assert made.remove(b"new")
        assert not made.remove(b"new")
        assert b"new" not in made
        assert "0" not in made  # type: ignore[comparison-overlap]
        assert made.get(b"new") is None
        assert made.get(b"new", b"other") == b"other"
        for missing in (made.__getitem__, made.__delitem__):
            with pytest.raises(KeyError):
                missing(b"new")
        made[b"0"] = b"v0"
        del made[b"1"]
        del plain[b"1"]
        assert made == plain
        assert made != {**plain, b"2": b""}
        assert made.pop(b"2") == b"v2"
        made.clear()
        assert (len(made), dict(made.items())) == (0, {})


def test_it_shows_its_items() -> None:
    """Who prints a map or a snapshot sees the same in each process: no address of an object."""
    assert repr(filled(2)) == "BucketMap({b'0': b'v0', b'1': b'v1'})"
    assert repr(filled(1).snapshot()) == "Snapshot({b'0': b'v0'})"


def test_up_to_the_load_the_order_is_that_of_a_dict() -> None:
    """Small stores list their keys as they came: put them in an order that is none of the keys' own."""
    made = BucketMap()
    keys = [name(number * 37 % 101) for number in range(LOAD)]
    for key in keys:
        made.put(key, b"")
    assert list(made) == keys
    assert made.width == 1


def test_buckets_become_more_one_at_a_time() -> None:
    """No write pays for a resize: put keys whose number is their place, and look where they are."""
    made = BucketMap(place=int)
    before = 1
    for number in range(20 * LOAD):
        made.put(name(number), b"")
        assert made.width in (before, before + 1)
        assert made.width == -(-len(made) // LOAD)
        before = made.width
        if number % LOAD == 0:
            assert made == dict.fromkeys(map(name, range(number + 1)), b"")
    assert made.width == 20
    # 16 buckets by four bits, and four more by the fifth.
    expected = [
        key
        for at in range(20)
        for key in range(20 * LOAD)
        if key % 32 == at or (key % 16 == at and 4 <= at < 16)
    ]
    assert list(made) == [name(key) for key in expected]


def test_keys_are_spread_by_their_check_sum() -> None:
    """The order is the same in each process, which that of ``hash`` is not: compare with CRC-32."""
    made = filled(2 * LOAD)
    assert made.width == 2
    keys = [name(number) for number in range(2 * LOAD)]
    assert list(made) == [key for bit in (0, 1) for key in keys if crc32(key) & 1 == bit]


def test_there_is_an_end_to_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot copies a pointer for each bucket: above a limit they get longer instead of more."""
    monkeypatch.setattr(buckets, "MAX_BUCKETS", 5)
    made = filled(10 * LOAD)
    assert made.width == 5
    assert made == {name(number): b"v%d" % number for number in range(10 * LOAD)}


@pytest.mark.parametrize("width", range(1, 18))
def test_a_map_of_the_same_width_has_the_same_order(width: int) -> None:
    """What is restored goes on as the original would: copy maps that were larger once, and let both grow."""
    made = filled(width * LOAD)
    for number in range(0, width * LOAD, 3):
        made.remove(name(number))
    copy = BucketMap(width)
    for key, value in made.items():
        copy.put(key, value)
    for number in range(width * LOAD):
        assert list(copy.items()) == list(made.items()) or number % 100
        made.put(b"more%d" % number, b"")
        copy.put(b"more%d" % number, b"")
    assert list(copy.items()) == list(made.items())
    assert copy.width == made.width


def test_a_snapshot_stays_as_it_was() -> None:
    """Update, remove, add and grow, and compare snapshots with what the map was when they were taken."""
    made = filled(3 * LOAD)
    taken = [(made.snapshot(), dict(made.items()))]
    for number in range(0, 6 * LOAD, 2):
        made.put(name(number), b"new")
        made.remove(name(number // 2 + 1))
        if number % LOAD == 0:
            taken.append((made.snapshot(), dict(made.items())))
    assert len({len(plain) for _, plain in taken}) > 3
    for snapshot, plain in taken:
        assert snapshot == plain
        assert len(snapshot) == len(snapshot.items()) == len(plain)
        assert list(snapshot) == [key for key, _ in snapshot.items()]
        for number in range(6 * LOAD):
            assert snapshot.get(name(number)) == plain.get(name(number))
            assert (name(number) in snapshot) == (name(number) in plain)


@pytest.mark.parametrize("count", [0, 1, LOAD, LOAD + 1, 7 * LOAD])
def test_a_successor_is_as_wide_as_it_will_be(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is filled does not pay for growth: fill successors with what they were made for, and some more."""
    made = filled(1, int).successor(count)
    grown = filled(count, int)
    assert made.width == grown.width
    for number in range(count):
        made.put(name(number), b"v%d" % number)
    assert list(made.items()) == list(grown.items())
    monkeypatch.setattr(buckets, "MAX_BUCKETS", 2)
    assert made.successor(count).width == min(made.width, 2)


def same_buckets(one: BucketMap | Snapshot, other: Snapshot) -> int:
    """How many buckets two have in common."""
    return sum(map(lambda left, right: left is right, one._buckets, other._buckets))


def test_only_what_is_shared_is_copied_and_once() -> None:
    """A write while a snapshot is held copies one bucket, and the next to that bucket none."""
    made = filled(8 * LOAD, int)
    snapshot = made.snapshot()
    assert same_buckets(made, snapshot) == 8
    made.put(b"0", b"new")
    assert same_buckets(made, snapshot) == 7
    copied = made._buckets[0]
    made.put(b"8", b"new")
    made.remove(b"16")
    assert made._buckets[0] is copied
    made.remove(b"1")
    made.remove(b"1")
    assert same_buckets(made, snapshot) == 6
    later = made.snapshot()
    made.put(b"0", b"newer")
    assert same_buckets(made, later) == 7
    assert (snapshot[b"0"], later[b"0"], made[b"0"]) == (b"v0", b"new", b"newer")


def test_without_snapshots_nothing_is_copied() -> None:
    """When the last snapshot is gone a write costs what it always did: look whether it makes a bucket."""
    made = filled(8 * LOAD, int)
    first, second = made.snapshot(), made.snapshot()
    before = list(made._buckets)
    del first
    made.put(b"0", b"new")
    assert made._buckets[0] is not before[0]
    del second
    made.put(b"1", b"new")
    made.remove(b"2")
    assert [made._buckets[at] is before[at] for at in range(3)] == [False, True, True]


@pytest.mark.parametrize("begin", [lambda taken: iter(taken.items()), lambda taken: taken.items_from(5)])
def test_whoever_reads_a_snapshot_holds_it(
    begin: Callable[[Snapshot], Iterator[tuple[bytes, bytes]]],
) -> None:
    """An iterator may be all that is left of a snapshot: begin, write to all buckets, and read on."""
    made = filled(8 * LOAD)
    plain = list(made.items())
    reading = begin(made.snapshot())
    got = [next(reading)]
    for number in range(8 * LOAD):
        made.put(name(number), b"new")
    got += reading
    assert got == plain[-len(got) :]
    assert len(got) >= 8 * LOAD - 5


def test_items_are_found_by_number() -> None:
    """A transfer goes on anywhere: ask for the items from each number on, also where buckets are empty."""
    made = filled(6 * LOAD, int)
    for number in range(0, 6 * LOAD, 4):
        made.remove(name(number))  # all of bucket 0, and 4
    snapshot = made.snapshot()
    items = list(snapshot.items())
    assert len(snapshot._buckets[0]) == len(snapshot._buckets[4]) == 0
    for offset in range(len(items) + 2):
        assert list(snapshot.items_from(offset)) == items[offset:]
    assert list(BucketMap().snapshot().items_from(0)) == []


def test_what_is_let_go_of_is_freed_a_little_at_a_time() -> None:
    """To free a large map at once stops the node: let go of a snapshot, and of a map, and count what is left.

    Each value is in a bucket of its own, so that a bucket that is still there holds one.
    """
    made = BucketMap(3 * TIDY, int)
    values = [bytes(number) for number in range(2, 2 + 3 * TIDY)]
    before = sum(map(sys.getrefcount, values))

    def fill() -> None:
        for number in range(3 * TIDY):
            made.put(name(number), values[number])

    def held() -> int:
        return sum(map(sys.getrefcount, values)) - before

    fill()
    assert held() == 3 * TIDY
    snapshot = made.snapshot()
    for number in range(3 * TIDY):
        made.put(name(number), b"")
    del snapshot
    assert held() == 3 * TIDY
    for left in (2, 1, 0, 0):
        made.tidy()
        assert held() == left * TIDY
    fill()
    made = made.successor(1)
    assert held() == 3 * TIDY
    for left in (2, 1, 0, 0):
        made.tidy()
        assert held() == left * TIDY


class AgainstDicts(RuleBasedStateMachine):
    """The map and its snapshots against a dict and its copies."""

    keys = st.integers(0, 400).map(name)

    def __init__(self) -> None:
        super().__init__()
        self.map = BucketMap()
        self.plain: dict[bytes, bytes] = {}
        self.taken: list[tuple[Snapshot, dict[bytes, bytes]]] = []
        self.reading: list[tuple[Iterator[tuple[bytes, bytes]], dict[bytes, bytes]]] = []

    @rule(first=st.integers(0, 400), count=st.integers(0, 100), value=st.binary(max_size=2))
    def put_many(self, first: int, count: int, value: bytes) -> None:
        for key in map(name, range(first, first + count)):
            assert self.map.put(key, value) == (key in self.plain)
            self.plain[key] = value

    @rule(key=keys, value=st.binary(max_size=2))
    def put(self, key: bytes, value: bytes) -> None:
        assert self.map.put(key, value) == (key in self.plain)
        self.plain[key] = value

    @rule(key=keys)
    def remove(self, key: bytes) -> None:
        assert self.map.remove(key) == (self.plain.pop(key, None) is not None)

    @rule(key=keys)
    def read(self, key: bytes) -> None:
        assert self.map.get(key) == self.plain.get(key)

    @rule()
    def take(self) -> None:
        self.taken.append((self.map.snapshot(), dict(self.plain)))

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def let_go(self, data: st.DataObject) -> None:
        snapshot, plain = self.taken.pop(data.draw(st.integers(0, len(self.taken) - 1)))
        if data.draw(st.booleans()):
            self.reading.append((iter(snapshot.items()), plain))

    @precondition(lambda self: self.reading)
    @rule(count=st.integers(0, 200))
    def read_on(self, count: int) -> None:
        reading, plain = self.reading[0]
        for _ in range(count):
            item = next(reading, None)
            if item is None:
                assert not plain
                self.reading.pop(0)
                break
            assert plain.pop(item[0]) == item[1]

    @rule()
    def tidy(self) -> None:
        self.map.tidy()

    @rule()
    def succeed(self) -> None:
        made = self.map.successor(0)
        for key, value in self.map.items():
            made.put(key, value)
        self.map = made

    @invariant()
    def all_are_equal(self) -> None:
        assert self.map == self.plain
        for snapshot, plain in self.taken:
            assert snapshot == plain


AgainstDicts.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestAgainstDicts = AgainstDicts.TestCase


def test_the_bytes_of_keys_and_values_are_known() -> None:
    """Goal: the size is exact at every moment. Method: add up after each of many random changes, some of
    which change nothing, with and without a snapshot that shares the buckets.
    """
    random = Random(7)
    map_ = BucketMap()
    held: list[object] = []
    for number in range(3_000):
        key = b"%d" % random.randrange(300)
        if random.random() < 0.3:
            map_.remove(key)
        else:
            map_.put(key, bytes(random.randrange(5)))
        if number % 500 == 0:
            held.append(map_.snapshot())
        if number % 7 == 0:
            assert map_.content_bytes == sum(len(key) + len(value) for key, value in map_.items())
    assert map_.successor(10).content_bytes == 0
