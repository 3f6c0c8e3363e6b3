"""The store without HTTP: the same calls, results and errors as the clients have."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from frontends.common import calling
from frontends.common.guard import SecondProcessError
from frontends.common.node import Node
from frontends.common.settings import Settings
from frontends.common.waits import Waits
from pbkv import (
    Deleted,
    Invalid,
    Listing,
    NotApplied,
    Read,
    Refused,
    StoreError,
    Unavailable,
    Unknown,
    Written,
)
from pbkv.testing import Cluster
from pbproto import Reason, Reject

from .hosting import ADDRESS, FRAMEWORKS, Hosted, done, hosted, other_node, serving

both = pytest.mark.parametrize("framework", FRAMEWORKS)
Use = Callable[[Any], Any]

SCRIPT: tuple[Use, ...] = (
    lambda store: store.put("k", "v"),
    lambda store: store.put("k", "ä 𝄞 \0"),
    lambda store: store.get("k"),
    lambda store: store.get("none"),
    lambda store: store.delete("none"),
    lambda store: store.put("once", "1", idempotency_key="one"),
    lambda store: store.put("once", "1", idempotency_key="one"),
    lambda store: store.put("once", "2", idempotency_key="one"),  # another request under the same key
    lambda store: store.delete("once", idempotency_key="two"),
    lambda store: store.delete("once", idempotency_key="two"),
    lambda store: store.put("long", "x" * 1000),
    lambda store: store.put("longer", "x" * 1001),
    lambda store: store.put("wide", "ä" * 501),
    lambda store: store.put("", "v"),
    lambda store: store.put("k" * 4097, "v"),
    lambda store: store.put("\ud800", "v"),
    lambda store: store.put("k", "\ud800"),
    lambda store: store.put("k", 1),
    lambda store: store.put("k", b"v"),
    lambda store: store.put(b"k", "v"),
    lambda store: store.put("k", "v", idempotency_key="two words"),
    lambda store: store.put("k", "v", idempotency_key=""),
    lambda store: store.put("k", "v", timeout=0),
    lambda store: store.get(1),
    lambda store: store.get(""),
    lambda store: store.delete(""),
    lambda store: store.items(),
)


async def outcome(use: Use, store: Any) -> Any:
    """What became of a call: its result, or what is said of it."""
    try:
        return await done(use(store))
    except StoreError as error:
        status = error.status if isinstance(error, Refused) else None
        return type(error), error.summary, status, [attempt.detail for attempt in error.attempts]
    except (TypeError, ValueError) as error:
        return type(error), str(error)


@both
async def test_every_call_ends_as_the_client_s(framework: str) -> None:
    """Goal: code moves between a client and its own node by one line. Method: the same calls to both, one
    after another: equal results, and errors of equal types, words and statuses.
    """
    remote = Cluster(1, max_value_bytes=1000).client()
    async with hosted(framework, max_value_bytes=1000) as host:
        for number, use in enumerate(SCRIPT):
            assert await outcome(use, host.store) == await outcome(use, remote), number


@both
async def test_what_calls_return(framework: str) -> None:
    """Goal: results are the client's types, with numbers of the one order. Method: each operation once."""
    async with hosted(framework) as host:
        store = host.store
        assert await done(store.put("k", "v")) == Written(0, created=True)
        assert await done(store.put("k", "w")) == Written(1, created=False)
        assert await done(store.get("k")) == Read("w", 2)
        assert await done(store.items()) == Listing({"k": "w"}, 2)
        assert await done(store.delete("k")) == Deleted(2, existed=True)
        assert await done(store.get("k")) == Read(None, 3)
        status = store.status()
        assert (status.id, status.status, status.commit) == (1, "active", 3)
        assert [(member.id, member.address) for member in status.view] == [(1, ADDRESS)]
        await done(store.tell_view({1: ADDRESS}, 5))
        with pytest.raises(Refused, match="409 stale_epoch"):
            await done(store.tell_view({1: ADDRESS}, 4))
        with pytest.raises(Refused, match="409 other_life"):
            await done(store.tell_view({1: ADDRESS}, 6, incarnation="0123456789abcdef"))
        with pytest.raises(Invalid):
            await done(store.tell_view({1: object()}))
        assert store.nodes == ("node 1 in this process",)


@both
async def test_a_node_without_a_view_says_what_it_knows(framework: str) -> None:
    """Goal: no outcome is a guess. Method: a node that was told no view, and one in a view where it waits for
    another, for longer than the call has time.
    """
    async with hosted(framework, view={}) as host:
        with pytest.raises(NotApplied, match="no_view"):
            await done(host.store.put("k", "v", timeout=0.2))
        with pytest.raises(Unavailable, match="no_view"):
            await done(host.store.get("k", timeout=0.2))
        # Somebody may have sent it before under this key.
        with pytest.raises(Unknown) as caught:
            await done(host.store.put("k", "v", idempotency_key="mine", timeout=0.2))
        assert caught.value.idempotency_key == "mine"
    with other_node() as other:
        async with hosted(framework, view=other.view) as host:
            with pytest.raises(Unavailable, match="no answer in time"):
                await done(host.store.items(timeout=0.05))
            with pytest.raises(Unknown, match="no answer in time") as caught:
                await done(host.store.put("k", "v", timeout=0.05))
            other.go_on()
            # It was waiting for the view, and is applied once: what resolves it gets the first answer.
            assert await done(host.store.resolve(caught.value)) == Written(0, created=True)
            assert await done(host.store.items()) == Listing({"k": "v"}, 1)


@both
async def test_the_log_says_once_that_calls_wait_for_a_view(
    framework: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goal: an application that seems to hang says why, and one that waits for a moment says nothing.

    Method: calls to a node without a view, outside its view, and in one whose other member does not answer,
    for longer than they are quiet; then to one where something else is the matter, and one in no hurry.
    """
    monkeypatch.setattr(calling, "PATIENCE", 0.0)

    async def said(view: dict[int, str], **settings: Any) -> list[str]:
        caplog.clear()
        async with hosted(framework, view=view, **settings) as host:
            for _ in range(2):
                with pytest.raises(StoreError):
                    await done(host.store.put("k", "v" * 10, timeout=0.05))
        lines = [each for each in caplog.records if " event=calls_wait " in each.getMessage()]
        assert all(each.levelno == logging.WARNING for each in lines)
        return [each.getMessage() for each in lines]

    (untold,) = await said({})
    assert "this node has not been told a view since it started" in untold
    assert " seconds_at_most=0.05 " in untold
    assert "PUT /view below its prefix, tell_view(), or the view service" in untold
    (outside,) = await said({2: ADDRESS})
    assert "this node is not a member of the view it was told" in outside
    (silent,) = await said({1: ADDRESS, 99: "127.0.0.1:1"})
    assert "node 99: " in silent
    assert "when these members answer" in silent
    assert await said({1: ADDRESS}, max_data_bytes=1) == []
    monkeypatch.setattr(calling, "PATIENCE", 1000.0)
    assert await said({}) == []


def test_the_log_says_again_that_calls_wait_a_minute_later(caplog: pytest.LogCaptureFixture) -> None:
    """Goal: not a line for each call, and not one for ever. Method: a clock of the test's."""
    clock = [100.0]
    node = Node(Settings(id=1), lambda _: None, lambda _: None)
    waits = Waits(node, lambda: clock[0])
    reject = Reject(0, Reason.NO_VIEW, True, "")
    for clock[0], lines in ((100.0, 1), (159.0, 1), (160.0, 2)):
        waits.turned_away(reject, 30.0)
        assert len(caplog.records) == lines
    clock[0] = 1000.0
    waits.turned_away(Reject(0, Reason.CLOSING, True, ""), 30.0)
    assert len(caplog.records) == 2


@both
async def test_an_unknown_outcome_moves_between_client_and_node(framework: str) -> None:
    """Goal: what one does not know the other can find out. Method: resolve a client's unknown inside."""
    cluster = Cluster(1)
    cluster.lose_answer()
    with pytest.raises(Unknown) as caught:
        cluster.client().put("a/b ä", "v", timeout=1.0)
    async with hosted(framework, max_value_bytes=100) as host:
        assert await done(host.store.resolve(caught.value)) == Written(0, created=True)
        assert await done(host.store.resolve(caught.value)) == Written(0, created=True)
        assert (await done(host.store.items())).items == {"a/b ä": "v"}
        with pytest.raises(ValueError, match="no request"):
            await done(host.store.resolve(Unknown("of nothing")))


@both
async def test_when_the_node_ends_nobody_waits_on(framework: str) -> None:
    """Goal: an application that ends is not held up. Method: end a node where a call waits for a view, and
    call once more. Both end at once, long before their time is up, and certainly have no effect.
    """
    view = {1: ADDRESS, 2: "127.0.0.1:10"}  # nobody is there
    host = Hosted(framework)
    if framework == "quart":
        await host.app.startup()
        await host.store.tell_view(view, 1)
        waiting = asyncio.create_task(host.store.put("k", "v"))
        while not host.store._node._waiters:
            await asyncio.sleep(0)
        await host.app.shutdown()
    else:
        host.store.tell_view(view, 1)
        waiting = asyncio.create_task(asyncio.to_thread(host.store.put, "k", "v"))
        while not host.store._node._waiters:
            await asyncio.sleep(0.001)
        host.store.close()
    async with asyncio.timeout(10):
        with pytest.raises(NotApplied, match="closing"):
            await waiting
        with pytest.raises(NotApplied, match="closing"):
            await done(host.store.put("k", "v"))


# Of one frontend.


async def test_who_is_cancelled_cancels_nothing_in_the_store() -> None:
    """Goal: a cancelled write is one whose outcome nobody knows. Method: cancel it while it waits for a view,
    and tell the view.
    """
    with other_node() as other:
        async with hosted("quart", view=other.view) as host:
            waiting = asyncio.create_task(host.store.put("k", "v"))
            while not host.store._node._waiters:
                await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            other.go_on()
            assert (await host.store.get("k")).value == "v"


async def test_the_node_is_used_on_its_own_loop_while_it_lives() -> None:
    """Goal: misuse is an error, not a hang. Method: call before, from another loop, in a new life."""
    host = Hosted("quart")
    with pytest.raises(RuntimeError, match="does not run"):
        await host.store.get("k")
    async with serving(host):
        with pytest.raises(RuntimeError, match="another event loop"):
            await asyncio.to_thread(lambda: asyncio.run(host.store.get("k")))
    async with serving(host):
        await host.store.tell_view({1: ADDRESS})
        assert (await host.store.put("k", "v")).number == 0


async def test_the_node_lives_at_its_place_among_the_hooks() -> None:
    """Goal: an application knows where it may use the store. Method: hooks before and after ``init_app``."""
    from quart import Quart

    from frontends.quart_app import PbProto

    app = Quart("own")
    seen: list[tuple[str, bool]] = []
    store = PbProto(id=1, scope=uuid.uuid4().hex)

    def lives() -> bool:
        try:
            return store.status().status == "none"
        except RuntimeError:
            return False

    app.before_serving(lambda: seen.append(("first", lives())))
    store.init_app(app)
    app.before_serving(lambda: seen.append(("second", lives())))
    async with app.test_app():
        pass
    assert seen == [("first", False), ("second", True)]


async def test_threads_stay_free_for_mail() -> None:
    """Goal: waiting calls never take the last threads, since mail is what they wait for.

    Method: with 4 threads 2 may wait. Let them, for a view; the third call ends at once, as a request over
    HTTP does; what does not wait is answered. Then the view is told, and everybody goes on.
    """
    with other_node() as other:
        async with hosted("flask", view=other.view, threads=4) as host:
            waiting = [asyncio.create_task(asyncio.to_thread(host.store.put, f"k{n}", "v")) for n in range(2)]
            while len(host.store._node._waiters) < 2:
                await asyncio.sleep(0.001)
            began = time.monotonic()
            with pytest.raises(NotApplied, match="overloaded"):
                host.store.put("k3", "v")
            with pytest.raises(Unavailable, match="overloaded"):
                host.store.get("k3")
            assert (await host.ask("GET", "/kv/data/k")).status == 503
            assert (await host.ask("GET", "/kv/ping")).status == 200
            assert time.monotonic() - began < 5
            other.go_on()
            await asyncio.gather(*waiting)
            assert host.store.mapping("k")["1"] == "v"


async def test_the_store_as_a_mapping() -> None:
    """Goal: the client's mapping works inside. Method: write, read, delete, list by it."""
    async with hosted("flask") as host:
        users = host.store.mapping("users/")
        users["1"] = "you"
        users["2"] = "me"
        del users["1"]
        assert users.snapshot() == {"2": "me"}
        assert "1" not in users


async def test_a_forked_copy_is_no_node() -> None:
    """Goal: preloading shows. Method: fork, as a server that preloads does, and use both ways there."""
    async with hosted("flask") as host:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            words = b"used"
            try:
                host.store.get("k")
            except SecondProcessError:
                words = b"refused"
            finally:
                os.write(writing, words)
                os._exit(0)
        os.waitpid(child, 0)
        assert os.read(reading, 100) == b"refused"
        os.close(reading)
        os.close(writing)


async def test_many_threads_use_one_node() -> None:
    """Goal: it is safe for threads. Method: eight threads write and read keys of their own."""
    async with hosted("flask") as host:
        wrong: list[object] = []

        def use(name: int) -> None:
            for turn in range(50):
                host.store.put(f"{name}", str(turn))
                if host.store.get(f"{name}").value != str(turn):
                    wrong.append((name, turn))

        threads = [threading.Thread(target=use, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        assert wrong == []
        assert host.store.items().number == 400
