"""Names of requests, by which an answer is found again in the logs."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from itertools import count

HEADER = "x-request-id"
MAX_LENGTH = 128
_VISIBLE = re.compile(rf"[!-~]{{1,{MAX_LENGTH}}}")


class RequestIds:
    """The ids that one node gives: all as long, none twice, also not by another node or another life of it.

    Eight random bytes at the start and a number cost a fifth of what a UUID for each request does.
    """

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(8)
        self._numbers = count(1)

    def of(self, headers: Mapping[str, str]) -> str:
        """The id that the client gave, if it is 1 to 128 visible ASCII characters; else a new one."""
        given = headers.get(HEADER, "")
        if _VISIBLE.fullmatch(given):
            return given
        return f"{self._prefix}{next(self._numbers):08x}"
