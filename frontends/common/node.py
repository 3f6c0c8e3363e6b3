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
from dataclasses import replace
from http import HTTPStatus
from itertools import count
from typing import NamedTuple, NoReturn
from zlib import crc32

from pbproto import (
    Batch,
    Close,
    CodecError,
    Envelope,
    Event,
    Gauges,
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
    check_request,
    decode,
    encode,
)
from pbproto.advice import Advice
from pbproto.codec import VERSIONS, version_of
from pbproto.config import SECOND
from pbproto.events import Request
from pbproto.inside import Inside
from pbproto.messages import Forward
from pbproto.why import Why

from . import access, clock, recorder, tls
from .forwards import ForwardedWrite, Forwards
from .history import Events, History
from .listing import Listings
from .logs import LOGGER, NoteLog, logfmt
from .meters import Meters
from .outbox import QUEUE_BYTES, Outboxes, size_of
from .settings import Settings
from .wire import Peers, Posted, Range, Word

Answer = Reply | Reject
_ANSWER = (Reply, Reject)


class Sight(NamedTuple):
    """What is to be seen of a node at one moment."""

    status: Status
    inside: Inside
    events: Events
    mail: dict[str, int]
    """Bytes that wait to be carried, by address."""


class _Work:
    """What some steps have decided and what is done about it once the lock is free."""

    __slots__ = (
        "_answers",
        "_room",
        "deadline",
        "finished",
        "fits",
        "forwarded",
        "mail",
        "notes",
        "verdicts",
    )

    def __init__(
        self,
        answers: list[tuple[Envelope, Message]] | None = None,
        fits: Callable[[Envelope], bool] | None = None,
    ) -> None:
        self.fits = fits if answers is not None else None
        """Whose mail goes back in the answer to a peer's own mail."""
        self._answers = [] if answers is None else answers
        self._room = QUEUE_BYTES
        self.finished: list[tuple[Callable[[Answer], None], Answer]] = []
        self.notes: list[Note] = []
        self.forwarded: list[ForwardedWrite] = []
        self.mail: dict[str, None] = {}
        self.verdicts: list[ViewAccepted | ViewRefused] = []
        self.deadline: int | None = None

    def answer(self, envelope: Envelope, message: Message) -> None:
        self._room -= size_of(message)
        if self._room > 0:  # what is left out counts as lost
            self._answers.append((envelope, message))


class Node:
    """One replica with its waiting clients and its outgoing mail; safe to use from any thread.

    Raises ``RecordingFileError`` if it is to be recorded at a path where that cannot be done.

    ``wake_peer(address)`` is called when there is mail for an address, ``wake_timer(deadline)`` with the
    time (nanoseconds of ``clock``) of the next tick; both outside the lock. ``gather()`` is
    called when a client has arrived and has to bring about a call of ``admit`` soon: whoever arrives until
    then goes on in the same step, and what they write in the same message to each backup. Without it
    whoever brings a client admits it, together with all that arrived while another had the lock.

    ``contexts``: its TLS, where its server has the same one; by default it reads the files itself.

    Where time, chance and the log are not the machine's, as in virtual time, they are given: ``now`` is a
    clock in nanoseconds, ``incarnation`` names this life, ``noted`` gets the notes.
    """

    def __init__(
        self,
        settings: Settings,
        wake_peer: Callable[[str], None],
        wake_timer: Callable[[int | None], None],
        gather: Callable[[], None] | None = None,
        *,
        contexts: tls.Contexts | None = None,
        now: Callable[[], int] | None = None,
        incarnation: int = 0,
        noted: Callable[[Note], None] | None = None,
    ) -> None:
        self.settings = settings
        self.id = settings.id
        self.access = access.of(settings)
        """Who may do what, or ``None`` where everybody may do everything."""
        access.warn_of_open_files(settings)
        self.tls = contexts or tls.of(settings)
        """How it speaks HTTPS, or ``None`` where it speaks HTTP."""
        self.clock = now or clock.of(settings)
        self.incarnation = incarnation or secrets.randbits(64) or 1
        """Names this life of the node."""
        self._recorder = recorder.start(settings, self.incarnation)
        if self._recorder is not None:
            recorder.at_exit(self.end_recording)
        place = crc32 if self._recorder is None else self._recorder.place
        self._replica = Replica(settings.id, self.incarnation, settings.core, place)
        self._wake_peer = wake_peer
        self._wake_timer = wake_timer
        self._gather = gather or self.admit
        self._lock = threading.Lock()
        self._waiters: dict[int, Callable[[Answer], None]] = {}
        self._tokens = count()
        self._arrivals: deque[Request] = deque()
        self._outboxes = Outboxes()
        self._addresses: dict[int, str] = {}
        self._receivers: dict[str, int] = {}
        self._noted = noted or NoteLog(settings.id).write
        self.meters = Meters()
        self.forwards: Forwards | None = None
        """Whoever looks on at the writes that backups send on to this node."""
        self.peers = Peers(Range(VERSIONS[0], settings.wire))
        """What is spoken to whom."""
        self.history = History(self.incarnation)
        """What has happened at this node; touched under its lock only."""
        self.listings = Listings(settings.max_listings)
        """The long answers of this node to ``GET /data``."""

    # What clients, the outside, peers and time bring.

    def request(self, make: Callable[[int], Request], done: Callable[[Answer], None]) -> None:
        """A client's request; ``done`` is called once, now or later, from any thread.

        The request belongs to the node from here on: nobody can cancel it half way. Raises ``UsageError``
        for what is no request that a replica takes; then it never arrived.
        """
        token = next(self._tokens)
        request = make(token)
        check_request(request)  # now: in a batch it would turn everybody else away as well
        self._waiters[token] = done
        self._arrivals.append(request)
        self._gather()

    def admit(self) -> None:
        """Everybody who has arrived so far is brought to the replica."""
        work = _Work()
        with self._lock:
            # Only who holds the lock takes from the queue; others may add to it meanwhile.
            arrived = [self._arrivals.popleft() for _ in range(len(self._arrivals))]
            if not arrived:
                return  # another thread took them along
            self._step(arrived[0] if len(arrived) == 1 else Batch(tuple(arrived)), work)
        self._do(work)

    def has_room(self, size: int) -> bool:
        """Whether a request of ``size`` bytes would find room, as far as can be said before it arrives."""
        return self._replica.has_room(size)

    def tell_view(self, view: View, incarnation: int = 0) -> ViewAccepted | ViewRefused:
        """``PUT /view``, to this life of the node only if ``incarnation`` is not 0."""
        return self._run((TellView(view, incarnation),))[0]

    def receive(self, mail: bytes, header: str | None = None) -> bytes:
        """Mail that a peer posted; the answers, and whatever else waits for that peer.

        ``header`` is the ``pbproto-wire`` that came with it. Raises ``CodecError`` for what is not mail;
        nothing has changed then.
        """
        batch = decode(mail, self.peers.ours.high)
        version, word = self.peers.for_answer(batch[0][0].sender if batch else -1, header, version_of(mail))
        self._tell(word)
        if not batch:
            return encode((), version)
        sender, life = batch[0][0].sender, batch[0][0].sender_incarnation

        def fits(envelope: Envelope) -> bool:
            return envelope.receiver == sender and envelope.receiver_incarnation in (0, life)

        answers: list[tuple[Envelope, Message]] = []
        self._run((Receive(*pair) for pair in batch), answers, fits)
        with self._lock:
            answers.extend(self._outboxes.take(self._addresses.get(sender, ""), fits))
        return encode(answers, version)

    def receive_answers(self, mail: bytes, address: str, header: str | None) -> None:
        """What a peer at this address answered to our own mail, and the ``pbproto-wire`` that came with it.

        Raises ``CodecError``.
        """
        try:
            batch = decode(mail, self.peers.ours.high)
        except CodecError:
            self.peers.lost(address)
            raise
        self._tell(self.peers.answered(address, header))
        if batch:
            self._run(Receive(*pair) for pair in batch)

    def posted(self, address: str, ended: Posted) -> None:
        """How a POST of our mail to this address ended; the replica sends anew what matters.

        Raises ``CodecError`` for an answer that is not mail.
        """
        if ended.usable:
            self.receive_answers(ended.body, address, ended.header)
        elif ended.status == HTTPStatus.BAD_REQUEST:
            self._tell(self.peers.refused(address, ended.header))
        else:
            self.peers.lost(address)

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
            status = self._replica.status(self.clock())
        return self._with_trouble(status)

    def _with_trouble(self, status: Status) -> Status:
        """With what this node cannot say to a peer at all, of which the replica knows nothing."""
        waits = [
            replace(each, reason=self.peers.trouble(each.address) or each.reason)
            for each in status.waiting_for
        ]
        return replace(status, waiting_for=tuple(waits)) if waits else status

    def look(self, since: int = 0) -> Sight:
        """What this node can say about itself and what goes on in it, with the events after ``since``."""
        with self._lock:
            now = self.clock()
            sight = Sight(
                self._replica.status(now),
                self._replica.look(now),
                self.history.since(since),
                self._outboxes.sizes(),
            )
        return sight._replace(status=self._with_trouble(sight.status))

    def why(self) -> Why:
        """What the clients of this node wait for."""
        with self._lock:
            return self._replica.why(self.clock())

    def advise(self) -> Advice | None:
        """What is wrong here and what ends it; ``None`` where nothing has to be done."""
        with self._lock:
            return self._replica.advise(self.clock())

    def told(self) -> View | None:
        """The told view. Takes no lock: a view never changes."""
        return self._replica.state.told

    def gauges(self) -> Gauges:
        """The figures of this node as of now."""
        with self._lock:
            return self._replica.gauges(self.clock())

    def queued(self) -> dict[str, int]:
        """Bytes that wait to be carried, by address."""
        with self._lock:
            return self._outboxes.sizes()

    def receiver_at(self, address: str) -> int:
        """The id of the node that the last mail for this address was meant for."""
        return self._receivers.get(address, -1)

    def take_mail(self, address: str) -> bytes:
        """The next body to post to ``address``; empty if there is nothing for it."""
        with self._lock:
            batch = self._outboxes.take(address)
        return encode(batch, self.peers.version(address)) if batch else b""

    # The one way in.

    def _run(
        self,
        events: Iterable[Event],
        answers: list[tuple[Envelope, Message]] | None = None,
        fits: Callable[[Envelope], bool] | None = None,
    ) -> list[ViewAccepted | ViewRefused]:
        work = _Work(answers, fits)
        with self._lock:
            for event in events:
                self._step(event, work)
        self._do(work)
        return work.verdicts

    def _step(self, event: Event, work: _Work) -> None:
        """Under the lock: one step, and its effects to where they wait to be done."""
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
        if self.forwards is not None:
            work.forwarded += self.forwards.look(event, effects)
        for effect in effects:
            if isinstance(effect, _ANSWER):
                work.finished.append((self._waiters.pop(effect.token), effect))
            elif isinstance(effect, Send):
                if type(effect.message) is Forward:
                    self.meters.forwarded()
                if work.fits is not None and work.fits(effect.envelope):
                    work.answer(effect.envelope, effect.message)
                elif effect.address:
                    self._post(effect, work.mail)
            elif isinstance(effect, Note):
                work.notes.append(effect)
                self.history.add(effect)
            else:
                work.verdicts.append(effect)
        work.deadline = self._replica.deadline

    def _do(self, work: _Work) -> None:
        """What the steps have decided, outside the lock."""
        # Peers before clients: a client's answer may take long to write, and others wait for the peers.
        for address in work.mail:
            self._wake_peer(address)
        self._wake_timer(work.deadline)
        for done, answer in work.finished:
            try:
                done(answer)
            except Exception:
                # One client's trouble must not cost another its answer.
                LOGGER.exception("%s", logfmt(self.id, "answer_failed"))
        if self.forwards is not None:
            for write in work.forwarded:
                self.forwards.ended(write)
        for note in work.notes:
            self.meters.note(note)
            self._noted(note)
        self.listings.expire()

    def _tell(self, word: Word | None) -> None:
        if word is not None:
            LOGGER.log(word.level, "%s", logfmt(self.id, word.event, **word.fields))

    def _post(self, effect: Send, mail: dict[str, None]) -> None:
        address = effect.address
        self._addresses[effect.envelope.receiver] = address
        self._receivers[address] = effect.envelope.receiver
        self._outboxes.put(address, effect.envelope, effect.message)
        mail[address] = None

    def _stop_rather_than_lie(self, error: Exception) -> NoReturn:
        """A conclusion of the replica is false: no answer of this process can be trusted any more."""
        LOGGER.critical("%s", logfmt(self.id, "broken_invariant", rule=error), exc_info=error)
        os._exit(70)  # EX_SOFTWARE; not sys.exit, which a server would catch and turn into one failed request


class Complaints:
    """What is wrong with the peer at one address, once a minute in the log: mail is sent again and again."""

    EVERY = 60 * SECOND

    def __init__(self, node: Node, address: str) -> None:
        self._node = node
        self._address = address
        self._next = 0

    def unproved(self, status: int) -> None:
        """It answered, and not as a node that knows the secret does: it was sent nothing, or no more."""
        now = self._node.clock()
        if now >= self._next:
            self._next = now + self.EVERY
            LOGGER.error("%s", logfmt(self._node.id, "peer_not_proved", address=self._address, status=status))


def bad_mail(node: Node, address: str, error: CodecError) -> None:
    """A peer answered with something that is not mail."""
    LOGGER.warning("%s", logfmt(node.id, "bad_answer", address=address, reason=error))
