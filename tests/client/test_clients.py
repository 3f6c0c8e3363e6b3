"""Both clients carry the rules out alike: over httpx's own stand-in for a network, in virtual time."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import httpx
import pytest

from pbkv import (
    AsyncClient,
    Client,
    ClientClosed,
    Denied,
    NotApplied,
    Refused,
    StoreError,
    Unavailable,
    Unknown,
    Written,
)

from .desk import (
    KINDS,
    NOT_APPLIED,
    PROXY,
    REDIRECT,
    UNKNOWN,
    A,
    B,
    C,
    Desk,
    Kind,
    OneNode,
    Reaction,
    Script,
    Time,
    answers,
    done,
    no_connection,
    problem,
    reset,
)

pytestmark = pytest.mark.parametrize("kind", KINDS)


def test_a_write_goes_on_elsewhere_under_one_key(kind: Kind) -> None:
    """Goal: every trouble leads to the next node, and the write stays one. Method: three troubles, then an
    answer; compare what was sent."""
    script = Script({A: [no_connection, NOT_APPLIED], B: [reset, done(200)], C: [UNKNOWN]})
    with Desk(kind, script) as desk:
        assert desk("put", "k", "v") == Written(7, False)
        assert desk("put", "k", "v") == Written(7, False)
    assert script.nodes == [A, B, C, A, B, B]
    requests = [request for _, _, request in script.asked]
    names = [request.headers["Idempotency-Key"] for request in requests]
    assert len(set(names[:5])) == 1
    assert names[5] != names[4]
    assert {request.content for request in requests} == {b'{"value": "v"}'}
    assert script.time.now - 1000.0 < 1.0


def test_an_own_key_is_sent(kind: Kind) -> None:
    """Goal: a program that was restarted goes on with its write. Method: put and delete under a given key."""
    script = Script({A: [done()]})
    with Desk(kind, script, nodes=[A]) as desk:
        desk("put", "k", "v", idempotency_key="order-17")
        script.reactions[A] = [done(200)]
        desk("delete", "k", idempotency_key="order-18")
    assert [request.headers["Idempotency-Key"] for _, _, request in script.asked] == ["order-17", "order-18"]


@pytest.mark.parametrize(
    ("reaction", "outcome"),
    [
        (NOT_APPLIED, NotApplied),
        (no_connection, NotApplied),
        (UNKNOWN, Unknown),
        (reset, Unknown),
        (PROXY, Unknown),
        (REDIRECT, Unknown),
        (problem(401, "no_token"), Denied),
        (problem(403, "not_allowed"), Denied),
        (problem(400, "bad_body"), Refused),
        (problem(422, "key_reused", "not_applied"), Refused),
    ],
)
def test_outcomes_are_types(kind: Kind, reaction: Reaction, outcome: type[StoreError]) -> None:
    """Goal: the same exceptions from both. Method: every node reacts alike, until the call gives up."""
    script = Script({A: [reaction], B: [reaction], C: [reaction]})
    with Desk(kind, script, timeout=10.0) as desk:
        with pytest.raises(StoreError) as caught:
            desk("put", "k", "v")
        assert type(caught.value) is outcome
        with pytest.raises(StoreError) as caught:
            desk("get", "k")
        assert type(caught.value) is (Unavailable if not issubclass(outcome, Refused) else outcome)
    assert script.time.now <= 1000.0 + 20.0


@pytest.mark.parametrize(
    ("error", "certain"),
    [
        (httpx.ConnectError, True),
        (httpx.ConnectTimeout, True),
        (httpx.PoolTimeout, True),
        (httpx.WriteError, False),
        (httpx.WriteTimeout, False),
        (httpx.ReadError, False),
        (httpx.ReadTimeout, False),
        (httpx.RemoteProtocolError, False),
        (httpx.CloseError, False),
        (ConnectionResetError, False),
        (TimeoutError, False),
    ],
)
def test_no_exception_of_the_transport_gets_out(kind: Kind, error: type[Exception], certain: bool) -> None:
    """Goal: whatever breaks is an outcome, and certain only if nothing was sent. Method: raise each."""

    def breaks(_: httpx.Request) -> httpx.Response:
        raise error("bad luck")

    with Desk(kind, Script({A: [breaks]}), nodes=[A], timeout=2.0) as desk:
        with pytest.raises(NotApplied if certain else Unknown):
            desk("put", "k", "v")
        with pytest.raises(Unavailable):
            desk("items")


def test_a_node_that_hangs_costs_one_attempt(kind: Kind) -> None:
    """Goal: patience is bounded for an attempt and for a call. Method: one node hangs, then all do."""
    script = Script({A: [], B: [done()], C: [done()]})
    script.reactions[A] = [script.hangs]
    with Desk(kind, script) as desk:
        assert desk("put", "k", "v").number == 7
        assert script.time.now == pytest.approx(1012.0)
        desk("put", "k", "v")
        assert script.nodes == [A, B, B]
        for node in (A, B, C):
            script.reactions[node] = [script.hangs]
        with pytest.raises(Unknown) as caught:
            desk("put", "k", "v", timeout=20.0)
    assert script.time.now <= 1012.0 + 20.0
    assert [attempt.after for attempt in caught.value.attempts] == pytest.approx([12.0, 20.0])


def test_resolving_an_unknown_outcome(kind: Kind) -> None:
    """Goal: the exception is enough to go on. Method: an answer lost, all down, then the node is back."""
    script = Script({A: [reset, no_connection]})
    with Desk(kind, script, nodes=[A], timeout=1.0) as desk:
        with pytest.raises(Unknown) as caught:
            desk("put", "k", "v")
        with pytest.raises(Unknown):
            desk("resolve", caught.value)
        script.reactions[A] = [done(201, 3)]
        assert desk("resolve", caught.value) == Written(3, True)
    assert {request.headers["Idempotency-Key"] for _, _, request in script.asked} == {
        caught.value.idempotency_key
    }


def loses_first_answer(node: Reaction, before_second: Reaction) -> Reaction:
    """A node whose first answer is lost; the next request meets another one."""
    asked: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if len(asked) > 1:
            return before_second(request)
        node(request)
        return reset(request)

    return handle


def test_a_write_whose_answer_was_lost_happens_once(kind: Kind) -> None:
    """Goal: the answer is that of the attempt that took effect. Method: a node loses its first one."""
    node = OneNode()
    with Desk(kind, loses_first_answer(node, node), nodes=[A]) as desk:
        assert desk("put", "k", "v") == Written(0, True)
        assert desk("put", "k", "w") == Written(1, False)


def test_a_store_that_began_anew_holds_the_write_once(kind: Kind) -> None:
    """Goal: the second case of the rule in ``calls.py``: the answer is of the store that is. Method: between
    two attempts the only node is replaced by an empty one."""
    old, new = OneNode(), OneNode()
    with Desk(kind, old, nodes=[A]) as desk:
        desk("put", "before", "v")
    with Desk(kind, loses_first_answer(old, new), nodes=[A]) as desk:
        assert desk("put", "k", "v") == Written(0, True)
        listing = desk("items")
    assert (listing.items, listing.number) == ({"k": "v"}, 1)


def test_a_key_that_was_forgotten_is_a_new_one(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: the limit is the one that the documents tell. Method: a store that remembers two keys; three
    writes between an answer that was lost and its repetition."""
    monkeypatch.setattr("pbproto.store.MAX_IDEMPOTENCY_KEYS", 2)
    node = OneNode()

    def others_write_first(request: httpx.Request) -> httpx.Response:
        with Desk("sync", node, nodes=[A]) as others:
            for number in range(3):
                others("put", f"o{number}", "v")
        return node(request)

    with Desk(kind, loses_first_answer(node, others_write_first), nodes=[A]) as desk:
        assert desk("put", "k", "v") == Written(4, False)


def test_the_token_goes_to_the_nodes_and_not_into_messages(kind: Kind) -> None:
    """Goal: authentication, and no leak. Method: look at headers, and at what a failure says."""
    script = Script({A: [problem(401, "bad_token")]})
    with Desk(kind, script, nodes=[A], token="s3cret.token") as desk:
        with pytest.raises(Denied) as caught:
            desk("get", "k")
        assert "s3cret" not in repr(desk.client) + str(caught.value) + repr(caught.value)
    assert script.asked[0][2].headers["Authorization"] == "Bearer s3cret.token"


@pytest.mark.parametrize(
    "arguments",
    [
        {"nodes": []},
        {"nodes": ["ftp://a"]},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"attempt_timeout": -1},
        {"connect_timeout": float("inf")},
        {"token": ""},
        {"token": "a\nb"},
        {"max_listing_bytes": 0},
    ],
)
def test_bad_arguments_are_said_at_once(kind: Kind, arguments: dict[str, Any]) -> None:
    """Goal: no client that cannot work. Method: values that mean nothing."""
    with pytest.raises(ValueError, match=r"node|seconds|token|bytes"):
        Desk(kind, OneNode(), **arguments)


def test_no_body_without_a_bound(kind: Kind) -> None:
    """Goal: no answer fills the memory. Method: a listing over the bound; what does a request accept?"""
    text = '{"k": "' + "v" * 1000 + '"}'
    script = Script({A: [done(200, 1, text)]})
    small = Desk(kind, script, nodes=[A], timeout=1.0, max_listing_bytes=1000)
    with small as desk, pytest.raises(Unavailable, match="more than 1,000 bytes"):
        desk("items")
    assert script.asked[0][2].headers["Accept-Encoding"] == "identity"


def test_every_node_answers_for_itself(kind: Kind) -> None:
    """Goal: a node that is silent is an answer as well. Method: one real node, one dead, one stranger."""
    node = OneNode()
    script = Script({A: [node], B: [no_connection], C: [answers(200, "<html>")]})
    with Desk(kind, script) as desk:
        first, second, third = desk("view")
        assert [each.node for each in (first, second, third)] == [A, B, C]
        assert (first.answer.id, first.answer.status, first.answer.view[0].address) == (1, "active", "a:80")
        assert (second.answer, second.problem.status) == (None, None)
        assert (third.answer, third.problem.status) == (None, 200)
        (alone,) = desk("view", A)
        assert alone == first
        assert [each.answer for each in desk("ready")] == [True, None, None]
        assert desk("document", "/ping", A)[0].answer == {"status": "ok", "id": 1}
        assert desk("document", "/nothing", A)[0].problem.status == 404
    assert script.time.now == 1000.0


def test_a_node_without_a_view_is_not_ready(kind: Kind) -> None:
    """Goal: "no" is an answer, not trouble. Method: a node that was told nothing, before and after a view."""
    with Desk(kind, OneNode(told=False), nodes=[A], timeout=0.5) as desk:
        assert desk("ready")[0].answer is False
        with pytest.raises(NotApplied, match="no_view"):
            desk("put", "k", "v")
        (told,) = desk("tell_view", {1: "a:80"}, 1)
        assert told.ok
        assert told.answer.epoch == 1
        assert desk("ready")[0].answer is True
        (refused,) = desk("tell_view", [(2, "a:80")], 1, nodes=[A])
        assert (refused.answer, refused.problem.status) == (None, 409)
        assert "stale" in refused.problem.detail or "epoch" in refused.problem.detail


def test_views_are_told_to_members_or_to_whom_is_named(kind: Kind) -> None:
    """Goal: nobody else hears of a view. Method: tell two members, then a node elsewhere."""
    script = Script({A: [no_connection], B: [no_connection], C: [no_connection]})
    with Desk(kind, script, nodes=[C]) as desk:
        assert [each.ok for each in desk("tell_view", {1: "a:80", 2: "b:80"})] == [False, False]
        assert sorted(script.nodes) == [A, B]
        desk("tell_view", {1: "a:80"}, nodes=[C])
        assert script.nodes[2:] == [C]


def test_views_are_told_below_the_paths_of_the_given_nodes(kind: Kind) -> None:
    """Goal: nodes in applications are told views as they are asked for keys. Method: one was given with a
    path and one without, the third is only named by the view.
    """
    paths: set[str] = set()

    def note(request: httpx.Request) -> httpx.Response:
        paths.add(f"{request.url.host}{request.url.path}")
        return httpx.Response(404)

    with Desk(kind, note, nodes=["http://a:80/kv", "http://b:80"]) as desk:
        desk("tell_view", {1: "a:80", 2: "b:80", 3: "c:80"})
        assert repr(desk.client).endswith("Client(http://a:80/kv, http://b:80)")
    assert paths == {"a/kv/view", "b/view", "c/kv/view"}


def test_nodes_are_learned_only_when_asked_for(kind: Kind) -> None:
    """Goal: the token goes to nobody who was not named. Method: a view with more members than the list."""
    node = OneNode(told=False)
    with Desk(kind, node, nodes=["http://c:80"], timeout=0.5) as desk:
        desk("tell_view", {1: "a:80", 2: "b:80"}, nodes=["http://c:80"])
        assert list(desk.client.nodes) == [C]
        assert list(desk("learn_nodes")) == [C, A, B]
        assert list(desk.client.nodes) == [C, A, B]


def test_one_client_for_many_at_once(kind: Kind) -> None:
    """Goal: a client is shared by threads, or tasks. Method: many writes at the same time at one node."""
    node = OneNode()
    if kind == "sync":
        with Client([A], transport=httpx.MockTransport(node)) as client:
            results: list[Written] = []
            threads = [
                threading.Thread(target=lambda n=n: results.append(client.put(f"k{n}", "v")))
                for n in range(20)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    else:

        async def run() -> list[Written]:
            async with AsyncClient([A], transport=httpx.MockTransport(node)) as client:
                return await asyncio.gather(*(client.put(f"k{n}", "v") for n in range(20)))

        results = asyncio.run(run())
    assert sorted(each.number for each in results) == list(range(20))


def test_virtual_time_is_the_only_time(kind: Kind) -> None:
    """Goal: tests of programs need not wait. Method: a call that gives up after ten minutes, at once."""
    begin = time.monotonic()
    script = Script({A: [NOT_APPLIED]}, Time(0.0))
    with Desk(kind, script, nodes=[A], timeout=600.0) as desk, pytest.raises(NotApplied):
        desk("put", "k", "v")
    assert 590.0 < script.time.now <= 600.0
    assert time.monotonic() - begin < 30.0


def test_a_closed_client_says_so(kind: Kind) -> None:
    """Goal: a mistake of the program is called one, whatever was asked, and is no word on the store. Method:
    close twice, and make every kind of call."""
    script = Script({A: [done()]})
    desk = Desk(kind, script, nodes=[A, B])
    with desk:
        desk("put", "k", "v")
    del script.asked[:]
    desk("close" if kind == "sync" else "aclose")
    for call in (("put", "k", "v"), ("get", "k"), ("delete", "k"), ("items",), ("view",), ("learn_nodes",)):
        with pytest.raises(ClientClosed, match="closed") as caught:
            desk(*call)
        assert not isinstance(caught.value, StoreError)
    if isinstance(desk.client, Client):
        with pytest.raises(ClientClosed):
            desk.client.mapping()["k"] = "v"
    assert script.asked == []


@pytest.mark.parametrize(("reaction", "outcome"), [(no_connection, NotApplied), (reset, Unknown)])
def test_a_client_that_is_closed_under_a_call(
    kind: Kind, reaction: Reaction, outcome: type[StoreError]
) -> None:
    """Goal: even then a write ends with what is certain, and at once. Method: somebody closes the client
    while a call pauses between two attempts."""
    script = Script({A: [reaction]})

    async def asleep(seconds: float) -> None:
        script.time.sleep(seconds)
        await desk.client.aclose()  # type: ignore[union-attr]

    def sleep(seconds: float) -> None:
        script.time.sleep(seconds)
        desk.client.close()  # type: ignore[union-attr]

    desk = Desk(kind, script, nodes=[A], sleep=sleep if kind == "sync" else asleep)
    with pytest.raises(StoreError, match="this client was closed") as caught:
        desk("put", "k", "v")
    assert type(caught.value) is outcome
    assert script.nodes == [A]
