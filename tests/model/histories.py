"""The histories that were met, by number: what asking, answering and crashing make of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pbproto import Ballot
from pbproto.values import Kind, RequestId

from .history import Entry, History, judge
from .nodes import Answer, ViolationError
from .scope import Scope


class Histories:
    """Each history is judged once, when it is met first."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.script = scope.script
        self.asks = tuple(ask for _, _, ask in self.script)
        self.met: list[History] = []
        self.wishes: list[tuple[int, ...]] = []
        """Per history the requests that can be asked next."""
        self.refused: list[frozenset[RequestId]] = []
        """Per history the request ids of writes that were certainly not applied."""
        self._numbers: dict[History, int] = {}
        self._memo: dict[tuple[object, ...], int] = {}
        self.empty = self.intern((None,) * len(self.asks))

    def intern(self, history: History) -> int:
        """The number of a history. Raises ``ViolationError`` for one that no correct store gives."""
        number = self._numbers.get(history)
        if number is None:
            if self.scope.one_history:
                wrong = judge(self.asks, history)
                if wrong:
                    raise ViolationError("linearizable", f"{wrong}: {self.describe(history)}")
            number = self._numbers[history] = len(self.met)
            self.met.append(history)
            self.wishes.append(tuple(self._next(history)))
            self.refused.append(
                frozenset(
                    entry.request
                    for ask, entry in zip(self.asks, history, strict=True)
                    if entry is not None and ask.writes and entry.state == "not applied"
                )
            )
        return number

    def _next(self, history: History) -> Iterable[int]:
        """Clients are sequential: of each the first request not asked yet, if the one before has ended."""
        ready: dict[int, int] = {}
        blocked: dict[int, None] = {}
        for index, (client, _, _) in enumerate(self.script):
            entry = history[index]
            if client in blocked or client in ready:
                continue
            if entry is None:
                ready[client] = index
            elif entry.state == "waits":
                blocked[client] = None
        return [index for client, index in ready.items() if client not in blocked and client >= 0]

    def ask(self, number: int, index: int, request: RequestId) -> int:
        """A request is asked."""
        history = self.met[number]
        before = sum(
            1 << other for other, entry in enumerate(history) if entry is not None and entry.succeeded
        )
        return self._with(history, index, Entry("waits", before, request))

    def answer(self, number: int, answers: tuple[Answer, ...], ballot: Ballot) -> int:
        """Clients are answered, in this order, by a node in this ballot."""
        key = (number, answers, ballot)
        known = self._memo.get(key)
        if known is None:
            known = number
            for token, answer in answers:
                known = self._answer(known, token, answer, ballot)
            self._memo[key] = known
        return known

    def _answer(self, number: int, token: int, answer: tuple[object, ...], ballot: Ballot) -> int:
        history = self.met[number]
        entry = history[token]
        if entry is None or entry.state != "waits":
            raise ViolationError(
                "answers", f"{self.asks[token]} was answered without being asked, or twice: {answer}"
            )
        ask = self.asks[token]
        match answer:
            case ("written", int(kind), int(position)) if ask.writes:
                entry = replace(entry, state="written", kind=Kind(kind), position=position, ballot=ballot)
            case ("value", seen, int(position)) if ask.what == "get":
                entry = replace(entry, state="value", seen=seen, position=position)
            case ("listing", seen, int(position)) if ask.what == "list":
                entry = replace(entry, state="listing", seen=seen, position=position)
            case ("not applied",):
                entry = replace(entry, state="not applied", before=0)
            case ("unknown",):
                entry = replace(entry, state="unknown")
            case _:
                raise ViolationError("answers", f"{ask} was answered {answer}")
        return self._with(history, token, entry)

    def crash(self, number: int, node: int, incarnation: int) -> int:
        """A node crashes: who waits there is never answered."""
        history = self.met[number]
        for index, entry in enumerate(history):
            if entry is not None and entry.state == "waits" and entry.request[:2] == (node, incarnation):
                history = (*history[:index], replace(entry, state="lost"), *history[index + 1 :])
        return self.intern(history)

    def _with(self, history: History, index: int, entry: Entry) -> int:
        return self.intern((*history[:index], entry, *history[index + 1 :]))

    def describe(self, history: History) -> str:
        """In words."""
        words = []
        for index, entry in enumerate(history):
            if entry is None:
                continue
            after = [other for other in range(len(history)) if entry.before >> other & 1]
            words.append(
                f"request {index} {self.asks[index]}"
                + (f", asked after the answers to {after}" if after else "")
                + f": {outcome(entry)}"
            )
        return "; ".join(words) or "nothing was asked"


def outcome(entry: Entry) -> str:
    """What a client was told, in words."""
    if entry.state == "written":
        return f"{entry.kind.name.lower()}, number {entry.position}"
    if entry.state in ("value", "listing"):
        return f"{entry.seen!r} after {entry.position} writes"
    return {"waits": "waits", "lost": "never answered"}.get(entry.state, entry.state)
