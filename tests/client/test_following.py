"""The view moves to nodes that a client was not given: it learns of them, and of nobody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbkv import AsyncClient, Denied, NotApplied, StoreError, Unknown, Written, requests
from pbkv.calls import Call, Done, Look, Pause, Policy, Try
from pbkv.judging import Failure
from pbkv.nodes import LOOK_AGAIN, LOOK_EVERY, MAX_LEARNED, Nodes
from pbkv.requests import Answer
from pbkv.results import MAX_MEMBERS

from .desk import KINDS, A, B, C, Desk, Kind, Time, answers, done, no_connection, problem

D = "http://d:80"
OUTSIDE = problem(503, "outside_view", "not_applied")
Reaction = Callable[[httpx.Request], httpx.Response]


def view_of(addresses: Iterable[str], status: str = "active") -> dict[str, Any]:
    """What ``GET /view`` says."""
    return {
        "id": 1,
        "incarnation": "0" * 15 + "1",
        "view": [{"id": id_, "address": address} for id_, address in enumerate(addresses, 1)],
        "epoch": 3,
        "primary": 1,
        "status": status,
        "role": "none",
        "waiting_for": [],
        "blocked": None,
        "dropped": [],
        "commit": 12,
        "log_end": 12,
    }


def tells(*addresses: str, status: str = "active") -> Reaction:
    return answers(200, json.dumps(view_of(addresses, status)))


@dataclass
class Fleet:
    """Nodes that answer requests for data one way, and ``GET /view`` another."""

    data: dict[str, Reaction]
    view: dict[str, Reaction] = field(default_factory=dict)
    time: Time = field(default_factory=Time)
    asked: list[tuple[str, str, httpx.Headers]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        node = f"{request.url.scheme}://{request.url.host}:{port}"
        self.asked.append((node, request.url.path, request.headers))
        looks = request.url.path.endswith("/view")
        return (self.view if looks else self.data).get(node, no_connection)(request)

    def nodes(self, *, looks: bool = False) -> list[str]:
        """Who was asked, for data or for the view, in order."""
        return [node for node, path, _ in self.asked if path.endswith("/view") == looks]


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_goes_where_the_view_went(kind: Kind) -> None:
    """Goal: a client of one node that left the view is served by the members, and begins with them from then
    on. Method: the given node is outside and tells its view; both kinds; without following it fails."""
    fleet = Fleet({A: OUTSIDE, B: no_connection, C: done()}, {A: tells("b:80", "c:80", status="outside")})
    with Desk(kind, fleet, nodes=[A], follow_view=True) as desk:
        assert desk("put", "k", "v") == Written(7, True)
        assert fleet.nodes() == [A, B, C]
        assert fleet.nodes(looks=True) == [A]
        assert desk("put", "k", "v") == Written(7, True)
        assert fleet.nodes()[3:] == [C]
        assert desk.client.nodes == (A,)
        assert desk.client.learned == (B, C)
    with Desk(kind, fleet, nodes=[A], follow_view=False) as desk:
        with pytest.raises(NotApplied):
            desk("put", "k", "v")
        assert desk.client.learned == ()


@pytest.mark.parametrize("kind", KINDS)
def test_members_are_known_when_the_last_given_node_dies(kind: Kind) -> None:
    """Goal: a node that dies cannot tell any more, so it was asked before; not by a program of one call, and
    no more often than said. Method: count the looks over virtual time; then kill the only given node."""
    fleet = Fleet({A: done(), B: done()}, {A: tells("a:80", "b:80"), B: tells("b:80", "c:80")})
    with Desk(kind, fleet, nodes=[A], follow_view=True) as desk:
        desk("put", "k", "v")
        assert fleet.nodes(looks=True) == []
        for _ in range(10):
            desk("put", "k", "v")
        assert fleet.nodes(looks=True) == [A]
        fleet.time.sleep(LOOK_EVERY)
        desk("put", "k", "v")
        assert fleet.nodes(looks=True) == [A, A]
        assert set(fleet.nodes()) == {A}
        fleet.data[A] = fleet.view[A] = no_connection
        assert desk("put", "k", "v") == Written(7, True)
        assert fleet.nodes()[-1] == B
        # Who serves knows the view: members of an earlier one are forgotten, given nodes never.
        fleet.time.sleep(LOOK_EVERY)
        desk("put", "k", "v")
        assert (desk.client.nodes, desk.client.learned) == ((A,), (B, C))


@pytest.mark.parametrize("kind", KINDS)
def test_given_nodes_come_first_and_again(kind: Kind) -> None:
    """Goal: members at addresses that clients cannot reach cost nothing while a given node serves, and hide
    none that comes back. Method: a view of such addresses; then the given nodes fail for a moment."""
    fleet = Fleet({A: done(), B: done()}, {A: tells("10.0.0.1:80", "10.0.0.2:80")})
    with Desk(kind, fleet, nodes=[A, B], follow_view=True) as desk:
        for _ in range(3):
            desk("put", "k", "v")
        assert set(fleet.nodes()) == {A}
        assert len(desk.client.learned) == 2
        down = fleet.time.now + 1.0

        def comes_back(request: httpx.Request) -> httpx.Response:
            return (done() if fleet.time.now > down else no_connection)(request)

        fleet.data = {A: comes_back, B: no_connection}
        del fleet.asked[:]
        assert desk("put", "k", "v") == Written(7, True)
        assert fleet.nodes()[:4] == [A, B, "http://10.0.0.1:80", "http://10.0.0.2:80"]
        assert fleet.nodes()[-1] == A
        assert fleet.nodes(looks=True) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_never_goes_from_https_to_http(kind: Kind) -> None:
    """Goal: no node can make a client send its token in clear. Method: an https node, and one of each kind,
    tell addresses, some of which try to be more than that; look at where the token went."""
    secure = "https://a:443"
    for given_nodes in ([secure], [secure, B], [B, secure]):
        outside = tells(
            "c:80", "http://d:80", "d:80/x", "user@d:80", "d:80?x", "", "d d:80", status="outside"
        )
        fleet = Fleet({secure: OUTSIDE, B: OUTSIDE}, {secure: outside, B: outside})
        with Desk(kind, fleet, nodes=given_nodes, token="secret", follow_view=True, timeout=3.0) as desk:
            with pytest.raises(NotApplied):
                desk("put", "k", "v")
            assert desk.client.learned == ("https://c:80",)
        assert {node for node, _, _ in fleet.asked} == {*given_nodes, "https://c:80"}
        assert {headers.get("authorization") for _, _, headers in fleet.asked} == {"Bearer secret"}


@pytest.mark.parametrize(
    "says",
    [
        answers(401, json.dumps(view_of(["b:80"]))),
        answers(503, json.dumps(view_of(["b:80"]))),
        answers(301, "", {"Location": "http://b:80/view"}),
        answers(200, "[]"),
        answers(200, json.dumps(view_of(["b:80"]) | {"view": [{"id": 1}]})),
        answers(200, "<html>"),
        tells(),
        no_connection,
    ],
)
def test_only_a_view_teaches(says: Reaction) -> None:
    """Goal: nobody is learned of from what is no answer to a client with this token. Method: such answers."""
    fleet = Fleet({A: OUTSIDE, B: done()}, {A: says})
    with Desk("sync", fleet, nodes=[A], follow_view=True, timeout=3.0) as desk:
        with pytest.raises(NotApplied):
            desk("put", "k", "v")
        assert desk.client.learned == ()
    assert set(fleet.nodes()) == {A}
    assert 1 <= len(fleet.nodes(looks=True)) <= 3.0 / LOOK_AGAIN


def test_a_stranger_at_a_learned_address_does_not_speak_for_the_store() -> None:
    """Goal: who got the address of a former member cannot refuse in the store's name; a node can, and a given
    one always could. Method: 401 and 400 of a web server, and 401 of a node, at each kind of address."""
    html = answers(401, "<html>", {"Content-Type": "text/html"})
    for strange in (html, answers(400, "{}")):
        fleet = Fleet({A: OUTSIDE, B: strange, C: done()}, {A: tells("b:80", "c:80", status="outside")})
        with Desk("sync", fleet, nodes=[A], follow_view=True) as desk:
            assert desk("put", "k", "v") == Written(7, True)
    fleet = Fleet({A: OUTSIDE, B: problem(401, "no_token")}, {A: tells("b:80", status="outside")})
    with Desk("sync", fleet, nodes=[A], follow_view=True) as desk, pytest.raises(Denied):
        desk("put", "k", "v")
    with Desk("sync", Fleet({A: html}), nodes=[A], follow_view=True) as desk, pytest.raises(Denied):
        desk("put", "k", "v")


def test_what_is_learned_is_bounded_and_in_order() -> None:
    """Goal: a node that lies about the view fills nothing up. Method: two long views, one after the other;
    what the second one says is kept first."""
    nodes = Nodes([A], lambda: 0.0, follow=True)
    nodes.learn(A, [f"x{number}:80" for number in range(1000)], serves=False)
    assert len(nodes.learned) == MAX_LEARNED
    nodes.learn(A, ["b:80", "a:80"], serves=False)
    assert len(nodes.learned) == MAX_LEARNED
    assert nodes.order()[:3] == [A, B, "http://x0:80"]
    nodes.learn(A, ["c:80"], serves=True)
    assert nodes.order() == [A, C]
    nodes.add(A, ["c:80", "d:80"])
    assert (nodes.urls, nodes.learned) == ((A, C, D), ())


def test_a_view_of_thousands_is_none() -> None:
    """Goal: who lies about the view has no token sent to as many as he likes. Method: one member more than a
    view may have."""
    sizes = [MAX_MEMBERS, MAX_MEMBERS + 1]
    addresses = [[f"x:{port + 1}" for port in range(size)] for size in sizes]
    texts = [json.dumps(view_of(each)).encode() for each in addresses]
    most, more = (requests.view().parse(Answer(200, {}, text)) for text in texts)
    assert most is not None
    assert len(most.view) == MAX_MEMBERS
    assert more is None


@pytest.mark.parametrize("given_node", ["http://a:80/kv", "https://a:80/kv"])
def test_embedded_members_are_below_the_same_path(given_node: str) -> None:
    """Goal: nodes in applications are followed, too, by calls and by who asks for their members. Method: the
    path and the scheme of the node that told are kept; on the view's word no path is added."""
    scheme = given_node.partition(":")[0]
    expected = [f"{scheme}://b:80/kv", f"{scheme}://[::1]:80/kv"]
    for learn in (Nodes.add, partial(Nodes.learn, serves=True)):
        nodes = Nodes([given_node], lambda: 0.0, follow=True)
        learn(nodes, given_node, ["b:80", "b:80/other", "[::1]:80"])
        assert nodes.order() == [given_node, *expected]
    mixed = Nodes(["http://a:80", "https://b:80"], lambda: 0.0)
    mixed.add("http://a:80", ["c:80"])
    assert mixed.urls[2:] == ("https://c:80",)


def test_many_calls_look_once() -> None:
    """Goal: fifty calls that fail at the same moment do not ask a node in trouble fifty times, and all go on
    at whom one of them learned of. Method: tasks of one client, of which none is answered before all have
    asked. The look at the node that answers is the one that is due after a result."""
    fleet = Fleet({A: OUTSIDE, B: done()}, {A: tells("b:80", status="outside")})
    calls = 50

    async def main() -> set[Written]:
        all_have_asked = asyncio.Event()

        async def answer(request: httpx.Request) -> httpx.Response:
            response = fleet(request)
            if len(fleet.asked) == calls:
                all_have_asked.set()
            await all_have_asked.wait()
            await asyncio.sleep(0)  # or the one who asked last would go on alone
            return response

        async def others_go_on(_: float) -> None:
            await asyncio.sleep(0)

        # All at one moment: time stands still.
        arguments: dict[str, Any] = {"clock": fleet.time.clock, "sleep": others_go_on}
        async with AsyncClient([A], transport=httpx.MockTransport(answer), **arguments) as client:
            tasks = [asyncio.create_task(client.put(f"{number}", "v")) for number in range(calls)]
            return {await task for task in tasks}

    assert asyncio.run(main()) == {Written(7, True)}
    assert fleet.nodes(looks=True) == [A, B]


def test_who_does_not_serve_makes_nobody_forgotten() -> None:
    """Goal: a node that was told its last view long ago cannot hide the members of the present one.

    Method: the given node served, and its view was learned; it leaves, with a view of nodes that are gone.
    """
    fleet = Fleet({A: done(), C: done()}, {A: tells("a:80", "b:80", "c:80")})
    with Desk("sync", fleet, nodes=[A], follow_view=True) as desk:
        for _ in range(2):
            desk("put", "k", "v")
        fleet.data = {A: OUTSIDE, B: OUTSIDE, C: OUTSIDE, D: no_connection}
        fleet.view = {A: tells("d:80", status="outside")}
        with pytest.raises(NotApplied):
            desk("put", "k", "v", timeout=0.5)
        fleet.data = {A: OUTSIDE, C: done()}
        assert desk("put", "k", "v") == Written(7, True)
        assert desk.client.learned == (D, B, C)


ANSWERS: Mapping[str, Answer | Failure] = {
    "done": Answer(201, {"msg-num": "7"}, b"{}"),
    "not_applied": Answer(
        503, {"content-type": "application/problem+json"}, b'{"reason":"r","outcome":"not_applied"}'
    ),
    "unknown": Answer(504, {"content-type": "application/problem+json"}, b'{"reason":"r"}'),
    "lost": Failure(True, "reset"),
    "down": Failure(False, "refused"),
    "denied": Answer(401, {}, b""),
    "view": Answer(200, {}, json.dumps(view_of(["b:80", "c:80"])).encode()),
    "old": Answer(200, {}, json.dumps(view_of(["d:80"], "outside")).encode()),
}


@given(
    st.lists(st.sampled_from(sorted(ANSWERS)), min_size=1, max_size=12),
    st.integers(1, 3),
)
def test_looks_change_no_outcome(heard: list[str], calls: int) -> None:
    """Goal: whatever is heard of a view, a call ends in time, as its attempts say and nothing else: done if
    one was, certain only if all are. Method: random answers, the last one for ever, to several calls of one
    client; an independent account of what the attempts heard."""
    nodes, left, now = Nodes([A], lambda: 0.0, follow=True), list(heard), 0.0
    for _ in range(calls):
        call = Call(requests.put("k", "v"), nodes, Policy(5.0, 2.0), now, lambda: 0.5)
        attempts: list[str] = []
        began, step, failed = now, call.step(now), None
        try:
            while not isinstance(step, Done):
                answer = None
                if isinstance(step, Pause):
                    now += step.seconds
                else:
                    assert isinstance(step, Try)
                    now += min(0.01, step.timeout)
                    name = left.pop(0) if len(left) > 1 else left[0]
                    answer = ANSWERS[name]
                    if isinstance(step, Look):
                        assert step.timeout <= began + 5.0 - now + 0.02
                    else:
                        attempts.append(name)
                step = call.step(now, answer)
        except StoreError as error:
            failed = error
        if isinstance(step, Done):
            assert attempts[-1] == "done"
            assert "done" not in attempts[:-1]
            assert step.result == Written(7, True)
        else:
            assert failed is not None
            assert failed.count == len(attempts)
            assert "done" not in attempts
            exposed = {"unknown", "lost", "view", "old"} & {*attempts}
            assert isinstance(failed, Unknown) == bool(exposed)
        assert now - began <= 5.0 + 0.02
        assert len(nodes.order()) <= 1 + MAX_LEARNED
