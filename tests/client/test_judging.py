"""What one answer means: the table of ``judging.py``, row by row."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pbkv import Deleted, Written, requests
from pbkv.judging import Failure, Fate, judge
from pbkv.requests import Answer, Request

PROBLEM = {"content-type": "application/problem+json"}
HTML = {"content-type": "text/html"}


def node(status: int, **fields: object) -> Answer:
    return Answer(status, PROBLEM, json.dumps({"status": status, "reason": "r", **fields}).encode())


def other(status: int, **headers: str) -> Answer:
    return Answer(status, HTML | headers, b"<html>")


@pytest.mark.parametrize(
    ("heard", "fate", "effect"),
    [
        (Failure(False, "refused"), Fate.ELSEWHERE, False),
        (Failure(True, "silent"), Fate.ELSEWHERE, True),
        (node(503, outcome="not_applied"), Fate.ELSEWHERE, False),
        (node(503), Fate.ELSEWHERE, True),
        (node(507, outcome="not_applied"), Fate.FULL, False),
        (node(507), Fate.ELSEWHERE, True),
        (node(504, outcome="unknown"), Fate.ELSEWHERE, True),
        (node(504, outcome="not_applied"), Fate.ELSEWHERE, True),
        (node(500), Fate.ELSEWHERE, True),
        (node(400), Fate.REFUSED, False),
        (node(413), Fate.REFUSED, False),
        (node(422, outcome="not_applied"), Fate.REFUSED, False),
        (node(401), Fate.DENIED, False),
        (node(403), Fate.DENIED, False),
        (other(401), Fate.DENIED, False),
        (other(408), Fate.ELSEWHERE, False),
        (other(429), Fate.ELSEWHERE, False),
        (other(404), Fate.STRANGER, False),
        (other(405), Fate.STRANGER, False),
        (other(502), Fate.ELSEWHERE, True),
        (other(503), Fate.ELSEWHERE, True),
        (other(507), Fate.ELSEWHERE, True),
        (other(301, location="http://x/"), Fate.STRANGER, True),
        (other(200), Fate.STRANGER, True),
        (Answer(503, PROBLEM, None, "cut"), Fate.ELSEWHERE, True),
        (Answer(503, HTML, b'{"outcome": "not_applied"}'), Fate.ELSEWHERE, True),
        (Answer(503, PROBLEM, b"[" * 100_000), Fate.ELSEWHERE, True),
        (Answer(200, {"msg-num": "-1"}, b"{}"), Fate.STRANGER, True),
        (Answer(200, {"msg-num": "٣"}, b"{}"), Fate.STRANGER, True),
    ],
)
def test_what_an_answer_to_a_write_means(heard: Answer | Failure, fate: Fate, effect: bool) -> None:
    """Goal: only the store's own word, or a 4xx, is certain. Method: each answer, to a put, a delete and a
    get; a read never has an effect."""
    writes: tuple[Request[Any], ...] = (requests.put("k", "v"), requests.delete("k"))
    for request in writes:
        verdict = judge(request, heard)
        assert (verdict.fate, verdict.may_take_effect) == (fate, effect)
        assert verdict.detail or isinstance(heard, Failure)
    read = judge(requests.get("k"), heard)
    assert (read.fate, read.may_take_effect) == (fate, False)


def test_the_head_of_an_answer_is_enough_for_a_write() -> None:
    """Goal: a write that was answered is not called unknown. Method: bodies that broke off behind a head."""
    put = judge(requests.put("k", "v"), Answer(201, {"msg-num": "5"}, None, "cut"))
    assert put.result == Written(5, True)
    gone = judge(requests.delete("k"), Answer(404, {"msg-num": "6"}, None, "cut"))
    assert gone.result == Deleted(6, False)
    read = judge(requests.get("k"), Answer(200, {"msg-num": "5"}, None, "cut"))
    assert (read.fate, read.result) == (Fate.ELSEWHERE, None)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"value": 1}', b'["value"]', b'{"value": null}', b"\xff", b'{"value": "half']
)
def test_a_value_that_is_none_is_no_answer(body: bytes) -> None:
    """Goal: what is not a value is never returned as one. Method: bodies that a node does not send."""
    verdict = judge(requests.get("k"), Answer(200, {"msg-num": "5"}, body))
    assert (verdict.fate, verdict.result) == (Fate.STRANGER, None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1", 1),
        (" 2 ", 2),
        ("0", 0),
        ("-1", 0),
        ("1.5", 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("9" * 400, 0),
    ],
)
def test_retry_after(text: str, seconds: float) -> None:
    """Goal: a number of seconds is honoured, and nonsense does no harm. Method: what servers send."""
    heard = Answer(503, PROBLEM | {"retry-after": text}, b'{"outcome": "not_applied"}')
    assert judge(requests.put("k", "v"), heard).retry_after == seconds


def test_messages_hold_nothing_that_a_terminal_obeys() -> None:
    """Goal: what strangers send is harmless to show. Method: escapes in all that is quoted."""
    bad = "a\x1b[31m\r\nb" + "c" * 1000
    for heard in (node(400, detail=bad), other(302, location=bad), Answer(502, {"content-type": bad}, b"")):
        detail = judge(requests.get("k"), heard).detail
        assert detail.isprintable()
        assert len(detail) < 700
