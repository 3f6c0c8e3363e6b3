"""The one door into the service: events in, effects out. No clock, no chance, no I/O.

What makes it safe is short (docs/viewservice.md): a view is written down before it is told, by a
compare-and-set, so that no two views have one number; it is told only to lives that were seen before it was
written; and it has a member that is proven to hold the data. Everything else only decides how soon things get
better.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from . import orders
from .choosing import Proposal, Stuck, choose, made, watched_of
from .config import Config
from .effects import Answer, Ask, Effect, Level, Note, Say, Write
from .events import Event, Lead, Order, Said, Saw, Stored, Tick
from .judging import Sight, unfit_members
from .record import Life, Record
from .watch import FOREVER, NEVER, Watched


class Service:
    """One instance. ``step`` is to be called with every event, and at ``deadline`` with a ``Tick``."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        self._now = 0
        self._record: Record | None = None
        """What is written down; ``None`` while this instance does not act."""
        self._known_at = 0
        self._proven: set[Life] = set()
        self._active_at = 0
        self._watched: dict[int, Watched] = {}
        self._writing: Record | None = None
        self._orders: list[Order] = []
        """Those whose record is being written, to be answered then."""
        self._obeyed: set[int] = set()
        self._said_at: dict[int, int] = {}
        """When each was told the view last; and it has not answered yet, for those in ``_saying``."""
        self._saying: set[int] = set()
        self._trouble = ""
        """Why things are not as they should be, if that is so."""
        self._reminded: dict[str, int] = {}
        """When people were told of each trouble last."""
        self._active_noted = 0
        self._unfit: frozenset[int] = frozenset()
        self._look_since = 0
        """When the unfit became these."""

    @property
    def deadline(self) -> int:
        """When to come back with a ``Tick`` if nothing else happens before."""
        return self._now + self.config.poll // 4 if self._record is not None else FOREVER

    @property
    def leading(self) -> bool:
        """Whether this instance acts."""
        return self._record is not None

    @property
    def told(self) -> tuple[int, int]:
        """How many nodes have obeyed the present view, and how many are still to be told it."""
        if self._record is None or self._record.epoch == 0:
            return 0, 0
        known = {id_ for id_, _ in self._record.lives if self._record.node(id_) is not None}
        return len(known & self._obeyed), len(known - self._obeyed)

    def sight(self) -> Sight | None:
        """What this instance knows now; nothing while it does not act."""
        if self._record is None:
            return None
        return Sight(
            self._record,
            self._known_at,
            frozenset(self._proven),
            self._watched,
            self.config,
            self._now,
            self._active_at,
            self._look_since,
        )

    def step(self, event: Event, *, now: int) -> tuple[Effect, ...]:
        """Let ``event`` happen at ``now``; what has to be done. A clock that goes back stands still."""
        self._now = max(self._now, now)
        out: list[Effect] = []
        match event:
            case Tick():
                pass
            case Lead():
                self._lead(event.record, out)
            case Saw():
                self._saw(event, out)
            case Stored():
                self._stored(event.record, out)
            case Said():
                self._said(event, out)
            case Order():
                self._order(event, out)
            case _:
                assert_never(event)
        if self._record is not None:
            self._ask(out)
            self._act(out)
            self._say(out)
        return tuple(out)

    # Leading, and what is written down.

    def _lead(self, record: Record | None, out: list[Effect]) -> None:
        if record is None:
            if self._record is not None:
                out.append(
                    Note(Level.WARNING, "stopped_leading", "another instance acts now, or the store is gone")
                )
            self._record = None
            self._forget_orders(out, "this instance does not act any more")
            return
        out.append(Note(Level.INFO, "leading", f"this instance acts, from record {record.version} on"))
        # How anybody was before this moment is not known any better than by whoever acted before.
        self._watched = {}
        self._adopt(record)

    def _adopt(self, record: Record) -> None:
        before, self._record = self._record, record
        self._known_at = self._now
        self._writing = None
        if before is None or before.epoch != record.epoch:
            self._proven = set()
            self._active_at = self._now
        self._proven &= set(record.lives)
        self._obeyed = set()
        self._said_at = {}
        self._saying = set()
        self._watched = watched_of((*record.nodes, *record.leaving), self._watched, self._now)

    def _stored(self, record: Record | None, out: list[Effect]) -> None:
        written, self._writing = self._writing, None
        if self._record is None:
            return
        if written is None:
            # The answer to a write from before this instance began to act again, which came after that.
            if record is not None and record.version > self._record.version:
                self._adopt(record)
            return
        if record is None:
            # It may have been written or not: whoever acts next reads it.
            self._lead(None, out)
            return
        before = self._record
        self._adopt(record)
        if record != written:
            out.append(
                Note(Level.WARNING, "overtaken", f"record {record.version} was written by another instance")
            )
            self._forget_orders(
                out, "another instance changed something at the same time; look, and try again"
            )
            return
        if record.epoch != before.epoch:
            self._count_strikes(before, record)
            members = ",".join(map(str, record.ids))
            fields = (("epoch", record.epoch), ("members", members), ("cause", record.cause))
            out.append(
                Note(Level.INFO, "view", f"view {record.epoch} of {list(record.ids)}: {record.why}", fields)
            )
        for order in self._orders:
            if order.word != "init":
                out.append(Note(Level.INFO, "order", orders.in_words(order)))
            out.append(Answer(order.token, True, orders.describe(record)))
        self._orders = []

    def _count_strikes(self, before: Record, record: Record) -> None:
        """Who was taken out as unfit stays out for a while, and longer each time."""
        config = self.config
        for id_ in set(before.ids) - set(record.ids):
            watched = self._watched.get(id_)
            if watched is None or id_ not in self._unfit:
                continue
            watched.strikes += 1
            wait = min(config.backoff << min(watched.strikes - 1, 20), config.backoff_most)
            watched.out_until = self._now + wait

    def _write(self, record: Record, out: list[Effect]) -> None:
        self._writing = record
        out.append(Write(record))

    # What is seen.

    def _ask(self, out: list[Effect]) -> None:
        for watched in self._watched.values():
            refused = watched.refused_since < FOREVER
            every = self.config.poll // 2 if refused else self.config.poll
            if not watched.asking and self._now - watched.asked_at >= every:
                self._ask_one(watched, out)

    def _ask_one(self, watched: Watched, out: list[Effect]) -> None:
        watched.asking, watched.asked_at = True, self._now
        out.append(Ask(watched.node.id, watched.node.address, self._now))

    def _saw(self, event: Saw, out: list[Effect]) -> None:
        watched = self._watched.get(event.id)
        if watched is None or watched.node.address != event.address or watched.asked_at != event.sent_at:
            return  # of a question that this instance does not remember
        watched.asking = False
        watched.saw(event.found, event.sent_at)
        sight = self.sight()
        if sight is None:
            return
        report = sight.current(event.id)
        if report is None:
            return
        if event.id in sight.record.ids and sight.says_active(report):
            if not self._proven:
                self._active_at = self._now
            self._proven.add((event.id, report.incarnation))
            if self._active_noted != sight.record.epoch:
                self._active_noted = sight.record.epoch
                out.append(Note(Level.INFO, "active", f"view {sight.record.epoch} is active"))
            if watched.seen_at - watched.well_since >= self.config.forgive_after:
                watched.strikes = 0

    # What is decided.

    def _look_again(self, out: list[Effect]) -> None:
        """Something is wrong that was not before: see at once how the others are."""
        sight = self.sight()
        if sight is None:
            return
        unfit = frozenset(unfit_members(sight))
        if unfit - self._unfit:
            self._look_since = self._now
            for id_ in sight.record.ids:
                watched = self._watched.get(id_)
                if watched is not None and id_ not in unfit and watched.seen_at < self._now:
                    self._ask_one(watched, out)
        self._unfit = unfit

    def _act(self, out: list[Effect]) -> None:
        self._look_again(out)
        sight = self.sight()
        if sight is None or self._writing is not None:
            return
        renewed = _renewed(sight)
        if renewed is not None:
            self._write(renewed, out)
            return
        choice = choose(sight)
        if choice is None:
            self._trouble = ""
            return
        if isinstance(choice, Proposal):
            if sight.record.paused:
                by = f" ({sight.record.paused_by})" if sight.record.paused_by else ""
                text = f"paused{by}; would make a view of {list(choice.ids)}: {choice.why}"
                choice = Stuck("paused", text, False)
            else:
                record = made(sight, choice)
                if isinstance(record, Record):
                    self._trouble = ""
                    self._write(record, out)
                    return
                choice = Stuck("not_possible", f"a view of {list(choice.ids)} is wanted, but {record}", False)
        self._tell_people(choice, out)

    def _tell_people(self, stuck: Stuck, out: list[Effect]) -> None:
        self._trouble = stuck.code
        if self._now - self._reminded.get(stuck.code, NEVER) < self.config.remind:
            return
        self._reminded[stuck.code] = self._now
        out.append(Note(Level.ALARM if stuck.alarm else Level.WARNING, stuck.code, stuck.text))

    @property
    def trouble(self) -> str:
        """What a person was told last, if it still is so."""
        return self._trouble

    # What is told.

    def _say(self, out: list[Effect]) -> None:
        sight = self.sight()
        if sight is None or sight.record.epoch == 0 or self._writing is not None:
            return
        record = sight.record
        for id_, life in record.lives:
            node = record.node(id_)
            if node is None or id_ in self._obeyed:
                continue
            # Not only who has been heard of since: the PUT names the life that it is meant for.
            report = sight.current(id_)
            if report is None and self._watched[id_].trouble is not None:
                continue  # it is told when it answers again
            if report is not None and report.incarnation != life:
                continue
            if report is not None and report.epoch == record.epoch and report.members == record.members:
                self._obeyed.add(id_)
                continue
            # Who leaves hears of it when the others go on without it: until then it serves as well as they.
            leaves = id_ not in record.ids and not self._proven
            if leaves or self._now - self._said_at.get(id_, NEVER) < self._pause(id_):
                continue
            self._said_at[id_] = self._now
            self._saying.add(id_)
            out.append(Say(id_, node.address, life, record.epoch, record.members))

    def _pause(self, id_: int) -> int:
        """How long to wait before a node is told again: a paused one would find all of it when it goes on."""
        return max(self.config.resend, self.config.ask_timeout) if id_ in self._saying else self.config.resend

    def _said(self, event: Said, out: list[Effect]) -> None:
        record = self._record
        if record is None or event.epoch != record.epoch:
            return
        self._saying.discard(event.id)
        if not event.refusal:
            self._obeyed.add(event.id)
        elif event.refusal in ("stale_epoch", "epoch_taken"):
            text = f"node {event.id} refuses view {event.epoch} ({event.refusal}): somebody else sends views"
            self._tell_people(Stuck("other_outside", text, True), out)

    # What people want.

    def _order(self, order: Order, out: list[Effect]) -> None:
        sight = self.sight()
        if sight is None:
            _refuse(order, "not_leading", "this instance does not act", out)
            return
        if order.word == "status":
            out.append(Answer(order.token, True, orders.status(sight, self.trouble)))
            return
        if order.word == "plan":
            out.append(Answer(order.token, True, orders.plan(sight, order)))
            return
        if self._writing is not None:
            _refuse(order, "busy", "something is being changed; try again", out)
            return
        found = orders.carry_out(sight, order)
        if isinstance(found, str):
            _refuse(order, "not_possible", found, out)
        elif found == sight.record:
            out.append(Answer(order.token, True, orders.describe(found)))
        else:
            self._orders.append(order)
            self._write(found, out)

    def _forget_orders(self, out: list[Effect], why: str) -> None:
        for order in self._orders:
            _refuse(order, "overtaken", why, out)
        self._orders = []


def _refuse(order: Order, reason: str, why: str, out: list[Effect]) -> None:
    out.append(Answer(order.token, False, {"error": why, "reason": reason}))


def _renewed(sight: Sight) -> Record | None:
    """The first view, once more, for members that were restarted before it was active.

    No later view may be told before it was (only epoch 1 starts an empty store). It is still the latest, so a
    member that was restarted may be told it; the life is written down first, as for any view.
    """
    record = sight.record
    if record.epoch != 1 or sight.started or record.paused:
        return None
    lives = dict(record.lives)
    # One that was decided with, and holds nothing yet, proves that the view was never active.
    reports = [report for id_ in record.ids if (report := sight.current(id_)) is not None]
    if not any(report.incarnation == lives.get(report.id) and not report.holds for report in reports):
        return None
    for id_ in record.ids:
        report = sight.current(id_)
        if report is not None and sight.restarted(id_) and report.fresh:
            lives[id_] = report.incarnation
    if lives == dict(record.lives):
        return None
    known = tuple(sorted(lives.items()))
    carriers = tuple((id_, life) for id_, life in known if id_ in record.ids)
    return replace(record, version=record.version + 1, lives=known, carriers=carriers)
