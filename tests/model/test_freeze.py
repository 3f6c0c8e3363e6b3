"""The canonical form of a state: equal ones behave equally, and what matters makes them different."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from pbproto import Ballot, Config, Kind, Operation, Put, Replica, Result, TellView
from pbproto.log import Log
from pbproto.messages import Fetch
from pbproto.state import Learner, State
from pbproto.store import Frozen, Origin, Store
from pbproto.values import NO_BALLOT
from tests.core.cluster import Cluster, of

from .disturb import disturb
from .explorer import Search
from .freeze import SPECIAL, freeze
from .nodes import Nodes, answers_in, happen
from .scope import LIVES, Scope, view
from .scopes import SCOPES

SAMPLES = 400


def busy() -> State:
    """A primary with a backup that owes an answer, clients, results and keys."""
    cluster = Cluster((0, 1), Config())
    cluster.install((0, 1))
    for number in range(3):
        cluster.put(number % 2, b"k%d" % number, b"v", b"name%d" % number)
        cluster.run()
    cluster.lose(of())
    cluster.cut(1, 0)
    cluster.put(0, b"k", b"1", b"again")
    cluster.put(0, b"k", b"1", b"again")
    cluster.get(0, b"k")
    return cluster.state(0)


def _swap_origins(state: State) -> None:
    name, origin = state.store.origins.popitem()
    state.store.origins = {name: origin, **state.store.origins}


def _swap_clients(state: State) -> None:
    counter, waiter = state.waiting.clients.popitem()
    state.waiting.clients = {counter: waiter, **state.waiting.clients}


def _swap_keys(state: State) -> None:
    backwards = list(reversed(list(state.store.keys.items())))
    state.store.keys.clear()
    state.store.keys.update(backwards)


def _set(room: str, field: str, value: object) -> Callable[[State], None]:
    def change(state: State) -> None:
        place: object = state
        for name in filter(None, room.split(".")):
            place = getattr(place, name)
        setattr(place, field, value)

    return change


def _backup(field: str, value: object) -> Callable[[State], None]:
    def change(state: State) -> None:
        assert state.lead is not None
        setattr(state.lead.backups[1], field, value)

    return change


def _empty_value(state: State) -> None:
    state.log.truncate(state.log.end - 1)
    state.log.append(Operation(0, state.incarnation, 9, 0, b"k", b"", b""))


def _no_value(state: State) -> None:
    state.log.truncate(state.log.end - 1)
    state.log.append(Operation(0, state.incarnation, 9, 0, b"k", None, b""))


CHANGES: dict[str, Callable[[State], None]] = {
    "as it is": lambda _state: None,
    "who wrote least recently": _swap_origins,
    "the order of clients": _swap_clients,
    "the age of idempotency keys": _swap_keys,
    "promised": _set("", "promised", Ballot(9, 0, 0, 50)),
    "synced": _set("", "synced", None),
    "history": _set("", "history", 3),
    "base": _set("", "base", 1),
    "seen_epoch": _set("", "seen_epoch", 8),
    "told": _set("", "told", view((0,))),
    "told with an epoch": _set("", "told", view((0, 1), 1)),
    "told_rank": _set("", "told_rank", 7),
    "nudge_at": _set("", "nudge_at", 10**9),
    "closing": _set("", "closing", True),
    "lives": _set("", "lives", {1: (5,)}),
    "lineage": _set("", "lineage", ()),
    "round": _set("lead", "round", 7),
    "round_sent": _set("lead", "round_sent", None),
    "verify": _set("lead", "verify", 7),
    "superseded": _set("lead", "superseded", Ballot(9, 0, 0, 50)),
    "marks": _set("lead", "marks", {(1, 1): 1}),
    "refused": _set("lead", "refused", {(1, 1): {1: 4}}),
    "echoes": _set("lead", "echoes", {}),
    "claimed": _set("lead", "claimed", {}),
    "acked": _backup("acked", 4),
    "whether it is suspected": _backup("suspected", "why"),
    "owed_since": _backup("owed_since", -1),
    "resends": _backup("resends", 1),
    "another life of the backup": _backup("incarnation", 1),
    "evicted": _set("store", "evicted", 1),
    "data": _set("store", "data", {b"k": b"1"}),
    "origins": _set("store", "origins", {(0, 1): Origin(0)}),
    "a trimmed log": lambda state: state.log.trim(1, 0),
    "an empty value": _empty_value,
    "no value": _no_value,
    "next_counter": _set("waiting", "next_counter", 99),
}


def test_what_matters_makes_states_different() -> None:
    """A state is not taken for another one that behaves differently, or there would be states nobody tries.

    Change one thing at a time, among them the order of dicts that act as queues: all forms must differ.
    """
    forms = {}
    for name, change in CHANGES.items():
        state = busy()
        change(state)
        forms[name] = freeze(state)
    by_form: dict[bytes, list[str]] = {}
    for name, form in forms.items():
        by_form.setdefault(form, []).append(name)
    assert [names for names in by_form.values() if len(names) > 1] == []


def seeking() -> Replica:
    """A primary-to-be that asks who serves, with a client."""
    replica = Replica(0, 50)
    replica.step(TellView(view((0, 1))), now=5)
    replica.step(Put(0, b"k", b"v"), now=5)
    return replica


def filling() -> Replica:
    """A primary that has offered a newcomer a copy, and is about to hear that it takes none."""
    replica = Replica(0, 50)
    replica.step(TellView(view((0,))), now=5)
    replica.step(Put(0, b"k", b"v"), now=5)
    replica.step(TellView(view((0, 1))), now=5)
    learner(replica.state).refusal = "why"
    return replica


def learner(state: State) -> Learner:
    """The only newcomer."""
    assert state.lead is not None
    assert state.lead.filling is not None
    return state.lead.filling.learners[1]


@pytest.mark.parametrize("make", [seeking, filling])
def test_the_form_is_the_same_later_and_in_other_words(make: Callable[[], Replica]) -> None:
    """What nobody acts on makes no new states, or the search would not end.

    Disturb whatever is left out or relative in a state: its form stays. The clock alone does change it.
    """
    replica = make()
    form = freeze(replica.state)
    assert freeze(disturb(replica).state) == form
    replica.state.now += 1
    assert freeze(replica.state) != form


LEARNER_CHANGES: dict[str, object] = {
    "incarnation": 51,
    "held": 1,
    "needs": 0,
    "rounds": 1,
    "ready": True,
    "owed_since": 4,
    "offer_at": 6,
    "offers": 2,
    "refusal": "",
    "frozen": Frozen(Store()),
    "question": Fetch(NO_BALLOT, True, 0, 0),
    "next_at": 6,
}


def test_what_a_primary_knows_of_a_newcomer_matters() -> None:
    """No two stages of a filling are taken for one.

    Change one field of the learner at a time, then whether the view is the primary's own to propose; then
    what one who seeks has heard. All fields but the member, which is of the told view, have their turn.
    """
    assert [name for name in Learner.__slots__ if name != "member"] == list(LEARNER_CHANGES)
    forms = [freeze(filling().state), freeze(seeking().state)]
    for field, value in LEARNER_CHANGES.items():
        state = filling().state
        assert getattr(learner(state), field) != value
        setattr(learner(state), field, value)
        forms.append(freeze(state))
    state = filling().state
    assert state.lead is not None
    assert state.lead.filling is not None
    state.lead.filling.proposes = False
    forms.append(freeze(state))
    state = seeking().state
    assert state.seeking is not None
    state.seeking.asked.clear()
    forms.append(freeze(state))
    state.seeking.until += 1
    forms.append(freeze(state))
    assert len(dict.fromkeys(forms)) == len(forms)


def test_a_log_that_has_not_deleted_what_it_forgot_is_the_same() -> None:
    """How a log keeps its operations is not part of the state.

    Trim one log, and build another one that never held what was trimmed.
    """
    operation = Operation(0, 1, 0, 0, b"k", b"v", b"")
    trimmed, short = State(0, 1, Config()), State(0, 1, Config())
    for _ in range(3):
        trimmed.log.append(operation)
    trimmed.log.trim(2, 0)
    short.log = Log(2)
    short.log.append(operation)
    assert freeze(trimmed) == freeze(short)


def test_every_special_field_exists() -> None:
    """A rule for a field that is gone would hide that its successor has none.

    Look each up among the slots of the class that it names.
    """
    import pbproto.state as rooms

    for class_, field in SPECIAL:
        assert field in getattr(rooms, class_).__slots__, f"{class_}.{field}"


def test_what_nobody_has_a_rule_for_is_refused() -> None:
    """A new kind of object in the state is not frozen by guessing.

    Put one there.
    """
    state = State(0, 1, Config())
    state.lives = {0: object()}  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="no rule"):
        freeze(state)


def test_values_that_compare_equal_are_not_mistaken() -> None:
    """A value that is walked once does not lend its form to one of another class that compares equal.

    Walk a result, then a request id and a ballot that equal each other's tuples, in the same process.
    """
    one, other = State(0, 1, Config()), State(0, 1, Config())
    one.store.keys[b"a"] = (b"", Result(Kind.CREATED, 1))
    other.store.keys[b"a"] = (b"", Result(Kind.UPDATED, 1))
    assert freeze(one) != freeze(other)
    one.lives = {0: (1, 0)}
    other.lives = {0: (True, False)}  # equal to Python, not to the search
    one.store.keys.clear()
    other.store.keys.clear()
    assert freeze(one) != freeze(other)


@pytest.mark.parametrize(
    "scope",
    [
        SCOPES["fast-failover"],
        SCOPES["fast-suspicion"],
        SCOPES["fast-restart"],
        SCOPES["fast-close-restart"],
        SCOPES["fast-snapshot"],
        SCOPES["fast-fill"],
        SCOPES["fast-seek"],
        SCOPES["fast-lease"],
        replace(SCOPES["fast-three-reads"], depth=8),
    ],
    ids=lambda scope: scope.name,
)
def test_states_with_one_form_behave_equally(scope: Scope) -> None:
    """One step stands for all steps from states of the same form: the memory of steps is sound.

    Search a scope; for a sample of its states and events let a disturbed copy of the state make the step,
    and compare the form after it, the mail and the answers with what the search has remembered.
    """
    search = Search(replace(scope, must_see=()))
    search.run(max_states=1_500)
    nodes, random = search.universe.nodes, Random(1)
    tried = changed = 0
    while tried < SAMPLES:
        node, event = random.randrange(len(nodes.facts)), random.randrange(len(nodes.events))
        known = nodes._steps[node].get(event)
        if known is None:
            continue
        tried += 1
        step = nodes.step(node, event)
        copy = disturb(nodes.replica(node))
        assert nodes._numbers[freeze(copy.state)] == node
        before = nodes.facts[node]
        effects = happen(copy, nodes.events[event])
        after = nodes.intern(copy)
        assert (after, nodes._sends(before, effects), answers_in(effects)) == (
            step.node,
            step.sends,
            step.answers,
        )
        changed += after != node
    assert changed > SAMPLES // 20, "samples in which nothing happens show nothing"


def test_a_start_is_one_state_per_life() -> None:
    """Nodes that start are told apart by id and life, and by nothing else.

    Start some twice.
    """
    nodes = Nodes(Scope("empty", "", nodes=2, clients=()))
    numbers = [nodes.start(id_, life) for id_ in range(2) for life in range(len(LIVES))]
    assert numbers == [nodes.start(id_, life) for id_ in range(2) for life in range(len(LIVES))]
    assert len(dict.fromkeys(numbers)) == 2 * len(LIVES)
