"""A cluster in memory: real replicas, virtual time, and a network that does what a test says.

Every message passes through the codec, in the newest version that both ends speak. Nothing happens by
itself: ``run`` delivers what is not held back until nothing is left, ``advance`` lets time pass and ticks
whoever asked for it. After every step of every node ``Watch`` holds the whole cluster to the invariants of
``docs/protocol.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from zlib import crc32

from pbproto import (
    Batch,
    Close,
    Config,
    Delete,
    Effect,
    Envelope,
    Event,
    Get,
    GetAll,
    Listing,
    Message,
    Note,
    Put,
    Receive,
    Reject,
    Replica,
    Reply,
    Result,
    Send,
    Status,
    TellView,
    Tick,
    Value,
    View,
    ViewAccepted,
    ViewRefused,
    Written,
    decode,
    encode,
)
from pbproto.codec import VERSION
from pbproto.config import MILLISECOND
from pbproto.events import Request
from pbproto.messages import (
    Adopt,
    Adopted,
    Confirm,
    Confirmed,
    Fetch,
    Forward,
    Forwarded,
    Learned,
    LogChunk,
    Offer,
    Promise,
    Propose,
    Refusal,
    Refuse,
    Replicate,
    Replicated,
    Seek,
    SnapshotChunk,
    Told,
)
from pbproto.state import Lead, State

from .versions import as_said
from .watch import Watch

MESSAGES: tuple[type[Message], ...] = (
    Told,
    Propose,
    Promise,
    Adopt,
    Adopted,
    Fetch,
    LogChunk,
    SnapshotChunk,
    Replicate,
    Replicated,
    Forward,
    Forwarded,
    Confirm,
    Confirmed,
    Refuse,
    Seek,
    Offer,
    Learned,
)


def address(id_: int) -> str:
    return f"node{id_}:80"


def view(ids: Iterable[int], epoch: int | None = None) -> View:
    return View.of([(id_, address(id_)) for id_ in ids], epoch)


@dataclass(frozen=True, slots=True)
class Mail:
    """One message on its way. The number tells copies apart and says which was sent first."""

    number: int
    to: str
    envelope: Envelope
    message: Message

    @property
    def sender(self) -> int:
        return self.envelope.sender

    @property
    def receiver(self) -> int:
        return self.envelope.receiver


Rule = Callable[[Mail], bool]


def of(*kinds: type[Message], sender: int | None = None, receiver: int | None = None) -> Rule:
    """The rule that mail of these kinds (any, if none is named) from and to these nodes fits."""
    return lambda mail: (
        (not kinds or isinstance(mail.message, kinds))
        and sender in (None, mail.sender)
        and receiver in (None, mail.receiver)
    )


@dataclass(slots=True)
class Asked:
    """A request of a client, and what became of it."""

    token: int
    node: int
    event: Request
    start: int
    """Number of the step in which it arrived."""
    end: int | None = None
    answer: Reply | Reject | None = None
    lost: bool = False
    """Its node stopped before it answered."""


@dataclass(slots=True)
class Cluster:
    """The nodes, the mail between them, the clock and the clients."""

    ids: tuple[int, ...]
    config: Config = field(default_factory=Config)
    now: int = 0
    steps: int = 0
    replicas: dict[int, Replica] = field(default_factory=dict)
    mail: list[Mail] = field(default_factory=list)
    asked: dict[int, Asked] = field(default_factory=dict)
    notes: list[tuple[int, Note]] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    watch: Watch = field(default_factory=Watch)
    wires: dict[int, int] = field(default_factory=dict)
    """The newest version of the wire form that a node speaks, if it is an old one."""
    left_out: int = 0
    """How many messages lost something to an old version."""
    trace: list[str] | None = None
    """Every effect of every step as text and a digest of its bytes, if a test wants to compare."""
    _numbers: int = 0
    _lives: int = 0

    def __post_init__(self) -> None:
        for id_ in self.ids:
            self.start(id_)

    def place(self, key: bytes) -> int:
        """Where the maps of the nodes put a key."""
        return crc32(key)

    # Nodes.

    def start(self, id_: int) -> Replica:
        """A node starts, or starts again and has forgotten everything."""
        self.crash(id_)
        self._lives += 1
        # Lives are not in order of their numbers, as random bits would not be.
        replica = Replica(id_, 2**63 + (self._lives * 7919) % 1009, self.config, self.place)
        self.replicas[id_] = replica
        return replica

    def crash(self, id_: int) -> None:
        """A node stops at once; who waits there never gets an answer."""
        if self.replicas.pop(id_, None) is not None:
            for asked in self.asked.values():
                if asked.node == id_ and asked.end is None:
                    asked.lost = True
                    asked.end = self.steps

    def state(self, id_: int) -> State:
        return self.replicas[id_].state

    def lead(self, id_: int) -> Lead:
        lead = self.state(id_).lead
        assert lead is not None, f"node {id_} is not an active primary"
        return lead

    def wire(self, id_: int) -> int:
        """The newest version of the wire form that the node speaks."""
        return self.wires.get(id_, VERSION)

    def status(self, id_: int) -> Status:
        return self.replicas[id_].status(self.now)

    def ignored(self, id_: int, reason: str) -> int:
        """How many messages the node ignored for this reason."""
        return self.state(id_).ignored.get(reason, 0)

    def noted(self, id_: int, code: str) -> list[dict[str, str | int]]:
        """The notes of this code that the node made."""
        return [dict(note.fields) for who, note in self.notes if who == id_ and note.code.value == code]

    def step(self, id_: int, event: Event) -> tuple[Effect, ...]:
        """Let something happen at one node: all its effects are carried out."""
        replica = self.replicas[id_]
        self.steps += 1
        effects = replica.step(event, now=self.now)
        if self.trace is not None:
            self.trace.append(f"{self.now} {id_} {event!r}")
        for effect in effects:
            self._carry_out(id_, effect)
        self.watch.after(self, id_, effects)
        return effects

    def _carry_out(self, id_: int, effect: Effect) -> None:
        if isinstance(effect, Send):
            version = min(self.wire(id_), self.wire(effect.envelope.receiver))
            data = encode([(effect.envelope, effect.message)], version)
            ((envelope, message),) = decode(data)
            assert (envelope, message) == (effect.envelope, as_said(effect.message, version))
            self.left_out += message != effect.message
            if self.trace is not None:
                self.trace.append(f"  {effect!r} {sha256(data).hexdigest()}")
            self._numbers += 1
            self.mail.append(Mail(self._numbers, effect.address, envelope, message))
            return
        if self.trace is not None:
            self.trace.append(f"  {effect!r}")
        if isinstance(effect, Reply | Reject):
            asked = self.asked[effect.token]
            assert asked.node == id_, f"token {effect.token} is not a client of node {id_}"
            assert asked.answer is None, f"token {effect.token} was answered twice"
            asked.answer = effect
            asked.end = self.steps
        elif isinstance(effect, Note):
            self.notes.append((id_, effect))

    # The outside.

    def tell(self, ids: Iterable[int], to: Iterable[int] | None = None, epoch: int | None = None) -> None:
        """Tell a view of these members to these nodes (to its members that run, if not said)."""
        told = view(ids, epoch)
        receivers = [member.id for member in told.members] if to is None else list(to)
        for id_ in receivers:
            if id_ in self.replicas:
                effects = self.step(id_, TellView(told))
                refused = [effect for effect in effects if isinstance(effect, ViewRefused)]
                assert not refused, f"node {id_} refused the view: {refused}"

    def propose(self, ids: Iterable[int], to: Iterable[int] | None = None, epoch: int | None = None) -> None:
        """Tell a view, and let its primary hear from the members whether they serve; nothing else happens."""
        self.tell(ids, to, epoch)
        while True:
            for mail in self.mail:
                message = mail.message
                refused = isinstance(message, Refuse) and message.reason is Refusal.NOTHING_TO_OFFER
                if isinstance(message, Seek) or refused:
                    self.deliver(mail)
                    break
            else:
                return

    def install(self, ids: Iterable[int], to: Iterable[int] | None = None, epoch: int | None = None) -> None:
        """Tell a view, and run until it is active."""
        ids = tuple(ids)
        self.tell(ids, to, epoch)
        self.run()
        for id_ in ids:
            assert self.status(id_).status == "active", (id_, self.status(id_))

    # Clients.

    def ask(self, node: int, event: Request) -> int:
        """A client's request; its token."""
        self.asked[event.token] = Asked(event.token, node, event, self.steps)
        self.step(node, event)
        return event.token

    def ask_together(self, node: int, *events: Request) -> list[int]:
        """Several clients' requests in one step; their tokens."""
        for event in events:
            self.asked[event.token] = Asked(event.token, node, event, self.steps)
        self.step(node, Batch(events))
        return [event.token for event in events]

    def put(
        self, node: int, key: bytes, value: bytes, idempotency_key: bytes = b"", trace: bytes = b""
    ) -> int:
        return self.ask(node, Put(len(self.asked), key, value, idempotency_key, trace))

    def delete(self, node: int, key: bytes, idempotency_key: bytes = b"", trace: bytes = b"") -> int:
        return self.ask(node, Delete(len(self.asked), key, idempotency_key, trace))

    def get(self, node: int, key: bytes) -> int:
        return self.ask(node, Get(len(self.asked), key))

    def get_all(self, node: int) -> int:
        return self.ask(node, GetAll(len(self.asked)))

    def waits(self, token: int) -> bool:
        return self.asked[token].answer is None

    def written(self, token: int) -> Result:
        """The result of a write that succeeded."""
        answer = self.asked[token].answer
        assert isinstance(answer, Reply), (token, answer)
        assert isinstance(answer.outcome, Written)
        return answer.outcome.result

    def value(self, token: int) -> tuple[bytes | None, int]:
        """What a confirmed read saw, and its position."""
        answer = self.asked[token].answer
        assert isinstance(answer, Reply), (token, answer)
        assert isinstance(answer.outcome, Value)
        return answer.outcome.value, answer.outcome.position

    def listing(self, token: int) -> tuple[dict[bytes, bytes], int]:
        answer = self.asked[token].answer
        assert isinstance(answer, Reply), (token, answer)
        assert isinstance(answer.outcome, Listing)
        return dict(answer.outcome.items), answer.outcome.position

    def rejection(self, token: int) -> tuple[str, bool]:
        """Why a request was rejected, and whether that is certain."""
        answer = self.asked[token].answer
        assert isinstance(answer, Reject), (token, answer)
        return answer.reason.value, answer.certain

    def close(self, node: int) -> None:
        self.step(node, Close())

    # The network.

    def hold(self, rule: Rule) -> Rule:
        """Hold back all mail that fits, what is on its way included, until ``release``."""
        self.rules.append(rule)
        return rule

    def release(self, rule: Rule | None = None) -> None:
        """Stop holding back, by this rule or by all."""
        if rule is None:
            self.rules.clear()
        else:
            self.rules.remove(rule)

    def cut(self, one: int, *others: int) -> Rule:
        """Hold back what one node and the others say to each other."""
        return self.hold(
            lambda mail: (
                (mail.sender == one and mail.receiver in others)
                or (mail.receiver == one and mail.sender in others)
            )
        )

    def lose(self, rule: Rule) -> int:
        """Lose the mail on its way that fits; how many there were."""
        before = len(self.mail)
        self.mail = [mail for mail in self.mail if not rule(mail)]
        return before - len(self.mail)

    def on_the_way(
        self, *kinds: type[Message], sender: int | None = None, receiver: int | None = None
    ) -> list[Mail]:
        """The mail of these kinds that was sent and not delivered."""
        fits = of(*kinds, sender=sender, receiver=receiver)
        return [mail for mail in self.mail if fits(mail)]

    def deliver(self, mail: Mail) -> tuple[Effect, ...]:
        """Deliver one message now, whether or not it is held back, or was delivered before."""
        self.mail = [other for other in self.mail if other.number != mail.number]
        # A message goes to an address, whoever runs there; without one it is the answer to a connection.
        to = mail.to or address(mail.receiver)
        for id_ in self.replicas:
            if address(id_) == to:
                return self.step(id_, Receive(mail.envelope, mail.message))
        return ()

    def forge(
        self,
        sender: int,
        receiver: int,
        message: Message,
        *,
        sender_life: int | None = None,
        receiver_life: int | None = None,
        history: int | None = None,
    ) -> tuple[Effect, ...]:
        """Deliver a message that nobody sent; what is not said is as it would truly be."""
        state = self.replicas[sender].state if sender in self.replicas else None
        if sender_life is None:
            sender_life = state.incarnation if state is not None else 1
        if receiver_life is None:
            receiver_life = self.state(receiver).incarnation
        if history is None:
            history = state.history if state is not None and state.has_operations else 0
        envelope = Envelope(sender, sender_life, receiver, receiver_life, history)
        return self.step(receiver, Receive(envelope, message))

    def run(self, until: Callable[[], object] | None = None) -> None:
        """Deliver the mail that is not held back in the order of sending, until nothing is left."""
        for _ in range(20_000):
            if until is not None and until():
                return
            for mail in self.mail:
                if not any(rule(mail) for rule in self.rules):
                    self.deliver(mail)
                    break
            else:
                return
        raise AssertionError("the cluster does not come to rest")

    # Time.

    @property
    def next_deadline(self) -> int | None:
        """When the first of the nodes wants to be woken."""
        times = [replica.deadline for replica in self.replicas.values() if replica.deadline is not None]
        return min(times) if times else None

    def tick(self, id_: int) -> tuple[Effect, ...]:
        return self.step(id_, Tick())

    def wake(self) -> None:
        """Wake every node whose deadline has come."""
        for id_, replica in list(self.replicas.items()):
            if replica.deadline is not None and replica.deadline <= self.now:
                self.tick(id_)
                later = self.replicas[id_].deadline
                assert later is None or later > self.now, f"node {id_} spins"

    def advance(self, milliseconds: int, until: Callable[[], object] | None = None) -> None:
        """Let time pass, deliver what is not held back, and wake whoever asked for it on the way."""
        end = self.now + milliseconds * MILLISECOND
        self.run()
        while until is None or not until():
            first = self.next_deadline
            if first is None or first > end:
                self.now = end
                return
            self.now = max(self.now, first)
            self.wake()
            self.run()


def active(*ids: int, **settings: int) -> Cluster:
    """A cluster of these nodes with these settings, in an active view of all of them."""
    cluster = Cluster(ids, Config(**settings))
    cluster.install(ids)
    return cluster


def refusals(cluster: Cluster, sender: int) -> list[Refusal]:
    """The reasons that a node gives in refusals that are on their way."""
    return [
        mail.message.reason
        for mail in cluster.on_the_way(Refuse, sender=sender)
        if isinstance(mail.message, Refuse)
    ]


def tell(cluster: Cluster, node: int, ids: tuple[int, ...], epoch: int | None = None) -> str:
    """What the node says to a view: nothing, or the reason why it refuses."""
    effects = cluster.step(node, TellView(view(ids, epoch)))
    (answer,) = (effect for effect in effects if isinstance(effect, ViewAccepted | ViewRefused))
    return answer.reason.value if isinstance(answer, ViewRefused) else ""
