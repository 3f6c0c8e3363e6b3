"""Names of requests, by which an answer is found again in the logs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import count

HEADER = "x-request-id"
MAX_LENGTH = 128
_VISIBLE = re.compile(rf"[!-~]{{1,{MAX_LENGTH}}}")


class RequestIds:
    """The ids that one node gives: all as long, none twice, also not by another node or another life of it.

    They begin with the ``incarnation`` of the node, 64 random bits that ``GET /view`` shows: whoever has an
    id knows which log to look into. A number behind it costs less than a UUID for each request.
    """

    def __init__(self, incarnation: int) -> None:
        self._prefix = f"{incarnation:016x}"
        self._numbers = count(1)

    def of(self, headers: Mapping[str, str]) -> str:
        """The id that the client gave, if it is 1 to 128 visible ASCII characters; else a new one."""
        given = headers.get(HEADER, "")
        if _VISIBLE.fullmatch(given):
            return given
        return f"{self._prefix}{next(self._numbers):08x}"
