"""Answers to ``GET /data``: JSON, piece by piece, from a snapshot that is not held for ever.

While a snapshot is held the node keeps what is overwritten. So there are only so many long answers at a
time, and each has to be taken at some least pace: a client that stalls, or is gone and nobody has noticed,
loses its snapshot and gets no end of its answer. Whether a client is too slow is looked at whenever the node
does anything; a node that does nothing overwrites nothing.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from weakref import ref

PIECE_BYTES = 65_536
"""About how many bytes are made at a time, unless a single item has more."""
GRACE = 30.0
PER_PIECE = 1.0
"""Seconds that a client may take for a whole answer: so many, and so many more for each piece taken."""


class OverdueError(Exception):
    """The client took so long that its answer was given up."""


class Stream:
    """The pieces of one long answer; to be iterated over once, by one thread at a time."""

    def __init__(self, pieces: Iterator[bytes], due: float, ended: Callable[[], object]) -> None:
        self._pieces: Iterator[bytes] | None = pieces
        self._cut = False
        self._ended = ended
        self.due = due
        """Until when the next piece has to be asked for."""

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        pieces = self._pieces
        if self._cut:
            raise OverdueError("the client takes its answer too slowly")
        piece = None if pieces is None else next(pieces, None)
        if piece is None:
            self.close()
            raise StopIteration
        self.due += PER_PIECE
        return piece

    def cut(self) -> None:
        """Give the answer up, from any thread."""
        self._cut = True
        self.close()

    def close(self) -> None:
        """Nobody will ask for more. WSGI servers call this, also where a client is gone."""
        self._pieces = None
        self._ended()


class Listings:
    """The long answers that are under way at one node, ``limit`` at most. May be used by any thread."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._number = 0
        # Not the streams themselves: a server may drop one without a word, and never begin it.
        self._streams: dict[int, ref[Stream]] = {}

    def answer(self, items: Mapping[bytes, bytes]) -> bytes | Stream | None:
        """The answer, whole if it is short; ``None`` if it is long and too many are under way."""
        pieces = _pieces(items)
        first = next(pieces)
        second = next(pieces, None)
        if second is None:
            return first

        def whole() -> Iterator[bytes]:
            yield first
            yield second
            yield from pieces

        with self._lock:
            if len(self._streams) >= self._limit:
                return None
            number = self._number = self._number + 1

            def ended(_: object = None) -> None:
                self._streams.pop(number, None)

            stream = Stream(whole(), self._clock() + GRACE, ended)
            self._streams[number] = ref(stream, ended)
        return stream

    def expire(self) -> None:
        """Give up what is overdue. To be called often."""
        if self._streams:
            now = self._clock()
            for each in list(self._streams.values()):
                stream = each()
                if stream is not None and stream.due < now:
                    stream.cut()


_written = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":")
).encode  # json.dumps makes one each time


def to_json(document: object) -> bytes:
    """JSON in UTF-8, without spaces. A string takes a tenth of the time of a document."""
    return _written(document).encode()


def _pieces(items: Mapping[bytes, bytes]) -> Iterator[bytes]:
    """The items as one JSON object. Many are written in one call: each by itself takes four times as long."""
    part: dict[str, str] = {}
    size = 0
    lead = b"{"
    for key, value in items.items():
        part[key.decode()] = value.decode()
        size += len(key) + len(value)
        if size >= PIECE_BYTES:
            yield lead + to_json(part)[1:-1]
            lead = b","
            part = {}
            size = 0
    yield (lead if part or lead == b"{" else b"") + to_json(part)[1:]
