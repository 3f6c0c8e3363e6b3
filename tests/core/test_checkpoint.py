"""A state as bytes and back: exact, so that whatever happens next gives the same effects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from pbproto import Config, Replica
from pbproto.buckets import MAX_BUCKETS, BucketMap
from pbproto.checkpoint import (
    DECLARED,
    PIECE_BYTES,
    Checkpoint,
    Digest,
    brief_digest,
    different_fields,
    digest,
    named_operations,
    possible,
    restore,
    with_key,
)
from pbproto.forms import INT, FormError, Parts
from pbproto.messages import Fetch, Learned, LogChunk, SnapshotChunk
from pbproto.redaction import Redactor
from pbproto.showing import plain
from pbproto.state import State
from pbproto.store import MAX_ORIGINS, Frozen
from pbproto.values import NO_BALLOT

from .cluster import Cluster, active, of

ALL = Redactor(bytes(range(32)), keys=True)


def back(state: State, redactor: Redactor | None = None) -> State:
    """The state after it was written and read."""
    checkpoint = Checkpoint(state, redactor)
    return restore(checkpoint.head, checkpoint.pieces())[0]


def empty() -> State:
    """A node that has just been started."""
    return Replica(1, 2).state


def busy_primary() -> State:
    """A primary with every kind of request on its way, a suspected backup and parked writes."""
    cluster = active(1, 2, 3)
    cluster.put(1, b"k", b"v", b"once")
    cluster.run()
    cluster.cut(3, 1, 2)
    cluster.put(1, b"k", b"w", b"twice")
    cluster.put(2, b"k", b"w", b"twice")
    cluster.get(1, b"k")
    cluster.get_all(1)
    cluster.get(2, b"k")
    cluster.run()
    cluster.advance(1_500)
    cluster.put(1, b"parked", b"v")
    cluster.put(2, b"parked", b"v")
    cluster.run()
    lead = cluster.lead(1)
    assert lead.parked
    assert lead.echoing
    assert lead.claimed
    assert lead.reads
    assert lead.asks
    return cluster.state(1)


def busy_backup() -> State:
    """A backup with reads and writes under way."""
    cluster = active(1, 2)
    cluster.hold(of())
    cluster.put(2, b"k", b"v")
    cluster.get(2, b"k")
    follow = cluster.state(2).follow
    assert follow is not None
    assert follow.forwarded
    assert follow.reads
    return cluster.state(2)


def filling(kind: type[LogChunk] | type[SnapshotChunk], chunks: int) -> tuple[Cluster, int]:
    """A restarted node 3 that is being filled, with so many chunks of it arrived, and its id."""
    keep = 0 if kind is SnapshotChunk else 10**6
    cluster = active(1, 2, 3, chunk_bytes=100, log_keep_bytes=keep)
    for number in range(20):
        cluster.put(1, b"key%d" % number, b"value%d" % number, b"once%d" % number)
    cluster.run()
    cluster.start(3)
    left = chunks
    cluster.tell((1, 2, 3))

    def enough() -> bool:
        staging = cluster.state(3).staging
        thaw = staging.thaw if staging is not None else None
        count = 0 if staging is None else len(staging.tail) if thaw is None else thaw.next
        return count > left

    cluster.run(until=enough)
    assert cluster.state(3).staging is not None
    return cluster, 3


def log_arriving() -> State:
    cluster, id_ = filling(LogChunk, 2)
    staging = cluster.state(id_).staging
    assert staging is not None
    assert staging.tail
    return cluster.state(id_)


def snapshot_arriving() -> State:
    cluster, id_ = filling(SnapshotChunk, 30)
    staging = cluster.state(id_).staging
    assert staging is not None
    assert staging.thaw is not None
    assert staging.thaw.store.keys
    return cluster.state(id_)


def source() -> State:
    """A primary that installs a view and hands its state out."""
    cluster, _ = filling(SnapshotChunk, 5)
    assert cluster.state(1).proposal is not None
    assert cluster.state(1).frozen is not None
    return cluster.state(1)


def joining(settings: dict[str, int]) -> Cluster:
    """Nodes 1 and 2 serve and hold 20 operations; 3 is a newcomer, and so is 0, a primary-to-be."""
    cluster = Cluster((0, 1, 2, 3), Config(log_keep_bytes=0, **settings))
    cluster.install((1, 2))
    for number in range(20):
        cluster.put(1, b"key%d" % number, b"value%d" % number, b"once%d" % number)
    cluster.run()
    cluster.hold(of(SnapshotChunk))
    return cluster


def fills() -> State:
    """A primary that has offered a copy to a newcomer and has heard of it, between two snapshots."""
    cluster = joining({"chunk_bytes": 10**6})
    cluster.tell((1, 2, 3))
    cluster.put(1, b"large", bytes(100_000))
    cluster.run()
    cluster.release()
    cluster.run(until=lambda: cluster.on_the_way(Learned))
    cluster.deliver(cluster.on_the_way(Learned)[0])
    filling = cluster.lead(1).filling
    assert filling is not None
    assert filling.learners[3].held == 20
    assert filling.learners[3].frozen is None
    return cluster.state(1)


def learns() -> State:
    """A newcomer that has fetched a part of a copy."""
    cluster = joining({"chunk_bytes": 100})
    cluster.tell((1, 2, 3))
    cluster.run()
    for _ in range(10):
        cluster.deliver(cluster.on_the_way(SnapshotChunk)[0])
        cluster.run()
    learning = cluster.state(3).learning
    assert learning is not None
    assert learning.thaw is not None
    assert learning.thaw.store.keys
    return cluster.state(3)


def has_learned() -> State:
    """A primary-to-be that has the whole copy and fetches the rest, with a client that waits."""
    cluster = joining({"chunk_bytes": 10**6})
    cluster.tell((0, 1, 2))
    cluster.get(0, b"key0")
    cluster.hold(of(LogChunk))
    cluster.run()
    cluster.put(1, b"large", bytes(100_000))
    cluster.run()
    cluster.deliver(cluster.on_the_way(SnapshotChunk)[0])
    cluster.run()
    state = cluster.state(0)
    assert state.seeking is not None
    assert state.learning is not None
    assert state.learning.copy is not None
    assert len(state.learning.copy.keys) == 20
    return state


STATES: list[Callable[[], State]] = [
    empty,
    busy_primary,
    busy_backup,
    log_arriving,
    snapshot_arriving,
    source,
    fills,
    learns,
    has_learned,
]


@pytest.mark.parametrize("make", STATES, ids=lambda make: make.__name__)
def test_a_state_comes_back_whole(make: Callable[[], State]) -> None:
    """Nothing of a state is lost: write and read it, compare every field as plain values, and the digests."""
    state = make()
    copy = back(state)
    assert plain(copy) == plain(state)
    assert digest(copy) == digest(state)
    assert brief_digest(copy) == brief_digest(state)
    assert copy.dropped.maxlen == state.dropped.maxlen
    assert copy.log.bytes == state.log.bytes
    if state.frozen is not None:
        assert copy.frozen is not None
        first = Fetch(state.promised, True, 0, 10)
        chunks = [each.chunk(first.ballot, 0, 10**6) for each in (copy.frozen, state.frozen)]
        assert chunks[0] == chunks[1]


@pytest.mark.parametrize("redactor", [None, ALL], ids=["none", "all"])
def test_a_store_that_is_kept_as_it_was_comes_back(redactor: Redactor | None) -> None:
    """A source's store may go on while its snapshot is fetched: let it, and compare what each would send.

    It has many buckets, so that their number has to come back as well for the order to be the same: first
    some more keys than stay.
    """
    state = source()
    if redactor is not None:
        state.store.data = BucketMap(place=redactor.place)
    for number in range(300):
        state.store.data.put(b"key%d" % number, b"v")
    for number in range(200):
        state.store.data.remove(b"key%d" % number)
    state.frozen = Frozen(state.store)
    operation = with_key(named_operations(busy_primary()))[0]
    for number in range(100, 250):
        key = b"key%d" % number
        state.store.apply(operation._replace(origin=9, counter=number, key=key, idempotency_key=key))
    state.commit = state.store.applied
    copy = back(state, redactor)
    assert digest(copy) == digest(state, redactor)
    assert brief_digest(copy) == brief_digest(state)
    assert brief_digest(copy) != brief_digest(replace(state, frozen=Frozen(state.store)))
    assert copy.frozen is not None
    assert copy.frozen.applied < copy.store.applied
    for one, other in ((copy.frozen, state.frozen), (Frozen(copy.store), Frozen(state.store))):
        sent = other.chunk(NO_BALLOT, 0, 10**6)
        assert one.chunk(NO_BALLOT, 0, 10**6) == (sent if redactor is None else redactor.message(sent))


@pytest.mark.parametrize("make", STATES, ids=lambda make: make.__name__)
def test_a_copy_is_independent(make: Callable[[], State]) -> None:
    """What is taken stays as it was: take a checkpoint, change the state, and only then ask for the bytes."""
    state = make()
    before = digest(state)
    checkpoint = Checkpoint(state)
    state.store.data[b"later"] = b"later"
    state.store.keys.clear()
    state.store.origins.clear()
    state.log.truncate(state.log.start)
    state.waiting.clients.clear()
    if state.staging is not None:
        state.staging.tail.clear()
        if state.staging.thaw is not None:
            state.staging.thaw.store.data.clear()
    if state.learning is not None:
        copy = state.learning.copy
        if state.learning.thaw is not None:
            copy = state.learning.thaw.store
        assert copy is not None
        copy.data.clear()
        copy.keys.clear()
    whole = Digest(checkpoint.head)
    for piece in checkpoint.pieces():
        whole.add(piece)
    assert whole.value() == before


@pytest.mark.parametrize("make", STATES, ids=lambda make: make.__name__)
def test_a_hidden_state_has_the_same_form(make: Callable[[], State]) -> None:
    """Hiding changes byte strings only: hide a state, compare the brief digests, and name its operations."""
    state = make()
    checkpoint = Checkpoint(state, ALL)
    copy, names = restore(checkpoint.head, checkpoint.pieces())
    assert brief_digest(copy) == brief_digest(state)
    assert digest(copy) == digest(state, ALL)
    assert (digest(copy) != digest(state)) == (make is not empty)
    hidden = with_key(named_operations(copy))
    assert [each.request for each in hidden] == [each.request for each in with_key(named_operations(state))]
    assert len(names) == len(hidden)


def test_no_checkpoint_is_taken_of_a_snapshot_that_is_fetched() -> None:
    """It would be one more whole copy for each newcomer: wait until it has it, and look before and after."""
    cluster = joining({"chunk_bytes": 100})
    assert possible(cluster.state(1))
    cluster.tell((1, 2, 3))
    assert possible(cluster.state(1))
    cluster.run()
    assert not possible(cluster.state(1))
    assert possible(cluster.state(3))
    cluster.hold(of(Learned))
    cluster.release()
    cluster.run()
    assert cluster.status(1).status == "active"
    assert possible(cluster.state(1))
    assert possible(fills())


def test_what_is_learned_counts_to_the_limit() -> None:
    """A copy may be as large as a state: digests of both kinds of copies have a limit, too."""
    for make in (learns, has_learned):
        state = make()
        assert state.store.applied == 0
        assert digest(state, limit=300) is None
        assert digest(state, limit=10**6) == digest(state)


def test_a_trimmed_log_equals_a_short_one() -> None:
    """A log that was trimmed keeps what it dropped for a while; nobody sees it, the digest neither."""
    cluster = active(1, log_keep_bytes=0)
    for number in range(100):
        cluster.put(1, b"k", b"%d" % number)
    state = cluster.state(1)
    assert state.log.start == state.log.end == 100
    assert digest(back(state)) == digest(state)


def test_digests_tell_states_apart() -> None:
    """A digest that sees too little proves nothing: change one thing after another and compare both."""
    cluster = active(1, 2)
    for number in range(20):
        cluster.put(1, b"key%d" % number, b"value", b"once%d" % number)
    cluster.run()
    state = cluster.state(1)
    whole, brief = digest(state), brief_digest(state)
    assert digest(replace(state, nudges=state.nudges + 1)) != whole
    assert brief_digest(replace(state, nudges=state.nudges + 1)) != brief
    state.store.data[b"key1"] = b"VALUE"
    assert digest(state) != whole
    assert brief_digest(state) == brief  # lengths are what it sees
    state.store.data[b"another"] = b""
    assert brief_digest(state) != brief


def test_a_brief_digest_names_the_fields_that_differ() -> None:
    """Who looks for a bug wants to know where: change two fields, and compare."""
    state = busy_primary()
    other = replace(state, nudges=state.nudges + 1, closing=True)
    assert different_fields(brief_digest(state), brief_digest(other)) == ["nudges", "closing"]
    assert different_fields(brief_digest(state), brief_digest(state)) == []


def test_all_of_a_state_is_named_in_its_form() -> None:
    """Code with other fields reads no state: look for those that are declared, and for those by hand."""
    text = "\n".join(DECLARED)
    for words in (
        "State(id: int, ",
        "Lead(",
        "Log('_first', ",
        "Store('applied', ",
        "BucketMap(",
        "Thaw(",
        "Frozen(",
    ):
        assert f"\n{words}" in f"\n{text}"


def test_a_whole_digest_has_a_limit() -> None:
    """A large state is not digested where that would take long: ask with limits below and above its size."""
    cluster = active(1)
    for number in range(300):
        cluster.put(1, b"key%d" % number, bytes(1000))
    state = cluster.state(1)
    assert digest(state, limit=1_000) is None
    # The log is short enough to be no reason; what is in the map shows only on the way.
    state.log.trim(state.commit, 0)
    assert digest(state, limit=100_000) is None
    assert digest(state, limit=10**6) == digest(state)
    cluster, id_ = filling(SnapshotChunk, 30)
    assert digest(cluster.state(id_), limit=100) is None
    assert digest(empty(), limit=1000) == digest(empty())


def test_pieces_are_small() -> None:
    """A large state is written in pieces, so that nobody waits for the whole of it: look at their sizes."""
    cluster = active(1)
    for number in range(300):
        cluster.put(1, b"key%d" % number, bytes(1000))
    checkpoint = Checkpoint(cluster.state(1))
    pieces = list(checkpoint.pieces())
    assert len(checkpoint.head) < 2_000
    assert len(pieces) > 8
    assert max(map(len, pieces)) < PIECE_BYTES + 2_000
    state, names = restore(checkpoint.head, pieces)
    assert digest(state) == digest(cluster.state(1))
    assert names == []


def test_origins_keep_their_order() -> None:
    """Who is forgotten next depends on the order of origins: write and read more of them than are kept."""
    state = empty()
    for origin in range(MAX_ORIGINS + 10):
        operation = next(iter(with_key(named_operations(busy_primary()))))
        state.store.apply(operation._replace(origin=origin, idempotency_key=b""))
    state.commit = state.store.applied
    assert list(back(state).store.origins.items()) == list(state.store.origins.items())
    assert back(state).store.evicted == state.store.evicted == 10


def test_hostile_checkpoints_are_form_errors() -> None:
    """What no writer wrote gives one error: parts that do not exist, cut off, garbled, or for nothing."""
    checkpoint = Checkpoint(busy_primary())
    pieces = list(checkpoint.pieces())
    for bad in (b"", b"\x0f", pieces[0][:-1], b"\x01\xff"):
        with pytest.raises(FormError):
            restore(checkpoint.head, [bad])
    for cut in range(0, len(checkpoint.head), 7):
        with pytest.raises(FormError):
            restore(checkpoint.head[:cut], [])
    # A map of more buckets than there may be, or of none.
    store = Checkpoint(empty()).head
    three = Parts()
    for number in (0, 0, 1):
        INT.write(three, number)
    assert store.count(b"".join(three)) == 1
    for width in (0, -1, MAX_BUCKETS + 1):
        parts = Parts(three[:2])
        INT.write(parts, width)
        with pytest.raises(FormError, match="buckets"):
            restore(store.replace(b"".join(three), b"".join(parts)), [])
    # A tail, or a store that is put together, without a place to be put: it goes nowhere.
    state, _ = restore(Checkpoint(empty()).head, [b"\x03" + bytes(8)])
    assert digest(state) == digest(empty())
