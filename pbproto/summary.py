"""What a recording keeps of an effect: small ones whole, of the others a digest of their bytes.

A digest is enough to see that the code does now what the node did; what it was shows the kind, and what the
code does now.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import NamedTuple, get_args

from .codec import encode
from .effects import Effect, Listing, Note, Reject, Reply, Send, Value, ViewAccepted, ViewRefused
from .forms import FormError, Forms, Parts, Reader
from .messages import Message

LISTED = 1024
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
_KINDS = (
    *(f"Send {kind.__name__}" for kind in _MESSAGES),
    *("Reply Written", "Reply Value", "Reply Listing", "Reject", "ViewAccepted", "ViewRefused", "Note"),
)
_NUMBERS = {name: number for number, name in enumerate(_KINDS)}
_SENDS = {kind: number for number, kind in enumerate(_MESSAGES)}
_KEPT = Forms({}).of(Reply | Reject | ViewAccepted | ViewRefused | Note)


def _summary(effect: Effect) -> tuple[int, bool, bytes]:
    if isinstance(effect, Send):
        data = encode([(effect.envelope, effect.message)])
        address = effect.address.encode()
        return _SENDS[type(effect.message)], True, _digest(b"%d %b%b" % (len(address), address, data))
    name, digested = type(effect).__name__, False
    if isinstance(effect, Reply):
        outcome = effect.outcome
        name, digested = f"Reply {type(outcome).__name__}", isinstance(outcome, Value | Listing)
        if isinstance(outcome, Listing) and not _is_listed(outcome.items):
            short = f"{effect.token} {outcome.position} {len(outcome.items)}"
            return _NUMBERS[name], True, _digest(short.encode())
    data = _KEPT.dump(effect)
    if digested or len(data) > KEPT_BYTES:
        return _NUMBERS[name], True, _digest(data)
    return _NUMBERS[name], False, data


def _is_listed(items: Mapping[bytes, bytes]) -> bool:
    return len(items) <= LISTED and sum(map(len, items.values())) <= LISTED_BYTES


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=8).digest()


def summary(effect: Effect) -> Did:
    """What is kept of an effect."""
    number, digested, body = _summary(effect)
    return Did(_KINDS[number], digested, body)


def kept(did: Did) -> Effect | None:
    """The effect, if it was kept whole. Raises ``FormError``."""
    effect: Effect | None = None if did.digested else _KEPT.load(did.body)
    return effect


def write_did(parts: Parts, effect: Effect) -> None:
    """Write what is kept of an effect: the number of its kind, a length and the bytes."""
    number, digested, body = _summary(effect)
    parts.append(bytes((number | _DIGESTED if digested else number, len(body))))
    parts.append(body)


def read_did(reader: Reader) -> Did:
    """Read what ``write_did`` wrote. Raises ``FormError``."""
    mark, length = reader.u8(), reader.u8()
    number = mark & ~_DIGESTED
    if number >= len(_KINDS):
        raise FormError(f"there is no effect of kind {number}")
    return Did(_KINDS[number], mark >= _DIGESTED, reader.take(length))
