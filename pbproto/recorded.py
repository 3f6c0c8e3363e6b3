"""A recording that was read: its first state and its steps.

A file that ends within a frame (its node was killed) is read up to there; one that is damaged is as well, and
raises ``RecordingError`` behind its last good step, as does all that is not exactly the format. Nothing that
stands in a recording is executed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from struct import Struct
from typing import TypeVar

from . import checkpoint
from .config import Config
from .events import Close, Event
from .forms import STR, Reader
from .frames import START, Found, RecordingError, body_at, check_format, find, kind_at, last_frame, whole_at
from .recording import (
    BROKE,
    DIGESTS,
    END,
    EVENT,
    HEADER,
    VOCABULARY,
    Digests,
    End,
    Header,
    Names,
    Step,
    name_them,
)
from .redaction import FINGERPRINT_BYTES, operations_of
from .state import State
from .summary import Did, read_did

_U64 = Struct(">Q")
_CLOSE = EVENT.dump(Close())
_FOLLOWS = {b"C": b"H", b"P": b"CP", b"E": b"CP", b"S": b"HESD", b"F": b"HESD", b"D": b"S", b"X": b"HESDF"}
"""Which kinds of frame each kind may follow."""


class Recording:
    """A recording that was read. Its steps and its first state can be asked for again and again."""

    def __init__(self, data: bytes, header: Header, found: Found) -> None:
        self.header = header
        self.damage = f"it is damaged at byte {found.end}" if found.damaged else ""
        """What keeps the rest from being read, if anything does."""
        self.left_out = 0 if found.damaged else len(data) - found.end
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
        self._sort(found.starts[1:])

    def _sort(self, frames: list[int]) -> None:
        before = b"H"
        for at in frames:
            kind = kind_at(self._data, at)
            if before not in _FOLLOWS.get(kind, b""):
                raise RecordingError(f"a frame of kind {kind!r} stands where none may stand, at byte {at}")
            if kind in b"CPE":
                self._checkpoint.append(at)
                self.checkpoint_bytes += len(self._body(at))
            elif kind == b"X":
                self.end = _load(END.next, self._body(at), "the end")
            else:
                self._steps.append(at)
                self.count += kind != b"D"
            before = kind
        if before in b"CP" or (self.header.segment > 1 and not self._checkpoint):
            what = self.damage or "it ends"
            raise RecordingError(f"{what} within its checkpoint, so that no step can be replayed")

    def _body(self, at: int) -> bytes:
        return body_at(self._data, at)

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

    @property
    def last(self) -> int:
        """The number of the last step, or of the one before the first if there is none."""
        return self.header.first + self.count - 1

    def steps(self) -> Iterator[Step]:
        """The steps in order. Raises ``RecordingError`` at one that cannot be read."""
        number = self.header.first
        for place, at in enumerate(self._steps):
            kind = kind_at(self._data, at)
            if kind == b"D":
                continue
            read = _read_failure if kind == b"F" else _read_step
            now, event, names, did, failure = _load(read, self._body(at), f"step {number}")
            if self.header.redaction != "none" and len(names) != len(operations_of(event)):
                raise RecordingError(f"step {number} does not name each of its operations")
            yield Step(number, now, event, names, did, failure, self._digests_at(place + 1, number))
            number += 1
        if self.damage:
            raise RecordingError(self.damage)

    def _digests_at(self, place: int, number: int) -> Digests | None:
        if place == len(self._steps) or kind_at(self._data, self._steps[place]) != b"D":
            return None
        digests: Digests = _load(DIGESTS.next, self._body(self._steps[place]), f"the digest of step {number}")
        return digests


_Read = tuple[int, Event, tuple[bytes, ...], tuple[Did, ...], str]


def _read_input(reader: Reader) -> tuple[int, Event, tuple[bytes, ...]]:
    (now,) = _U64.unpack(reader.take(8))
    event: Event = EVENT.next(reader)
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
    check_format(data)
    found = find(data)
    if found.damaged and not found.starts:
        raise RecordingError(f"it is damaged at byte {found.end}")
    header = read_header(data)
    if header.vocabulary != VOCABULARY:
        by = ", ".join(f"{name} {text}" for name, text in header.about)
        raise RecordingError(f"code with other events, messages or effects than this recorded it: {by}")
    return Recording(data, header, found)


def read_header(data: bytes) -> Header:
    """The header of the recording that begins with ``data``. Raises ``RecordingError``."""
    check_format(data)
    if not whole_at(data, START) or kind_at(data, START) != b"H":
        raise RecordingError("it ends before it says whose it is")
    header: Header = _load(HEADER.next, body_at(data, START), "the header")
    return header


def is_eventful(beginning: bytes) -> bool:
    """Whether more happened in the life whose recording begins with these bytes than that it was closed."""
    at = START + whole_at(beginning, START)
    while at > START and (kind := kind_at(beginning, at)):
        length = whole_at(beginning, at)
        closed = kind == b"S" and length > 0 and body_at(beginning, at)[8 : 8 + len(_CLOSE)] == _CLOSE
        if not closed:
            return kind != b"X"
        at += length
    return False


def ends_in_failure(tail: bytes) -> bool:
    """Whether the recording with this end is of a life that ended because the replica broke."""
    kind, body = last_frame(tail) or (b"", b"")
    return kind == b"X" and _load(END.next, body, "the end").reason == BROKE
