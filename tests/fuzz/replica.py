"""What must hold for a replica whatever well-formed messages arrive, true or not.

The bytes are a program: clients, time, views, restarts, mail in any order, and mail of which something was
changed. The fault model says that nobody lies, so the answers may be wrong after that; but no step raises, no
client is answered twice, and whatever a node says in turn is understood by the codec.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from pbproto import (
    CodecError,
    Config,
    Delete,
    Effect,
    Envelope,
    Get,
    GetAll,
    InvariantError,
    Put,
    Receive,
    TellView,
    decode,
    encode,
)
from pbproto.codec import MAGIC, VERSIONS
from pbproto.config import MILLISECOND

from ..core.cluster import Cluster, Mail, view
from ..core.watch import Watch
from .choices import Choices
from .vary import vary

MAX_ACTIONS = 80
ARCHIVE = 64
KNOWN = (
    "no request is applied twice",
    "no settled request is applied",
    "no idempotency key is applied twice",
    "a number is larger than anybody counts",
)
"""How a run may end. A node stops rather than apply a log that no primary writes: what it was sent for one
was a lie. And whoever says that it has promised the highest ballot there is leaves no room above it."""


class Blind(Watch):
    """Checks nothing: the invariants of a cluster do not hold where somebody lies."""

    def after(self, cluster: Cluster, id_: int, effects: Iterable[Effect]) -> None:
        pass


class World(Cluster):
    """A cluster that remembers what it delivered."""

    archive: deque[Mail]

    def deliver(self, mail: Mail) -> tuple[Effect, ...]:
        self.archive.append(mail)
        return super().deliver(mail)


def run(data: bytes) -> World:
    """Play the program; the world it ends with."""
    choices = Choices(data)
    world = _begin(choices)
    for _ in range(MAX_ACTIONS):
        if not choices.more:
            break
        try:
            _act(world, choices)
        except (InvariantError, CodecError) as error:
            if str(error) not in KNOWN:
                raise
            break
    return world


def _begin(choices: Choices) -> World:
    """Two or three nodes in an active view with some data, and a node outside."""
    config = Config(
        request_timeout=3000 * MILLISECOND,
        batch_bytes=200,
        chunk_bytes=choices.one_of((60, 10**6)),
        fill_rate=choices.one_of((0, 3_000)),
        log_keep_bytes=choices.one_of((0, 300, 10**6)),
        max_waiting=choices.one_of((10_000, 3)),
    )
    world = World((0, 1, 2, 3), config, watch=Blind())
    world.archive = deque(maxlen=ARCHIVE)
    ids = choices.one_of(((0, 1, 2), (1, 2), (0, 1)))
    world.install(ids, epoch=choices.one_of((None, 1)))
    for number, id_ in enumerate(ids):
        world.put(id_, b"key%d" % number, b"value%d" % number, b"once" * (number == 1))
    if choices.number() % 2:
        world.run()
    return world


def _act(world: World, choices: Choices) -> None:
    actions = (_deliver, _settle, _lie, _lie, _lie, _noise, _ask, _pass_time, _tell, _restart)
    choices.one_of(actions)(world, choices)


def _deliver(world: World, choices: Choices) -> None:
    """Some mail arrives, arrives once more, or is lost."""
    if world.mail and choices.number() % 4:
        world.deliver(choices.one_of(world.mail))
    elif world.mail:
        world.mail.pop(choices.number() % len(world.mail))
    elif world.archive:
        world.deliver(choices.one_of(world.archive))


def _settle(world: World, choices: Choices) -> None:
    left = iter(range(1 + choices.number() % 32))
    world.run(until=lambda: next(left, None) is None)


def _lie(world: World, choices: Choices) -> None:
    """Mail of which one thing or two were changed arrives."""
    known = [*world.archive, *world.mail]
    kinds = list(dict.fromkeys(type(mail.message) for mail in known))
    if not kinds:
        return
    kind = choices.one_of(kinds)  # each kind as often as the others, however rare it is
    mail = choices.one_of([mail for mail in known if type(mail.message) is kind][-50:])
    donors = _donors(world, known)
    envelope, message = mail.envelope, mail.message
    for _ in range(1 + choices.number() % 2):
        if choices.number() % 8:
            message = vary(message, choices, donors)
        else:
            envelope = vary(envelope, choices, donors)
    if choices.number() % 4:
        envelope = _current(world, envelope)
    _receive(world, encode([(envelope, message)]))


def _donors(world: World, known: list[Mail]) -> list[Any]:
    """Ballots that nodes have promised, one above each, and messages of others."""
    found: list[Any] = []
    for id_ in world.ids:
        promised = world.state(id_).promised
        above = min(promised.epoch + 1, 2**63 - 1)
        found += [promised, promised._replace(epoch=above), promised._replace(attempt=2**63 - 1)]
        found += [world.state(id_).lineage, world.state(id_).promised_view.members]
    return found + [getattr(mail.message, "operations", ()) for mail in known[-20:]]


def _current(world: World, envelope: Envelope) -> Envelope:
    """As the sender would say it now: the gates for former lives let it pass."""
    lives = {id_: replica.state.incarnation for id_, replica in world.replicas.items()}
    return envelope._replace(
        sender_incarnation=lives.get(envelope.sender, envelope.sender_incarnation),
        receiver_incarnation=lives.get(envelope.receiver, 0),
    )


def _noise(world: World, choices: Choices) -> None:
    """Any bytes arrive, mostly behind a true head and a true envelope."""
    data = choices.take(choices.number())
    if choices.number() % 4:
        sender, receiver = choices.one_of(world.ids), choices.one_of(world.ids)
        envelope = _current(world, Envelope(sender, 1, receiver, 0, 0))
        numbers = b"".join(number.to_bytes(8, "big") for number in envelope)
        data = MAGIC + choices.one_of(VERSIONS).to_bytes(2, "big") + numbers + (1).to_bytes(4, "big") + data
    _receive(world, data)


def _receive(world: World, data: bytes) -> None:
    try:
        batch = decode(data)
    except CodecError:
        return
    for envelope, message in batch:
        receiver = envelope.receiver if envelope.receiver in world.replicas else world.ids[0]
        world.step(receiver, Receive(envelope, message))


def _ask(world: World, choices: Choices) -> None:
    token = len(world.asked)
    key = choices.one_of((b"key0", b"key1"))
    events: tuple[Put | Delete | Get | GetAll, ...] = (
        Put(token, key, b"%d" % token),
        Put(token, key, b"v", b"once"),
        Delete(token, key),
        Get(token, key),
        GetAll(token),
    )
    world.ask(choices.one_of(world.ids), choices.one_of(events))


def _pass_time(world: World, choices: Choices) -> None:
    world.now += choices.one_of((1, 250, 1000, 3000)) * MILLISECOND
    world.wake()


def _tell(world: World, choices: Choices) -> None:
    members = choices.one_of(((0, 1, 2), (0, 1), (1, 2), (2,), (0, 1, 2, 3), (1, 3), ()))
    epoch = choices.one_of((None, None, 1 + choices.number(), 2**62))
    world.step(choices.one_of(world.ids), TellView(view(members, epoch)))


def _restart(world: World, choices: Choices) -> None:
    world.start(choices.one_of(world.ids))
