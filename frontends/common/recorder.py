"""Records a live node: whoever steps the replica leaves the bytes here, a thread of its own writes them.

Recording never harms the node. What waits to be written is bounded; where the disk fails, is full or too
slow, or the bound of the file is reached, the recording ends with one line in the log, and the node goes on.
"""

from __future__ import annotations

import atexit
import contextlib
import platform
import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from pbproto import Effect, Event
from pbproto.config import MIB
from pbproto.recording import Writer
from pbproto.redaction import Redactor
from pbproto.source import code_digest
from pbproto.state import State

from .logs import LOGGER, logfmt
from .recording_file import BoundError, RecordingFile, RecordingFileError, check
from .settings import Settings

QUEUE_BYTES = 32 * MIB
"""What may wait to be written; beyond it the disk is too slow."""
GATHER = 0.05
"""Seconds for which steps are gathered before they are written: what a killed node may lose."""
PATIENCE = 5.0
"""Seconds that a node which ends waits for the disk."""
END_BYTES = 1024
"""Kept free for the end of a segment."""
NEVER = 2**63


@dataclass(frozen=True, slots=True)
class _Last:
    """Nothing follows."""

    data: bytes
    warning: str


class Recorder:
    """The recording of one life. ``step``, ``failure`` and ``end`` are called under the node's lock."""

    def __init__(self, file: RecordingFile, writer: Writer, node: int, bound: int) -> None:
        self._file = file
        self._writer = writer
        self._node = node
        self._bound = bound
        self._lock = threading.Lock()
        self._queue: list[bytes | Iterator[bytes] | _Last] = []
        self._queued = 0
        self._over = False
        self._since = 0
        """Bytes of steps since this segment began."""
        self._segment_bytes = bound // 2 - 8 * END_BYTES
        """About how large a segment gets: a little less than half, so that a last step more does no harm."""
        self._limit = self._segment_bytes
        """From how many of them on a new segment begins. The thread sets it when it has begun one, and knows
        how many bytes the state took: a quarter of the bound at most."""
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
            self._since += len(data)
            if self._since >= self._limit:
                self._since, self._limit = 0, self._bound // 4
                self._add(self._writer.begin_again(state))
        except Exception as error:
            self._stop(f"the recorder failed: {type(error).__name__}: {error}")
        if self._queued > QUEUE_BYTES and not self._over:
            self._stop(f"the disk is too slow: {self._queued} bytes wait to be written")

    def failure(self, event: Event, now: int, error: Exception) -> None:
        """The replica broke in this step, and the process is about to end: wait until all is written."""
        if not self._over:
            try:
                self._add(self._writer.failure(event, now, error))
                self._finish(_Last(self._writer.end("the replica broke"), ""))
            except Exception as problem:  # the process has to end, whatever becomes of the recording
                self._stop(f"the recorder failed: {type(problem).__name__}: {problem}")
        self.join()

    def end(self, reason: str, state: State) -> None:
        """The node ends in order. ``join`` waits until all is written."""
        if not self._over:
            try:
                self._finish(_Last(self._writer.end(reason, state), ""))
            except Exception as error:  # a node that stops in order still does
                self._stop(f"the recorder failed: {type(error).__name__}: {error}")

    def _add(self, item: bytes | Iterator[bytes] | _Last) -> None:
        with self._lock:
            if not self._queue:
                self._wake.set()
            self._queue.append(item)
            if isinstance(item, bytes):
                self._queued += len(item)

    def _stop(self, reason: str) -> None:
        self._finish(_Last(self._writer.end(reason), reason))

    def _finish(self, last: _Last) -> None:
        self._over = True
        self._add(last)
        self._hurry.set()

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
                with self._lock:
                    items, self._queue, self._queued = self._queue, [], 0
                more = self._write(items)
        except BoundError:
            self._give_up(f"the bound of {self._bound} bytes is reached")
        except OSError as error:
            self._give_up(f"the file cannot be written: {error.strerror or error}")
        except Exception as error:
            self._give_up(f"the recorder failed: {type(error).__name__}: {error}")
        with contextlib.suppress(OSError):
            self._file.close()

    def _write(self, items: list[bytes | Iterator[bytes] | _Last]) -> bool:
        """Write what was queued; whether more may follow."""
        data: list[bytes] = []
        for item in items:
            if isinstance(item, bytes):
                data.append(item)
                continue
            self._append(data)
            data = []
            if isinstance(item, _Last):
                self._file.append(item.data)
                if item.warning:
                    self._warn(item.warning)
                return False
            self._begin_again(item)
        self._append(data)
        return True

    def _append(self, data: list[bytes]) -> None:
        if not self._file.is_there():
            raise FileNotFoundError(0, "it was removed")
        whole = b"".join(data)
        try:
            self._file.append(whole, END_BYTES)
        except BoundError:
            for each in data:  # as much of it as there is room for
                self._file.append(each, END_BYTES)

    def _begin_again(self, beginning: Iterator[bytes]) -> None:
        last = self._writer.end("the life goes on in another segment")
        if self._file.begin_again(beginning, self._bound // 4, last):
            self._limit = self._segment_bytes - self._file.size
        else:
            self._limit = NEVER  # then this one goes on to the bound, and the recording ends there

    def _give_up(self, reason: str) -> None:
        self._over = True
        with self._lock:
            self._queue.clear()
        try:
            self._file.cut_to_size()
            self._file.append(self._writer.end(reason))
        except (OSError, BoundError):
            pass  # then it just stops
        self._warn(reason)

    def _warn(self, reason: str) -> None:
        path, steps = self._file.path, self._writer.steps
        LOGGER.warning("%s", logfmt(self._node, "recording_ended", file=path, steps=steps, reason=reason))


def path_of(settings: Settings) -> Path:
    """Where this node is recorded: ``{id}`` in the setting stands for its id."""
    return Path(settings.record.replace("{id}", str(settings.id)))


def check_or_exit(settings: Settings, program: str) -> None:
    """End the process with one line and status 2 if it cannot be recorded where it is asked for."""
    if settings.record:
        try:
            check(path_of(settings))
        except RecordingFileError as error:
            sys.stderr.write(f"{program}: {error}\n")
            sys.exit(2)


def start(settings: Settings, incarnation: int) -> Recorder | None:
    """Begin to record, if it is asked for. Raises ``RecordingFileError``."""
    if not settings.record:
        return None
    path = path_of(settings)
    redact = settings.record_redact
    redactor = None if redact == "none" else Redactor(secrets.token_bytes(32), keys=redact == "all")
    about = (
        ("pbproto", _version()),
        ("code", code_digest()),
        ("python", platform.python_version()),
        ("started", datetime.now(UTC).isoformat(timespec="milliseconds")),
    )
    writer = Writer(settings.id, incarnation, settings.core, redactor, about)
    file = RecordingFile(path, settings.record_bytes, writer.begin())
    recorder = Recorder(file, writer, settings.id, settings.record_bytes)
    LOGGER.info("%s", logfmt(settings.id, "recording", file=path, bytes=settings.record_bytes, redact=redact))
    return recorder


def _version() -> str:
    try:
        return metadata.version("pbproto")
    except metadata.PackageNotFoundError:
        return "not installed"


_FINISHERS: list[Callable[[], None]] = []


def at_exit(finish: Callable[[], None]) -> None:
    """Have ``finish`` called before the process ends, in order or by ``finish_all``."""
    if not _FINISHERS:
        atexit.register(finish_all)
    _FINISHERS.append(finish)


def finish_all() -> None:
    """End all recordings of this process; for whoever ends it without running exit handlers."""
    for finish in _FINISHERS:
        finish()
