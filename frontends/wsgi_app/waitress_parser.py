"""The parser of waitress, with what it does not do by itself.

Waitress takes a body in before it asks the application, up to the longest that any request may have: a
stranger with two thousand connections could fill half a terabyte of disk. So of a body that is long, or whose
length is not said, nothing is kept unless the head alone says that it is worth it.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

from waitress.parser import HTTPRequestParser, ParsingError
from waitress.utilities import RequestHeaderFieldsTooLarge

from frontends.common import api, responses, wanted
from frontends.common.budget import SHORT, Budget, Share
from frontends.common.door import NOBODY, Caller
from frontends.common.listen import MAX_HEAD


class Admission:
    """What a body has had to pass before it was kept."""

    def __init__(self, bodies: Budget, limit: int, *, counted: bool) -> None:
        self._share = Share(bodies)
        self._limit = limit
        self._counted = counted
        self.turned_away = False
        """There was no room for it, and it is not here."""

    def keeps(self, size: int) -> bool:
        """Whether so many bytes of it are kept; once they are not, none are."""
        if size > self._limit:
            return False
        self.turned_away = self.turned_away or (self._counted and not self._share.need(size))
        return not self.turned_away

    def end(self) -> None:
        """The body is no longer here, and none of it is kept any more."""
        self._limit = -1
        self._share.end()


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """One request on ``channel``, to the node behind its server's ``mapping``, if that has one."""

    chunked: bool
    content_length: int
    headers: dict[str, Any]
    body_rcv: Any
    completed: bool
    error: Any
    version: str

    def __init__(self, channel: Any, adjustments: Any) -> None:
        super().__init__(adjustments)
        self._channel = channel
        self.admission: Admission | None = None
        """Of a long body that is being kept, or was."""

    def parse_header(self, header_plus: bytes) -> None:
        """Read the head. Raises ``ParsingError``, which waitress answers with 400."""
        super().parse_header(header_plus)
        if self.version == "1.0" and "TRANSFER_ENCODING" in self.headers:
            # Waitress would take it for one without a body, and the chunks for a request (the same section).
            raise ParsingError("Transfer-Encoding in HTTP/1.0")
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            # Waitress would take the chunks and go on with what follows, which may be anybody's where a proxy
            # took the length (RFC 9112, section 6.1).
            raise ParsingError("Content-Length and Transfer-Encoding")
        if not self.chunked and not self.content_length:
            # Asked to go on with no body at all, waitress waits for the end of it for ever.
            self.expect_continue = False
        mapping: api.Api | None = getattr(self._channel.server, "mapping", None)
        if mapping is not None and (self.chunked or self.content_length > SHORT):
            self._admit(mapping)

    def _admit(self, mapping: api.Api) -> None:
        caller = Caller(self._channel.addr[0], self._channel.certified) if mapping.guarded else NOBODY
        target = self.request_uri.encode("latin-1")
        plan = mapping.plan(self.command, target, wanted.of_waitress(self.headers), caller)
        if isinstance(plan, responses.Response) or not plan.body_limit:
            self._keep_nothing()
            return
        self.admission = Admission(mapping.bodies, plan.body_limit, counted=plan.waits)
        if plan.waits and not mapping.has_room(self.content_length):
            self.admission.turned_away = True
        if not self.admission.keeps(self.content_length):
            self._keep_nothing()

    def _keep_nothing(self) -> None:
        """Let the rest of the body go by: who is turned away reads its answer when all was sent."""
        buffer = self.body_rcv.buf
        if not isinstance(buffer, _Nothing):
            self.body_rcv.buf = _Nothing(len(buffer))
            buffer.close()
        if self.admission is not None:
            self.admission.end()

    def received(self, data: bytes) -> int:
        """Take in some of the request; how many bytes of it."""
        consumed: int = super().received(data)
        if self.chunked and not self.completed:
            # Waitress keeps what is beside the chunks up to the length of a body, and reads all of it anew
            # with each piece that comes.
            chunks = self.body_rcv
            if len(chunks.control_line) + len(chunks.trailer) > MAX_HEAD:
                detail = f"beside its chunks a body may have {MAX_HEAD} bytes"
                self.error = RequestHeaderFieldsTooLarge(detail)
                self.completed = True
        admission = self.admission
        if admission is not None and self.chunked and not admission.keeps(len(self.body_rcv)):
            self._keep_nothing()
        return consumed

    def close(self) -> None:
        """The request is over."""
        super().close()
        self.let_go()

    def let_go(self) -> None:
        """Its client is gone, or it is over: its body takes no room any more."""
        if self.admission is not None:
            self.admission.end()


class _Nothing:
    """In the place of a buffer of waitress: keeps nothing, and knows how much it was."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size

    def append(self, data: bytes) -> None:
        """Forget it."""
        self._size += len(data)

    def getfile(self) -> BytesIO:
        """An empty one."""
        return BytesIO()

    def close(self) -> None:
        """There is nothing to close."""
