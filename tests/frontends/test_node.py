"""The node around the replica: tokens, mail, wake-ups."""

from __future__ import annotations

from itertools import count

import pytest

from frontends.common.node import Answer, Node
from frontends.common.outbox import ALL_BYTES, QUEUE_BYTES, Outbox, Outboxes
from frontends.common.settings import Settings
from frontends.common.wire import LOST, Posted
from pbproto import (
    Code,
    Envelope,
    Get,
    Note,
    Put,
    Reject,
    Reply,
    UsageError,
    VersionError,
    View,
    ViewAccepted,
    Written,
    decode,
    encode,
)
from pbproto.codec import MAGIC, version_of
from pbproto.messages import Forward, Promise, Propose, Refuse, Replicate, Seek, Told
from pbproto.values import NO_BALLOT, Operation


class Wired:
    """Two nodes whose wake-ups are written down, and whose mail a test carries by hand."""

    def __init__(self) -> None:
        self.woken: dict[int, list[str]] = {1: [], 2: []}
        self.nodes = {id_: self._node(id_) for id_ in (1, 2)}
        self.view = View.of([(1, "one:1"), (2, "two:2")])

    def _node(self, id_: int) -> Node:
        return Node(Settings(id=id_), self.woken[id_].append, lambda _: None)

    def carry(self) -> None:
        """Carry mail until there is none."""
        ways = {(1, 2): "two:2", (2, 1): "one:1"}
        moved = True
        while moved:
            moved = False
            for (sender, receiver), address in ways.items():
                while mail := self.nodes[sender].take_mail(address):
                    moved = True
                    answers = self.nodes[receiver].receive(mail)
                    self.nodes[sender].receive_answers(answers, address, None)


def test_two_nodes_become_a_store() -> None:
    """Everything needed passes through mail and answers: carry it by hand, write, read."""
    wired = Wired()
    for node in wired.nodes.values():
        assert node.tell_view(wired.view) == ViewAccepted()
    wired.carry()
    answers: list[Answer] = []
    wired.nodes[2].request(lambda token: Put(token, b"k", b"v"), answers.append)
    wired.carry()
    wired.nodes[1].request(lambda token: Get(token, b"k"), answers.append)
    wired.carry()
    assert [type(answer) for answer in answers] == [Reply, Reply]
    assert "two:2" in wired.woken[1]
    assert wired.nodes[2].status().status == "active"


def test_time_and_life_and_log_may_be_given() -> None:
    """A node in virtual time takes them from its caller: compare two whose clocks are an hour apart."""
    hour = 3600 * 10**9
    notes: list[Note] = []
    deadlines: list[int | None] = []
    for now in (7, 7 + hour):
        node = Node(
            Settings(id=1),
            lambda _: None,
            deadlines.append,
            now=lambda now=now: now,  # type: ignore[misc]
            incarnation=5,
            noted=notes.append,
        )
        node.tell_view(View.of([(1, "one:1"), (2, "two:2")]))
        assert node.status().incarnation == 5
    early, late = deadlines
    assert early is not None
    assert late == early + hour
    assert [note.code for note in notes].count(Code.VIEW_TOLD) == 2


def test_answers_ride_back() -> None:
    """The answer to mail is in the response, not in a POST of its own: look at both."""
    wired = Wired()
    wired.nodes[2].tell_view(wired.view)
    wired.nodes[2].take_mail("one:1")
    wired.nodes[1].tell_view(wired.view)
    for question, answer in ((Seek, Refuse), (Propose, Promise)):
        mail = wired.nodes[1].take_mail("two:2")
        assert [type(message) for _, message in decode(mail)] == [question]
        answers = wired.nodes[2].receive(mail)
        assert [type(message) for _, message in decode(answers)] == [answer]
        assert wired.nodes[2].take_mail("one:1") == b""
        wired.nodes[1].receive_answers(answers, "two:2", None)


def test_the_highest_common_version_is_spoken(caplog: pytest.LogCaptureFixture) -> None:
    """Goal: a node writes what its peer reads, as soon as it knows that.

    Method: every way to learn and to forget it; the log says only what is new.
    """
    caplog.set_level("INFO", "pbproto")
    wired = Wired()
    node = wired.nodes[1]

    ids = count(3)

    def next_version() -> int:
        node.tell_view(View.of([(1, "one:1"), (2, "two:2"), (next(ids), "other:1")]))
        return version_of(node.take_mail("two:2"))

    assert next_version() == 1
    node.receive_answers(encode(()), "two:2", "1-2")
    assert next_version() == 2
    node.posted("two:2", LOST)
    assert next_version() == 1
    node.posted("two:2", Posted(200, "1-2", encode((), 1)))
    assert next_version() == 2
    node.posted("two:2", Posted(503, "1-2"))
    assert next_version() == 1
    node.posted("two:2", Posted(200, "1-2", encode((), 2)))
    assert next_version() == 2
    node.posted("two:2", Posted(400))
    assert next_version() == 1
    lines = [record.getMessage() for record in caplog.records if "wire" in record.getMessage()]
    assert lines == [
        "node=1 event=peer_wire address=two:2 version=2",
        "node=1 event=wire_refused address=two:2 version=2",
    ]


def test_an_answer_that_cannot_be_read_teaches_nothing() -> None:
    """Goal: who answers nonsense is a stranger again.

    Method: a good answer, then one of an unknown version.
    """
    wired = Wired()
    node = wired.nodes[1]
    node.receive_answers(encode(()), "two:2", "1-2")
    assert node.peers.version("two:2") == 2
    with pytest.raises(VersionError):
        node.receive_answers(MAGIC + b"\0\3", "two:2", "1-3")
    assert node.peers.version("two:2") == 1


def test_a_node_says_that_it_has_no_version_in_common_with_whom_it_waits_for() -> None:
    """Goal: the outside sees why a view is not installed. Method: a member that speaks later versions only.

    Nothing is acknowledged, and when the member was replaced, the reason is the usual one.
    """
    wired = Wired()
    node = wired.nodes[1]
    node.tell_view(wired.view)
    usual = node.status().waiting_for
    assert node.take_mail("two:2")
    node.posted("two:2", Posted(400, "3-4"))
    (wait,) = node.status().waiting_for
    assert (wait.id, wait.address) == (2, "two:2")
    assert wait.reason == "it speaks versions 3-4 of the peer protocol, this node 1-2"
    assert node.look().status.waiting_for == (wait,), "GET /status says what GET /view does"
    assert node.status().status == "installing"
    node.posted("two:2", LOST)
    assert node.status().waiting_for == usual


def test_clients_that_arrive_together_go_in_one_message() -> None:
    """Whoever arrives before the node is told to admit them comes along: their writes are one message."""
    wired = Wired()
    gathered: list[int] = []
    first = wired.nodes[1] = Node(
        Settings(id=1), wired.woken[1].append, lambda _: None, lambda: gathered.append(1)
    )
    for node in wired.nodes.values():
        node.tell_view(wired.view)
    wired.carry()
    answers: list[Answer] = []
    for key in (b"a", b"b", b"c"):
        first.request(lambda token, key=key: Put(token, key, b"v"), answers.append)  # type: ignore[misc]
    assert len(gathered) == 3
    first.admit()
    first.admit()  # nobody is left
    (_, message) = decode(mail := first.take_mail("two:2"))[0]
    assert isinstance(message, Replicate)
    assert [operation.key for operation in message.operations] == [b"a", b"b", b"c"]
    first.receive_answers(wired.nodes[2].receive(mail), "two:2", None)
    assert [type(answer) for answer in answers] == [Reply] * 3


def test_a_request_that_no_replica_takes_never_arrives() -> None:
    """It is found out at once, and turns away nobody who arrives with it."""
    gathered: list[int] = []
    node = Node(Settings(id=1), lambda _: None, lambda _: None, lambda: gathered.append(1))
    answers: list[Answer] = []
    node.request(lambda token: Get(token, b"k"), answers.append)
    with pytest.raises(UsageError):
        node.request(lambda token: Get(token, b""), answers.append)
    node.admit()
    assert [type(answer) for answer in answers] == [Reject]
    assert len(gathered) == 1


def test_closing_answers_everyone_once() -> None:
    """Nobody is left without an answer when a node stops: let one wait, close twice, come late."""
    wired = Wired()
    wired.nodes[1].tell_view(wired.view)
    answers: list[Answer] = []
    wired.nodes[1].request(lambda token: Get(token, b"k"), answers.append)
    assert answers == []
    wired.nodes[1].close()
    wired.nodes[1].close()
    wired.nodes[1].request(lambda token: Get(token, b"k"), answers.append)
    assert [type(answer) for answer in answers] == [Reject, Reject]


def test_a_single_node_answers_at_once() -> None:
    """A view of one needs nobody: the answer is there when the request returns."""
    node = Node(Settings(id=1), lambda _: None, lambda _: None)
    node.tell_view(View.of([(1, "one:1")]))
    answers: list[Answer] = []
    node.request(lambda token: Put(token, b"k", b"v"), answers.append)
    assert isinstance(answers[0], Reply)
    assert isinstance(answers[0].outcome, Written)


def test_a_queue_is_bounded_by_dropping_the_oldest() -> None:
    """A peer that takes nothing does not fill the memory: put too much, and see that the newest is kept."""
    outbox = Outbox()
    envelope = Envelope(1, 1, 2, 2, 0)
    large = Operation(1, 1, 0, 0, b"k", bytes(QUEUE_BYTES // 4), b"")
    for since in range(8):
        outbox.put(envelope, Forward(NO_BALLOT, since, 1, large))
    assert outbox.bytes <= QUEUE_BYTES
    kept = [item.message.since for item in outbox.items if isinstance(item.message, Forward)]
    assert kept
    assert kept[-1] == 7


def test_many_peers_that_take_nothing_do_not_fill_it_either() -> None:
    """Put much for each of many addresses: what is kept in all is bounded, and what is small is all there."""
    outboxes = Outboxes()
    envelope = Envelope(1, 1, 2, 2, 0)
    large = Operation(1, 1, 0, 0, b"k", bytes(QUEUE_BYTES // 4), b"")
    outboxes.put("small", envelope, Told((), 0))
    for number in range(4 * 8):
        outboxes.put(f"peer{number % 8}", envelope, Forward(NO_BALLOT, number, 1, large))
        assert outboxes.bytes <= ALL_BYTES
    assert outboxes.bytes > ALL_BYTES - QUEUE_BYTES
    assert [type(message) for _, message in outboxes.take("small")] == [Told]
    for number in range(8):
        while taken := outboxes.take(f"peer{number}"):
            assert all(isinstance(message, Forward) for _, message in taken)
    assert outboxes.bytes == 0


def test_a_message_sent_again_takes_the_place_of_the_one_not_yet_carried() -> None:
    """A slow link does not carry the same operations twice: queue a Replicate again, with one more."""
    outbox = Outbox()
    envelope = Envelope(1, 1, 2, 2, 0)
    operation = Operation(1, 1, 0, 0, b"k", b"v", b"")
    outbox.put(envelope, Replicate(NO_BALLOT, 0, (operation,), 0, 1))
    outbox.put(envelope, Forward(NO_BALLOT, 0, 1, operation))
    outbox.put(envelope, Replicate(NO_BALLOT, 0, (operation, operation), 0, 2))
    assert [type(message) for _, message in outbox.take()] == [Forward, Replicate]
    assert outbox.bytes == 0
    assert not outbox.items


def test_mail_is_taken_in_order_and_in_portions() -> None:
    """One POST carries about 4 MiB: small messages go together, large ones one by one, all in order."""
    outbox = Outbox()
    envelope = Envelope(1, 1, 2, 2, 0)
    large = Operation(1, 1, 0, 0, b"k", bytes(3 * 2**20), b"")
    outbox.put(envelope, Told((), 0))
    for since in range(3):
        outbox.put(envelope, Forward(NO_BALLOT, since, 1, large))
    portions = []
    while batch := outbox.take():
        portions.append(len(batch))
    assert portions == [2, 1, 1]
    assert outbox.bytes == 0


def test_what_a_node_remembers_begins_with_its_life() -> None:
    """Goal: a restart is seen by who looks at the events. Method: a drawn life, and one that is given."""
    for given in (0, 0x5EED):
        node = Node(Settings(id=1), lambda _: None, lambda _: None, incarnation=given)
        first = node.history.since(0).events[0]
        assert dict(first.fields) == {"incarnation": f"{node.status().incarnation:016x}"}
