"""uvicorn's faster HTTP/1.1 protocol with what it lacks: a bound on a request's head, and our own errors.

Its parser (llhttp, through httptools) costs a fifth of h11's in Python, but it keeps a head of any length and
turns methods that it has not heard of away as malformed.
"""

from __future__ import annotations

import sys
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from frontends.common import api
from frontends.common.listen import MAX_HEAD
from frontends.common.settings import Settings


def protocol(settings: Settings) -> type[HttpToolsProtocol]:
    """The protocol for the node with these settings."""

    class BoundedProtocol(HttpToolsProtocol):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._in_head = False
            self._head = 0
            """Bytes of the head so far, without the piece in which it began."""
            self._data = b""

        def data_received(self, data: bytes) -> None:
            if self._in_head:
                self._head += len(data)
                if self._head > MAX_HEAD:
                    self._turn_away(api.problem(431, "head_too_large", f"a head may have {MAX_HEAD} bytes"))
                    return
            self._data = data
            super().data_received(data)
            self._data = b""

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._in_head = True
            self._head = 0

        def on_headers_complete(self) -> None:
            self._in_head = False
            super().on_headers_complete()

        def send_400_response(self, msg: str) -> None:
            """Called where uvicorn handles the parser's error."""
            response = api.problem(400, "bad_request", msg)
            if isinstance(sys.exc_info()[1], httptools.HttpParserInvalidMethodError):
                response = _unknown_method(self._data, settings) or response
            self._turn_away(response)

        def _turn_away(self, response: api.Response) -> None:
            body = response.body
            if not isinstance(body, bytes):
                raise TypeError("an error has a short body")
            headers = (*response.headers, ("content-length", str(len(body))), ("connection", "close"))
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
            self.transport.write(STATUS_LINE[response.status] + lines.encode("latin-1") + b"\r\n" + body)
            self.transport.close()

    return BoundedProtocol


def _unknown_method(data: bytes, settings: Settings) -> api.Response | None:
    """The answer to a request with a method of which the parser knows nothing, if it begins with ``data``."""
    words = data.partition(b"\r\n")[0].split(b" ")
    if len(words) != 3 or not words[2].startswith(b"HTTP/1.") or not words[0].isalpha():
        return None
    plan = api.plan(words[0].decode(), words[1], settings)
    return plan if isinstance(plan, api.Response) else None
