"""Which nodes there are, and with which one a call begins."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterable
from threading import Lock
from urllib.parse import urlsplit

LOOK_EVERY = 30.0
"""Seconds between two looks at the view of a client whose calls are answered."""
LOOK_AGAIN = 1.0
"""Seconds for which a node that does not serve is not asked for its view again."""
MAX_LEARNED = 32
"""Members that are known beside the given nodes: who lies about the view cannot fill the memory with it."""
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
_PATH = re.compile(r"[A-Za-z0-9._~/%-]*")


def node_url(text: str) -> str:
    """The URL of a node: ``http://host:port``, also from ``host:port``, without a slash at its end.

    A path is kept, for stores behind a proxy. Raises ``ValueError``.
    """
    if not isinstance(text, str):
        raise TypeError(f"the URL of a node is a str, not {type(text).__name__}")
    url = text.strip().rstrip("/")
    if "://" not in url:
        url = f"http://{url}"
    # Checked here, since urlsplit drops line breaks and tabs.
    plain = url.isascii() and url.isprintable() and " " not in url
    wrong = f"{text!r} is not the URL of a node; it looks like http://127.0.0.1:8081"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(wrong) from None
    if "@" in parts.netloc:
        raise ValueError("the URL of a node has no name and password in it; use a token")
    host = parts.netloc.removesuffix(f":{port}") if port is not None else parts.netloc
    scheme = parts.scheme.lower()
    fine = plain and scheme in ("http", "https") and _HOST.fullmatch(host) and _PATH.fullmatch(parts.path)
    if not fine or parts.query or parts.fragment or "?" in url or "#" in url or port == 0:
        raise ValueError(wrong)
    return f"{scheme}://{parts.netloc}{parts.path}"


class Nodes:
    """The nodes that a client knows, shared by all its calls. Safe for threads.

    A call begins with the node that answered last: it is known to live, and its connection is open. The very
    first one begins at random, since a thousand clients with one list of nodes would otherwise all sit at the
    first of them. From there they go on in the order in which they were given.

    With ``follow`` members of the views that nodes speak of are known as well (``learn``). They come after
    the given ones: a member's address is where its peers reach it, which need not be where clients do, and
    an attempt at an address behind a NAT costs all the patience for a connection. The given ones are never
    forgotten, so a client that was led astray finds its way back.
    """

    follows = False

    def __init__(
        self, urls: Iterable[str], draw: Callable[[], float], *, spread: bool = True, follow: bool = False
    ) -> None:
        """Raises ``ValueError``."""
        if isinstance(urls, str):
            raise TypeError("the nodes are a list of URLs, not one str")
        self._lock = Lock()
        self._urls = tuple(dict.fromkeys(map(node_url, urls)))
        if not self._urls:
            raise ValueError("a client needs the URL of one node at least")
        self._first = int(draw() * len(self._urls)) % len(self._urls) if spread else 0
        self.follows = follow
        """Whether members of the view are asked that were not given."""
        self._learned: tuple[str, ...] = ()
        self._ahead = ""
        """The learned node that answered last, if that was the last one to answer."""
        self._next_look: float | None = None
        self._looked: dict[str, float] = {}

    @property
    def urls(self) -> tuple[str, ...]:
        """Those that were given, in that order."""
        return self._urls

    @property
    def learned(self) -> tuple[str, ...]:
        """Members of the view that were not given."""
        return self._learned

    def order(self) -> list[str]:
        """All nodes in the order in which a call that begins now asks them."""
        with self._lock:
            given = (*self._urls[self._first :], *self._urls[: self._first])
            ahead = (self._ahead,) if self._ahead else ()
            return list(dict.fromkeys((*ahead, *given, *self._learned)))

    def answered(self, url: str) -> None:
        """Begin with this one."""
        with self._lock:
            if url in self._urls:
                self._first, self._ahead = self._urls.index(url), ""
            elif url in self._learned:
                self._ahead = url

    def failed(self, url: str) -> None:
        """Do not begin with this one: a node that hangs would cost every call its patience."""
        with self._lock:
            if self._ahead == url:
                self._ahead = ""
            elif self._urls[self._first] == url:
                self._first = (self._first + 1) % len(self._urls)

    def add(self, teller: str, addresses: Iterable[str]) -> None:
        """Take the members of the view of which ``teller`` has told for given nodes."""
        with self._lock:
            self._urls = tuple(dict.fromkeys((*self._urls, *self._members(teller, addresses))))
            self._learned = tuple(url for url in self._learned if url not in self._urls)
            if self._ahead not in self._learned:
                self._ahead = ""

    # ---- following the view

    def due(self, now: float) -> bool:
        """Whether the caller, whose call was just answered, is to look at the view; others are not, then.

        Not after the first answer: a program that makes one call has no use for what it would learn.
        """
        with self._lock:
            if self._next_look is None or now >= self._next_look:
                first = self._next_look is None
                self._next_look = now if first else now + LOOK_EVERY
                return not first
            return False

    def may_look(self, url: str, now: float) -> bool:
        """Whether the caller is to ask this node, which does not serve, for its view. Not all calls that fail
        at the same moment do."""
        with self._lock:
            if now - self._looked.get(url, -math.inf) < LOOK_AGAIN:
                return False
            self._looked[url] = now
            return True

    def learn(self, teller: str, addresses: Iterable[str], *, serves: bool) -> None:
        """Know the members of the view of which ``teller`` has told.

        If it ``serves`` this is the view, and who was learned before and is no member is forgotten: at that
        address may be somebody else by now. Of a node that does not serve it is not known how old its view
        is, so nobody is forgotten for its word.
        """
        with self._lock:
            new = [url for url in self._members(teller, addresses) if url not in self._urls]
            self._learned = tuple(dict.fromkeys(new if serves else (*new, *self._learned)))[:MAX_LEARNED]
            if self._ahead not in self._learned:
                self._ahead = ""
            self._looked = {
                url: at for url, at in self._looked.items() if url in (*self._urls, *self._learned)
            }

    def _members(self, teller: str, addresses: Iterable[str]) -> list[str]:
        """Where clients may reach members. What is no ``host:port`` is left out.

        By https if any node is, whoever tells: the token must not go in clear for a node's word. At the path
        of the one that tells, since nodes in applications stand below the same one.
        """
        https = any(url.startswith("https:") for url in (*self._urls, teller))
        path = urlsplit(teller).path
        found = []
        for address in addresses:
            with contextlib.suppress(ValueError):
                if not urlsplit(f"//{address}").path:
                    found.append(node_url(f"http{'s' * https}://{address}{path}"))
        return found
