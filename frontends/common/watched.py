"""Files that are read again when they change: secrets are rotated without a restart."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

LOOK_EVERY = 1.0
"""Seconds between two looks."""

_Stamp = tuple[int, int, int] | None


class Files:
    """Some files, as they were when somebody last took them as ``seen``. Empty names are none."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = [name for name in names if name]
        self._seen = self._found = self._stamps()
        self._look_at = time.monotonic() + LOOK_EVERY

    def changed(self) -> bool:
        """Whether they are other ones now. Asked more often than ``LOOK_EVERY`` the answer is no."""
        now = time.monotonic()
        if now < self._look_at or not self._names:
            return False
        self._look_at = now + LOOK_EVERY
        self._found = self._stamps()
        return self._found != self._seen

    def seen(self) -> None:
        """As ``changed`` found them they are known."""
        self._seen = self._found

    def _stamps(self) -> list[_Stamp]:
        return [_stamp(name) for name in self._names]


def _stamp(name: str) -> _Stamp:
    try:
        status = Path(name).stat()
    except OSError:
        return None
    return (status.st_ino, status.st_mtime_ns, status.st_size)
