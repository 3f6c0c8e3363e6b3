"""A dict in the place of a node's replica, for limits that have a node's own way past WSGI or ASGI."""

from __future__ import annotations

from collections.abc import Callable

from frontends.common.meters import Meters
from frontends.common.settings import Settings
from pbproto import Delete, Get, Kind, Put, Reply, Result, Value, Written
from pbproto.events import Request


class DictNode:
    """A node as the HTTP mapping sees it when it is asked for a key: it answers at once, from a dict."""

    def __init__(self, settings: Settings, data: dict[str, str]) -> None:
        self.id = settings.id
        self.settings = settings
        self.access = None
        self.incarnation = 1
        self.meters = Meters()
        self._data = {key.encode(): value.encode() for key, value in data.items()}
        self._written = len(data)

    def request(self, make: Callable[[int], Request], done: Callable[[Reply], None]) -> None:
        """As ``Node.request``."""
        request = make(0)
        if isinstance(request, Put):
            kind = Kind.UPDATED if request.key in self._data else Kind.CREATED
            self._data[request.key] = request.value
        elif isinstance(request, Delete):
            kind = Kind.MISSING if self._data.pop(request.key, None) is None else Kind.DELETED
        elif isinstance(request, Get):
            done(Reply(0, Value(self._data.get(request.key), self._written)))
            return
        else:
            raise TypeError("listings take the usual way")
        self._written += 1
        done(Reply(0, Written(Result(kind, self._written))))
