"""What clients and the outside say in a body, checked whole before anything changes."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Any

from pbproto import View
from pbproto.values import MAX_EPOCH, MAX_ID, MAX_IDEMPOTENCY_KEY_BYTES, MAX_MEMBERS

from .responses import RefusedError
from .settings import SettingError, split_address

_LIFE = re.compile(r"[0-9a-f]{16}")
_TEXT = re.compile(rb'"[^"]*"?')
"""A text of JSON without escapes; or the beginning of one, if the body ends in it."""
_PLAIN = re.compile(
    rb'[ \t\r\n]*{[ \t\r\n]*"value"[ \t\r\n]*:[ \t\r\n]*"([ !#-\[\]-~]*)"[ \t\r\n]*}[ \t\r\n]*'
).fullmatch
"""A whole body whose value stands there as it is: ASCII without escapes. Nearly all are of this kind."""
SHORT_BODY = 1024
"""Bytes up to which a pattern is faster than a parser (100 bytes: 0.26 µs and 1.1)."""
MAX_REST = 65_536
"""Bytes of a body that are in no text, and texts; as many as it may be longer than any value
(``client_body_limit``)."""
_VISIBLE = re.compile(rf"[\x21-\x7e]{{1,{MAX_IDEMPOTENCY_KEY_BYTES}}}")


def idempotency_key(text: str | None) -> bytes:
    """The key that a client names its request by, or nothing. Raises ``RefusedError``."""
    if text is None:
        return b""
    if not _VISIBLE.fullmatch(text):
        detail = f"an Idempotency-Key has 1 to {MAX_IDEMPOTENCY_KEY_BYTES} visible ASCII characters"
        raise RefusedError(400, "bad_idempotency_key", detail)
    return text.encode()


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_parse = json.JSONDecoder(parse_constant=_no_constant).decode  # json.loads makes a decoder each time


def _document(body: bytes) -> dict[str, Any]:
    """The JSON object in a body, strictly: UTF-8, no NaN, no lone surrogate anywhere, no nesting bomb."""
    if not body:
        raise RefusedError(400, "bad_body", "the body is missing")
    try:
        text = body.decode()
        document = _parse(text)
        if b"\\" in body and "\\u" in text:  # one character is found many times faster than two
            json.dumps(document, ensure_ascii=False).encode()
    except RecursionError:
        raise RefusedError(400, "bad_body", "the body is nested too deeply") from None
    except UnicodeEncodeError:
        raise RefusedError(400, "bad_body", "the body has half of a surrogate pair") from None
    except ValueError as error:
        raise RefusedError(400, "bad_body", f"the body is not JSON in UTF-8: {str(error)[:200]}") from None
    if not isinstance(document, dict):
        raise RefusedError(400, "bad_body", "the body is not a JSON object")
    return document


def parse_value(body: bytes, max_bytes: int) -> bytes:
    """The canonical bytes of the value that a client sends. Raises ``RefusedError``."""
    plain = _PLAIN(body) if len(body) <= SHORT_BODY else None
    if plain is not None:
        return check_value(plain[1], max_bytes)
    # What is neither the value nor a name costs up to a hundred times what text of its length does: 48 MiB of
    # empty lists are ten seconds in which a node does nothing else.
    if len(body) > MAX_REST and _rest(body) > MAX_REST:
        raise RefusedError(400, "bad_body", f"the body has more than {MAX_REST} bytes beside its texts")
    document = _document(body)
    if "value" not in document:
        raise RefusedError(400, "bad_body", 'the body has no "value"')
    value = document["value"]
    if not isinstance(value, str):
        raise RefusedError(400, "bad_body", '"value" is not a string')
    return check_value(value.encode(), max_bytes)


def _rest(body: bytes) -> int:
    """Bytes of a body that are in no text, and one for each text; beyond ``MAX_REST`` not to the last one."""
    # Escapes first, and then what is simple: one pattern for both needs a stack as long as the body, or
    # possessive quantifiers, which Python has from 3.11 on and which are wrong before 3.11.5.
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    found = end = 0
    for match in _TEXT.finditer(plain):
        found += match.start() - end + 1
        if found > MAX_REST:
            return found
        end = match.end()
    return found + len(plain) - end


def check_value(data: bytes, max_bytes: int) -> bytes:
    """A value that is not too long. Raises ``RefusedError``."""
    if len(data) > max_bytes:
        detail = f"a value may have {max_bytes} bytes of UTF-8, this one has {len(data)}"
        raise RefusedError(413, "value_too_large", detail)
    return data


def parse_view(body: bytes) -> tuple[View, int]:
    """The view that the outside tells, and the life that it is meant for, or 0.

    Checked whole before anything changes. Raises ``RefusedError``.
    """
    document = _document(body)
    listed = document.get("view")
    if not isinstance(listed, list):
        raise RefusedError(400, "bad_view", '"view" has to be a list of members')
    if len(listed) > MAX_MEMBERS:
        raise RefusedError(400, "bad_view", f"a view has at most {MAX_MEMBERS} members")
    epoch = None
    if "epoch" in document:
        epoch = document["epoch"]
        if type(epoch) is not int or not 1 <= epoch <= MAX_EPOCH:
            raise RefusedError(400, "bad_view", f'"epoch" has to be an integer from 1 to {MAX_EPOCH}')
    members = [_member(each) for each in listed]
    try:
        return View.of(members, epoch), _life(document)
    except ValueError as error:
        raise RefusedError(400, "bad_view", str(error)) from error


def _life(document: dict[str, Any]) -> int:
    if "incarnation" not in document:
        return 0
    text = document["incarnation"]
    if not isinstance(text, str) or not _LIFE.fullmatch(text) or not int(text, 16):
        detail = '"incarnation" has to be 16 hexadecimal digits, not all 0, as GET /view shows them'
        raise RefusedError(400, "bad_view", detail)
    return int(text, 16)


def _member(document: object) -> tuple[int, str]:
    if not isinstance(document, dict):
        raise RefusedError(400, "bad_view", 'a member is an object with "address" and "id"')
    id_, address = document.get("id"), document.get("address")
    # bool is an int in Python, and true == 1 would make two lowest ids.
    if type(id_) is not int or not 0 <= id_ <= MAX_ID:
        raise RefusedError(400, "bad_view", f'"id" has to be an integer from 0 to {MAX_ID}')
    if not isinstance(address, str):
        raise RefusedError(400, "bad_view", '"address" has to be a string')
    try:
        host, _ = split_address(address)
        if ":" in host:
            ipaddress.IPv6Address(host)
        if len(host) > 253:
            raise SettingError("the host is too long")
    except ValueError:
        raise RefusedError(400, "bad_view", f'"address" has to be host:port, not {address[:300]!r}') from None
    return id_, address
