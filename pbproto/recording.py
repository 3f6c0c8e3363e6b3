"""A recording: every input of one life of a replica, and what it did, as bytes.

Layout, big-endian::

    recording = magic "pbprec" | version u16 | frame*
    frame     = length u32 | CRC-32 of the length and the rest u32 | kind u8 | body

    H header       first, once       C P* E  a checkpoint: head, pieces, digest; next, if the life goes on
    S step         now u64 | event | hidden fingerprints | what is kept of the effects
    F failure      now u64 | event | hidden fingerprints | the error as text: the replica refused to go on
    D digests      of the state after the last step
    X end          why nothing follows, and perhaps digests of the state

Messages are in their wire form. This file writes; ``recorded`` reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from hashlib import blake2b
from struct import Struct
from typing import NamedTuple
from zlib import crc32

from . import checkpoint, codec
from .buckets import Place
from .config import Config
from .effects import Effect
from .errors import InvariantError
from .events import Event, Receive
from .forms import BYTES, STR, Form, FormError, Forms, Parts, Reader
from .frames import begin, frame
from .redaction import Redactor
from .state import State
from .summary import KINDS, Did, write_did
from .values import Operation

DIGEST_EVERY = 64
"""Steps from one brief digest of the state to the next. Each ``WHOLE_EVERY`` times there is a whole one as
well, if that is cheap."""
WHOLE_EVERY = 16
WHOLE_BYTES = 2**16
FINAL_BYTES = 2**24
"""Up to how many bytes of state a whole digest is taken on the way, and at the end."""

BROKE = "the replica broke"
"""How a recording ends whose last step is a failure."""

_U32 = Struct(">I")
_U64 = Struct(">Q")


@dataclass(frozen=True, slots=True)
class Header:
    """What a recording says of itself."""

    id: int
    incarnation: int
    config: tuple[tuple[str, int], ...]
    redaction: str
    """``none``, ``values`` or ``all`` (keys as well)."""
    segment: int
    first: int
    """The number of the first step, counted from 1 in each life."""
    vocabulary: bytes
    """Names the events, messages and effects; where they differ no step can be read."""
    shape: bytes
    """Names the form of the state; where it differs neither checkpoints nor digests can be used."""
    about: tuple[tuple[str, str], ...] = ()
    """Names and texts from whoever recorded, such as versions and the date. Informational."""


class Digests(NamedTuple):
    """What is known of a state."""

    brief: bytes
    whole: bytes | None = None
    """Where it is cheap, or all ends."""


class Step(NamedTuple):
    """One step of the recorded life."""

    number: int
    now: int
    event: Event
    names: tuple[bytes, ...]
    """Hidden fingerprints of the event's operations, in a redacted recording."""
    did: tuple[Did, ...]
    failure: str
    """The broken invariant or other error with which the life ended here, or nothing."""
    digests: Digests | None
    """Of the state after this step, if they were taken."""


@dataclass(frozen=True, slots=True)
class End:
    """Why a recording ends, and digests of the state if they were taken."""

    reason: str
    digests: Digests | None = None


Names = dict[tuple[bytes, bytes | None], bytes]
"""The hidden fingerprint of each operation of a redacted recording, by its key and value."""


def name_them(operations: list[Operation], names: tuple[bytes, ...]) -> Names:
    """Which operation has which hidden fingerprint. Raises ``ValueError`` if they are not as many."""
    pairs = zip(operations, names, strict=True)
    return {(operation.key, operation.value): name for operation, name in pairs}


def _read_receive(reader: Reader) -> Receive:
    batch = codec.decode(BYTES.read(reader))
    if len(batch) != 1:
        raise FormError("an event is not one message")
    return Receive(*batch[0])


_FORMS = Forms(
    {
        Receive: Form(
            lambda parts, event: BYTES.write(parts, codec.encode([(event.envelope, event.message)])),
            _read_receive,
        )
    }
)
EVENT = _FORMS.of(Event)
HEADER = _FORMS.of(Header)
DIGESTS = _FORMS.of(Digests)
END = _FORMS.of(End)


def _vocabulary() -> bytes:
    words = Forms({})
    words.of(Event)
    words.of(Effect)
    text = [*words.declared, *KINDS, str(codec.VERSION)]
    return blake2b("\n".join(text).encode(), digest_size=8).digest()


VOCABULARY = _vocabulary()
"""Names all events, messages and effects of this code, field by field: steps are written in these words."""


def error_text(error: BaseException, redaction: str) -> str:
    """An error as recordings keep and compare it. Of most, the text may name a key or a value."""
    if redaction != "none" and not isinstance(error, InvariantError):
        return type(error).__name__
    return f"{type(error).__name__}: {error}"


class Writer:
    """Makes the bytes of a recording; whoever has it keeps them.

    A recording may have several segments. Each can be read without the others: all but the first begin with
    a checkpoint. ``about`` as in ``Header``. The replica is to be made with the ``place`` of this.
    """

    def __init__(
        self,
        id_: int,
        incarnation: int,
        config: Config,
        redactor: Redactor | None = None,
        about: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.steps = 0
        self._segment = 0
        self._redactor = redactor
        self.place: Place = crc32 if redactor is None else redactor.place
        self.redaction = "none" if redactor is None else "all" if redactor.keys else "values"
        settings = tuple((field.name, getattr(config, field.name)) for field in fields(config))
        self._life = (id_, incarnation, settings, self.redaction)
        self._about = (VOCABULARY, checkpoint.SHAPE, about)

    def begin(self) -> bytes:
        """The beginning of the first segment, before the first step."""
        self._segment += 1
        header = Header(*self._life, self._segment, self.steps + 1, *self._about)
        return begin() + frame(b"H", HEADER.dump(header))

    def begin_again(self, state: State) -> Iterator[bytes]:
        """The beginning of another segment: the state as it is now, in bytes that can be taken later."""
        return _beginning(self.begin(), checkpoint.Checkpoint(state, self._redactor))

    def step(self, event: Event, now: int, effects: tuple[Effect, ...], state: State) -> bytes:
        """A step that was made; ``state`` as it is after it."""
        parts = self._input(event, now)
        parts.append(_U32.pack(len(effects)))
        for effect in effects:
            write_did(parts, effect, self._redactor)
        data = frame(b"S", b"".join(parts))
        number = self.steps + 1
        if number % DIGEST_EVERY == 0:
            whole = number % (DIGEST_EVERY * WHOLE_EVERY) == 0
            data += frame(b"D", DIGESTS.dump(self._digests(state, WHOLE_BYTES if whole else 0)))
        self.steps = number
        return data

    def _input(self, event: Event, now: int) -> Parts:
        redactor = self._redactor
        parts = [_U64.pack(now)]
        EVENT.write(parts, event if redactor is None else redactor.event(event))
        names = [] if redactor is None else redactor.named(event)
        parts.append(_U32.pack(len(names)))
        parts += names
        return parts

    def _digests(self, state: State, limit: int) -> Digests:
        whole = checkpoint.digest(state, self._redactor, limit) if limit else None
        return Digests(checkpoint.brief_digest(state), whole)

    def failure(self, event: Event, now: int, error: BaseException) -> bytes:
        """The step in which the replica found itself in a state that must not be."""
        parts = self._input(event, now)
        STR.write(parts, self.error_text(error))
        self.steps += 1
        return frame(b"F", b"".join(parts))

    def end(self, reason: str, state: State | None = None) -> bytes:
        """The end, with digests of the state if it is given."""
        digests = None if state is None else self._digests(state, FINAL_BYTES)
        return frame(b"X", END.dump(End(reason, digests)))

    def error_text(self, error: BaseException) -> str:
        """An error as it may be told to whoever may read the recording."""
        return error_text(error, self.redaction)


def _beginning(begin: bytes, taken: checkpoint.Checkpoint) -> Iterator[bytes]:
    yield begin
    head = taken.head
    whole = checkpoint.Digest(head)
    yield frame(b"C", head)
    for piece in taken.pieces():
        whole.add(piece)
        yield frame(b"P", piece)
    yield frame(b"E", whole.value())
