"""The replicated state: what writes do, how answers are remembered, how it travels."""

from __future__ import annotations

from hashlib import blake2b

import pytest

from pbproto import Ballot, InvariantError, Kind, Operation, Result
from pbproto import store as module
from pbproto.messages import OriginRecord, SnapshotChunk
from pbproto.store import CHUNK_ITEMS, Frozen, Known, Origin, Store, Thaw, fingerprint

BALLOT = Ballot(1, 0, 0, 1)


def put(
    counter: int,
    key: bytes = b"k",
    value: bytes = b"v",
    *,
    origin: int = 1,
    settled: int = 0,
    name: bytes = b"",
) -> Operation:
    return Operation(origin, 7, counter, settled, key, value, name)


def delete(counter: int, key: bytes = b"k") -> Operation:
    return Operation(1, 7, counter, 0, key, None, b"")


def test_each_write_says_what_it_did_and_has_its_own_number() -> None:
    """Create, update, delete and miss a key; a DELETE of nothing takes a number too."""
    store = Store()
    results = [store.apply(made) for made in (put(0), put(1, value=b""), delete(2), delete(3), put(4))]
    kinds = [Kind.CREATED, Kind.UPDATED, Kind.DELETED, Kind.MISSING, Kind.CREATED]
    assert results == [Result(kind, position) for position, kind in enumerate(kinds)]
    assert store.data == {b"k": b"v"}
    assert store.applied == 5


def test_an_empty_value_is_a_value() -> None:
    """A key with an empty value exists: write one and delete it."""
    store = Store()
    store.apply(put(0, value=b""))
    assert store.apply(delete(1)).kind is Kind.DELETED


def test_an_applied_request_is_known_with_its_result() -> None:
    """Look a request up before and after it was applied."""
    store = Store()
    assert store.look_up(put(0), 0) is Known.NEW
    result = store.apply(put(0))
    assert store.look_up(put(0), 0) == result
    assert store.look_up(put(1), 0) is Known.NEW
    assert store.look_up(put(0, origin=2), 0) is Known.NEW


def test_no_request_is_applied_twice() -> None:
    """Invariant 5, as the last line of defence: apply a request again, and one that was settled."""
    store = Store()
    store.apply(put(5))
    with pytest.raises(InvariantError, match="twice"):
        store.apply(put(5))
    store = Store()
    store.apply(put(5, settled=4))
    with pytest.raises(InvariantError, match="settled"):
        store.apply(put(3))


def test_the_low_water_mark_forgets_results_and_remembers_that_they_were_settled() -> None:
    """The table stays small: apply three, settle two; a late copy of a settled one is recognised."""
    store = Store()
    for counter in range(3):
        store.apply(put(counter))
    store.apply(put(3, settled=2))
    assert list(store.origins[(1, 7)].results) == [2, 3]
    assert store.look_up(put(1), 0) is Known.SETTLED
    assert store.look_up(put(2), 0) == Result(Kind.UPDATED, 2)
    store.apply(put(4, settled=1))
    assert store.origins[(1, 7)].settled == 2


def test_the_origin_that_wrote_least_recently_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of origins is bounded: with room for two, let a third one write after the first wrote again.

    What may have been forgotten is not taken for new, unless it arrived after everything forgotten.
    """
    monkeypatch.setattr(module, "MAX_ORIGINS", 2)
    store = Store()
    for counter, origin in enumerate((1, 2, 1, 3)):
        store.apply(put(counter, origin=origin))
    assert list(store.origins) == [(1, 7), (3, 7)]
    assert store.evicted == 2
    assert store.look_up(put(1, origin=2), 1) is Known.MAYBE_FORGOTTEN
    assert store.look_up(put(9, origin=2), 2) is Known.NEW


def test_an_origin_that_was_forgotten_is_not_known_in_full_when_it_writes_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its first write was applied, its answer lost; others make it forgotten; it writes a second one.

    Its first one, asked again, must not be taken for new: it arrived before the origin was heard of again.
    What arrives later is new.
    """
    monkeypatch.setattr(module, "MAX_ORIGINS", 2)
    store = Store()
    store.apply(put(5, origin=1))
    for counter, origin in enumerate((2, 3)):
        store.apply(put(counter, origin=origin))
    assert store.look_up(put(5, origin=1), 0) is Known.MAYBE_FORGOTTEN
    store.apply(put(6, origin=1, settled=5))
    assert store.look_up(put(5, origin=1), 0) is Known.MAYBE_FORGOTTEN
    assert store.look_up(put(6, origin=1), 0) == Result(Kind.UPDATED, 3)
    assert store.look_up(put(7, origin=1), 3) is Known.NEW
    assert store.look_up(put(4, origin=1), 0) is Known.SETTLED


@pytest.mark.parametrize("known", [0, 3, 50])
def test_forgetting_costs_what_is_passed_and_forgets_the_same(known: int) -> None:
    """Few marks among many results, and many among few: both ways leave what lies at or above the mark."""
    results = dict.fromkeys(range(10, 10 + known))
    module.forget_below(results, 10, 30)
    assert list(results) == [counter for counter in range(10, 10 + known) if counter >= 30]


def test_the_oldest_idempotency_key_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of keys is bounded: with room for two, use three."""
    monkeypatch.setattr(module, "MAX_IDEMPOTENCY_KEYS", 2)
    store = Store()
    for counter, name in enumerate((b"a", b"b", b"c")):
        store.apply(put(counter, name=name))
    assert list(store.keys) == [b"b", b"c"]
    assert store.keys[b"c"] == (fingerprint(put(0)), Result(Kind.UPDATED, 2))


def test_no_idempotency_key_is_applied_twice() -> None:
    """The primary answers a repeated key from the table: to apply one again is a broken invariant."""
    store = Store()
    store.apply(put(0, name=b"a"))
    with pytest.raises(InvariantError, match="idempotency"):
        store.apply(put(1, name=b"a"))


def test_fingerprints_tell_requests_apart() -> None:
    """Another method, key or value is another request, also where the bytes in a row are the same."""
    different = [put(0), put(0, key=b"kv", value=b""), put(0, value=b""), delete(0), put(0, key=b"l")]
    assert len({fingerprint(made): made for made in different}) == len(different)
    assert fingerprint(put(0)) == fingerprint(put(99, origin=3, settled=5, name=b"x"))


def filled() -> Store:
    store = Store()
    for counter in range(6):
        name = b"n%d" % counter if counter % 2 else b""
        store.apply(put(counter, b"key%d" % counter, b"v" * 20, origin=counter % 3, name=name))
    store.apply(put(9, b"key0", b"again", settled=3))
    store.evicted = 1
    return store


def same(one: Store, other: Store) -> bool:
    """Equal in content and, what decides about the next eviction, in the order of origins and keys."""
    return (one.applied, one.evicted, one.data, list(one.keys.items())) == (
        other.applied,
        other.evicted,
        other.data,
        list(other.keys.items()),
    ) and list(one.origins.items()) == list(other.origins.items())


@pytest.mark.parametrize("max_bytes", [1, 60, 100, 500, 10**6])
def test_a_store_travels_whole_in_chunks_of_any_size(max_bytes: int) -> None:
    """Results, keys and orders belong to the state: send one in chunks, and compare everything."""
    store = filled()
    frozen = Frozen(store)
    thaw = Thaw(frozen.chunk(BALLOT, 0, max_bytes), Store())
    chunks = 0
    while not thaw.complete:
        assert thaw.finish() is None
        assert thaw.add(frozen.chunk(BALLOT, thaw.next, max_bytes))
        chunks += 1
    finished = thaw.finish()
    assert finished is not None
    assert same(finished, store)
    assert chunks == 1 if max_bytes == 10**6 else chunks > 1


@pytest.mark.parametrize("max_bytes", [1000, 10**6])
def test_a_store_travels_as_it_was_while_it_goes_on(max_bytes: int) -> None:
    """Who is filled gets one state, whatever is written meanwhile: change every key between the chunks."""
    store, as_it_was = Store(), Store()
    operations = [put(number, b"key%d" % number, b"old", name=b"once%d" % number) for number in range(500)]
    for operation in operations:
        store.apply(operation)
        as_it_was.apply(operation)
    frozen = Frozen(store)
    thaw = Thaw(frozen.chunk(BALLOT, 0, max_bytes), Store())
    counter = 500
    while not thaw.complete:
        assert thaw.add(frozen.chunk(BALLOT, thaw.next, max_bytes))
        for number in range(counter - 500, counter - 400):
            store.apply(put(number + 500, b"key%d" % (number % 500), b"new", name=b"again%d" % number))
        store.apply(delete(counter + 100, b"key%d" % (counter % 500)))
        counter += 101
    finished = thaw.finish()
    assert finished is not None
    assert same(finished, as_it_was)
    assert store.data != finished.data


def test_the_empty_store_travels() -> None:
    """A store without anything has a chunk too; it is complete at once, and again."""
    thaw = Thaw(Frozen(Store()).chunk(BALLOT, 0, 100), Store())
    assert thaw.add(Frozen(Store()).chunk(BALLOT, 0, 100))
    finished = thaw.finish()
    assert finished is not None
    assert same(finished, Store())


def test_only_the_next_chunk_of_the_same_snapshot_is_taken() -> None:
    """A chunk that is late, early, of another snapshot, too long or empty changes nothing: offer each."""
    frozen = Frozen(filled())
    first = frozen.chunk(BALLOT, 0, 60)
    thaw = Thaw(first, Store())
    assert thaw.add(first)
    count = thaw.next
    wrong = [
        first,
        frozen.chunk(BALLOT, count + 1, 60),
        Frozen(Store()).chunk(BALLOT, count, 60),
        _with(frozen.chunk(BALLOT, count, 60), evicted=99),
        _with(frozen.chunk(BALLOT, count, 10**6), pairs=((b"x", b""),) * 100),
        SnapshotChunk(BALLOT, first.applied, first.evicted, count, first.total, (), (), ()),
    ]
    for chunk in wrong:
        assert not thaw.add(chunk)
        assert thaw.next == count
    assert thaw.add(frozen.chunk(BALLOT, count, 60))


def _with(
    chunk: SnapshotChunk, evicted: int | None = None, pairs: tuple[tuple[bytes, bytes], ...] | None = None
) -> SnapshotChunk:
    return SnapshotChunk(
        chunk.ballot,
        chunk.applied,
        chunk.evicted if evicted is None else evicted,
        chunk.offset,
        chunk.total,
        chunk.pairs if pairs is None else pairs,
        chunk.origins,
        chunk.keys,
    )


def test_a_snapshot_that_does_not_add_up_is_not_used() -> None:
    """Three items of which two have one name are two: such a store is not finished."""
    pairs = ((b"a", b"1"), (b"a", b"2"))
    chunk = SnapshotChunk(BALLOT, 2, 0, 0, 3, pairs, (OriginRecord(1, 7, 0, 0, 1, ()),), ())
    thaw = Thaw(chunk, Store())
    assert thaw.add(chunk)
    assert thaw.complete
    assert thaw.finish() is None


def test_an_origin_record_becomes_what_it_was() -> None:
    """The low-water mark and the last position travel too: look at one origin after the journey."""
    chunk = Frozen(filled()).chunk(BALLOT, 0, 10**6)
    thaw = Thaw(chunk, Store())
    thaw.add(chunk)
    assert thaw.store.origins[(1, 7)] == Origin(
        1, 3, 6, {4: Result(Kind.CREATED, 4), 9: Result(Kind.UPDATED, 6)}
    )


def test_a_fingerprint_is_a_digest_of_method_key_and_value() -> None:
    """Digests travel in snapshots, between versions too, so their form is fixed: compute them by hand."""
    for made, text in (
        (put(0, b"key", b"value"), b"put\0\0\0\3keyvalue"),
        (put(0, b"key", b""), b"put\0\0\0\3key"),
        (delete(0, b"key"), b"delete\0\0\0\3key"),
    ):
        assert fingerprint(made) == blake2b(text, digest_size=16).digest()


def test_the_mark_itself_is_not_forgotten() -> None:
    """What lies below the mark is settled, the mark is not: forget among few results, far away."""
    results = {3: "below", 100: "at", 200: "above"}
    module.forget_below(results, 0, 100)
    assert results == {100: "at", 200: "above"}


def held_by(chunk: SnapshotChunk) -> tuple[int, int, int]:
    return len(chunk.pairs), len(chunk.origins), len(chunk.keys)


def test_a_chunk_has_so_many_items_at_most() -> None:
    """Small items are many in the bytes of a chunk, and each takes its time: count them in two chunks."""
    store = Store()
    for number in range(CHUNK_ITEMS + 5):
        store.data.put(b"%d" % number, b"")
    frozen = Frozen(store)
    assert held_by(frozen.chunk(BALLOT, 0, 10**9)) == (CHUNK_ITEMS, 0, 0)
    assert held_by(frozen.chunk(BALLOT, CHUNK_ITEMS, 10**9)) == (5, 0, 0)


def test_a_chunk_is_as_large_as_it_may_be() -> None:
    """It takes items while there is room, so that the last one may not fit: ask for a little less and more.

    A pair is counted with its bytes and 8 more, an origin with 40 and 17 for each result, a key with 300.
    """
    store = Store()
    for counter in range(3):
        store.apply(put(counter, b"key%d" % counter, b"v" * 20, origin=counter, name=b"n%d" % counter))
    store.apply(put(3, b"key0", b"v" * 20, origin=0))
    frozen = Frozen(store)
    pair, origin, key = 4 + 20 + 8, 40 + 17, 300
    for max_bytes, count in ((2 * pair - 1, 2), (2 * pair, 2), (2 * pair + 1, 3)):
        assert held_by(frozen.chunk(BALLOT, 0, max_bytes)) == (count, 0, 0)
    for max_bytes, count in ((2 * origin, 2), (2 * origin + 1, 3), (2 * origin + 17, 3)):
        assert held_by(frozen.chunk(BALLOT, 3, max_bytes)) == (0, count, 0)
    for max_bytes, count in ((2 * key, 2), (2 * key + 1, 3)):
        assert held_by(frozen.chunk(BALLOT, 6, max_bytes)) == (0, 0, count)
    # The one that wrote last has two results.
    assert held_by(frozen.chunk(BALLOT, 5, origin + 17)) == (0, 1, 0)
    assert held_by(frozen.chunk(BALLOT, 5, origin + 18)) == (0, 1, 1)
