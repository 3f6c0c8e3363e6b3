"""One call by itself: what is certain, who is asked next, how long it takes. No I/O, no clock."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbkv import Denied, NotApplied, Refused, StoreError, Unavailable, Unknown, Written, requests
from pbkv.calls import LONGEST_PAUSE, Call, Done, Pause, Policy, Try
from pbkv.judging import Failure
from pbkv.nodes import Nodes, node_url
from pbkv.requests import Answer, Request

from .desk import A, B, C

PROBLEM = {"content-type": "application/problem+json", "retry-after": "1"}


def said(status: int, outcome: str = "", **headers: str) -> Answer:
    return Answer(status, PROBLEM | headers, json.dumps({"reason": "r", "outcome": outcome}).encode())


OK = Answer(201, {"msg-num": "7"}, b"{}")
NOT_APPLIED = said(503, "not_applied")
FULL = said(507, "not_applied")
MAYBE = said(504, "unknown")
LOST = Failure(True, "reset")
DOWN = Failure(False, "refused")
PROXY = Answer(502, {"content-type": "text/html"}, b"<html>")
REDIRECT = Answer(301, {"location": "/x"}, b"")
UNTRUSTED = Failure(False, "certificate", hopeless=True)
NOTHING_HERE = Answer(404, {"content-type": "text/html"}, b"")
FRESH = requests.put("k", "v")
RESUMED = requests.put("k", "v", "key")
READ = requests.get("k")


class Run:
    """A call, and what it hears: one after the other, the last one for ever."""

    def __init__(
        self,
        request: Request[Any],
        heard: Iterable[Answer | Failure],
        timeout: float = 30.0,
        takes: float = 0.01,
        nodes: Nodes | None = None,
    ) -> None:
        self.now = 500.0
        self.asked: list[tuple[float, str]] = []
        self.pauses: list[float] = []
        nodes = nodes or Nodes([A, B, C], lambda: 0.0)
        call = Call(request, nodes, Policy(timeout, 12.0), self.now, lambda: 0.5)
        left = list(heard)
        step = call.step(self.now)
        self.result: Any = None
        self.error: StoreError | None = None
        try:
            while not isinstance(step, Done):
                answer = None
                if isinstance(step, Pause):
                    assert step.seconds > 0
                    self.pauses.append(step.seconds)
                    self.now += step.seconds
                else:
                    assert isinstance(step, Try)
                    self.asked.append((self.now, step.node))
                    self.now += min(takes, step.timeout)
                    answer = left.pop(0) if len(left) > 1 else left[0]
                step = call.step(self.now, answer)
            self.result = step.result
        except StoreError as error:
            self.error = error

    @property
    def nodes(self) -> list[str]:
        return [node for _, node in self.asked]


@pytest.mark.parametrize(
    ("request_", "heard", "outcome"),
    [
        (FRESH, [NOT_APPLIED], NotApplied),
        (FRESH, [DOWN], NotApplied),
        (FRESH, [DOWN, NOT_APPLIED], NotApplied),
        (FRESH, [LOST, NOT_APPLIED], Unknown),
        (FRESH, [MAYBE, NOT_APPLIED], Unknown),
        (FRESH, [NOT_APPLIED, MAYBE, NOT_APPLIED], Unknown),
        (FRESH, [PROXY, NOT_APPLIED], Unknown),
        (FRESH, [LOST, DOWN], Unknown),
        (FRESH, [FULL], NotApplied),
        (FRESH, [NOT_APPLIED, FULL], NotApplied),
        (FRESH, [LOST, FULL], Unknown),
        (FRESH, [MAYBE, FULL], Unknown),
        (FRESH, [said(507)], Unknown),
        (FRESH, [said(400)], Refused),
        (FRESH, [DOWN, said(413)], Refused),
        (FRESH, [said(422, "not_applied")], Refused),
        (FRESH, [said(401)], Denied),
        (FRESH, [LOST, said(401)], Unknown),
        (FRESH, [MAYBE, said(422, "not_applied")], Unknown),
        (FRESH, [MAYBE, said(400)], Unknown),
        (FRESH, [NOTHING_HERE], NotApplied),
        (FRESH, [UNTRUSTED], NotApplied),
        (FRESH, [LOST, UNTRUSTED], Unknown),
        (FRESH, [REDIRECT], Unknown),
        (FRESH, [LOST, NOTHING_HERE], Unknown),
        (RESUMED, [NOT_APPLIED], Unknown),
        (RESUMED, [DOWN], Unknown),
        (RESUMED, [FULL], Unknown),
        (RESUMED, [said(422, "not_applied")], Refused),
        (requests.put("k", "v", "key", first_use=True), [NOT_APPLIED], NotApplied),
        (READ, [LOST], Unavailable),
        (READ, [NOT_APPLIED], Unavailable),
        (READ, [PROXY, MAYBE], Unavailable),
        (READ, [REDIRECT], Unavailable),
        (READ, [said(403)], Denied),
        (READ, [LOST, said(400)], Refused),
    ],
)
def test_how_a_call_ends_that_is_not_answered(
    request_: Request[Any], heard: list[Answer | Failure], outcome: type[StoreError]
) -> None:
    """Goal: the type of the exception is the truth. Method: answers in a row, the last one for ever.

    ``[LOST, NOT_APPLIED]`` is the counterexample of ``calls.py``: the first attempt went to the primary by a
    backup that died, the second one could not; the first one is committed.
    """
    run = Run(request_, heard)
    assert type(run.error) is outcome
    assert run.now <= 500.0 + 30.0


@pytest.mark.parametrize(
    "heard",
    [[OK], [DOWN, OK], [LOST, OK], [MAYBE, NOT_APPLIED, OK], [NOTHING_HERE, OK], [REDIRECT, PROXY, OK]],
)
def test_an_answer_settles_everything(heard: list[Answer | Failure]) -> None:
    """Goal: whatever came before, the result counts. Method: trouble, and then a result."""
    for request in (FRESH, RESUMED):
        assert Run(request, heard).result == Written(7, True)


def test_an_unknown_outcome_can_be_gone_on_with() -> None:
    """Goal: nothing is lost with the exception. Method: take one apart, also after pickling, and go on."""
    error = Run(FRESH, [LOST, NOT_APPLIED]).error
    assert isinstance(error, Unknown)
    assert error.idempotency_key == FRESH.idempotency_key
    assert error.idempotency_key in str(error)
    assert error.request is not None
    assert Run(error.request, [OK]).result == Written(7, True)
    assert type(Run(error.request, [NOT_APPLIED]).error) is Unknown  # never certain again
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.request, copy.attempts, str(copy)) == (error.request, error.attempts, str(error))


def test_messages_say_what_each_node_said() -> None:
    """Goal: whoever reads it knows where to look. Method: three nodes with three troubles."""
    error = Run(FRESH, [DOWN, LOST, PROXY, said(403)]).error
    assert error is not None
    assert [attempt.may_take_effect for attempt in error.attempts] == [False, True, True, False]
    text = str(error)
    assert "4 attempts" in text
    for part in ("put 'k'", f"{A}: 403", f"{B}: reset", f"{C}: 502"):
        assert part in text


# Who is asked, and when.


def test_the_others_are_asked_at_once_and_the_same_one_later() -> None:
    """Goal: Retry-After is for the node that said it. Method: all say it; when was who asked?"""
    run = Run(FRESH, [NOT_APPLIED], timeout=5.0)
    assert run.nodes[:6] == [A, B, C, A, B, C]
    assert run.asked[2][0] - run.asked[0][0] == pytest.approx(0.02)
    for node in (A, B, C):
        times = [time for time, each in run.asked if each == node]
        assert all(later - earlier >= 1.0 for earlier, later in pairwise(times))


def test_a_node_that_wants_more_time_than_there_is_ends_the_call_at_once() -> None:
    """Goal: nobody waits in vain. Method: Retry-After beyond the time of the call."""
    run = Run(FRESH, [said(503, "not_applied", **{"retry-after": "60"})])
    assert len(run.asked) == 3
    assert run.now < 501.0
    assert type(run.error) is NotApplied


def test_pauses_grow_and_end() -> None:
    """Goal: a dead cluster is not hammered, and a living one found soon. Method: nobody listens."""
    run = Run(FRESH, [DOWN], takes=0.001)
    first = [time for time, node in run.asked if node == A]
    gaps = [later - earlier for earlier, later in pairwise(first)]
    assert gaps[0] < 0.1
    assert gaps == sorted(gaps)
    assert max(gaps) <= LONGEST_PAUSE + 0.01
    assert len(run.asked) < 3 * 60


def test_what_is_certain_is_not_risked_at_the_last_moment() -> None:
    """Goal: no attempt so short that it can only be cut off. Method: how long had each one at least?"""
    run = Run(FRESH, [NOT_APPLIED], timeout=10.0, takes=0.3)
    assert 510.0 - run.asked[-1][0] >= 1.0
    assert len(Run(FRESH, [OK], timeout=0.001).asked) == 1  # the first attempt always is


def test_what_is_no_node_is_not_asked_again() -> None:
    """Goal: a wrong address costs one question a call. Method: strangers at two addresses of three."""
    run = Run(FRESH, [NOTHING_HERE, NOTHING_HERE, NOT_APPLIED], timeout=5.0)
    assert run.nodes[:2] == [A, B]
    assert set(run.nodes[2:]) == {C}
    for nothing in (NOTHING_HERE, UNTRUSTED, REDIRECT):
        run = Run(FRESH, [nothing])
        assert (run.nodes, run.pauses) == ([A, B, C], [])


def test_a_client_stays_with_the_node_that_answers() -> None:
    """Goal: no call tries the dead first, nor a node that hangs. Method: calls in a row over one list."""
    nodes = Nodes([A, B, C], lambda: 0.0)
    assert Run(FRESH, [DOWN, OK], nodes=nodes).nodes == [A, B]
    assert Run(READ, [Answer(404, {"msg-num": "1"}, b"{}")], nodes=nodes).nodes == [B]
    assert Run(FRESH, [DOWN, DOWN, OK], nodes=nodes).nodes == [B, C, A]
    assert Run(FRESH, [said(400)], nodes=nodes).nodes == [A]
    assert Run(FRESH, [OK], nodes=nodes).nodes == [A]


def test_other_calls_do_not_begin_where_one_just_failed() -> None:
    """Goal: a node that hangs costs the calls of many threads one attempt, not one each. Method: begin a
    second call after the first has failed at a node, and before it was answered elsewhere."""
    nodes = Nodes([A, B, C], lambda: 0.0)
    first = Call(FRESH, nodes, Policy(30.0, 12.0), 0.0, lambda: 0.5)
    first.step(0.0)
    first.step(12.0, LOST)
    assert Run(READ, [DOWN], nodes=nodes, timeout=0.01).nodes[0] == B


def test_clients_spread_over_the_nodes() -> None:
    """Goal: a list that all clients share does not send all to one node. Method: the draw decides."""
    firsts = [Nodes([A, B, C], iter([draw]).__next__).order()[0] for draw in (0.0, 0.5, 0.99, 1.0)]
    assert firsts[:3] == [A, B, C]
    assert firsts[3] in (A, B, C)
    assert Nodes([A, B, C], lambda: 0.9, spread=False).order() == [A, B, C]


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://127.0.0.1:8081", "http://127.0.0.1:8081"),
        (" HTTPS://node.example/ ", "https://node.example"),
        ("127.0.0.1:8081", "http://127.0.0.1:8081"),
        ("http://[::1]:8081", "http://[::1]:8081"),
        ("http://gate/store/1/", "http://gate/store/1"),
    ],
)
def test_urls_of_nodes(text: str, url: str) -> None:
    """Goal: what people write is understood. Method: the forms."""
    assert node_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://",
        "ftp://a",
        "http://a:0",
        "http://a:x",
        "http://a:99999",
        "http://a?b",
        "http://a#b",
        "http://a b",
        "http://user:secret@a:80",
        "http://[::1",
        "a/b c",
        "http://a\nb",
    ],
)
def test_what_is_no_url_of_a_node(text: str) -> None:
    """Goal: it is said at once, without a secret. Method: what people write by mistake."""
    with pytest.raises(ValueError, match="URL of a node") as caught:
        node_url(text)
    assert "secret" not in str(caught.value)


# The truth behind the answers.

EVENTS = st.sampled_from(
    ["done", "lost", "late", "unreached", "down", "turned_away", "proxy", "proxy_late", "taken"]
)


@given(st.lists(EVENTS, max_size=12), st.booleans())
def test_certain_is_what_is_true(events: list[str], resumed: bool) -> None:
    """Goal: ``NotApplied`` and ``Refused`` are never said of a write that takes effect.

    Method: a store that keeps keys. Each attempt takes effect now, or after the call, or never, and is
    answered truthfully, or lost, or answered by a proxy that knows nothing. Where the call is resumed, an
    earlier attempt is still on its way.
    """
    effects = 0
    pending = int(resumed)

    def attempt(event: str) -> Answer | Failure:
        nonlocal effects, pending
        if event in ("done", "lost", "proxy") and not effects:
            effects += 1
        match event:
            case "done":
                return OK
            case "lost" | "unreached":
                return LOST
            case "late":
                pending += 1
                return MAYBE
            case "proxy_late":
                pending += 1
                return PROXY
            case "proxy":
                return PROXY
            case "down":
                return DOWN
            case "taken":
                return said(422, "not_applied")
            case _:
                return NOT_APPLIED

    heard = map(attempt, [*events, *["turned_away"] * 100])
    nodes = Nodes([A, B, C], lambda: 0.0)
    request = requests.put("k", "v", "key", first_use=not resumed)
    call = Call(request, nodes, Policy(30.0, 12.0), 0.0, lambda: 0.5)
    now = 0.0
    answer: Answer | Failure | None = None
    outcome: object = None
    try:
        while not isinstance(step := call.step(now, answer), Done):
            answer = next(heard) if isinstance(step, Try) else None
            now += step.seconds if isinstance(step, Pause) else 0.01
        outcome = step.result
    except StoreError as error:
        outcome = error
    if pending and not effects:  # what was late takes effect after all
        effects = 1
    assert effects <= 1
    if isinstance(outcome, NotApplied) or (isinstance(outcome, Refused) and not resumed):
        assert effects == 0
    if isinstance(outcome, Written):
        assert effects == 1


@given(
    st.lists(st.sampled_from([DOWN, LOST, NOT_APPLIED, MAYBE, PROXY]), min_size=1, max_size=8),
    st.floats(0.01, 60),
)
def test_a_call_ends_in_time(heard: list[Answer | Failure], timeout: float) -> None:
    """Goal: bounded in time, and so in number. Method: any trouble for ever, in any time."""
    run = Run(FRESH, heard, timeout=timeout)
    assert run.error is not None
    assert run.now <= 500.0 + timeout + 0.02
    assert len(run.asked) <= 6 + 3 * 30 * max(1.0, timeout)
    assert len(run.error.attempts) <= 64
    assert run.error.count == len(run.asked)
