"""What the tests of the wire form share: strategies for every message, and bytes written by hand."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st

from pbproto import (
    Ballot,
    Dropped,
    Envelope,
    Kind,
    Member,
    Message,
    Operation,
    Result,
    View,
)
from pbproto.codec import MAGIC, VERSION, VERSIONS
from pbproto.messages import (
    Adopt,
    Adopted,
    Confirm,
    Confirmed,
    Fetch,
    Forward,
    Forwarded,
    KeyRecord,
    Learned,
    Lineage,
    LogChunk,
    Offer,
    OriginRecord,
    Promise,
    Propose,
    Refusal,
    Refuse,
    Replicate,
    Replicated,
    Seek,
    SnapshotChunk,
    Told,
    Verdict,
    VerdictCode,
)
from pbproto.values import MAX_ID, MAX_IDEMPOTENCY_KEY_BYTES, MAX_KEY_BYTES, MAX_TRACE_BYTES

EDGES = (0, 1, 2**8 - 1, 2**16 - 1, 2**16, 2**32 - 1, 2**32, MAX_ID, 2**63, 2**64 - 1)
"""Where the ranges of lengths and numbers begin and end."""

bits = st.integers(0, 2**64 - 1) | st.integers(0, 5) | st.sampled_from(EDGES)
blobs = st.binary(max_size=20) | st.sampled_from((b"", b"\0", b"v" * 2**8, b"v" * (2**16 - 1), b"v" * 2**16))
counts = st.integers(0, MAX_ID) | st.integers(0, 5) | st.sampled_from([n for n in EDGES if n <= MAX_ID])
ballots = st.builds(Ballot, counts, counts, counts, bits)
results = st.builds(Result, st.sampled_from(Kind), counts)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10)
member_lists = st.lists(
    st.builds(Member, counts, texts), max_size=4, unique_by=(lambda m: m.id, lambda m: m.address)
).map(lambda members: View(tuple(members)).members)
traces = st.binary(max_size=MAX_TRACE_BYTES) | st.sampled_from((b"", b"t" * MAX_TRACE_BYTES))
counters = st.tuples(counts, counts).map(sorted)
operations = counters.flatmap(
    lambda pair: st.builds(
        Operation,
        counts,
        bits,
        st.just(pair[1]),
        st.just(pair[0]),
        st.binary(min_size=1, max_size=20) | st.sampled_from((b"k", b"k" * MAX_KEY_BYTES)),
        st.none() | blobs,
        st.binary(max_size=20) | st.sampled_from((b"", b"n" * MAX_IDEMPOTENCY_KEY_BYTES)),
    )
)


def tuples(items: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(items, max_size=4).map(tuple)


lineages = st.builds(
    lambda names, starts: tuple(zip(sorted(names), sorted(starts), strict=False)),
    st.lists(ballots, max_size=4, unique=True),
    st.lists(counts, min_size=4, max_size=4),
)
verdicts = st.builds(Verdict, counts, st.sampled_from(VerdictCode), counts)
origin_records = st.builds(
    OriginRecord, counts, bits, counts, counts, counts, tuples(st.tuples(counts, results))
)
key_records = st.builds(KeyRecord, blobs, blobs, results)
pairs = st.tuples(blobs, blobs)


def _end(lineage: Lineage, *positions: int) -> int:
    """A log end that lies above everything that the log is said to hold."""
    return max(*(start for _, start in lineage), *positions, 0)


BY_CLASS: dict[type[Message], st.SearchStrategy[Message]] = {
    Told: st.builds(Told, member_lists, counts),
    Propose: st.builds(Propose, ballots, member_lists, st.booleans(), ballots),
    Promise: st.builds(Promise, ballots, st.none() | ballots, bits, counts, counts, counts, lineages).map(
        lambda made: replace(made, log_end=_end(made.lineage, made.base, made.log_end, made.commit))
    ),
    Adopt: st.builds(
        Adopt, ballots, bits, counts, lineages, tuples(st.builds(Dropped, counts, counts, counts))
    ).map(lambda made: replace(made, end=_end(made.lineage, made.end))),
    Adopted: st.builds(Adopted, ballots),
    Fetch: st.builds(Fetch, ballots, st.booleans(), counts, counts),
    LogChunk: st.builds(LogChunk, ballots, counts, tuples(operations)),
    SnapshotChunk: st.builds(
        SnapshotChunk,
        ballots,
        counts,
        counts,
        counts,
        counts,
        tuples(pairs),
        tuples(origin_records),
        tuples(key_records),
    ),
    Replicate: st.builds(Replicate, ballots, counts, tuples(operations), counts, counts, counts),
    Replicated: st.builds(Replicated, ballots, counts, counts, counts),
    Forward: st.builds(Forward, ballots, counts, counts, operations, traces),
    Forwarded: st.builds(Forwarded, ballots, tuples(verdicts)),
    Confirm: st.builds(Confirm, ballots, counts, st.booleans()),
    Confirmed: st.builds(Confirmed, ballots, counts, counts),
    Refuse: st.builds(Refuse, ballots, st.sampled_from(Refusal), counts, ballots),
    Seek: st.builds(Seek, member_lists),
    Offer: st.builds(Offer, ballots, bits, counts, counts, counts, lineages).map(
        lambda made: replace(made, end=_end(made.lineage, made.end, made.kept, made.near))
    ),
    Learned: st.builds(Learned, ballots, counts, st.booleans()),
}
messages = st.one_of(*BY_CLASS.values())
envelopes = st.builds(Envelope, *(bits,) * 5)
batches = st.lists(st.tuples(envelopes, messages), max_size=5)
versions = st.sampled_from(VERSIONS)

QUICK = settings(max_examples=100, deadline=None, database=None, derandomize=True)
"""The same examples in every run: whoever looks for new ones takes this away for an hour."""

ENVELOPE = Envelope(1, 2, 3, 4, 5)
BALLOT = Ballot(1, 0, 1, 2)


def section(*body: bytes, count: int = 1, version: int = VERSION) -> bytes:
    """A batch with one envelope and a handwritten body."""
    envelope = b"".join(number.to_bytes(8, "big") for number in ENVELOPE)
    return MAGIC + version.to_bytes(2, "big") + envelope + count.to_bytes(4, "big") + b"".join(body)


def u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


def u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


BALLOT_BYTES = b"".join(u64(number) for number in BALLOT)
