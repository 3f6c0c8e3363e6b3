"""The leader lock, in virtual time: at most one leads, tickets rise, somebody leads again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import Any

import pytest

from examples.leader import Candidate, Scene
from pbkv import StoreError
from pbkv.testing import Cluster, ClusterError
from tests.embedding.hosting import hosted

PATIENCE = 2.0


class Fenced:
    """A resource that refuses a lower ticket than it has seen."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, str]] = []
        self.refused: list[tuple[int, str]] = []

    def order(self, ticket: int, who: str) -> None:
        highest = max((each for each, _ in self.taken), default=-1)
        (self.taken if ticket >= highest else self.refused).append((ticket, who))

    def heard(self, who: str) -> bool:
        return who in {each for _, each in self.taken}


class Ground:
    """Candidates on a virtual cluster, one after another watched for what may never be."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.resource = Fenced()
        self.candidates: dict[str, Candidate] = {}
        self.leaders: list[tuple[int, str]] = []
        """Each change of who sees themselves as leader."""
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}
        self._names = 0

    def stand(self, who: str, sleep: Callable[[float], Awaitable[None]] | None = None) -> Candidate:
        """A new process with this name. Its sleep may be a slow one."""

        def name() -> str:
            self._names += 1
            return f"{who}-{self._names}"

        candidate = Candidate(
            self.cluster.async_client(timeout=1.0),
            "lock",
            patience=PATIENCE,
            clock=self.cluster.clock,
            sleep=sleep or self.cluster.async_sleep,
            name=name,
        )
        self.candidates[who] = candidate
        tasks = [asyncio.create_task(candidate.run()), asyncio.create_task(self._act(who, candidate))]
        self._tasks[who] = tasks
        return candidate

    async def crash(self, who: str) -> None:
        """The process is gone, without a word."""
        del self.candidates[who]
        for task in self._tasks.pop(who):
            task.cancel()
            await asyncio.wait([task])

    async def _act(self, who: str, candidate: Candidate) -> None:
        while True:
            ticket = candidate.ticket
            if ticket is not None:
                self.resource.order(ticket, who)
            await self.cluster.async_sleep(0.05)

    def look(self) -> list[tuple[int, str]]:
        """Who sees themselves as leader, in this very moment."""
        found = [(each.ticket, who) for who, each in self.candidates.items()]
        leading = [(ticket, who) for ticket, who in found if ticket is not None]
        assert len(leading) <= 1, f"two lead: {leading}"
        if leading and (not self.leaders or self.leaders[-1] != leading[0]):
            assert not self.leaders or leading[0][0] > self.leaders[-1][0], "a ticket that does not rise"
            self.leaders += leading
        return leading

    async def watch(self, seconds: float, until: Callable[[], object] = lambda: False) -> bool:
        """Look all the time, for so many seconds of virtual time or until something is so."""
        end = self.cluster.clock() + seconds
        while self.cluster.clock() < end:
            self.look()
            if until():
                return True
            await self.cluster.async_sleep(0.02)
        return False

    async def somebody_leads(self, seconds: float = 6 * PATIENCE) -> str:
        assert await self.watch(seconds, self.look), f"nobody leads: {self.cluster.data()}"
        return self.look()[0][1]

    async def end(self) -> None:
        for who in list(self.candidates):
            await self.crash(who)


def play(cluster: Cluster, scenario: Callable[[Ground], Awaitable[None]]) -> Ground:
    """Run a scenario, whose watch is on all the time; without delays nobody is refused."""
    ground = Ground(cluster)

    async def main() -> None:
        try:
            await scenario(ground)
        finally:
            await ground.end()

    asyncio.run(main())
    assert ground.resource.refused == [], "nobody was slow, and yet an order came too late"
    return ground


# Who leads in a listing.


def claim(after: int, ticket: int | None) -> str:
    return json.dumps({"after": after, "ticket": ticket, "beat": 3})


@pytest.mark.parametrize(
    ("claims", "out", "leader"),
    [
        ({}, [], None),
        ({"a": claim(0, 5), "b": claim(0, 6)}, [], "a"),
        ({"a": claim(0, 5), "b": claim(0, 6)}, ["a"], "b"),
        ({"a": claim(0, 5), "b": claim(0, 6)}, ["a", "b"], None),
        ({"a": claim(0, 5), "b": claim(5, None)}, [], None),  # b's ticket may be 5 … if a's were not
        ({"a": claim(0, 5), "b": claim(6, None)}, [], "a"),
        ({"a": claim(0, 5), "b": claim(0, None)}, ["b"], "a"),
        ({"a": claim(0, 5), "b": "no claim"}, [], None),
        ({"a": claim(0, 5), "b": '{"after":"x","ticket":1}'}, [], None),
    ],
)
def test_who_leads_in_a_listing(claims: dict[str, str], out: list[str], leader: str | None) -> None:
    """Goal: the rule as the docstring says it. Method: listings by hand, with keys of others around them."""
    items = {f"locks/lock/claims/{name}": text for name, text in claims.items()}
    items |= {f"locks/lock/out/{name}": "put out" for name in out} | {"other": "key"}
    items["locks/another/claims/z"] = claim(0, 0)
    assert Scene.of(items, "lock").leader == leader


# Scenarios.


def test_one_of_many_leads_and_the_next_one_takes_over() -> None:
    """Goal: the leader's crash costs a takeover, not two leaders. Method: crash the leader three times."""

    async def scenario(ground: Ground) -> None:
        for who in "abcd":
            ground.stand(who)
        gone = set()
        for _ in range(3):
            leader = await ground.somebody_leads()
            assert leader not in gone
            await ground.watch(PATIENCE, partial(ground.resource.heard, leader))
            await ground.crash(leader)
            gone.add(leader)
        assert await ground.somebody_leads() not in gone
        await ground.watch(PATIENCE)

    ground = play(Cluster(3), scenario)
    assert len(ground.leaders) == 4
    assert len({ticket for ticket, _ in ground.resource.taken}) == 4


def test_a_leader_that_resigns_is_followed_at_once() -> None:
    """Goal: an orderly restart costs a beat. Method: the first leader resigns; measure until the next."""

    async def scenario(ground: Ground) -> None:
        first = ground.stand("a")
        await ground.somebody_leads(PATIENCE)
        ground.stand("b")
        await ground.watch(PATIENCE)
        began = ground.cluster.clock()
        await ground.crash("a")
        await first.resign()
        assert await ground.somebody_leads() == "b"
        assert ground.cluster.clock() - began < PATIENCE / 2

    play(Cluster(3), scenario)


def test_a_failover_of_the_store_changes_no_leader() -> None:
    """Goal: the lock outlives the store's primary. Method: kill two primaries in turn while one leads."""

    async def scenario(ground: Ground) -> None:
        ground.stand("a")
        leader = await ground.somebody_leads()
        ground.stand("b")
        for _ in range(2):
            ground.cluster.fail_over()
            await ground.watch(3 * PATIENCE)
            assert await ground.somebody_leads() == leader

    assert len(play(Cluster(3), scenario).leaders) == 1


def test_a_leader_without_its_store_stops_in_time() -> None:
    """Goal: whoever cannot hear that it was put out stops by its own clock, before another leads.

    Method: two nodes that can be reached by one candidate each; cut the leader's off. The watch sees that
    there are never two, and that there is nobody for a while.
    """
    cluster = Cluster(3)

    async def scenario(ground: Ground) -> None:
        ground.stand("a")
        await ground.somebody_leads()
        ground.stand("b")
        await ground.watch(PATIENCE)
        held = ground.candidates["a"]
        stuck = _Stuck()
        held._store = stuck  # type: ignore[assignment]
        assert await ground.watch(PATIENCE, lambda: not ground.look())
        assert await ground.somebody_leads() == "b"

    assert [who for _, who in play(cluster, scenario).leaders] == ["a", "b"]


class _Stuck:
    """A store that nobody reaches."""

    async def put(self, *_: object, **__: object) -> None:
        raise StoreError("nobody is there")

    delete = items = put


def test_a_leader_that_was_paused_is_fenced_off() -> None:
    """Goal: what the lock cannot prevent the ticket does. Method: a leader looks at its ticket, sleeps
    through a takeover, and only then gives its order.
    """
    ground = Ground(Cluster(3))

    async def main() -> None:
        first = ground.stand("a")
        await ground.somebody_leads()
        ticket = first.ticket
        assert ticket is not None
        await ground.crash("a")  # paused: it neither beats nor acts
        ground.stand("b")
        await ground.somebody_leads()
        await ground.watch(PATIENCE / 2)
        ground.resource.order(ticket, "a")
        await ground.end()

    asyncio.run(main())
    assert ground.resource.refused == [(0, "a")]


def test_an_unknown_outcome_of_a_claim_makes_nobody_wait_for_ever() -> None:
    """Goal: a claim that nobody goes on with is put out. Method: the answer to the first write of a candidate
    is lost, again and again, until it gives that name up; another one waits for it.
    """
    cluster = Cluster(3)

    async def scenario(ground: Ground) -> None:
        for _ in range(8):
            cluster.lose_answer()
        ground.stand("a")
        await ground.watch(PATIENCE)
        ground.stand("b")
        await ground.somebody_leads(10 * PATIENCE)

    play(cluster, scenario)


def test_candidacies_are_forgotten_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: keys do not pile up. Method: crash leaders one after another, and let the time to forget pass."""
    monkeypatch.setattr("examples.leader.FORGET", 5 * PATIENCE)

    async def scenario(ground: Ground) -> None:
        for who in "abc":
            ground.stand(who)
        for _ in range(2):
            await ground.crash(await ground.somebody_leads())
        leader = await ground.somebody_leads()
        assert await ground.watch(10 * PATIENCE, lambda: len(ground.cluster.data()) == 1)
        assert await ground.somebody_leads() == leader

    play(Cluster(3), scenario)


async def test_an_application_may_lead_by_its_own_node() -> None:
    """Goal: the lock needs no client. Method: two candidates on the node of a Quart application."""
    async with hosted("quart") as host:
        candidates = [Candidate(host.store, "lock", patience=0.5) for _ in range(2)]
        tasks = [asyncio.create_task(each.run()) for each in candidates]
        try:
            async with asyncio.timeout(20):
                while not any(each.ticket is not None for each in candidates):
                    await asyncio.sleep(0.01)
        finally:
            for task in tasks:
                task.cancel()
                await asyncio.wait([task])


@pytest.mark.parametrize("seed", range(6))
def test_random_schedules(seed: int) -> None:
    """Goal: never two leaders, never a ticket that falls, and a leader again when all is well.

    Method: for a while of virtual time crash candidates and start new ones, let them sleep through several
    patiences, kill, pause, slow, restart and cut nodes, lose answers and messages; the watch is on all the
    time, and every leader gives orders to a resource with a fence. Then heal everything.
    """
    chance = Random(f"leader {seed}")
    cluster = Cluster(3, seed=seed, view_service=True)

    async def sleepy(seconds: float) -> None:
        late = chance.uniform(0.5, 3) * PATIENCE if chance.random() < 0.03 else 0.0
        await cluster.async_sleep(seconds + late)

    def trouble() -> None:
        node = chance.choice(cluster.ids)
        faults: list[Callable[[], Any]] = [
            lambda: cluster.kill(node),
            lambda: cluster.restart(node),
            lambda: cluster.pause(node),
            lambda: cluster.resume(node),
            lambda: cluster.slow(node, chance.uniform(0, 0.5)),
            lambda: cluster.cut("clients", node),
            lambda: cluster.lose_answer(reset=chance.random() < 0.5),
            lambda: cluster.drop(0.1),
            cluster.heal,
            cluster.heal,
        ]
        try:
            if len(cluster.running) > 2 or node not in cluster.running:
                chance.choice(faults)()
        except ClusterError:
            pass  # there is nothing to kill, to resume, …

    async def scenario(ground: Ground) -> None:
        for who in "abc":
            ground.stand(who, sleepy)
        for _ in range(12):
            await ground.watch(chance.uniform(0, 2))
            if chance.random() < 0.3:
                who = chance.choice(sorted(ground.candidates))
                await ground.crash(who)
                ground.stand(who, sleepy)
            trouble()
        cluster.heal()
        for node in cluster.ids:
            if node not in cluster.running:
                try:
                    cluster.restart(node)
                except ClusterError:
                    cluster.resume(node)
        await ground.somebody_leads(30 * PATIENCE)

    play(cluster, scenario)


class _Late:
    """A store that gets the word that somebody is out much later than it was said."""

    def __init__(self, store: Any, cluster: Cluster, begun: Callable[[], None]) -> None:
        self._store = store
        self._cluster = cluster
        self._begun = begun
        self.items, self.delete = store.items, store.delete

    async def put(self, key: str, value: str, **options: Any) -> Any:
        if "/out/" in key:
            self._begun()
            await self._cluster.async_sleep(PATIENCE / 2)
        return await self._store.put(key, value, **options)


def back_just_before_it_is_put_out() -> Ground:
    """The leader is away for so long that another puts it out, and is back, and leads, just before that
    takes effect: it learns of it only with its next listing, and cannot ask for that any more.
    """
    cluster = Cluster(3)

    async def scenario(ground: Ground) -> None:
        first = ground.stand("a")
        store = first._store
        await ground.somebody_leads()
        second = ground.stand("b")
        await ground.watch(PATIENCE)

        def back() -> None:
            first._store = store
            cluster.later(PATIENCE / 2 - 0.01, away)

        def away() -> None:
            first._store = _Stuck()  # type: ignore[assignment]

        second._store = _Late(second._store, cluster, back)
        away()
        assert await ground.watch(4 * PATIENCE, partial(ground.resource.heard, "b"))

    return play(cluster, scenario)


def test_a_leader_that_is_back_just_before_it_is_put_out() -> None:
    """Goal: the new leader waits for what the old one may still trust. Method: the worst moment there is."""
    assert [who for _, who in back_just_before_it_is_put_out().leaders] == ["a", "b"]


def test_the_watch_finds_a_leader_that_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: the wait is needed, and the watch can fail. Method: the same without it."""
    monkeypatch.setattr("examples.leader.WAIT", 0.0)
    with pytest.raises(AssertionError, match="two lead"):
        back_just_before_it_is_put_out()


def test_the_watch_finds_a_leader_that_trusts_for_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: trust has to end. Method: candidates that trust what they saw for too long, and a cut."""
    monkeypatch.setattr("examples.leader.TRUST", 10.0)

    async def scenario(ground: Ground) -> None:
        ground.stand("a")
        await ground.somebody_leads()
        ground.stand("b")
        await ground.watch(PATIENCE)
        ground.candidates["a"]._store = _Stuck()  # type: ignore[assignment]
        await ground.watch(6 * PATIENCE)

    with pytest.raises(AssertionError, match="two lead"):
        play(Cluster(3), scenario)
