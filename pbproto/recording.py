"""A recording: every input of one life of a replica, and what it did, as bytes.

Layout, big-endian::

    recording = magic "pbprec" | version u16 | frame*
    frame     = length u32 | CRC-32 of the rest u32 | kind u8 | body

    H header       first, once       C P* E  a checkpoint: head, pieces, digest; next, if the life goes on
    S step         now u64 | event | hidden fingerprints | what is kept of the effects
    F failure      now u64 | event | hidden fingerprints | the error as text: the replica refused to go on
    D digest       of the state after the last step, brief or whole
    X end          why nothing follows, and perhaps the digest of the whole state

Messages are in their wire form. A file that ends within a frame (its node was killed) is read up to there.
Nothing that stands in a recording is executed; what is not exactly this raises ``RecordingError``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from struct import Struct
from typing import NamedTuple, TypeVar
from zlib import crc32

from . import checkpoint
from .codec import decode, encode
from .config import Config
from .effects import Effect
from .errors import InvariantError
from .events import Event, Receive
from .forms import BYTES, STR, Form, FormError, Forms, Parts, Reader
from .redaction import FINGERPRINT_BYTES, Redactor, operations_of
from .state import State
from .summary import Did, read_did, write_did
from .values import Operation

MAGIC = b"pbprec"
VERSION = 1
DIGEST_EVERY = 64
"""Steps from one digest of the state to the next. It is brief, but, if that is cheap, whole each
``WHOLE_EVERY`` times."""
WHOLE_EVERY = 16
WHOLE_BYTES = 2**16
FINAL_BYTES = 2**24
"""Up to how many bytes of state a whole digest is taken on the way, and at the end."""

_FRAME = Struct(">II")
_U16 = Struct(">H")
_U32 = Struct(">I")
_U64 = Struct(">Q")


class RecordingError(ValueError):
    """The bytes are not a recording that can be read here."""


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
    shape: bytes
    """Names the form of the state; where it differs neither checkpoints nor digests can be used."""
    about: tuple[tuple[str, str], ...] = ()
    """Names and texts from whoever recorded, such as versions and the date. Informational."""


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
    digest: tuple[bool, bytes] | None
    """Of the state after this step, if one was taken: whether of the whole state, and it."""


@dataclass(frozen=True, slots=True)
class End:
    """Why a recording ends, and the digest of the whole state if it was taken."""

    reason: str
    digest: bytes | None = None


Names = dict[tuple[bytes, bytes | None], bytes]
"""The hidden fingerprint of each operation of a redacted recording, by its key and value."""


def name_them(operations: list[Operation], names: tuple[bytes, ...]) -> Names:
    """Which operation has which hidden fingerprint. Raises ``ValueError`` if they are not as many."""
    pairs = zip(operations, names, strict=True)
    return {(operation.key, operation.value): name for operation, name in pairs}


def _read_receive(reader: Reader) -> Receive:
    batch = decode(BYTES.read(reader))
    if len(batch) != 1:
        raise FormError("an event is not one message")
    return Receive(*batch[0])


_FORMS = Forms(
    {
        Receive: Form(
            lambda parts, event: BYTES.write(parts, encode([(event.envelope, event.message)])), _read_receive
        )
    }
)
_EVENT = _FORMS.of(Event)
_HEADER = _FORMS.of(Header)
_END = _FORMS.of(End)


def error_text(error: BaseException, redaction: str) -> str:
    """An error as recordings keep and compare it. Of most, the text may name a key or a value."""
    if redaction != "none" and not isinstance(error, InvariantError):
        return type(error).__name__
    return f"{type(error).__name__}: {error}"


def frame(kind: bytes, body: bytes) -> bytes:
    """One frame."""
    return b"".join((_FRAME.pack(len(body) + 1, crc32(body, crc32(kind))), kind, body))


class Writer:
    """Makes the bytes of a recording; whoever has it keeps them.

    A recording may have several segments. Each can be read without the others: all but the first begin with
    a checkpoint. ``about`` as in ``Header``.
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
        self._redaction = "none" if redactor is None else "all" if redactor.keys else "values"
        settings = tuple((field.name, getattr(config, field.name)) for field in fields(config))
        self._life = (id_, incarnation, settings, self._redaction)
        self._about = (checkpoint.SHAPE, about)

    def begin(self) -> bytes:
        """The beginning of the first segment, before the first step."""
        self._segment += 1
        header = Header(*self._life, self._segment, self.steps + 1, *self._about)
        return MAGIC + _U16.pack(VERSION) + frame(b"H", _HEADER.dump(header))

    def begin_again(self, state: State) -> Iterator[bytes]:
        """The beginning of another segment: the state as it is now, in bytes that can be taken later."""
        return _beginning(self.begin(), checkpoint.Checkpoint(state, self._redactor))

    def step(self, event: Event, now: int, effects: tuple[Effect, ...], state: State) -> bytes:
        """A step that was made; ``state`` as it is after it."""
        redactor = self._redactor
        parts = self._input(event, now)
        parts.append(_U32.pack(len(effects)))
        for effect in effects:
            write_did(parts, effect if redactor is None else redactor.effect(effect))
        self.steps += 1
        data = frame(b"S", b"".join(parts))
        return data if self.steps % DIGEST_EVERY else data + self._digest(state)

    def _input(self, event: Event, now: int) -> Parts:
        redactor = self._redactor
        parts = [_U64.pack(now)]
        _EVENT.write(parts, event if redactor is None else redactor.event(event))
        names = [] if redactor is None else redactor.named(event)
        parts.append(_U32.pack(len(names)))
        parts += names
        return parts

    def _digest(self, state: State) -> bytes:
        whole = None
        if self.steps % (DIGEST_EVERY * WHOLE_EVERY) == 0:
            whole = checkpoint.digest(state, self._redactor, WHOLE_BYTES)
        return frame(b"D", b"\x00" + checkpoint.brief_digest(state) if whole is None else b"\x01" + whole)

    def failure(self, event: Event, now: int, error: BaseException) -> bytes:
        """The step in which the replica found itself in a state that must not be."""
        self.steps += 1
        parts = self._input(event, now)
        STR.write(parts, error_text(error, self._redaction))
        return frame(b"F", b"".join(parts))

    def end(self, reason: str, state: State | None = None) -> bytes:
        """The end, with a digest of the state if it is given and not too large."""
        whole = None if state is None else checkpoint.digest(state, self._redactor, FINAL_BYTES)
        return frame(b"X", _END.dump(End(reason, whole)))


def _beginning(begin: bytes, taken: checkpoint.Checkpoint) -> Iterator[bytes]:
    yield begin
    whole = checkpoint.Digest(taken.head)
    yield frame(b"C", taken.head)
    for piece in taken.pieces():
        whole.add(piece)
        yield frame(b"P", piece)
    yield frame(b"E", whole.value())


_FOLLOWS = {b"C": b"H", b"P": b"CP", b"E": b"CP", b"S": b"HESD", b"F": b"HESD", b"D": b"S", b"X": b"HESDF"}
"""Which kinds of frame each kind may follow."""


class Recording:
    """A recording that was read. Its steps and its first state can be asked for again and again."""

    def __init__(self, data: bytes, header: Header, frames: list[int], left_out: int) -> None:
        self.header = header
        self.left_out = left_out
        """Bytes at the end that are no whole frame: the node was killed while it wrote them."""
        self.end: End | None = None
        """``None`` where the recording just stops."""
        self.count = 0
        """How many steps there are."""
        self.checkpoint_bytes = 0
        """How large the state is that the recording begins with; 0 if it begins with the life."""
        self._data = data
        self._checkpoint: list[int] = []
        self._steps: list[int] = []
        self._sort(frames)

    def _sort(self, frames: list[int]) -> None:
        before = b"H"
        for at in frames:
            kind = self._kind(at)
            if before not in _FOLLOWS.get(kind, b""):
                raise RecordingError(f"a frame of kind {kind!r} stands where none may stand, at byte {at}")
            if kind in b"CPE":
                self._checkpoint.append(at)
                self.checkpoint_bytes += len(self._body(at))
            elif kind == b"X":
                self.end = _load(_END.next, self._body(at), "the end")
            else:
                self._steps.append(at)
                self.count += kind != b"D"
            before = kind
        if before in b"CP":
            raise RecordingError("it ends within its checkpoint, so that no step can be replayed")

    def _kind(self, at: int) -> bytes:
        return self._data[at + 8 : at + 9]

    def _body(self, at: int) -> bytes:
        return self._data[at + 9 : at + 8 + _U32.unpack_from(self._data, at)[0]]

    @property
    def same_shape(self) -> bool:
        """Whether the state had the form that it has in this code; otherwise digests cannot be compared."""
        return self.header.shape == checkpoint.SHAPE

    @property
    def state_digest(self) -> bytes | None:
        """The digest of the state that the recording begins with, if it does not begin with the life."""
        return self._body(self._checkpoint[-1]) if self._checkpoint else None

    def config(self) -> Config:
        """The settings of the replica. Raises ``RecordingError`` for one that this code does not know."""
        try:
            return Config(**dict(self.header.config))
        except (TypeError, ValueError) as error:
            raise RecordingError(f"its settings do not fit this code: {error}") from error

    def state(self) -> tuple[State, Names]:
        """The state before the first step, made anew each time, and the names of its operations."""
        header = self.header
        if not self._checkpoint:
            return State(header.id, header.incarnation, self.config()), {}
        if not self.same_shape:
            raise RecordingError("it begins with a state of another form than this code has")
        head, *pieces, _ = map(self._body, self._checkpoint)
        try:
            state, names = checkpoint.restore(head, pieces)
            operations = checkpoint.with_key(checkpoint.named_operations(state))
            return state, {} if header.redaction == "none" else name_them(operations, tuple(names))
        except ValueError as error:
            raise RecordingError(f"its checkpoint cannot be read: {error}") from error

    def steps(self) -> Iterator[Step]:
        """The steps in order. Raises ``RecordingError`` at one that cannot be read."""
        number = self.header.first
        for place, at in enumerate(self._steps):
            if self._kind(at) == b"D":
                continue
            read = _read_failure if self._kind(at) == b"F" else _read_step
            now, event, names, did, failure = _load(read, self._body(at), f"step {number}")
            if self.header.redaction != "none" and len(names) != len(operations_of(event)):
                raise RecordingError(f"step {number} does not name each of its operations")
            yield Step(number, now, event, names, did, failure, self._digest_at(place + 1))
            number += 1

    def _digest_at(self, place: int) -> tuple[bool, bytes] | None:
        if place == len(self._steps) or self._kind(self._steps[place]) != b"D":
            return None
        body = self._body(self._steps[place])
        return body[:1] == b"\x01", body[1:]


_Read = tuple[int, Event, tuple[bytes, ...], tuple[Did, ...], str]


def _read_input(reader: Reader) -> tuple[int, Event, tuple[bytes, ...]]:
    (now,) = _U64.unpack(reader.take(8))
    event: Event = _EVENT.next(reader)
    return now, event, tuple([reader.take(FINGERPRINT_BYTES) for _ in range(reader.count())])


def _read_step(reader: Reader) -> _Read:
    return *_read_input(reader), tuple([read_did(reader) for _ in range(reader.count())]), ""


def _read_failure(reader: Reader) -> _Read:
    return *_read_input(reader), (), STR.next(reader)


T = TypeVar("T")


def _load(read: Callable[[Reader], T], data: bytes, what: str) -> T:
    """All of ``data`` as one value. Raises ``RecordingError``, which says what could not be read."""
    reader = Reader(data)
    try:
        value = read(reader)
    except ValueError as error:
        raise RecordingError(f"{what} cannot be read: {error}") from error
    if reader.at != reader.end:
        raise RecordingError(f"{what} is longer than it should be")
    return value


def read(data: bytes) -> Recording:
    """The recording in ``data``. Raises ``RecordingError`` for anything else."""
    frames, end = _frames(data, _check_format(data))
    header = _header(data, frames, end)
    return Recording(data, header, frames[1:], len(data) - end)


def read_header(data: bytes) -> Header:
    """The header of the recording that begins with ``data``. Raises ``RecordingError``."""
    start = _check_format(data)
    frames, end = _frames(
        data[: start + _FRAME.size + _U32.unpack(data[start : start + 4].ljust(4))[0]], start
    )
    return _header(data, frames, end)


def _check_format(data: bytes) -> int:
    """Where the first frame begins."""
    start = len(MAGIC) + _U16.size
    if data[: len(MAGIC)] != MAGIC:
        raise RecordingError("this is not a recording of pbproto")
    version = int.from_bytes(data[len(MAGIC) : start], "big")
    if len(data) >= start and version != VERSION:
        raise RecordingError(f"it has version {version} of the format, this code reads version {VERSION}")
    return start


def _header(data: bytes, frames: list[int], end: int) -> Header:
    if not frames or data[frames[0] + 8 : frames[0] + 9] != b"H":
        raise RecordingError("it ends before it says whose it is")
    header_end = frames[1] if len(frames) > 1 else end
    header: Header = _load(_HEADER.next, data[frames[0] + 9 : header_end], "the header")
    return header


def _frames(data: bytes, at: int) -> tuple[list[int], int]:
    """Where the frames begin, and where the last whole one ends."""
    frames: list[int] = []
    while len(data) - at > _FRAME.size:
        length, check = _FRAME.unpack_from(data, at)
        start, end = at + _FRAME.size, at + _FRAME.size + length
        if end > len(data) or (length == 0 and not data[at:].strip(b"\x00")):
            break  # cut off, or never written by a file system that lost its power
        if length == 0 or crc32(data[start:end]) != check:
            if end == len(data):
                break
            raise RecordingError(f"it is damaged at byte {at}")
        frames.append(at)
        at = end
    return frames, at
