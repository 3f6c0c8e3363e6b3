"""A recording executed again gives the same, or shows where it does not."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from random import Random
from zlib import crc32

import pytest

import pbproto
from pbproto import (
    Config,
    Event,
    Get,
    InvariantError,
    Put,
    Replica,
    Tick,
    ordering,
    requests,
    store,
    waiting,
)
from pbproto.events import Request
from pbproto.frames import RecordingError
from pbproto.out import Out
from pbproto.recorded import read
from pbproto.recording import Writer
from pbproto.redaction import Redactor
from pbproto.replay import run
from pbproto.rerun import TAKES_FINGERPRINTS, Replay, continues
from pbproto.state import State

from . import test_random_runs
from .cluster import Cluster
from .recorded import SALT, RecordedCluster, Tape
from .test_recorded import changed
from .test_recording import EVENTS, record

REDACTORS = {"none": None, "values": Redactor(SALT, keys=False), "all": Redactor(SALT, keys=True)}


def replayed(data: bytes) -> Replay:
    """A recording, executed to its end or its first difference."""
    replay = run(read(data))
    for done in replay:
        assert done.state is replay.state
    return replay


def play(seed: int, redactor: Redactor | None, monkeypatch: pytest.MonkeyPatch) -> list[Tape]:
    """A random run of a whole cluster, in which every life of every node is recorded and cut at random."""
    random = Random(seed)

    class Recorded(RecordedCluster):
        cuts = staticmethod(lambda _: random.random() < 0.04)

    Recorded.redactor = redactor
    monkeypatch.setattr(test_random_runs, "Cluster", Recorded)
    cluster: Cluster = test_random_runs.play(seed).cluster
    assert isinstance(cluster, Recorded)
    return cluster.tapes


@pytest.mark.parametrize("redaction", REDACTORS)
def test_random_lives_are_repeated_exactly(redaction: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happened to a node, its recording repeats it, from its start and from any state on the way.

    Random runs with every fault that the protocol allows, whose nodes are recorded in segments that are cut
    at random, hidden or not: execute each segment from its own state, compare everything, and see that each
    state is the one that the segment before it ended with.
    """
    steps = cuts = named = 0
    for seed in range(6):
        for tape in play(seed, REDACTORS[redaction], monkeypatch):
            before: Replay | None = None
            for data in tape.recordings():
                recording = read(data)
                replay = Replay(recording)
                assert before is None or not continues(before, recording)
                for done in replay:
                    named += len(done.step.names)
                assert not replay.difference, f"seed {seed}, step {replay.number}: {replay.difference}"
                steps += recording.count
                cuts += before is not None
                before = replay
    assert steps > 2_000
    assert cuts > 50
    assert (named > 50) == (redaction != "none")


def test_hidden_fingerprints_meet_those_of_a_snapshot() -> None:
    """A request repeated after its answer came by a snapshot is recognised in a hidden recording as well.

    Node 2 is restarted and filled; it has never seen the operation of which it now holds the fingerprint. The
    primary goes away, and the client repeats its request at node 2, then with another value.
    """
    cluster = _Hidden((1, 2), Config(log_keep_bytes=0))
    cluster.install((1, 2))
    first = cluster.put(1, b"k", b"v", b"once")
    cluster.run()
    cluster.start(2)
    cluster.install((1, 2))
    cluster.crash(1)
    cluster.install((2,))
    again = cluster.put(2, b"k", b"v", b"once")
    other = cluster.put(2, b"k", b"w", b"once")
    assert cluster.written(again) == cluster.written(first)
    assert cluster.rejection(other) == ("idempotency_key_reused", True)
    (data,) = cluster.current[2].recordings()
    assert b"once" not in data
    replay = replayed(data)
    assert not replay.difference
    assert replay.number > 5


class _Hidden(RecordedCluster):
    redactor = REDACTORS["all"]


class _Misplaced(_Hidden):
    def place(self, key: bytes) -> int:
        return crc32(key)


@pytest.mark.parametrize("kind", [_Hidden, _Misplaced])
def test_hidden_keys_keep_their_order(kind: type[RecordedCluster], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is listed and sent in which order must not depend on what is hidden.

    Two nodes with many keys: both list them, and one is restarted and filled by the other in small chunks,
    of keys and values of different lengths. Their recordings, cut at times, give no difference, but they do
    where the map was not told about the hiding.
    """
    monkeypatch.setattr(kind, "cuts", staticmethod(lambda step: step % 61 == 0))
    cluster = kind((1, 2), Config(log_keep_bytes=0, chunk_bytes=500))
    cluster.install((1, 2))
    for number in range(200):
        cluster.put(1, b"key%d" % 7 ** (number % 13) + b"%d" % number, b"v" * (number % 7))
    cluster.run()
    for id_ in (1, 2):
        cluster.get_all(id_)
    cluster.run()
    cluster.start(2)
    cluster.install((1, 2))
    cluster.get_all(2)
    cluster.run()
    assert cluster.state(2).store.data.width > 2
    different = 0
    for tape in cluster.tapes:
        for data in tape.recordings():
            different += bool(replayed(data).difference)
    assert len(cluster.tapes[0].segments) > 2
    assert (different > 0) == (kind is _Misplaced)


def test_only_these_modules_take_fingerprints() -> None:
    """A hidden fingerprint is looked up wherever one would be taken: read the sources for who takes any."""
    taking = []
    for path in sorted(Path(pbproto.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "fingerprint"
            ):
                taking.append(path.name)
    ours = ("checkpoint.py", "redaction.py")  # of what is not hidden yet
    names = sorted(Path(str(module.__file__)).name for module in TAKES_FINGERPRINTS)
    assert list(dict.fromkeys(name for name in taking if name not in ours)) == names
    assert store.fingerprint is ordering.fingerprint  # type: ignore[attr-defined]


# What is not the same.


def worse(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code is changed: a request that arrives is counted twice."""
    enter = requests.on_request

    def on_request(state: State, event: Request, out: Out) -> None:
        enter(state, event, out)
        state.waiting.next_counter += 1

    monkeypatch.setattr(requests, "on_request", on_request)


def lives(count: int) -> list[Event]:
    return [EVENTS[0], *(Put(n, b"k", b"v") for n in range(count))]


def test_the_first_other_effect_ends_a_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of the code shows where it first shows: answer something else to the second write."""
    data = b"".join(record(lives(5))[2])
    apply = store.Store.apply

    def shifted(self: store.Store, operation: pbproto.Operation) -> pbproto.Result:
        result = apply(self, operation)
        return result._replace(kind=pbproto.Kind.MISSING) if result.position == 1 else result

    monkeypatch.setattr(store.Store, "apply", shifted)
    replay = replayed(data)
    assert replay.number == 3
    assert "something else" in replay.difference
    assert len(list(run(read(data)))) == 3


def test_another_state_is_found_without_other_effects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drift shows before it does harm: count wrongly, in a long recording, and in a short one at its end."""
    long, short = (b"".join(record([*lives(2), *(Tick() for _ in range(count))])[2]) for count in (200, 5))
    assert not replayed(long).difference
    worse(monkeypatch)
    replay = replayed(long)
    assert replay.number == 64
    assert replay.difference.endswith("since some step from 1 to 64; what differs: waiting")
    assert replay.compared is None
    replay = replayed(short)
    assert replay.number == 8
    assert replay.difference.endswith("since some step from 1 to 8; what differs: waiting")


def test_other_contents_are_found_by_a_whole_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has the same length is not the same: store other bytes, and find that in the end."""
    data = b"".join(record(lives(70))[2])
    apply = store.Store.apply

    def shifted(self: store.Store, operation: pbproto.Operation) -> pbproto.Result:
        return apply(self, operation._replace(value=b"x"))

    assert replayed(data).compared == 71
    monkeypatch.setattr(store.Store, "apply", shifted)
    replay = replayed(data)
    assert replay.difference.endswith(
        "since some step from 65 to 71; what differs: the contents of byte strings or long collections"
    )
    short = replayed(b"".join([*record(lives(63))[2][:-1]]))
    assert (short.difference, short.compared) == ("", 64)


def test_states_of_another_form_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code with other fields still executes a recording from its start: rename the form, count wrongly."""
    data = b"".join(record([*lives(2), *(Tick() for _ in range(200))])[2])
    worse(monkeypatch)
    other = changed(data, read(data).header.shape, b"another!")
    replay = Replay(other)
    assert len(list(replay)) == 203
    assert not replay.difference


BREAKS_AT = 500


def broken(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """The code is changed: whatever happens at a certain time breaks it."""
    expire = waiting.expire

    def breaking(state: State, out: Out) -> None:
        if state.now == BREAKS_AT:
            raise error
        expire(state, out)

    monkeypatch.setattr(waiting, "expire", breaking)


@pytest.mark.parametrize("redaction", REDACTORS)
def test_a_broken_invariant_is_repeated(redaction: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug report shows the bug: break a node, replay with the same code, and with repaired code."""
    replica, writer, pieces = record(EVENTS[:4], REDACTORS[redaction], end="")
    event = Get(9, b"k")
    with monkeypatch.context() as patch:
        broken(patch, KeyError(b"k"))
        with pytest.raises(KeyError) as caught:
            replica.step(event, now=BREAKS_AT)
        pieces += [writer.failure(event, BREAKS_AT, caught.value), writer.end("the replica broke")]
        replay = replayed(b"".join(pieces))
        assert not replay.difference
        assert replay.number == 5
    replay = replayed(b"".join(pieces))
    assert replay.number == 5
    assert replay.difference.startswith("the node stopped with KeyError")
    assert replay.difference.endswith("the code goes on")


def test_code_that_breaks_where_the_node_went_on_is_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """What breaks now did not break then: break the code at a step that the node made."""
    replica, writer, pieces = record(EVENTS[:4], end="")
    pieces.append(writer.step(Tick(), BREAKS_AT, replica.step(Tick(), now=BREAKS_AT), replica.state))
    broken(monkeypatch, InvariantError("a rule"))
    replay = replayed(b"".join(pieces))
    assert replay.difference == "the node went on; the code stops with InvariantError: a rule"
    assert replay.number == 5


def test_another_failure_is_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two failures are not the same for being failures: break the code in another way than it broke."""
    _, writer, pieces = record([], end="")
    pieces.append(writer.failure(Tick(), BREAKS_AT, InvariantError("a rule")))
    broken(monkeypatch, InvariantError("another rule"))
    replay = replayed(b"".join(pieces))
    assert "a rule; the code stops with InvariantError: another rule" in replay.difference


def test_segments_of_a_life_follow_each_other() -> None:
    """Several files of one life are one recording: give them in order, with a gap, changed, of two lives."""
    replica, writer, pieces = record(lives(3), end="")
    one = b"".join(pieces)
    begin = b"".join(writer.begin_again(replica.state))
    step = writer.step(Tick(), 300, replica.step(Tick(), now=300), replica.state)
    later = b"".join(writer.begin_again(replica.state))
    before = replayed(one)
    assert continues(before, read(begin + step)) == ""
    assert "begins with step 6, not 5" in continues(before, read(later))
    assert "begins with step 1, not 5" in continues(before, read(one))
    other = Writer(before.recording.header.id, 5, Config())
    assert continues(before, read(other.begin())) == ""
    hiding = read(later)
    hiding.header = replace(hiding.header, redaction="all")
    assert "hides other things" in continues(before, hiding)
    replica.state.ignored["x"] = 1
    replica.state.store.data[b"k"] = b"x"
    writer.steps -= 1
    differs = continues(before, read(b"".join(writer.begin_again(replica.state))))
    assert differs == "it begins in another state; what differs: now, store, ignored"


def test_a_recording_of_no_node_is_refused() -> None:
    """A header may say anything: one whose node cannot be is refused with one sentence."""
    with pytest.raises(RecordingError, match="of no node"):
        Replay(read(Writer(-1, 5, Config()).begin()))
    assert Replica(7, 5).state.id == Replay(read(Writer(7, 5, Config()).begin())).state.id
