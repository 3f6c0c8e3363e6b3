"""Where a node is within somebody's application: below a prefix, and at ``/peer``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .routes import BARE, PEER, VIEW, path_of
from .settings import SettingError

_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")


class Place:
    """Tells the requests that are the node's from those of the application around it.

    Peers' mail comes to ``/peer``, whatever the prefix: a view has addresses, which are hosts and ports, so
    a node cannot know where in another's application its peers are. That way every node understands every
    other, embedded or not.
    """

    def __init__(self, prefix: str | None, *, view: bool = False) -> None:
        """``prefix``: as ``/kv``; ``None`` for no REST interface, only mail. ``view``: ``/view`` as well, for
        a view service, which knows no more of a node than its address. Raises ``SettingError``.
        """
        if prefix is not None and not _PREFIX.fullmatch(prefix):
            raise SettingError(
                f"url_prefix begins with a slash and does not end with one, as /kv: {prefix!r}"
            )
        self.prefix = prefix
        self._at_root = (PEER, VIEW) if view else (PEER,)
        self._prefix = None if prefix is None else prefix.encode()
        self._below = b"" if prefix is None else prefix.encode() + b"/"
        self.name = "" if prefix is None else prefix.rpartition("/")[2]
        """The last part of the prefix: from the prefix without a slash, all references begin with it."""

    def target(self, raw: bytes, root: str = "") -> bytes | None:
        """What a request for ``raw`` asks the node for; ``None`` if it is the application's.

        ``raw``: a request target, still percent-encoded. A prefix that is written with escapes is not the
        node's. ``root``: where the application itself is mounted.
        """
        path = path_of(raw)
        if root and path.startswith(mount := root.encode() + b"/"):
            path = path[len(mount) - 1 :]
        query = raw.partition(b"#")[0].partition(b"?")[2]
        found = self._found(path)
        return found + b"?" + query if found is not None and query else found

    def _found(self, path: bytes) -> bytes | None:
        if path in self._at_root:
            return path
        if self._prefix is None:
            return None
        if path.startswith(self._below):
            return path[len(self._prefix) :]
        return BARE if path == self._prefix else None

    def shadowed(self, rules: Iterable[str]) -> list[str]:
        """The rules of the application's own routing that no request can reach."""
        return [rule for rule in rules if self._hides(*rule.encode().partition(b"<")[:2])]

    def _hides(self, fixed: bytes, variable: bytes) -> bool:
        if variable:
            return self._prefix is not None and fixed.startswith(self._below)
        return self._found(fixed) is not None
