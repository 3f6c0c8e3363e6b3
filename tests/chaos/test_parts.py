"""The parts of a run by themselves: schedule, workload, figures, and what becomes of each answer."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from tests.checker.history import Call, Outcome
from tests.checker.linearizability import check
from tests.live.harness import Node, reserve_port
from tests.simulation.plan import Ask

from . import ground as ground_module
from .clients import Client, WrongAnswerError
from .figures import Silence, measure, silence
from .ground import Ground
from .mail import Archive, Splitter
from .nemesis import HEADINGS, KINDS, PAIRS, schedule
from .rules import Issued
from .unanswered import Unanswered, unanswered
from .views import Reads, Record, Sent, beside, reads
from .words import OUTSIDE, SHAPED, legend
from .workload import Load

# ---- the schedule


def test_schedule_is_the_seeds() -> None:
    """Goal: the seed fixes the faults. Method: the same twice, another seed, another length."""
    assert schedule(7, 60.0, 3) == schedule(7, 60.0, 3)
    assert schedule(7, 60.0, 3) != schedule(8, 60.0, 3)
    assert schedule(7, 60.0, 3)[:5] != schedule(7, 10.0, 3)[:5]


@pytest.mark.parametrize("seed", range(5))
def test_schedule_has_every_kind_and_overlaps(seed: int) -> None:
    """Goal: a minute sees every fault, several at once, none after the end, and long holds in a long run."""
    faults = schedule(seed, 120.0, 3, ["narrow"])
    assert {fault.kind for fault in faults} == {*KINDS, "narrow"}
    assert all(0 < fault.at < 120 and fault.duration > 0 for fault in faults)
    assert any(one.at < two.at < one.at + one.duration for one in faults for two in faults)
    assert max(fault.duration for fault in faults) >= 30
    assert {place for fault in faults for place in fault.nodes} == {-1, 0, 1, 2}


def test_schedule_has_columns() -> None:
    """Goal: a line says what its headings say, and names a second node where it matters only."""
    for fault in schedule(7, 60.0, 3):
        line = str(fault)
        assert len(line) == len(HEADINGS)
        assert line[HEADINGS.index("fault") :].startswith(fault.kind)
        assert (line[HEADINGS.index("second")] == "-") == (fault.kind not in PAIRS)


# ---- the ground


def test_ground_is_found_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: namespaces where they work, proxies alone where not, and never silently. Method: both answers."""
    assert ground_module.choose("proxy") == ("proxy", "as asked")
    monkeypatch.setattr(ground_module, "why_not", lambda: "no right to")
    assert ground_module.choose("auto") == ("proxy", "no right to")
    with pytest.raises(OSError, match="no right to"):
        ground_module.choose("netns")
    monkeypatch.setattr(ground_module, "why_not", lambda: None)
    assert ground_module.choose("auto")[0] == ground_module.choose("netns")[0] == "netns"


# ---- the workload

LOAD = Load(seed=7, nodes=(0, 1, 2), clients=4, keys=8, patience=2.0)


def test_workload_is_the_seeds_and_unique() -> None:
    """Goal: the same asks for the same seed, over several plans, and no value or name of two requests."""
    asks = {client: list(islice(LOAD.asks(client), 700)) for client in range(4)}
    assert asks == {client: list(islice(LOAD.asks(client), 700)) for client in range(4)}
    assert {ask.client for ask in asks[2]} == {2}
    every = [ask for theirs in asks.values() for ask in theirs]
    values = [ask.value for ask in every if ask.value and not ask.name]
    assert len(values) == len(set(values))
    assert {ask.what for ask in every} == {"put", "delete", "get", "list"}
    assert len({ask.key for ask in every if ask.key}) == 8
    assert {ask.node for ask in every} == {0, 1, 2}


def test_workload_repeats_what_has_a_name() -> None:
    """Goal: some writes have names and are repeated at other nodes; few clients hang up early."""
    asks = list(islice(LOAD.asks(0), 1000))
    named = [ask for ask in asks if ask.name]
    assert named
    assert all(ask.repeats for ask in named if ".burst" not in ask.name)
    assert any(set(ask.repeats) - {ask.node} for ask in named)
    assert 0 < sum(bool(ask.patience) for ask in asks) < len(asks) / 4


def test_few_write_what_many_watch() -> None:
    """Goal: each watched key has one writer, who rests, and is read at all nodes; nobody else touches it.

    Method: the asks of 24 clients, and who among them does what; few clients have nobody to spare.
    """
    load = replace(LOAD, clients=24)
    asks = [list(islice(load.asks(client), 300)) for client in range(24)]
    watched: dict[str, set[int]] = {}
    for client in load.writers:
        assert {(ask.what, bool(ask.name)) for ask in asks[client]} == {("put", True)}
        assert len({ask.value for ask in asks[client]}) == 300
        assert load.rest(client) > 0
        watched |= {key: set() for key in {ask.key for ask in asks[client]}}
    assert len(watched) == len(load.writers) == 3
    for client in set(load.watchers) - set(load.writers):
        assert {ask.what for ask in asks[client]} == {"get"}
        for ask in asks[client]:
            watched[ask.key].add(ask.node)
        assert load.rest(client) == 0
    assert set(map(frozenset, watched.values())) == {frozenset(load.nodes)}
    for client in set(range(24)) - set(load.watchers):
        assert not {ask.key for ask in asks[client]} & set(watched)
    assert len(load.watchers) == 12
    assert [len(replace(LOAD, clients=clients).watchers) for clients in (1, 5, 6, 9)] == [0, 0, 3, 4]
    assert [len(replace(LOAD, clients=clients).writers) for clients in (1, 5, 6, 9)] == [0, 0, 1, 1]


# ---- figures


def call(client: int, end: int | None, outcome: str = "ok", what: str = "get", start: int = 0) -> Call:
    made: Call = Call(client, 0, what, start, end, outcome, "k")  # type: ignore[arg-type]
    return made


def test_silence_is_the_longest_gap_with_its_begin() -> None:
    """Goal: the worst time without an ok answer, at either end too; refusals are no answers."""
    second = 10**9
    calls = [call(0, 3 * second), call(1, 5 * second, "not_applied"), call(1, 6 * second)]
    assert silence(calls, 0, 7 * second) == Silence(3.0, 0.0)
    assert silence(calls, second, 10 * second) == Silence(4.0, 5.0)
    assert silence([], 0, 2 * second) == Silence(2.0, 0.0)


def test_figures() -> None:
    """Goal: outcomes, unknown writes and the worst client are counted; what was asked later is told apart."""
    second = 10**9
    calls = [
        call(0, 2 * second, start=second),
        call(0, None, "unknown", "put", start=2 * second),
        call(0, None, "unknown", "get", start=2 * second),
        call(1, 9 * second, start=8 * second),
        call(2, 30 * second, start=20 * second),
        call(2, None, "unknown", "put", start=30 * second),
    ]
    figures = measure(calls, 0, 10 * second)
    assert figures.calls == 4
    assert figures.outcomes == {"ok": 2, "unknown": 2}
    assert figures.by_kind == {"get": {"ok": 2, "unknown": 1}, "put": {"unknown": 1}}
    assert figures.unknown_writes == 1
    assert figures.rate == 0.2
    assert figures.worst == Silence(7.0, 2.0)
    assert figures.worst_client == Silence(9.0, 0.0)
    assert figures.slowest == {"half": 1.0, "99 %": 1.0, "all": 1.0}
    assert figures.silent == 1.0, "2, 7 and 1 seconds"
    assert figures.calls + sum(figures.afterwards.values()) == len(calls)
    assert (figures.afterwards, figures.unknown_afterwards) == ({"ok": 1, "unknown": 1}, 1)


# ---- views


def test_who_answered_as_what() -> None:
    """Goal: a role is told where it is certain only. Method: calls before, in, across and after two views."""
    second = 10**9
    record = Record(
        [
            Sent(1, (0, 1), None, 1 * second, 2 * second),
            Sent(2, (1, 2), None, 10 * second, None),
            Sent(3, (1, 2), None, 20 * second, 21 * second),
        ]
    )
    calls = [
        replace(call(0, end, start=start), node=node)
        for node, start, end in (
            (0, 0, 0),
            (0, 1 * second, 3 * second),
            (0, 3 * second, 9 * second),
            (1, 3 * second, 9 * second),
            (0, 9 * second, 11 * second),
            (1, 12 * second, 13 * second),
            (1, 22 * second, 23 * second),
            (2, 22 * second, 22 * second),
        )
    ]
    found = [record.role(each) for each in calls]
    assert found == ["open", "open", "primary", "backup", "open", "open", "primary", "backup"]
    assert record.role(call(0, None, "unknown", start=22 * second)) == "open"
    writes = [replace(each, what="put") for each in calls]
    refused = [replace(each, outcome="not_applied") for each in calls]
    assert reads([*calls, *writes, *refused], record) == Reads(2, 2, 4, after_sent=1, after_active=2)
    assert Record().role(calls[0]) == "open"


def test_views_are_written_down() -> None:
    """Goal: each view has its times, and a line. Method: two views, of which the second becomes active."""
    record = Record()
    record.send(Issued(1, (0,), None, 5))
    record.send(Issued(2, (0, 1), 2, 6))
    record.see_active()
    active = record.views[1].active
    record.see_active()
    first, second = (json.loads(line) for line in record.lines())
    assert (first["number"], first["members"], first["epoch"], first["active"]) == (1, [0], None, None)
    assert (second["number"], second["members"], second["epoch"], second["active"]) == (2, [0, 1], 2, active)
    assert first["sent"] <= second["sent"] <= second["active"]
    assert beside(Path("a/b.jsonl")) == Path("a/b.views.jsonl")


# ---- unanswered writes


def written(client: int, value: str, start: int, end: int | None, number: int | None, name: str = "") -> Call:
    outcome: Outcome = "unknown" if number is None else "ok"
    return Call(client, 0, "put", start, end, outcome, "k", value, number=number, name=name)


def read(value: str | None, start: int, number: int) -> Call:
    return Call(9, 0, "get", start, start + 1, "ok", "k", value, number=number)


@pytest.mark.parametrize(
    ("calls", "found"),
    [
        ([], Unanswered()),
        ([written(0, "a", 0, 1, 0), read("a", 2, 1)], Unanswered()),
        ([written(0, "a", 0, 1, None), read(None, 2, 0)], Unanswered(1)),
        ([written(0, "a", 0, 1, None), read("a", 2, 1)], Unanswered(1, 1, 1)),
        # Not there after its client was told, and there in the end.
        ([written(0, "a", 0, 1, None), read(None, 2, 0), read("a", 4, 1)], Unanswered(1, 1, 1, 1)),
        # Its client may have waited all the time, and waited until it asked for something else.
        ([written(0, "a", 0, None, None), read(None, 2, 0), read("a", 4, 1)], Unanswered(1, 1, 1)),
        (
            [written(0, "a", 0, None, None), read(None, 2, 0), read("a", 4, 1), written(0, "b", 1, 9, 1)],
            Unanswered(1, 1, 1, 1),
        ),
        # A number that nobody was told of, and a value that was overwritten before anybody read it.
        ([written(0, "a", 0, 1, None), written(1, "b", 0, 3, 1), read("b", 4, 2)], Unanswered(1, 1)),
        # Two attempts at one operation: one of them was answered, or none.
        ([written(0, "a", 0, 1, None, "n"), written(0, "a", 2, 3, 0, "n"), read("a", 4, 1)], Unanswered()),
        (
            [
                written(0, "a", 0, 1, None, "n"),
                read(None, 2, 0),
                written(0, "a", 3, 8, None, "n"),
                read("a", 4, 1),
            ],
            Unanswered(1, 1, 1),
        ),
    ],
)
def test_unanswered_writes(calls: list[Call], found: Unanswered) -> None:
    """Goal: what became of writes that nobody was told of, and never more than is certain."""
    verdict = check(calls)
    assert verdict.ok, verdict.explain()
    assert unanswered(calls, verdict.order) == found


# ---- words


def test_every_fault_is_explained() -> None:
    """Goal: nobody has to guess what a word means. Method: look for each kind of fault in the legend."""
    assert SHAPED.keys() == ground_module.SHAPES.keys()
    for word in (*KINDS, *SHAPED, *OUTSIDE):
        assert f"\n  {word}" in legend()
    assert set(PAIRS) <= set(KINDS)


# ---- mail


def test_splitter_finds_mails_in_any_pieces() -> None:
    """Goal: whole requests come out, however they went in. Method: every size of piece."""
    mails = [b"POST /peer HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size for size in (0, 3, 70)]
    said = b"".join(mails)
    for size in range(1, len(said) + 1):
        splitter = Splitter()
        pieces = [said[at : at + size] for at in range(0, len(said), size)]
        assert [mail for piece in pieces for mail in splitter.feed(piece)] == mails
    strange = Splitter()
    assert list(strange.feed(b"HTTP/1.1 200 OK\r\n\r\n")) == []
    assert list(strange.feed(said)) == []


def test_archive_keeps_old_and_new() -> None:
    """Goal: of many mails some of the first and all of the latest can come again, and memory is bounded."""
    archive = Archive()
    for number in range(10_000):
        archive.add(b"%d" % number)
    assert list(archive.latest) == [b"%d" % number for number in range(9_968, 10_000)]
    assert len(archive.sample) == 64
    assert min(map(int, archive.sample)) < 2_000


# ---- clients


class Canned:
    """A server that gives one answer to everything, or hangs up on everything."""

    def __init__(self, status: int = 0, document: object = None, number: int | None = None) -> None:
        self.heard: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        body = json.dumps(document).encode()
        head = f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\n"
        head += "" if number is None else f"Msg-Num: {number}\r\n"
        self._answer = head.encode() + b"\r\n" + body if status else b""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                link, _ = self._listener.accept()
                with link:
                    self.heard.append(link.recv(65_536))
                    while self._answer:
                        link.sendall(self._answer)
                        if not link.recv(65_536):
                            break

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A ground of one node, which is never started."""
    with Ground(tmp_path_factory.mktemp("ground"), "quart", 1, env={}, servers={}) as made:
        yield made


def asked(ground: Ground, server: Canned | None, ask: Ask) -> tuple[Call, str]:
    """What one request to this server is written down as."""
    node: Node = ground.cluster.nodes[0]
    holder = reserve_port()
    nobody = f"127.0.0.1:{holder.getsockname()[1]}"
    node.address = nobody if server is None else server.address
    client = Client(3, ground, ground.homes[0], LOAD)
    try:
        return client.ask(ask, 0, lose=ask.answer_lost)
    finally:
        holder.close()
        if server is not None:
            server.close()


PUT = Ask(0, 3, 0, "put", "k", "v", name="n")


@pytest.mark.parametrize(
    ("ask", "status", "document", "outcome", "found"),
    [
        (PUT, 201, {}, "ok", {"existed": False, "value": "v", "number": 5}),
        (PUT, 200, {}, "ok", {"existed": True, "value": "v", "number": 5}),
        (PUT, 503, {"outcome": "not_applied", "reason": "timeout"}, "not_applied", {"number": None}),
        (PUT, 504, {"outcome": "unknown", "reason": "timeout"}, "unknown", {"number": None}),
        (PUT, 422, {"outcome": "not_applied", "reason": "idempotency_key_reused"}, "not_applied", {}),
        (Ask(0, 3, 0, "delete", "k"), 404, {}, "ok", {"existed": False, "value": None}),
        (Ask(0, 3, 0, "get", "k"), 200, {"value": "w"}, "ok", {"value": "w", "existed": None}),
        (Ask(0, 3, 0, "get", "k"), 404, {}, "ok", {"value": None, "number": 5}),
        (Ask(0, 3, 0, "list"), 200, {"a": "b"}, "ok", {"items": {"a": "b"}}),
    ],
)
def test_answers_become_calls(
    ground: Ground, ask: Ask, status: int, document: object, outcome: str, found: dict[str, object]
) -> None:
    """Goal: the history says what the node said. Method: canned answers."""
    number = 5 if status in (200, 201, 404) else None
    call, _ = asked(ground, Canned(status, document, number), ask)
    assert (call.outcome, call.client, call.node, call.key, call.name) == (outcome, 3, 0, ask.key, ask.name)
    assert {name: getattr(call, name) for name in found} == found
    assert call.end is not None
    assert call.end >= call.start


def test_refused_connection_is_not_applied(ground: Ground) -> None:
    """Goal: what was never sent has certainly no effect. Method: nobody listens."""
    call, reason = asked(ground, None, PUT)
    assert (call.outcome, reason) == ("not_applied", "not connected")


def test_broken_connection_is_unknown(ground: Ground) -> None:
    """Goal: what was sent may happen, whoever hung up; it was sent once. Method: the server does, then we."""
    server = Canned()
    call, reason = asked(ground, server, PUT)
    assert (call.outcome, call.end, reason) == ("unknown", None, "no answer")
    assert len(server.heard) == 1
    call, reason = asked(ground, Canned(201, {}, 1), Ask(0, 3, 0, "put", "k", "v", answer_lost=True))
    assert (call.outcome, call.end, reason) == ("unknown", None, "the answer was lost")


@pytest.mark.parametrize(
    ("status", "document"),
    [(500, {}), (400, {}), (404, {}), (503, {"outcome": "unknown"}), (504, {"outcome": "not_applied"})],
)
def test_wrong_answers_are_failures(ground: Ground, status: int, document: object) -> None:
    """Goal: what is no answer of the API to a PUT ends the run."""
    with pytest.raises(WrongAnswerError):
        asked(ground, Canned(status, document), PUT)
