"""Whoever asks a node is answered by it: once, in time, and with no more doubt than there is.

Looked at from the node's side, by its own clock: what the clients make of it (they hang up, or lose the
answer) is another matter. A step looks at everybody who waits, so words about them are made if needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pbproto import Ballot, Close, Delete, Effect, Event, Put, Reason, Reject, Reply, Send
from pbproto.effects import ViewAccepted, ViewRefused
from pbproto.events import Request, TellView
from pbproto.forwarding import FORWARD_RESENDS
from pbproto.messages import Forward
from pbproto.state import State

from .arrivals import arrivals
from .violation import Violation, demand

if TYPE_CHECKING:
    from .checks import Before
    from .host import Host


@dataclass(slots=True)
class Pending:
    """A request that a node has taken in and not answered yet."""

    event: Request
    counter: int
    deadline: int
    exposed: bool = False
    """Its operation may stand in a log."""
    sent: tuple[Ballot, int] | None = None
    """In which ballot, and when, it was forwarded last."""


@dataclass(slots=True)
class Answers:
    """Who waits at one life of a node."""

    pending: dict[int, Pending] = field(default_factory=dict)
    """By token, in order of arrival."""
    _tokens: dict[int, int] = field(default_factory=dict)
    """By counter."""

    def after(self, host: Host, event: Event, effects: Iterable[Effect], before: Before) -> None:
        """Look at a step. Raises ``Violation``."""
        assert host.replica is not None
        state = host.replica.state
        answers = [effect for effect in effects if isinstance(effect, Reply | Reject)]
        arrived = list(arrivals(event, effects, before.next_counter))
        inside = sum(counter is not None for _, counter in arrived)
        demand(
            before.next_counter + inside == state.waiting.next_counter,
            "answers",
            f"{inside} requests went in at node {state.id}, which counts to {state.waiting.next_counter}",
        )
        for request, counter in arrived:
            self._enter(state, request, counter, answers, before)
        self._expose(state, effects, before)
        for answer in answers:
            self._answer(state, answer)
        waiting = {each.token for each in state.waiting.clients.values()}
        if self.pending.keys() != waiting:
            words = f"node {host.id} waits for {sorted(waiting)}; {sorted(self.pending)} were not answered"
            raise Violation("answers", words)
        if isinstance(event, Close) or before.closing:
            demand(not self.pending, "answers", f"node {host.id} closes, and {sorted(self.pending)} wait on")
        self._in_time(host, state)
        if before.serving and state.serving and state.follow is not None:
            self._sent_again(host, state)
        if isinstance(event, TellView):
            _told(state, event, effects, before)

    def _enter(
        self,
        state: State,
        event: Request,
        counter: int | None,
        answers: list[Reply | Reject],
        before: Before,
    ) -> None:
        if counter is not None:
            deadline = state.now + state.config.request_timeout
            self.pending[event.token] = Pending(event, counter, deadline)
            self._tokens[counter] = event.token
            demand(not before.closing, "answers", f"node {state.id} closes, and lets ({event.token}) in")
            return
        turned_away = [each for each in answers if isinstance(each, Reject) and each.token == event.token]
        demand(
            len(turned_away) == 1 and turned_away[0].certain,
            "answers",
            f"node {state.id} neither lets ({event.token}) in nor says that it is turned away for certain",
        )
        if before.closing:
            demand(
                turned_away[0].reason is Reason.CLOSING,
                "answers",
                f"node {state.id} closes, and says {turned_away[0].reason} to ({event.token})",
            )
        answers.remove(turned_away[0])

    def _expose(self, state: State, effects: Iterable[Effect], before: Before) -> None:
        """From when on a write may take effect whatever its node does: it was sent on, or is in the log."""
        for effect in effects:
            if isinstance(effect, Send) and isinstance(effect.message, Forward):
                self._mark(effect.message.operation.counter, (effect.message.ballot, state.now))
        if state.lead is not None:
            for position in range(max(before.log_end, state.log.start), state.log.end):
                operation = state.log[position]
                if (operation.origin, operation.incarnation) == (state.id, state.incarnation):
                    self._mark(operation.counter, None)

    def _mark(self, counter: int, sent: tuple[Ballot, int] | None) -> None:
        waiting = self.pending.get(self._tokens.get(counter, -1))
        if waiting is not None:
            waiting.exposed, waiting.sent = True, sent or waiting.sent

    def _answer(self, state: State, answer: Reply | Reject) -> None:
        waiting = self.pending.pop(answer.token, None)
        demand(
            waiting is not None, "answers", f"node {state.id} answers ({answer.token}), which does not wait"
        )
        assert waiting is not None
        del self._tokens[waiting.counter]
        if isinstance(answer, Reject) and not answer.certain:
            write = waiting.event if isinstance(waiting.event, Put | Delete) else None
            # A key that was used before may stand for a write of somebody else's.
            in_doubt = write is not None and (waiting.exposed or bool(write.idempotency_key))
            demand(
                in_doubt,
                "certainty",
                f"node {state.id} says 'unknown' ({answer.reason}) of ({answer.token}), which left it never",
            )

    def _in_time(self, host: Host, state: State) -> None:
        first = next(iter(self.pending.values()), None)
        if first is None:
            return
        if first.deadline <= state.now:
            late = state.now - first.deadline
            raise Violation("answers", f"the time of {first.event} at node {host.id} is up since {late} ns")
        assert host.replica is not None
        wake = host.replica.deadline
        if wake is None or wake > first.deadline:
            words = f"node {host.id} sleeps until {wake}; the time of {first.event} is up at {first.deadline}"
            raise Violation("answers", words)

    def _sent_again(self, host: Host, state: State) -> None:
        interval = FORWARD_RESENDS * state.config.resend_after
        for waiting in self.pending.values():
            if waiting.sent is None or waiting.sent[0] != state.promised:
                continue
            if waiting.sent[1] + interval <= state.now:
                words = (
                    f"node {host.id} has sent {waiting.event} on at {waiting.sent[1]}, and by {state.now} "
                )
                raise Violation("answers", words + "neither heard of it nor sent it again")


def _told(state: State, event: TellView, effects: Iterable[Effect], before: Before) -> None:
    """A PUT of a view has one answer: refused if it is for another life, or older than what the node knows;
    else obeyed."""
    view = event.view
    replies = [effect for effect in effects if isinstance(effect, ViewAccepted | ViewRefused)]
    demand(len(replies) == 1, "view answered", f"node {state.id} answers {view} with {replies}")
    known = max(before.promised.epoch, (before.told.epoch or 0) if before.told is not None else 0)
    stale = view.epoch is not None and view.epoch < known
    stale = stale or event.incarnation not in (0, state.incarnation)
    demand(
        isinstance(replies[0], ViewRefused) == stale,
        "view answered",
        f"node {state.id} knows epoch {known}, and answers {view} with {replies[0]}",
    )
    demand(
        state.told == (before.told if stale else view),
        "view answered",
        f"node {state.id} was told {view}, answers {replies[0]} and obeys {state.told}",
    )
