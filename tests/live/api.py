"""What every answer of the REST API must look like, and the requests that the HTTP tests share.

Each function here makes one promise of the API checkable: an answer is JSON, an error is a problem document
(RFC 9457), a number in the total order is an integer, and no answer shows the inside of the node.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from .raw_http import Answer, call

# What Python prints when something was not foreseen; servers have their own HTML page for it too.
INSIDES = re.compile(rb"Traceback|File \"|\.py\b|<html|<!doctype", re.IGNORECASE)


def json_body(value: str) -> bytes:
    """The body of a PUT, with characters written as they are."""
    return json.dumps({"value": value}, ensure_ascii=False).encode()


def target_of(key: str | bytes) -> str:
    """The request target of a key, with every byte escaped that can be."""
    raw = key.encode() if isinstance(key, str) else key
    return "/data/" + quote(raw, safe="")


def put(address: str, key: str, value: str, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    """PUT a value under a key."""
    return call(address, "PUT", target_of(key), json_body(value), headers)


def get(address: str, key: str) -> Answer:
    """GET the value of a key."""
    return call(address, "GET", target_of(key))


def delete(address: str, key: str, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    """DELETE a key."""
    return call(address, "DELETE", target_of(key), headers=headers)


def expect_json(answer: Answer, status: int, what: object = "") -> Any:
    """Assert that this is a success with a JSON body, and return what the body says."""
    assert answer.status == status, f"{what}: {answer.status} {answer.body[:500]!r}"
    assert media_type(answer) == "application/json", (what, answer.headers)
    return answer.json()


def expect_problem(answer: Answer, status: int, what: object = "") -> dict[str, Any]:
    """Assert that this is a problem document of this status, and return it."""
    assert answer.status == status, f"{what}: {answer.status} {answer.body[:500]!r}"
    assert media_type(answer) == "application/problem+json", (what, answer.headers)
    assert not INSIDES.search(answer.body), (what, answer.body)
    problem = answer.json()
    assert isinstance(problem, dict), (what, problem)
    assert problem["status"] == status, (what, problem)
    for member in ("type", "title", "detail", "reason"):
        assert isinstance(problem[member], str), (what, problem)
        assert problem[member], (what, problem)
    if status in {503, 504}:
        assert answer.headers["retry-after"].isdigit(), (what, answer.headers)
    return dict(problem)


def media_type(answer: Answer) -> str:
    """The media type of an answer without its parameters."""
    return answer.headers.get("content-type", "").partition(";")[0].strip()


def msg_num(answer: Answer) -> int:
    """The number that an answer to a request on a key must carry."""
    text = answer.headers.get("msg-num")
    assert text is not None, f"an answer without Msg-Num: {answer.status} {answer.body[:200]!r}"
    assert re.fullmatch("0|[1-9][0-9]*", text), f"Msg-Num is not an integer: {text!r}"
    return int(text)
