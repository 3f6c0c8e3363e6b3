"""Who leads? A lock for one leader among many candidates, on a store without compare-and-set.

Run a cluster and some candidates, kill the one that leads, and watch another take over:

    python3 devenv.py -n 3
    python examples/leader.py 127.0.0.1:8081 127.0.0.1:8082 127.0.0.1:8083

**The idea** is Lamport's bakery (1974): whoever enters draws a ticket, and the lowest ticket leads. The store
numbers all writes (``Msg-Num``), so the number of a candidate's own first write is a ticket that nobody else
has. What is known about the others comes from one listing, which is the store at one point of the order.

A candidacy has a name that was never used before, and two keys:

* its claim, ``locks/<lock>/claims/<name>``. The first write says ``after``: how many writes the candidate
  had seen by then, so that its ticket is no lower. Its own number is the ticket, which the second write says.
  Each further write adds one to ``beat``.
* ``locks/<lock>/out/<name>``: the candidacy is over, for ever. The candidate writes it when it resigns.
  Others write it when the claim has not changed for ``patience`` seconds of their own clock.

A candidacy *leads* in a listing if it is not out, has a ticket, and no other that is not out may have a lower
one: one without a ticket yet makes the others wait, unless its ``after`` is above theirs.

**What holds, whatever fails and however slow anybody is:** at each point of the order one candidacy leads at
most, and of two that lead at different points the later one has the higher ticket.
Let X lead in a listing S and Y in a later listing T. If Y had claimed before S, then X leads in S only since
Y's ticket is known to be higher. If Y claimed after S, its ticket is the number of a write after S, and X's
of one before. So Y's ticket is higher; and as Y leads in T, X is out by then, for ever.

**What holds while clocks run at much the same rate** (within a tenth): at no time do two candidates see
themselves as leader (``ticket`` is not ``None``). A leader trusts a listing for 0.8 of ``patience``, counted
from before it asked for it. A new leader waits for ``patience`` after the first listing in which it leads:
those before it are out in that listing, so what they trust is older. (It need not wait where all of them have
resigned: they stop before they say so.)

**What does not hold:** a leader that was paused between the look at ``ticket`` and what it does then is late.
No lock can prevent that. The ticket is a *fencing token*: whoever carries out the leader's orders has to
refuse a lower ticket than it has seen. A store without compare-and-set cannot check that. There, write below
a key with the ticket in it, and let readers take the highest.

A takeover takes two to two and a half times ``patience``. A listing is the whole store, so keep locks in
a small one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pbkv import AsyncClient, Listing, StoreError, Written

BEATS = 5
"""Beats in ``patience`` seconds."""
TRUST = 0.8
"""The part of ``patience`` for which a leader trusts a listing; the rest is for clocks that differ."""
WAIT = 1.0
"""The part of ``patience`` for which a new leader waits for those before it; above ``TRUST``."""
FORGET = 3600.0
"""Seconds after which the keys of a candidacy that is out are deleted. A write of its that is still under way
then, an hour later, would make it a claim once more: nobody acts for it, and it is put out again."""


class Store(Protocol):
    """A ``pbkv.AsyncClient``, or the extension of a Quart application."""

    async def put(self, key: str, value: str, *, timeout: float | None = None) -> Written: ...
    async def delete(self, key: str, *, timeout: float | None = None) -> Any: ...
    async def items(self, *, timeout: float | None = None) -> Listing: ...


@dataclass(frozen=True)
class Claim:
    """What a candidacy says of itself."""

    after: int
    ticket: int | None = None
    beat: int = 0

    def written(self) -> str:
        return json.dumps({"after": self.after, "ticket": self.ticket, "beat": self.beat})

    @classmethod
    def read(cls, text: str) -> Claim:
        """What cannot be read counts as a claim that may get any ticket."""
        try:
            found = json.loads(text)
            return cls(int(found["after"]), None if found["ticket"] is None else int(found["ticket"]))
        except (ValueError, KeyError, TypeError):
            return cls(0)


@dataclass(frozen=True)
class Scene:
    """All candidacies of a lock at one point of the order."""

    claims: Mapping[str, str]
    out: Mapping[str, str]

    @classmethod
    def of(cls, items: Mapping[str, str], lock: str) -> Scene:
        def below(prefix: str) -> dict[str, str]:
            return {key[len(prefix) :]: value for key, value in items.items() if key.startswith(prefix)}

        return cls(below(f"locks/{lock}/claims/"), below(f"locks/{lock}/out/"))

    @property
    def live(self) -> dict[str, Claim]:
        return {name: Claim.read(text) for name, text in self.claims.items() if name not in self.out}

    @property
    def leader(self) -> str | None:
        live = self.live
        tickets = {name: claim.ticket for name, claim in live.items() if claim.ticket is not None}
        if not tickets:
            return None
        first = min(tickets, key=lambda name: tickets[name])
        choosing = [claim.after for claim in live.values() if claim.ticket is None]
        return first if all(after > tickets[first] for after in choosing) else None


class Candidate:
    """One process that wants to lead. ``run`` it as a task, and look at ``ticket`` before whatever you do."""

    def __init__(
        self,
        store: Store,
        lock: str,
        *,
        patience: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        name: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._store = store
        self._lock = lock
        self._patience = patience
        self._clock = clock
        self._sleep = sleep
        self._new_name = name
        self._name = ""
        self._claim: Claim | None = None
        self._leads_since: float | None = None
        self._until = 0.0
        self._watched: dict[str, tuple[str, float]] = {}
        """What somebody's keys said, and since when."""

    @property
    def ticket(self) -> int | None:
        """The fencing token, while this candidate leads; otherwise ``None``."""
        return self._claim.ticket if self._claim is not None and self._clock() < self._until else None

    async def run(self) -> None:
        """Stand as a candidate until cancelled."""
        while True:
            began = self._clock()
            with contextlib.suppress(StoreError):  # a beat that does not arrive is a beat less
                await self._round(began)
            await self._sleep(max(0.0, began + self._patience / BEATS - self._clock()))

    async def resign(self) -> None:
        """Lead no more, so that others need not wait. Cancel ``run`` before. Raises ``StoreError``."""
        self._until = 0.0
        if self._claim is not None:
            name, self._claim = self._name, None
            await self._store.put(self._key("out", name), "resigned", timeout=self._patience)

    def _key(self, kind: str, name: str) -> str:
        return f"locks/{self._lock}/{kind}/{name}"

    async def _round(self, began: float) -> None:
        """A beat, a listing, and what follows from it."""
        if self._claim is None:
            await self._enter()
            return
        self._claim = Claim(self._claim.after, self._claim.ticket, self._claim.beat + 1)
        key = self._key("claims", self._name)
        await self._store.put(key, self._claim.written(), timeout=self._patience)
        listing = await self._store.items(timeout=self._patience)
        scene = Scene.of(listing.items, self._lock)
        if self._name in scene.out:
            self._claim, self._until = None, 0.0  # a new candidacy begins with the next round
            return
        self._judge(scene, began)
        await self._put_out(scene)

    async def _enter(self) -> None:
        listing = await self._store.items(timeout=self._patience)
        # Never the name of an earlier candidacy: a write of its may still be under way.
        self._name = self._new_name()
        self._leads_since = None
        claim = Claim(listing.number)
        # If this fails the claim may be there without a ticket. Nobody goes on with it, so it is put out.
        key = self._key("claims", self._name)
        written = await self._store.put(key, claim.written(), timeout=self._patience)
        self._claim = Claim(claim.after, written.number)

    def _judge(self, scene: Scene, began: float) -> None:
        if scene.leader != self._name:
            self._leads_since, self._until = None, 0.0
            return
        now = self._clock()
        if self._leads_since is None:
            self._leads_since = now
        all_resigned = all(why == "resigned" for why in scene.out.values())
        if all_resigned or now - self._leads_since >= WAIT * self._patience:
            self._until = began + TRUST * self._patience

    async def _put_out(self, scene: Scene) -> None:
        """Those who have not changed for long; and forget those who have been out for very long."""
        now, before = self._clock(), self._watched
        self._watched = {}
        for kind, texts in (("claims", scene.claims), ("out", scene.out)):
            for name, text in texts.items():
                known, since = before.get(f"{kind}/{name}", (text, now))
                self._watched[f"{kind}/{name}"] = (text, since if known == text else now)
        for name in scene.live:
            if name != self._name and now - self._watched[f"claims/{name}"][1] >= self._patience:
                await self._store.put(self._key("out", name), "put out", timeout=self._patience)
        for name in scene.out:
            if now - self._watched[f"out/{name}"][1] >= FORGET:
                await self._store.delete(self._key("claims", name), timeout=self._patience)
                await self._store.delete(self._key("out", name), timeout=self._patience)


async def main(nodes: list[str]) -> None:
    """Stand as a candidate, and say when that changes."""
    async with AsyncClient(nodes) as store:
        candidate = Candidate(store, "example", patience=3.0)
        async with asyncio.TaskGroup() as group:
            group.create_task(candidate.run())
            said: int | None = -1
            while True:
                ticket = candidate.ticket
                if ticket != said:
                    print("waiting" if ticket is None else f"leading with ticket {ticket}", flush=True)
                    said = ticket
                await asyncio.sleep(0.1)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python examples/leader.py NODE …")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1:]))
