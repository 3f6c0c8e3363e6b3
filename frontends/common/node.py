"""The node around the replica: the one file of the frontends that touches ``Replica``.

Every input takes the same way: lock, step, sort the effects, unlock, and only then wake whoever has to do
I/O. No I/O and no callback runs under the lock, so that the same class serves an event loop and threads.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NoReturn
from zlib import crc32

from pbproto import (
    Close,
    CodecError,
    Envelope,
    Event,
    Message,
    Note,
    Receive,
    Reject,
    Replica,
    Reply,
    Send,
    Status,
    TellView,
    Tick,
    UsageError,
    View,
    ViewAccepted,
    ViewRefused,
    decode,
    encode,
)
from pbproto.config import MIB
from pbproto.events import Request
from pbproto.messages import Adopt, Fetch, LogChunk, Propose, Replicate, SnapshotChunk, Told

from . import clock, recorder
from .listing import Listings
from .logs import LOGGER, NoteLog, logfmt
from .settings import Settings

Answer = Reply | Reject
MAIL_BYTES = 4 * MIB
"""About as much as one POST carries, unless a single message is larger."""
QUEUE_BYTES = 64 * MIB
"""What may queue up for one peer; beyond it the oldest is dropped, which the protocol takes as loss."""


class Outbox:
    """What waits to be carried to one address."""

    __slots__ = ("_latest", "bytes", "items")

    def __init__(self) -> None:
        self.items: deque[Item] = deque()
        self.bytes = 0
        self._latest: dict[type, Item] = {}

    def put(self, envelope: Envelope, message: Message) -> None:
        kind = type(message)
        item = Item(envelope, message, _size(message))
        if kind in _REPEATED:
            # Sent again before the last one was even carried: only the newer is worth its bytes.
            older = self._latest.get(kind)
            if older is not None and older.message is not None and older.envelope == envelope:
                self.bytes -= older.size
                older.message = None
            self._latest[kind] = item
        self.items.append(item)
        self.bytes += item.size
        while self.bytes > QUEUE_BYTES and len(self.items) > 1:
            self._pop()

    def _pop(self) -> Item:
        item = self.items.popleft()
        if item.message is not None:
            self.bytes -= item.size
        return item

    def take(self, fits: Callable[[Envelope], bool] | None = None) -> list[tuple[Envelope, Message]]:
        """The oldest messages up to about ``MAIL_BYTES``; ``fits`` says who may have them."""
        taken: list[tuple[Envelope, Message]] = []
        room = MAIL_BYTES
        while self.items and room > 0:
            first = self.items[0]
            if first.message is None:
                self._pop()
                continue
            if (taken and first.size > room) or (fits is not None and not fits(first.envelope)):
                break
            self._pop()
            room -= first.size
            taken.append((first.envelope, first.message))
            first.message = None
        return taken


@dataclass(slots=True)
class Item:
    """A message in a queue, or the place where one was before a newer one took over."""

    envelope: Envelope
    message: Message | None
    size: int


_REPEATED = (Replicate, LogChunk, SnapshotChunk, Propose, Adopt, Fetch, Told)
"""Messages of which the newest to a peer says all that an older one of the kind said."""


def _size(message: Message) -> int:
    """About how many bytes a message has on the wire."""
    size = 200
    for operation in getattr(message, "operations", ()):
        size += operation.size
    operation = getattr(message, "operation", None)
    if operation is not None:
        size += operation.size
    for key, value in getattr(message, "pairs", ()):
        size += len(key) + len(value) + 8
    return size


class Node:
    """One replica with its waiting clients and its outgoing mail; safe to use from any thread.

    Raises ``RecordingFileError`` if it is to be recorded at a path where that cannot be done.

    ``wake_peer(address)`` is called when there is mail for an address, ``wake_timer(deadline)`` with the
    time (nanoseconds of ``clock``) of the next tick; both outside the lock.
    """

    def __init__(
        self,
        settings: Settings,
        wake_peer: Callable[[str], None],
        wake_timer: Callable[[int | None], None],
    ) -> None:
        self.settings = settings
        self.id = settings.id
        self.clock = clock.of(settings)
        incarnation = secrets.randbits(64) or 1
        self._recorder = recorder.start(settings, incarnation)
        if self._recorder is not None:
            recorder.at_exit(self.end_recording)
        place = crc32 if self._recorder is None else self._recorder.place
        self._replica = Replica(settings.id, incarnation, settings.core, place)
        self._wake_peer = wake_peer
        self._wake_timer = wake_timer
        self._lock = threading.Lock()
        self._waiters: dict[int, Callable[[Answer], None]] = {}
        self._next_token = 0
        self._outboxes: dict[str, Outbox] = {}
        self._addresses: dict[int, str] = {}
        self._log = NoteLog(settings.id)
        self.listings = Listings(settings.max_listings)
        """The long answers of this node to ``GET /data``."""

    # What clients, the outside, peers and time bring.

    def request(self, make: Callable[[int], Request], done: Callable[[Answer], None]) -> None:
        """A client's request; ``done`` is called once, now or later, from any thread.

        The request belongs to the node from here on: nobody can cancel it half way.
        """
        with self._lock:
            token = self._next_token
            self._next_token += 1
            self._waiters[token] = done
        self._run((make(token),))

    def tell_view(self, view: View) -> ViewAccepted | ViewRefused:
        """``PUT /view``."""
        return self._run((TellView(view),))[0]

    def receive(self, mail: bytes) -> bytes:
        """Mail that a peer posted; the answers, and whatever else waits for that peer.

        Raises ``CodecError`` for what is not mail; nothing has changed then.
        """
        batch = decode(mail)
        if not batch:
            return encode(())
        sender, life = batch[0][0].sender, batch[0][0].sender_incarnation

        def fits(envelope: Envelope) -> bool:
            return envelope.receiver == sender and envelope.receiver_incarnation in (0, life)

        answers: list[tuple[Envelope, Message]] = []
        self._run((Receive(*pair) for pair in batch), answers, fits)
        with self._lock:
            outbox = self._outboxes.get(self._addresses.get(sender, ""))
            if outbox is not None:
                answers.extend(outbox.take(fits))
        return encode(answers)

    def receive_answers(self, mail: bytes) -> None:
        """What a peer answered to our own mail. Raises ``CodecError``."""
        batch = decode(mail)
        if batch:
            self._run(Receive(*pair) for pair in batch)

    def tick(self) -> None:
        """The time given to ``wake_timer`` has come."""
        self._run((Tick(),))

    def close(self) -> None:
        """Answer everyone who waits; whoever comes later is turned away."""
        self._run((Close(),))

    def end_recording(self) -> None:
        """End the recording, if there is one, and wait until it is written. Later steps are not in it."""
        # Not for ever: at the end of a process the lock may be held by a thread that will never go on.
        if not self._lock.acquire(timeout=recorder.PATIENCE):
            return
        try:
            ended, self._recorder = self._recorder, None
            if ended is not None:
                ended.end("the node stopped", self._replica.state)
        finally:
            self._lock.release()
        if ended is not None:
            ended.join()
            recorder.forget(self.end_recording)

    def status(self) -> Status:
        """What this node can say about itself."""
        with self._lock:
            return self._replica.status(self.clock())

    def take_mail(self, address: str) -> bytes:
        """The next body to post to ``address``; empty if there is nothing for it."""
        with self._lock:
            outbox = self._outboxes.get(address)
            batch = outbox.take() if outbox is not None else []
            if outbox is not None and not outbox.items:
                del self._outboxes[address]
        return encode(batch) if batch else b""

    # The one way in.

    def _run(
        self,
        events: Iterable[Event],
        answers: list[tuple[Envelope, Message]] | None = None,
        fits: Callable[[Envelope], bool] | None = None,
    ) -> list[ViewAccepted | ViewRefused]:
        finished: list[tuple[Callable[[Answer], None], Answer]] = []
        notes: list[Note] = []
        mail: dict[str, None] = {}
        verdicts: list[ViewAccepted | ViewRefused] = []
        room = QUEUE_BYTES
        with self._lock:
            for event in events:
                # Under the lock, and when the event is there: reads under leases rest on that (leases.hold).
                now = self.clock()
                try:
                    effects = self._replica.step(event, now=now)
                except UsageError:
                    raise
                except Exception as error:
                    if self._recorder is not None:
                        self._recorder.failure(event, now, error)
                    self._stop_rather_than_lie(error)
                if self._recorder is not None:
                    self._recorder.step(event, now, effects, self._replica.state)
                for effect in effects:
                    if isinstance(effect, Send):
                        if answers is not None and fits is not None and fits(effect.envelope):
                            room -= _size(effect.message)
                            if room > 0:  # what is left out counts as lost
                                answers.append((effect.envelope, effect.message))
                        elif effect.address:
                            self._post(effect, mail)
                    elif isinstance(effect, Reply | Reject):
                        finished.append((self._waiters.pop(effect.token), effect))
                    elif isinstance(effect, Note):
                        notes.append(effect)
                    else:
                        verdicts.append(effect)
            deadline = self._replica.deadline
        # Peers before clients: a client's answer may take long to write, and others wait for the peers.
        for address in mail:
            self._wake_peer(address)
        self._wake_timer(deadline)
        for done, answer in finished:
            try:
                done(answer)
            except Exception:
                # One client's trouble must not cost another its answer.
                LOGGER.exception("%s", logfmt(self.id, "answer_failed"))
        for note in notes:
            self._log.write(note)
        self.listings.expire()
        return verdicts

    def _post(self, effect: Send, mail: dict[str, None]) -> None:
        address = effect.address
        outbox = self._outboxes.get(address)
        if outbox is None:
            outbox = self._outboxes[address] = Outbox()
            self._addresses[effect.envelope.receiver] = address
        outbox.put(effect.envelope, effect.message)
        mail[address] = None

    def _stop_rather_than_lie(self, error: Exception) -> NoReturn:
        """A conclusion of the replica is false: no answer of this process can be trusted any more."""
        LOGGER.critical("%s", logfmt(self.id, "broken_invariant", rule=error), exc_info=error)
        os._exit(70)  # EX_SOFTWARE; not sys.exit, which a server would catch and turn into one failed request


def bad_mail(node: Node, address: str, error: CodecError) -> None:
    """A peer answered with something that is not mail."""
    LOGGER.warning("%s", logfmt(node.id, "bad_answer", address=address, reason=error))
