"""The packed answers to requests with an idempotency key."""

from __future__ import annotations

import gc

import pytest

from pbproto.answers import Answers, pack, unpack
from pbproto.values import Kind, Result

FIRST = (bytes(range(16)), Result(Kind.CREATED, 0))
SECOND = (b"\xff" * 16, Result(Kind.MISSING, 2**64 - 1))


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("position", [0, 1, 2**40, 2**64 - 1])
def test_an_answer_comes_back(kind: Kind, position: int) -> None:
    """Nothing of an answer is lost: pack and unpack every kind, with positions up to the largest."""
    for digest in (b"", FIRST[0], SECOND[0]):
        answer = (digest, Result(kind, position))
        assert unpack(pack(answer)) == answer
        assert isinstance(unpack(pack(answer))[1].kind, Kind)


def test_they_are_a_map_in_order() -> None:
    """Which key is forgotten next depends on the order: add, answer again, forget, and list."""
    answers = Answers()
    answers[b"a"] = FIRST
    answers[b"b"] = SECOND
    answers[b"a"] = SECOND
    answers[b"c"] = FIRST
    assert list(answers.items()) == [(b"a", SECOND), (b"b", SECOND), (b"c", FIRST)]
    assert [(key, unpack(packed)) for key, packed in answers.packed()] == list(answers.items())
    assert answers.get(b"c") == FIRST
    assert answers.get(b"d") is None
    assert b"d" not in answers
    answers.forget_oldest()
    assert b"a" not in answers
    assert (list(answers), len(answers)) == ([b"b", b"c"], 2)
    del answers[b"b"]
    with pytest.raises(KeyError):
        answers[b"b"]
    assert repr(answers) == f"Answers({ {b'c': FIRST}!r})"


def test_the_garbage_collector_has_nothing_to_look_at() -> None:
    """It stops the node in proportion to what it looks at: count its objects with few answers and many."""
    answers = Answers()
    gc.collect()
    before = len(gc.get_objects())
    for number in range(2000):
        answers[b"%d" % number] = (FIRST[0], Result(Kind.CREATED, number))
    assert len(gc.get_objects()) < before + 1000
