"""What is sent for each operation, and what of an answer is its result. No I/O here.

Keys are written into the request line by hand. A URL library tidies up: to it ``a/../b`` is ``b``. Everything
that can be escaped is, the slash as well, so that nothing on the way joins two of them; dots cannot be
escaped for good, so the target is handed to httpx raw (``http.py``).
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from .errors import Invalid
from .results import Deleted, Listing, Read, Status, Written

T = TypeVar("T")

MAX_KEY_BYTES = 4096
KIB, MIB = 1024, 1024 * 1024
SMALL = 4 * MIB
"""Bytes of an answer that has no value in it."""
ONE_VALUE = 6 * 64 * MIB + 64 * KIB
"""Bytes of an answer with the largest value that any node accepts, each byte escaped."""
_NAME = re.compile(r"[\x21-\x7e]{1,255}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None
    """``None`` where it did not come whole, or is of no use."""
    cut: str = ""
    """Why there is no body."""

    def document(self) -> Any:
        """The body as JSON; ``None`` where it is none. (No answer of a node is ``null``.)"""
        if self.body is None:
            return None
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def number(self) -> int | None:
        """``Msg-Num``, which every answer about data carries, and nothing that stands in for a node does."""
        text = self.headers.get("msg-num", "")
        return int(text) if _NUMBER.fullmatch(text) else None


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One operation: what to send, how to read its answer, and what a lost answer means."""

    what: str
    """In words, for messages."""
    method: str
    target: str
    parse: Callable[[Answer], T | None] = field(compare=False)
    """The result, or ``None`` where the answer is not one to this request."""
    writes: bool = False
    """Whether it may have an effect."""
    body: bytes | None = field(default=None, repr=False)
    limit: int = SMALL
    """Bytes that the body of an answer may have."""
    idempotency_key: str = ""
    resumed: bool = False
    """Whether an earlier call may have sent this request under this key."""

    def headers(self) -> dict[str, str]:
        """The headers that belong to the operation."""
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if self.body is not None:
            headers["Content-Type"] = "application/json"
        if self.idempotency_key:
            headers["Idempotency-Key"] = self.idempotency_key
        return headers

    def again(self) -> Request[T]:
        """The same request, to go on after a call whose outcome is unknown."""
        return replace(self, resumed=True)


def new_idempotency_key() -> str:
    """A key that nobody else has."""
    return uuid.uuid4().hex


def put(
    key: str, value: str, idempotency_key: str | None = None, *, first_use: bool = False
) -> Request[Written]:
    """Raises ``Invalid``; ``TypeError`` for what is not a string."""
    target = target_of(key)
    _only_text("value", value)
    try:
        body = json.dumps({"value": value}, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Invalid("the value has half of a surrogate pair, which is no text in UTF-8") from None
    name, resumed = _named(idempotency_key, first_use)
    return Request(f"put {shown(key)}", "PUT", target, _written, True, body, SMALL, name, resumed=resumed)


def delete(key: str, idempotency_key: str | None = None, *, first_use: bool = False) -> Request[Deleted]:
    """Raises ``Invalid``; ``TypeError`` for what is not a string."""
    target = target_of(key)
    name, resumed = _named(idempotency_key, first_use)
    return Request(
        f"delete {shown(key)}", "DELETE", target, _deleted, True, None, SMALL, name, resumed=resumed
    )


def get(key: str) -> Request[Read]:
    """Raises ``Invalid``; ``TypeError`` for what is not a string."""
    target = target_of(key)
    return Request(f"get {shown(key)}", "GET", target, _read, limit=ONE_VALUE)


def items(limit: int) -> Request[Listing]:
    """A listing of at most so many bytes."""
    return Request("list", "GET", "/data", _listed, limit=limit)


def view() -> Request[Status]:
    return Request("view", "GET", "/view", _status)


def tell_view(
    members: Mapping[int, str] | Iterable[tuple[int, str]],
    epoch: int | None = None,
    incarnation: str | None = None,
) -> Request[Status]:
    """Raises ``Invalid``. The node checks the view; here only what could not even be sent."""
    pairs = members.items() if isinstance(members, Mapping) else members
    document: dict[str, Any] = {"view": [{"address": address, "id": id_} for id_, address in pairs]}
    if epoch is not None:
        document["epoch"] = epoch
    if incarnation is not None:
        document["incarnation"] = incarnation
    try:
        body = json.dumps(document, ensure_ascii=False).encode()
    except (TypeError, UnicodeEncodeError) as error:
        raise Invalid(f"the view cannot be written as JSON: {error}") from None
    return Request("tell the view", "PUT", "/view", _status, True, body)


def document(path: str) -> Request[dict[str, Any]]:
    """Whatever JSON object is at a path, with any status that has one: ``/ready`` says no by a 503."""
    return Request(path.strip("/"), "GET", path, _object)


def target_of(key: str) -> str:
    """The request target of a key. Raises ``Invalid``."""
    _only_text("key", key)
    try:
        data = key.encode()
    except UnicodeEncodeError:
        raise Invalid("the key has half of a surrogate pair, which is no text in UTF-8") from None
    if not 0 < len(data) <= MAX_KEY_BYTES:
        raise Invalid(f"a key has 1 to {MAX_KEY_BYTES} bytes of UTF-8, this one has {len(data)}")
    return "/data/" + quote(data, safe="")


def shown(key: str) -> str:
    """A key for a message."""
    return repr(key if len(key) <= 60 else key[:57] + "...")


def _only_text(what: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"the {what} is a str, not {type(value).__name__}")


def _named(idempotency_key: str | None, first_use: bool) -> tuple[str, bool]:
    if idempotency_key is None:
        return new_idempotency_key(), False
    if not _NAME.fullmatch(idempotency_key):
        raise Invalid("an idempotency key has 1 to 255 visible ASCII characters")
    return idempotency_key, not first_use


def _written(answer: Answer) -> Written | None:
    number = answer.number()
    if number is None or answer.status not in (200, 201):
        return None
    return Written(number, answer.status == 201)


def _deleted(answer: Answer) -> Deleted | None:
    number = answer.number()
    if number is None or answer.status not in (200, 404):
        return None
    return Deleted(number, answer.status == 200)


def _read(answer: Answer) -> Read | None:
    number = answer.number()
    if number is not None and answer.status == 404:
        return Read(None, number)
    found = answer.document() if answer.status == 200 else None
    value = found.get("value") if isinstance(found, dict) else None
    return Read(value, number) if number is not None and isinstance(value, str) else None


def _listed(answer: Answer) -> Listing | None:
    number, found = answer.number(), answer.document()
    if answer.status != 200 or number is None or not isinstance(found, dict):
        return None
    return Listing(found, number) if all(isinstance(value, str) for value in found.values()) else None


def _status(answer: Answer) -> Status | None:
    if answer.status != 200:
        return None
    try:
        return Status.parse(answer.document())
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _object(answer: Answer, expected: int = 200) -> dict[str, Any] | None:
    found = answer.document()
    return found if answer.status == expected and isinstance(found, dict) else None


def ready() -> Request[bool]:
    """Whether the node answers requests for data: its 503 is an answer as well."""
    return Request("ready", "GET", "/ready", partial(_yes_or_no, reason="not_ready"))


def _yes_or_no(answer: Answer, reason: str) -> bool | None:
    if _object(answer) is not None:
        return True
    no = _object(answer, 503)
    return False if no is not None and no.get("reason") == reason else None
