"""The parser of waitress, with two things that it does not do by itself."""

from __future__ import annotations

from typing import Any

from waitress.parser import HTTPRequestParser, ParsingError


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """One request."""

    chunked: bool
    content_length: int
    headers: dict[str, Any]

    def parse_header(self, header_plus: bytes) -> None:
        """Read the head. Raises ``ParsingError``, which waitress answers with 400."""
        super().parse_header(header_plus)
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            # Waitress would take the chunks and go on with what follows, which may be anybody's where a proxy
            # took the length (RFC 9112, section 6.1).
            raise ParsingError("Content-Length and Transfer-Encoding")
        if not self.chunked and not self.content_length:
            # Asked to go on with no body at all, waitress waits for the end of it for ever.
            self.expect_continue = False
