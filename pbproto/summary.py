"""What a recording keeps of an effect: small ones whole, of the others a digest of their bytes.

A digest is enough to see that the code does now what the node did; what it was shows the kind, and what the
code does now. Of answers to reads only digests are kept: those have the size of what is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import NamedTuple, get_args

from .codec import decode, encode
from .effects import Effect, Listing, Reply, Send, Value
from .forms import BYTES, STR, Form, FormError, Forms, Parts, Reader
from .messages import Message
from .redaction import Redactor

LISTED = 256
LISTED_BYTES = 2**20
"""A listing of more keys or bytes is digested by its length and position: what is in it is in the state."""
KEPT_BYTES = 200
"""An effect that is kept whole has at most so many bytes."""
_DIGESTED = 128


class Did(NamedTuple):
    """What is kept of an effect: its kind, and its bytes or, if ``digested``, a digest."""

    kind: str
    digested: bool
    body: bytes


_MESSAGES: tuple[type, ...] = get_args(Message)
KINDS = (
    *(f"Send {kind.__name__}" for kind in _MESSAGES),
    *("Reply Written", "Reply Value", "Reply Listing", "Reject", "ViewAccepted", "ViewRefused", "Note"),
)
_NUMBERS = {name: number for number, name in enumerate(KINDS)}
_SENDS = {kind: number for number, kind in enumerate(_MESSAGES)}


def _write_send(parts: Parts, effect: Send) -> None:
    STR.write(parts, effect.address)
    BYTES.write(parts, encode([(effect.envelope, effect.message)]))


def _read_send(reader: Reader) -> Send:
    address = STR.read(reader)
    batch = decode(BYTES.read(reader))
    if len(batch) != 1:
        raise FormError("an effect is not one message")
    return Send(address, *batch[0])


_KEPT = Forms({Send: Form(_write_send, _read_send)}).of(Effect)


def _summary(effect: Effect, redactor: Redactor | None) -> tuple[int, bool, bytes]:
    digested = False
    if isinstance(effect, Send):
        number = _SENDS[type(effect.message)]
    elif isinstance(effect, Reply):
        outcome = effect.outcome
        number = _NUMBERS[f"Reply {type(outcome).__name__}"]
        digested = isinstance(outcome, Value | Listing)
        if isinstance(outcome, Listing) and not _is_listed(outcome.items):
            # Before anything of it is hidden, which would take long.
            short = f"{effect.token} {outcome.position} {len(outcome.items)}"
            return number, True, _digest(short.encode())
    else:
        number = _NUMBERS[type(effect).__name__]
    data = _KEPT.dump(effect if redactor is None else redactor.effect(effect))
    if digested or len(data) > KEPT_BYTES:
        return number, True, _digest(data)
    return number, False, data


def _is_listed(items: Mapping[bytes, bytes]) -> bool:
    return len(items) <= LISTED and sum(map(len, items.values())) <= LISTED_BYTES


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=8).digest()


def summary(effect: Effect) -> Did:
    """What is kept of an effect."""
    number, digested, body = _summary(effect, None)
    return Did(KINDS[number], digested, body)


def kept(did: Did) -> Effect | None:
    """The effect, if it was kept whole. Raises ``FormError``."""
    effect: Effect | None = None if did.digested else _KEPT.load(did.body)
    return effect


def write_did(parts: Parts, effect: Effect, redactor: Redactor | None = None) -> None:
    """Write what is kept of an effect, hidden: the number of its kind, a length and the bytes."""
    number, digested, body = _summary(effect, redactor)
    parts.append(bytes((number | _DIGESTED if digested else number, len(body))))
    parts.append(body)


def read_did(reader: Reader) -> Did:
    """Read what ``write_did`` wrote. Raises ``FormError``."""
    mark, length = reader.u8(), reader.u8()
    number = mark & ~_DIGESTED
    if number >= len(KINDS):
        raise FormError(f"there is no effect of kind {number}")
    return Did(KINDS[number], mark >= _DIGESTED, reader.take(length))
