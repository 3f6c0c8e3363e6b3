"""Each 'always' property fails where it should: on states that a right core never reaches, made by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from pbproto import Ballot, Envelope, Operation, Receive, Send, TellView, Tick
from pbproto.messages import Message, Promise, Replicate, Told
from pbproto.store import KEY_BYTES
from pbproto.values import Dropped, Kind, RequestId

from .always import keeper_and_history, node_and_history, node_and_mail, one_node, two_nodes
from .facts import Facts
from .history import Entry
from .nodes import Nodes, ViolationError, happen, keeps_out, obeys
from .scope import Ask, Scope, view

ONE, TWO = Ballot(1, 0, 0, 50), Ballot(2, 0, 1, 51)
FIRST = Operation(0, 50, 0, 0, b"k", b"1", b"")
SECOND = Operation(0, 50, 1, 0, b"k", b"2", b"")
OTHER = Operation(1, 51, 0, 0, b"k", b"3", b"")
PUT = Ask(0, "put", value="1")


def node(id_: int = 0, *operations: Operation, commit: int = 0, ballot: Ballot = ONE) -> Facts:
    """A node that holds these operations, synced in this ballot."""
    nodes = Nodes(Scope("s", "", nodes=2, clients=()))
    facts = nodes.facts[nodes.start(id_, 0)]
    data = {
        operation.key: operation.value for operation in operations[:commit] if operation.value is not None
    }
    return replace(
        facts,
        promised=ballot,
        synced=ballot,
        operations=operations,
        end=len(operations),
        commit=commit,
        data=tuple(sorted(data.items())),
        size=sum(KEY_BYTES + len(key) + len(value) for key, value in data.items()),
    )


def leads(facts: Facts, *backups: tuple[int, int, int]) -> Facts:
    return replace(facts, leads=backups)


def told(facts: Facts, *ids: int) -> Facts:
    """The node was told a view of these, and has promised it."""
    return replace(facts, told=view(ids), members=view(ids).members)


def suspicious(facts: Facts) -> Facts:
    return replace(facts, suspects=True)


def mail(message: Message) -> Receive:
    return Receive(Envelope(0, 50, 1, 51, 0), message)


ACKNOWLEDGED = (Entry("written", 0, FIRST.request, None, Kind.CREATED, 0, ONE),)
WAITING = (Entry("waits", 0, FIRST.request),)
REFUSED = (Entry("not applied", 0, FIRST.request),)
NOBODY: frozenset[RequestId] = frozenset()

WRONG: dict[str, tuple[str, Callable[[], None]]] = {
    "a request stands in a log twice": ("exactly_once", lambda: one_node(node(0, FIRST, FIRST))),
    "an idempotency key stands in a log twice": (
        "exactly_once",
        lambda: one_node(
            node(0, FIRST._replace(idempotency_key=b"i"), SECOND._replace(idempotency_key=b"i"))
        ),
    ),
    "the store is not what the log says": (
        "store",
        lambda: one_node(replace(node(0, FIRST, commit=1), data=((b"k", b"2"),))),
    ),
    "the size of the data is miscounted": (
        "bound",
        lambda: one_node(replace(node(0, FIRST, commit=1), size=KEY_BYTES + 3)),
    ),
    "the data has outgrown its bound": (
        "bound",
        lambda: one_node(replace(node(0, FIRST, commit=1), bound=KEY_BYTES + 1)),
    ),
    "one ballot has two logs": ("one_log", lambda: two_nodes(node(0, FIRST), node(1, SECOND), True)),
    "one log gives two stores": (
        "equal_stores",
        lambda: two_nodes(node(0, FIRST, commit=1), replace(node(1, FIRST, commit=1), data=()), True),
    ),
    "a store has forgotten a result": (
        "equal_stores",
        lambda: two_nodes(
            node(0, FIRST, commit=1), replace(node(1, FIRST, commit=1, ballot=TWO), memory=()), True
        ),
    ),
    "a ballot has two primaries": ("one_log", lambda: two_nodes(leads(node(0)), leads(node(1)), True)),
    "a ballot's log has changed": (
        "one_log",
        lambda: node_and_mail(node(0, FIRST), [mail(Replicate(ONE, 0, (SECOND,), 0, 0))]),
    ),
    "two operations are committed at one position": (
        "committed",
        lambda: two_nodes(node(0, FIRST, commit=1), node(1, OTHER, commit=1, ballot=TWO), True),
    ),
    "a backup does not hold the ballot that is active": (
        "everywhere",
        lambda: two_nodes(leads(node(0, ballot=TWO), (1, 51, 0)), node(1), True),
    ),
    "a backup holds nothing": (
        "everywhere",
        lambda: two_nodes(leads(node(0), (1, 51, 0)), replace(node(1), synced=None), True),
    ),
    "a backup lacks what it acknowledged": (
        "everywhere",
        lambda: two_nodes(leads(node(0, FIRST, commit=1), (1, 51, 1)), node(1), True),
    ),
    "an acknowledged write is gone in a later ballot": (
        "durability",
        lambda: node_and_history(node(1, ballot=TWO), (PUT,), ACKNOWLEDGED, NOBODY, False),
    ),
    "another one stands in its place": (
        "durability",
        lambda: node_and_history(node(1, OTHER, ballot=TWO), (PUT,), ACKNOWLEDGED, NOBODY, False),
    ),
    "a node on whom the outside counts is empty": (
        "keeper",
        lambda: keeper_and_history(replace(node(1), synced=None), (PUT,), ACKNOWLEDGED),
    ),
    "a node on whom the outside counts holds another write": (
        "keeper",
        lambda: keeper_and_history(node(1, OTHER), (PUT,), ACKNOWLEDGED),
    ),
    "a join drops a write and reports another": (
        "dropped",
        lambda: node_and_history(
            replace(node(1, ballot=TWO), dropped=(Dropped(0, 1, 2),)), (PUT,), ACKNOWLEDGED, NOBODY, True
        ),
    ),
    "a client waits at a node that is stopping": (
        "closing",
        lambda: node_and_history(replace(node(0), closing=True), (PUT,), WAITING, NOBODY, False),
    ),
    "a request that waits is taken to be answered": (
        "settled",
        lambda: node_and_history(replace(node(1), marks={(0, 50): 1}), (PUT,), WAITING, NOBODY, False),
    ),
    "a write enters the log while a backup is suspected": (
        "suspicion",
        lambda: keeps_out(suspicious(node(0)), suspicious(node(0, FIRST))),
    ),
    "a node leads that was told a view without it": (
        "serving",
        lambda: one_node(replace(leads(node(0)), told=view((1,)))),
    ),
    "a node promises before it was told anything": (
        "obedience",
        lambda: obeys(node(0), Tick(), replace(node(0, ballot=TWO), told=view((0, 1)))),
    ),
    "a node promises another view than it was told": (
        "obedience",
        lambda: obeys(told(node(0), 0), Tick(), told(node(0, ballot=TWO), 0, 1)),
    ),
    "a write that was turned away is committed": (
        "not_applied",
        lambda: node_and_history(
            node(0, FIRST, commit=1), (PUT,), REFUSED, frozenset({FIRST.request}), False
        ),
    ),
}

RIGHT: dict[str, Callable[[], None]] = {
    "a log": lambda: one_node(node(0, FIRST, SECOND, commit=2)),
    "a store that is full": lambda: one_node(replace(node(0, FIRST, commit=1), bound=KEY_BYTES + 2)),
    "a backup that is behind": lambda: two_nodes(leads(node(0, FIRST), (1, 51, 0)), node(1), True),
    "a former life of a backup": lambda: two_nodes(
        leads(node(0, FIRST, commit=1), (1, 21, 1)), replace(node(1), synced=None), True
    ),
    "two histories": lambda: two_nodes(node(0, FIRST, commit=1), node(1, OTHER, commit=1, ballot=TWO), False),
    "a trimmed log": lambda: two_nodes(
        node(0, FIRST, SECOND), replace(node(1, SECOND), start=1, end=2), True
    ),
    "mail of another ballot": lambda: node_and_mail(
        node(0, FIRST), [mail(Replicate(TWO, 0, (SECOND,), 0, 0)), mail(Told(view((0,)).members, 0))]
    ),
    "a write that is kept": lambda: node_and_history(
        node(1, FIRST, ballot=TWO), (PUT,), ACKNOWLEDGED, NOBODY, False
    ),
    "a node on whom the outside counts has it": lambda: keeper_and_history(
        node(1, FIRST), (PUT,), ACKNOWLEDGED
    ),
    "a node on whom the outside counts has it, and its log was trimmed": lambda: keeper_and_history(
        replace(node(1), start=1, end=1), (PUT,), ACKNOWLEDGED
    ),
    "what nobody was told need not be there": lambda: keeper_and_history(node(1), (PUT,), WAITING),
    "a node that was left behind": lambda: node_and_history(
        node(1, ballot=Ballot(0, 9, 0, 0)), (PUT,), ACKNOWLEDGED, NOBODY, False
    ),
    "a drop that is reported": lambda: node_and_history(
        replace(node(1, ballot=TWO), dropped=(Dropped(0, 0, 1),)), (PUT,), ACKNOWLEDGED, NOBODY, True
    ),
    "a client waits elsewhere": lambda: node_and_history(
        replace(node(1), closing=True, marks={(0, 50): 0, (0, 20): 9}), (PUT,), WAITING, NOBODY, False
    ),
    "a write that waited for a backup enters the log": lambda: keeps_out(suspicious(node(0)), node(0, FIRST)),
    "a node promises what it was told before": lambda: obeys(
        told(node(0), 0, 1), Tick(), told(node(0, ballot=TWO), 0, 1)
    ),
    "a node promises what it is told": lambda: obeys(
        node(0), TellView(view((0, 1))), told(node(0, ballot=TWO), 0, 1)
    ),
    "a write that was turned away, in a log": lambda: node_and_history(
        node(0, FIRST), (PUT,), REFUSED, frozenset({FIRST.request}), False
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_broken_property_is_found(name: str) -> None:
    """A state that breaks an invariant is found, by the name of that invariant.

    Make the smallest such state.
    """
    check, make = WRONG[name]
    with pytest.raises(ViolationError) as raised:
        make()
    assert raised.value.check == check


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_passes(name: str) -> None:
    """A state next to a broken one that is right is not called broken.

    Make it.
    """
    RIGHT[name]()


def promised(nodes: Nodes, ballot: Ballot) -> int:
    """A node 1 that has promised a ballot."""
    replica = nodes.replica(nodes.start(1, 0))
    replica.state.promised = ballot
    return nodes.intern(replica)


def test_a_step_that_breaks_the_seal_is_found() -> None:
    """Invariant 4 is held against every step: no promise goes down, nothing lower is acknowledged.

    Look at the mail of a step that says less than the node had promised before.
    """
    nodes = Nodes(Scope("s", "", nodes=2, clients=()))
    facts = nodes.facts[promised(nodes, TWO)]
    sent = happen(nodes.replica(nodes.start(1, 0)), mail(Told(view((0, 1)).members, 0)))
    (send,) = [effect for effect in sent if isinstance(effect, Send)]
    promise = Promise(ONE, None, 0, 0, 0, 0, ())
    nodes._sends(facts, [replace(send, message=replace(promise, ballot=TWO))])
    with pytest.raises(ViolationError) as raised:
        nodes._sends(facts, [replace(send, message=promise)])
    assert raised.value.check == "seal"


def test_a_message_that_the_codec_does_not_carry_is_found() -> None:
    """What cannot be sent is a violation as well.

    A message with a number that has no room on the wire.
    """
    nodes = Nodes(Scope("s", "", nodes=2, clients=()))
    with pytest.raises(ViolationError) as raised:
        nodes._mail(Envelope(0, 50, 1, 51, 0), Promise(ONE, None, 0, 9, 1, 0, ()))
    assert raised.value.check == "codec"


def test_an_exception_in_a_step_is_found() -> None:
    """Whatever the core raises is a violation: none of these events is a misuse.

    Break a replica's state so that its own check stops it.
    """
    nodes = Nodes(Scope("s", "", nodes=2, clients=()))
    replica = nodes.replica(nodes.start(0, 0))
    replica.state.commit = 5
    with pytest.raises(ViolationError, match="InvariantError") as raised:
        happen(replica, mail(Told(view((0, 1)).members, 0)))
    assert raised.value.check == "step"
