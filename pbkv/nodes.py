"""Which nodes there are, and with which one a call begins."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from threading import Lock
from urllib.parse import urlsplit

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
    """

    def __init__(self, urls: Iterable[str], draw: Callable[[], float], *, spread: bool = True) -> None:
        """Raises ``ValueError``."""
        if isinstance(urls, str):
            raise TypeError("the nodes are a list of URLs, not one str")
        self._lock = Lock()
        self._urls = tuple(dict.fromkeys(map(node_url, urls)))
        if not self._urls:
            raise ValueError("a client needs the URL of one node at least")
        self._first = int(draw() * len(self._urls)) % len(self._urls) if spread else 0

    @property
    def urls(self) -> tuple[str, ...]:
        """All of them, in the order in which they were given."""
        return self._urls

    def order(self) -> list[str]:
        """All nodes in the order in which a call that begins now asks them."""
        with self._lock:
            return [*self._urls[self._first :], *self._urls[: self._first]]

    def answered(self, url: str) -> None:
        """Begin with this one."""
        with self._lock:
            if url in self._urls:
                self._first = self._urls.index(url)

    def failed(self, url: str) -> None:
        """Do not begin with this one: a node that hangs would cost every call its patience."""
        with self._lock:
            if self._urls[self._first] == url:
                self._first = (self._first + 1) % len(self._urls)

    def add(self, urls: Iterable[str]) -> None:
        """Know more nodes."""
        with self._lock:
            self._urls = tuple(dict.fromkeys((*self._urls, *urls)))
