"""The parts of a run by themselves: schedule, workload, figures, and what becomes of each answer."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice

import pytest

from tests.checker.history import Call
from tests.live.harness import Node, reserve_port
from tests.simulation.plan import Ask

from . import ground as ground_module
from .clients import Client, WrongAnswerError
from .figures import Silence, measure, silence
from .ground import Ground
from .mail import Archive, Splitter
from .nemesis import KINDS, schedule
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
    values = [ask.value for ask in every if ask.what == "put" and not ask.name]
    assert len(values) == len(set(values))
    assert {ask.what for ask in every} == {"put", "delete", "get", "list"}
    assert len({ask.key for ask in every if ask.key}) == 8
    assert {ask.node for ask in every} == {0, 1, 2}


def test_workload_repeats_what_has_a_name() -> None:
    """Goal: some writes have names and are repeated at other nodes; few clients hang up early."""
    asks = list(islice(LOAD.asks(0), 1000))
    named = [ask for ask in asks if ask.name]
    assert named
    assert all(ask.repeats for ask in named)
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
    assert len(watched) == len(load.writers) == 2
    for client in set(load.watchers) - set(load.writers):
        assert {ask.what for ask in asks[client]} == {"get"}
        for ask in asks[client]:
            watched[ask.key].add(ask.node)
        assert load.rest(client) == 0
    assert set(map(frozenset, watched.values())) == {frozenset(load.nodes)}
    for client in set(range(24)) - set(load.watchers):
        assert not {ask.key for ask in asks[client]} & set(watched)
    assert len(load.watchers) == 8
    assert [len(replace(LOAD, clients=clients).watchers) for clients in (1, 5, 6, 9)] == [0, 0, 2, 3]
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
    """Goal: outcomes, unknown writes and the worst client are counted; calls outside the time are not."""
    second = 10**9
    calls = [
        call(0, 2 * second, start=second),
        call(0, None, "unknown", "put", start=2 * second),
        call(0, None, "unknown", "get", start=2 * second),
        call(1, 9 * second, start=8 * second),
        call(2, 30 * second, start=20 * second),
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
