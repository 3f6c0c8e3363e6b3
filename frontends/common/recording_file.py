"""Where a recording is kept: ``FILE`` and ``FILE.1``, the segment before it; both together have a bound.

A new segment is written beside them, as ``FILE.new``, and takes its place when its beginning is whole, so
that whatever happens ``FILE`` can be replayed. What an earlier life of the node has left is moved aside, to
``FILE.<its incarnation>``, before a new one is begun; of those the last ``LIVES`` are kept. Files that are
not recordings are never touched.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from pbproto.frames import MAGIC, RecordingError
from pbproto.recorded import read_header

LIVES = 4
"""Earlier lives whose recordings are kept."""
_HEAD_BYTES = 65_536


class RecordingFileError(RuntimeError):
    """The file cannot be used for a recording."""


def beside(path: Path, suffix: str) -> Path:
    """The file with this suffix."""
    return path.with_name(f"{path.name}.{suffix}")


def check(path: Path) -> None:
    """Raise ``RecordingFileError`` if no recording can be begun at ``path``. Changes nothing."""
    if not path.parent.is_dir():
        raise RecordingFileError(f"cannot record to {path}: there is no directory {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise RecordingFileError(f"cannot record to {path}: the directory cannot be written to")
    for each in (path, beside(path, "1"), beside(path, "new")):
        _check_one(each)


def _check_one(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise RecordingFileError(f"cannot record to {path}: {error.strerror}") from error
    if not stat.S_ISREG(mode) or not _begins_like_a_recording(path):
        raise RecordingFileError(f"cannot record to {path}: it exists and is not a recording")
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RecordingFileError(f"cannot record to {path}: another process records to it") from error


def _begins_like_a_recording(path: Path) -> bool:
    """An empty file does as well: nothing is lost with it."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) in (MAGIC, b"")
    except OSError as error:
        raise RecordingFileError(f"cannot record to {path}: {error.strerror}") from error


def _life(path: Path) -> str:
    """Names the life that a recording is of."""
    try:
        with path.open("rb") as file:
            return f"{read_header(file.read(_HEAD_BYTES)).incarnation:016x}"
    except RecordingError:
        return f"{path.stat().st_mtime_ns:016x}"  # of another version, or cut off at once


def move_aside(path: Path) -> None:
    """Keep what an earlier life has left. Raises ``RecordingFileError`` as ``check`` does, or ``OSError``."""
    check(path)
    beside(path, "new").unlink(missing_ok=True)
    for each, suffix in ((path, ""), (beside(path, "1"), ".1")):
        if each.exists() and each.stat().st_size == 0:
            each.unlink()
        elif each.exists():
            each.rename(beside(path, _life(each) + suffix))
    _forget_old_lives(path)


def _forget_old_lives(path: Path) -> None:
    pattern = re.compile(re.escape(path.name) + r"\.([0-9a-f]{16})(?:\.1)?")
    lives: dict[str, list[Path]] = {}
    for each in path.parent.iterdir():
        match = pattern.fullmatch(each.name)
        if match is not None and each.is_file() and _begins_like_a_recording(each):
            lives.setdefault(match[1], []).append(each)
    newest_first = sorted(
        lives.values(), key=lambda files: max(file.stat().st_mtime_ns for file in files), reverse=True
    )
    for files in newest_first[LIVES:]:
        for file in files:
            file.unlink()


class BoundError(Exception):
    """The file is as large as it may be."""


class RecordingFile:
    """The segments of one life. Not safe for threads; any method may raise ``OSError``."""

    def __init__(self, path: Path, bound: int, beginning: bytes) -> None:
        """Raises ``RecordingFileError`` where ``path`` cannot be used."""
        self.path = path
        self._bound = bound
        self._before = 0
        """Bytes of the segment before this one, while it is kept."""
        self.size = 0
        try:
            move_aside(path)
            self._descriptor = _create(path)
            self.append(beginning)
        except OSError as error:
            raise RecordingFileError(f"cannot record to {path}: {error.strerror}") from error

    def append(self, data: bytes, reserve: int = 0) -> None:
        """Write ``data``. Raises ``BoundError`` if, with ``reserve`` bytes more, there is no room for it."""
        if self._before and self.size + len(data) + reserve > self._bound - self._before:
            beside(self.path, "1").unlink(missing_ok=True)  # the newer is worth more
            self._before = 0
        if self.size + len(data) + reserve > self._bound:
            raise BoundError
        _write(self._descriptor, data)
        self.size += len(data)

    def cut_to_size(self) -> None:
        """Take back what was written only in part."""
        os.ftruncate(self._descriptor, self.size)

    def is_there(self) -> bool:
        """Whether the file still has its name: what is written to a removed file is lost."""
        try:
            named = self.path.stat()
        except OSError:
            return False
        return os.path.samestat(named, os.fstat(self._descriptor))

    def begin_again(self, beginning: Iterable[bytes], most: int, last: bytes) -> bool:
        """Go on in a new segment, if its beginning has at most so many bytes; ``last`` ends the old one."""
        new = beside(self.path, "new")
        beside(self.path, "1").unlink(missing_ok=True)
        self._before = 0
        descriptor = _create(new)
        size = 0
        for piece in beginning:
            size += len(piece)
            if size > most:
                break
            try:
                _write(descriptor, piece)
            except OSError:
                self._discard(new, descriptor)
                raise
        if size > most:
            self._discard(new, descriptor)
            return False
        self.append(last)
        self.path.rename(beside(self.path, "1"))
        new.rename(self.path)
        os.close(self._descriptor)
        self._before, self.size, self._descriptor = self.size, size, descriptor
        return True

    def _discard(self, path: Path, descriptor: int) -> None:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            path.unlink()

    def close(self) -> None:
        os.close(self._descriptor)


def _create(path: Path) -> int:
    """A new file that only its owner may read, and that only this process writes to."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
