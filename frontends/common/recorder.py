"""Records a live node: whoever steps the replica leaves the bytes here, a thread of its own writes them.

Recording never harms the node. What waits to be written is bounded, and of the state there is one copy at
most; where the disk fails, is full or too slow, or the bound of the file is reached, the recording ends with
one line in the log, and the node goes on.
"""

from __future__ import annotations

import atexit
import contextlib
import platform
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pbproto import Effect, Event, __version__, checkpoint
from pbproto.config import MIB
from pbproto.recording import BROKE, Writer
from pbproto.redaction import Redactor
from pbproto.source import code_digest
from pbproto.state import State

from . import recording_file
from .logs import LOGGER, logfmt
from .recording_file import BoundError, RecordingFile
from .settings import Settings

QUEUE_BYTES = 32 * MIB
"""What may wait to be written; beyond it the disk is too slow."""
GATHER = 0.05
"""Seconds for which steps are gathered before they are written: what a killed node may lose."""
PATIENCE = 5.0
"""Seconds that a node which ends waits for the disk."""
END_BYTES = 1024
"""Kept free for the end of a segment."""


@dataclass(frozen=True, slots=True)
class _Last:
    """Nothing follows."""

    data: bytes


class Recorder:
    """The recording of one life. ``step``, ``failure`` and ``end`` are called under the node's lock."""

    def __init__(self, file: RecordingFile, writer: Writer, node: int, bound: int) -> None:
        self._file = file
        self._writer = writer
        self.place = writer.place
        """What the replica that is recorded is to be made with."""
        self._node = node
        self._bound = bound
        self._lock = threading.Lock()
        self._queue: list[bytes | Iterator[bytes] | _Last] = []
        self._queued = 0
        """Bytes of steps that are not written yet."""
        self._over = False
        self._said = False
        """Whether the log has the line that the recording ended."""
        self._bytes = 0
        """Bytes of steps so far, written or not."""
        self._segment_bytes = bound // 2 - 8 * END_BYTES
        """About how large a segment gets: a little less than half, so that a last step more does no harm."""
        self._next = self._segment_bytes
        """With how many bytes of steps another segment begins."""
        self._beginning = False
        """Whether another segment is queued or being written: until it is, ``_next`` is the thread's, and no
        second copy of the state is made."""
        self._steps = 0
        """Steps that are in the files, or were in a segment that is gone."""
        self._filling = False
        """Whether the log has the line that no state fits."""
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pbproto-recorder", daemon=True)
        self._thread.start()

    # Under the node's lock.

    def step(self, event: Event, now: int, effects: tuple[Effect, ...], state: State) -> None:
        """A step was made."""
        if self._over:
            return
        try:
            data = self._writer.step(event, now, effects, state)
            self._add(data)
            self._bytes += len(data)
            if self._bytes >= self._next and not self._beginning and checkpoint.possible(state):
                self._beginning, self._next = True, self._bytes
                self._add(self._writer.begin_again(state))
                self._hurry.set()  # what comes meanwhile has to fit in
        except Exception as error:
            self._fail(error)
        if self._queued > QUEUE_BYTES and not self._over:
            with self._lock:
                self._queue.clear()  # a disk that hangs takes no memory for ever
            self._finish(f"the disk is too slow: {self._queued} bytes wait to be written", self._steps)

    def failure(self, event: Event, now: int, error: Exception) -> None:
        """The replica broke in this step, and the process is about to end: wait until all is written."""
        if not self._over:
            try:
                self._add(self._writer.failure(event, now, error))
                self._add_last(_Last(self._writer.end(BROKE)))
            except Exception as problem:  # the process has to end, whatever becomes of the recording
                self._fail(problem)
        self.join()

    def end(self, reason: str, state: State) -> None:
        """The node ends in order. ``join`` waits until all is written."""
        if not self._over:
            try:
                self._add_last(_Last(self._writer.end(reason, state)))
            except Exception as error:  # a node that stops in order still does
                self._fail(error)

    def _add(self, item: bytes | Iterator[bytes] | _Last) -> None:
        with self._lock:
            if not self._queue:
                self._wake.set()
            self._queue.append(item)
            if isinstance(item, bytes):
                self._queued += len(item)

    def _add_last(self, last: _Last) -> None:
        self._over = True
        self._add(last)
        self._hurry.set()

    def _fail(self, error: Exception) -> None:
        self._finish(self._failed(error), self._writer.steps)

    def _failed(self, error: Exception) -> str:
        return f"the recorder failed: {self._writer.error_text(error)}"

    def _finish(self, reason: str, steps: int) -> None:
        """End the recording before the node, with what is queued."""
        self._add_last(_Last(self._writer.end(reason)))
        # Not from the thread: it may hang in a write. Once in a life, so that the lock is no matter.
        self._say_ended(reason, steps)

    def join(self) -> None:
        """Wait until all is written, but not for ever."""
        self._thread.join(PATIENCE)

    # The thread.

    def _run(self) -> None:
        try:
            more = True
            while more:
                self._wake.wait()
                self._hurry.wait(GATHER)
                self._wake.clear()
                if not self._over:
                    self._hurry.clear()
                with self._lock:
                    items, self._queue, size = self._queue, [], self._queued
                more = self._write(items)
                with self._lock:
                    self._queued -= size
        except BoundError:
            self._give_up(f"the bound of {self._bound} bytes is reached")
        except OSError as error:
            self._give_up(f"the file cannot be written: {error.strerror or error}")
        except Exception as error:
            self._give_up(self._failed(error))
        with contextlib.suppress(OSError):
            self._file.close()

    def _write(self, items: list[bytes | Iterator[bytes] | _Last]) -> bool:
        """Write what was queued; whether more may follow."""
        steps: list[bytes] = []
        for item in items:
            if isinstance(item, bytes):
                steps.append(item)
                continue
            self._append(steps)
            steps = []
            if isinstance(item, _Last):
                self._file.append(item.data)
                return False
            self._begin_again(item)
        self._append(steps)
        return True

    def _append(self, steps: list[bytes]) -> None:
        if not self._file.is_there():
            raise FileNotFoundError(0, "it was removed")
        try:
            self._file.append(b"".join(steps), END_BYTES)
            self._steps += len(steps)
        except (BoundError, OSError):
            for each in steps:  # as many as there is room for
                self._file.append(each, END_BYTES)
                self._steps += 1
            raise

    def _begin_again(self, beginning: Iterator[bytes]) -> None:
        last = self._writer.end("the life goes on in another segment")
        most = min(self._bound // 4, self._bound - self._file.size - END_BYTES)
        if self._file.begin_again(beginning, most, last):
            self._next += self._segment_bytes - self._file.size
        else:  # this one goes on, to the bound if no later state fits
            self._next += self._bound // 16
            if not self._filling:
                self._filling = True
                self._say("recording_fills_up", self._steps, "the state is too large for another segment")
        self._beginning = False

    def _give_up(self, reason: str) -> None:
        self._over = True
        with self._lock:
            self._queue.clear()
        self._say_ended(reason, self._steps)
        with contextlib.suppress(OSError, BoundError):  # then it just stops
            self._file.append(self._writer.end(reason))

    def _say_ended(self, reason: str, steps: int) -> None:
        with self._lock:
            first, self._said = not self._said, True
        if first:
            self._say("recording_ended", steps, reason)

    def _say(self, event: str, steps: int, reason: str) -> None:
        line = logfmt(self._node, event, file=self._file.path, steps=steps, reason=reason)
        LOGGER.warning("%s", line)


def path_of(settings: Settings) -> Path:
    """Where this node is recorded: ``{id}`` in the setting stands for its id."""
    return Path(settings.record.replace("{id}", str(settings.id)))


def check(settings: Settings) -> None:
    """Raises ``RecordingFileError`` if the node cannot be recorded where it is asked for."""
    if settings.record:
        recording_file.check(path_of(settings))


def start(settings: Settings, incarnation: int) -> Recorder | None:
    """Begin to record, if it is asked for and the disk can. Raises ``RecordingFileError`` for a bad path."""
    if not settings.record:
        return None
    path = path_of(settings)
    redact = settings.record_redact
    redactor = None if redact == "none" else Redactor(secrets.token_bytes(32), keys=redact == "all")
    about = (
        ("pbproto", __version__),
        ("code", code_digest()),
        ("python", platform.python_version()),
        ("started", datetime.now(UTC).isoformat(timespec="milliseconds")),
    )
    writer = Writer(settings.id, incarnation, settings.core, redactor, about)
    try:
        file = RecordingFile(path, settings.record_bytes, writer.begin())
    except OSError as error:
        reason = f"the file cannot be written: {error.strerror or error}"
        LOGGER.warning("%s", logfmt(settings.id, "recording_ended", file=path, steps=0, reason=reason))
        return None
    recorder = Recorder(file, writer, settings.id, settings.record_bytes)
    LOGGER.info("%s", logfmt(settings.id, "recording", file=path, bytes=settings.record_bytes, redact=redact))
    return recorder


_FINISHERS: list[Callable[[], None]] = []


def at_exit(finish: Callable[[], None]) -> None:
    """Have ``finish`` called before the process ends, in order or by ``finish_all``."""
    atexit.unregister(finish_all)
    atexit.register(finish_all)
    _FINISHERS.append(finish)


def forget(finish: Callable[[], None]) -> None:
    """What was given to ``at_exit`` is done, or need not be."""
    with contextlib.suppress(ValueError):
        _FINISHERS.remove(finish)


def finish_all() -> None:
    """End all recordings of this process; for whoever ends it without running exit handlers."""
    for finish in list(_FINISHERS):
        finish()
