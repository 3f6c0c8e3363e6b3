"""Collects the effects of one step, in order."""

from __future__ import annotations

from collections.abc import Mapping

from .effects import Code, Effect, Note, Send
from .messages import Envelope, Message
from .state import State
from .values import Member


class Out:
    """What a step has decided so far."""

    __slots__ = ("_listing", "effects")

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self._listing: tuple[int, Mapping[bytes, bytes]] | None = None

    def listing(self, state: State) -> Mapping[bytes, bytes]:
        """A snapshot of the map as it is now; all who read it in one step at one position share it."""
        if self._listing is None or self._listing[0] != state.commit:
            self._listing = (state.commit, state.store.data.snapshot())
        return self._listing[1]

    def add(self, effect: Effect) -> None:
        self.effects.append(effect)

    def note(self, code: Code, **fields: str | int) -> None:
        self.effects.append(Note(code, tuple(fields.items())))

    def send(self, state: State, to: Member, incarnation: int, message: Message) -> None:
        """Send to a member; ``incarnation`` is 0 while its life is not known."""
        history = state.history if state.has_operations else 0
        envelope = Envelope(state.id, state.incarnation, to.id, incarnation, history)
        self.effects.append(Send(to.address, envelope, message))

    def answer(self, state: State, received: Envelope, message: Message) -> None:
        """Send back to where a message came from, whether or not it is a member of anything.

        The told view knows best where a node is now: a member that was restarted at another address and told
        the next view proposes from there, and the promised view still has its old address. Only the promised
        ballot's own primary, in the life that proposed it, is where it was then.
        """
        promised, told = state.promised, state.told
        to = state.promised_view.member(received.sender)
        itself = (promised.primary, promised.incarnation) == (received.sender, received.sender_incarnation)
        if told is not None and not (itself and to is not None):
            to = told.member(received.sender) or to
        member = to or Member(received.sender, "")
        self.send(state, member, received.sender_incarnation, message)
