"""The outside: one thread that watches the nodes, starts dead ones again and changes views, by the rules.

It asks each node for its view, leaves out who is silent or whom others complain about, takes them back later,
and sometimes shrinks or moves the view for no reason. What it may do is in ``rules``; what it does is drawn
from the seed, but depends on how the run goes.

Unnumbered views must not arrive late, so they are told from beside the node, where no network can hold them;
a PUT to a node that is stopped is waited for. Numbered views are told from afar: they may come late, and
sometimes an old one is told once more on purpose.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random
from typing import Any

from .ground import Ground
from .line import Line, LostError, NotConnectedError
from .rules import Issued, Ledger
from .sight import LOOK_TIMEOUT, Manners, Sight, put
from .views import Record

STUCK = 3.0
"""Seconds after which a node at which a PUT hangs is killed, if it may be, so that views can change again."""


class Outside:
    """See the module."""

    def __init__(self, ground: Ground, ledger: Ledger, seed: int, manners: Manners | None = None) -> None:
        self.ground = ground
        self.ledger = ledger
        self.manners = manners or Manners()
        self.counts: Counter[str] = Counter()
        self.record = Record()
        self.errors: list[BaseException] = []
        self.calm = threading.Event()
        self.calm.set()
        """Set, as at first: no whims, everybody is wanted and told at once."""
        self._random = Random(f"outside {seed}")
        self._opener = ground.opener if ledger.numbered else ground.beside
        self._sights = {node: Sight(Line(self._opener(node), LOOK_TIMEOUT)) for node in ledger.nodes}
        self._troubled_since: float | None = None
        self._changed_at = 0.0
        self._fetched: dict[int, list[str]] = {}
        """What each member last said it waits for."""
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(4 * len(ledger.nodes), thread_name_prefix="outside")
        self._thread = threading.Thread(target=self._run, name="outside", daemon=True)

    # ---- from other threads

    def start(self) -> None:
        """Order the first view, of all nodes, and go on from there."""
        self._change(self.ledger.nodes, self.ledger.nodes)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._pool.shutdown(wait=False, cancel_futures=True)
        for sight in self._sights.values():
            sight.line.close()

    def kill(self, node: int, downtime: float) -> bool:
        """Kill a node, if the rules allow it; it is started again after ``downtime`` seconds."""
        if not self.ledger.kill(node):
            return False
        with self.ground.hands[node]:
            self.ground.cluster.nodes[node].kill()
            self._sights[node].restart_at = time.monotonic() + downtime
            self.ledger.dead(node)
        return True

    def all_active(self) -> bool:
        """Whether all nodes were last seen in the latest view, of all of them, and all said it is active."""
        latest = self.ledger.view
        return (
            latest is not None
            and latest.members == self.ledger.nodes
            and self.ledger.latest_is_active
            and all(
                sight.view.get("status") == "active" and self._is(sight.view, latest)
                for sight in self._sights.values()
            )
        )

    def describe(self) -> str:
        """What every node last said, for whoever finds that nothing goes on."""
        lines = [f"latest view: {self.ledger.view}, keepers: {sorted(self.ledger.keepers)}"]
        lines += [f"node {node}: {sight.view or 'silent'}" for node, sight in self._sights.items()]
        return "\n".join(lines)

    # ---- the thread

    def _run(self) -> None:
        try:
            while not self._stopped.wait(self.manners.pause):
                self._restart()
                self._look()
                self._decide()
                self._tell()
        except BaseException as error:
            self.errors.append(error)

    def _restart(self) -> None:
        for node, sight in self._sights.items():
            if self.ledger.life(node) is None and time.monotonic() >= sight.restart_at:
                with self.ground.hands[node]:
                    process = self.ground.cluster.nodes[node]
                    if process.process is None:
                        self.ledger.born(node)
                        process.start()
                        self.counts["restarts"] += 1

    def _look(self) -> None:
        """Ask every node that lives, all at once."""
        asked = []
        for node, sight in self._sights.items():
            sight.view = {}
            if self.ledger.life(node) is not None:
                asked.append((sight, self.ledger.told(node), self._pool.submit(self._ask, sight)))
        for sight, errand, question in asked:
            sight.view = question.result()
            if not sight.view:
                continue
            sight.seen_at = time.monotonic()
            self.counts["dropped"] = max(self.counts["dropped"], len(sight.view["dropped"]))
            if (
                errand is not None
                and sight.view["status"] == "active"
                and self._is(sight.view, errand.view)
                and self.ledger.observe(errand)
            ):
                self.counts["words"] += 1
                self.record.see_active()

    def _ask(self, sight: Sight) -> dict[str, Any]:
        with suppress(NotConnectedError, LostError):
            answer = sight.line.ask("GET", "/view")
            assert answer.status == 200, f"GET /view: {answer.status} {answer.body!r}"
            document: dict[str, Any] = answer.json()
            return document
        return {}

    def _is(self, seen: dict[str, Any], view: Issued) -> bool:
        """Whether a node speaks of this view."""
        return tuple(sorted(member["id"] for member in seen["view"])) == view.members and (
            view.epoch is None or seen["epoch"] == view.epoch
        )

    # ---- which view

    def _decide(self) -> None:
        latest = self.ledger.view
        assert latest is not None
        now = time.monotonic()
        awake = {
            node
            for node, sight in self._sights.items()
            if sight.view or (sight.seen_at and now - sight.seen_at < self.manners.patience)
        }
        blamed = self._blamed(latest)
        if self._gets_on(latest):
            self._troubled_since = None
        if set(latest.members) <= awake and not blamed and self.ledger.latest_is_active:
            self._troubled_since = None
            self._wish(latest, awake, now)
        elif self._troubled_since is None:
            self._troubled_since = now
        elif now - self._troubled_since > self.manners.patience:
            for node in blamed & set(latest.members):
                self._shun(self._sights[node], now)
            self._change({node for node in awake - blamed if not self._is_shunned(node, now)}, awake)

    def _gets_on(self, latest: Issued) -> bool:
        """Whether a member has fetched more of the state since last asked: who changes the view now starts
        that anew, and again the next time."""
        before, self._fetched = (
            self._fetched,
            {
                node: [wait["reason"] for wait in self._sights[node].view.get("waiting_for", ())]
                for node in latest.members
            },
        )
        return any(
            reasons != before.get(node) and any(reason.startswith("fetching") for reason in reasons)
            for node, reasons in self._fetched.items()
        )

    def _shun(self, sight: Sight, now: float) -> None:
        """Leave a node out for longer each time: a view that cannot become active serves nobody."""
        sight.shunned = min(sight.shunned + 1, 4)
        sight.shunned_until = now + self.manners.patience * 2**sight.shunned * self._random.uniform(0.5, 1.0)

    def _is_shunned(self, node: int, now: float) -> bool:
        return not self.calm.is_set() and now < self._sights[node].shunned_until

    def _blamed(self, latest: Issued) -> set[int]:
        """Whom members wait for: one of each two that do not hear each other, whichever it may be."""
        blamed: set[int] = set()
        for node in latest.members:
            seen = self._sights[node].view
            if seen and self._is(seen, latest):
                for wait in seen["waiting_for"]:
                    blamed.add(self._random.choice((node, int(wait["id"]))))
        return blamed

    def _wish(self, latest: Issued, awake: set[int], now: float) -> None:
        """All is well: take back who was left out, or follow a whim."""
        settled = now - self._changed_at > self.manners.patience
        wanted = {node for node in awake if not self._is_shunned(node, now)} | set(latest.members)
        if settled:
            for node in latest.members:
                self._sights[node].shunned = 0
        if set(latest.members) != wanted and (self.calm.is_set() or settled):
            self._change(wanted, awake)
        elif not self.calm.is_set() and self._random.random() < self.manners.whims:
            self.counts["whims"] += 1
            self._change({node for node in awake if self._random.random() < 0.6}, awake)

    def _change(self, members: Iterable[int], awake: Iterable[int]) -> None:
        """Order a view of these, and of one who carries the data over; some hear of it later than others."""
        chosen = set(members)
        if not chosen & self.ledger.keepers:
            able = sorted(self.ledger.keepers & set(awake))
            if not able:
                self.counts["nobody to carry the data over"] += 1
                return
            chosen.add(self._random.choice(able))
        if self.ledger.why_not(chosen):
            self.counts["views that had to wait"] += 1
            return
        latest = self.ledger.issue(chosen)
        self.record.send(latest)
        now = self._changed_at = time.monotonic()
        self._troubled_since = None
        for node, sight in self._sights.items():
            calm = self.calm.is_set()
            late = not calm and self._random.random() < self.manners.late
            sight.tell = node in latest.members or calm or self._random.random() < 0.5
            sight.tell_at = now + (self._random.uniform(0.1, 1.5) if late else 0.0)

    # ---- telling

    def _tell(self) -> None:
        latest = self.ledger.view
        assert latest is not None
        self._tell_after_a_death(latest)
        now = time.monotonic()
        for node in self._random.sample(self.ledger.nodes, len(self.ledger.nodes)):
            sight = self._sights[node]
            if sight.put is not None:
                if sight.put.done():
                    if sight.put.result() and sight.put_view is latest:
                        sight.tell = False
                    sight.put = None
                elif now - sight.put_since > STUCK and node in self.ledger.under_way():
                    self.counts["killed for a PUT that hung"] += self.kill(node, 0.0)
                continue
            view = latest
            if self.ledger.numbered and not self.calm.is_set() and self._random.random() < self.manners.again:
                view = self._random.choice(self.ledger.issued[-5:])
            elif not (sight.tell and now >= sight.tell_at):
                continue
            if self.ledger.life(node) is not None:
                sight.put_since = now
                sight.put_view = view
                body = self.ground.cluster.view_body(view.members, view.epoch)
                sight.put = self._pool.submit(
                    put, self.ledger, self._opener(node), body, view, node, self.counts
                )

    def _tell_after_a_death(self, latest: Issued) -> None:
        """Who was started again is told, and somebody has to be, so that his word is new."""
        living = [node for node in latest.members if self.ledger.life(node) is not None]
        for node in living:
            if self.ledger.told(node) is None:
                self._sights[node].tell = True
        if living and not any(self.ledger.counts(self.ledger.told(node)) for node in living):
            self._sights[self._random.choice(living)].tell = True
