"""Where a recording is kept: ``FILE`` and ``FILE.1``, the segment before it; both together have a bound.

A new segment is written beside them, as ``FILE.new``, and takes its place when its beginning is whole, so
that whatever happens ``FILE`` can be replayed. What an earlier life of the node has left is moved aside, to
``FILE.<its incarnation>``, before a new one is begun. Of those ``LIVES`` are kept, the newest in which the
replica broke before all others, and those in which nothing happened behind all others. Files that are not
recordings are never touched.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from pbproto.frames import MAGIC, RecordingError
from pbproto.recorded import ends_in_failure, is_eventful, read_header

LIVES = 4
"""Earlier lives whose recordings are kept."""
_HEAD_BYTES = 65_536
_TAIL_BYTES = 1024
"""Of a recording what has its header, and what has its end."""
_PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Errors that say nothing about a path."""


class RecordingFileError(RuntimeError):
    """The file cannot be used for a recording."""


def beside(path: Path, suffix: str) -> Path:
    """The file with this suffix."""
    return path.with_name(f"{path.name}.{suffix}")


def check(path: Path) -> None:
    """Raise ``RecordingFileError`` if no recording can be begun at ``path``. Leaves everything as it was."""
    try:
        if not path.name:
            raise RecordingFileError(f"cannot record to {path}: it is a directory")
        if not path.parent.is_dir():
            raise RecordingFileError(f"cannot record to {path}: there is no directory {path.parent}")
        for each in (path, beside(path, "1"), beside(path, "new")):
            _check_one(each)
        _make_one(path)
    except OSError as error:
        raise RecordingFileError(f"cannot record to {path}: {error.strerror}") from error


def _check_one(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode) or not _begins_like_a_recording(path):
        raise RecordingFileError(f"cannot record to {path}: it exists and is not a recording")
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RecordingFileError(f"cannot record to {path}: another process records to it") from error


def _make_one(path: Path) -> None:
    """Make the file with the longest name that may be needed: rights alone do not tell whether that can be.

    A disk that is full now is no fault of the path.
    """
    longest = beside(path, f"{0:016x}.1")  # of no life
    try:
        os.close(os.open(longest, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        longest.unlink()
    except FileExistsError:
        pass  # another process tries the same
    except OSError as error:
        if error.errno not in _PASSING:
            raise


def _begins_like_a_recording(path: Path) -> bool:
    """An empty file does as well: nothing is lost with it."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) in (MAGIC, b"")


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
    failed = next((files for files in newest_first if any(map(_ends_in_failure, files))), None)
    ranked = sorted(newest_first, key=lambda files: (files is not failed, not any(map(_is_eventful, files))))
    for files in ranked[LIVES:]:
        for file in files:
            file.unlink()


def _is_eventful(path: Path) -> bool:
    with path.open("rb") as file:
        return is_eventful(file.read(_HEAD_BYTES))


def _ends_in_failure(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return ends_in_failure(file.read(_TAIL_BYTES))


class BoundError(Exception):
    """The file is as large as it may be."""


class RecordingFile:
    """The segments of one life. Not safe for threads; any method may raise ``OSError``."""

    def __init__(self, path: Path, bound: int, beginning: bytes) -> None:
        """Raises ``RecordingFileError`` where ``path`` cannot be used, ``OSError`` where the disk cannot."""
        self.path = path
        self._bound = bound
        self._before = 0
        """Bytes of the segment before this one, while it is kept."""
        self.size = 0
        move_aside(path)
        self._descriptor = _create(path)
        try:
            self.append(beginning)
        except OSError:
            _discard(path, self._descriptor)
            raise

    def append(self, data: bytes, reserve: int = 0) -> None:
        """Write all of ``data`` or nothing. Raises ``BoundError`` where, with ``reserve``, it has no room."""
        if self._before and self.size + len(data) + reserve > self._bound - self._before:
            beside(self.path, "1").unlink(missing_ok=True)  # the newer is worth more
            self._before = 0
        if self.size + len(data) + reserve > self._bound:
            raise BoundError
        try:
            _write(self._descriptor, data)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(data)

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
        try:
            for piece in beginning:
                size += len(piece)
                if size > most:
                    _discard(new, descriptor)
                    return False
                _write(descriptor, piece)
            self.append(last)
        except Exception:
            _discard(new, descriptor)
            raise
        self.path.rename(beside(self.path, "1"))
        new.rename(self.path)
        os.close(self._descriptor)
        self._before, self.size, self._descriptor = self.size, size, descriptor
        return True

    def close(self) -> None:
        os.close(self._descriptor)


def _create(path: Path) -> int:
    """A new file that only its owner may read, and that only this process writes to."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def _discard(path: Path, descriptor: int) -> None:
    os.close(descriptor)
    with contextlib.suppress(OSError):
        path.unlink()


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
