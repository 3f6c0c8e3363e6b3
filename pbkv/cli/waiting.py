"""Half a minute may pass before a command has tried all it can: whoever sits at a terminal is told what it
waits for."""

from __future__ import annotations

from functools import partial
from threading import Lock, Timer
from typing import Any

import click

from ..calls import Look, Try
from ..client import Client
from ..judging import Failure, judge
from ..requests import Answer, Request
from .output import line
from .session import Session

PATIENCE = 1.0
"""Seconds after which a person wonders."""


class TellingClient(Client):
    """A client that says once, on standard error, whom it asks and what they have said so far.

    From a thread of its own, since what takes long is most often an answer that does not come.
    """

    def __init__(self, *arguments: Any, timeout: float, at: str = "", **named: Any) -> None:
        super().__init__(*arguments, timeout=timeout, **named)
        self._seconds = timeout
        self._at = at
        self._telling = Lock()
        self._last: dict[str, str] = {}
        """What each node said last; empty while it is asked."""
        self._timer: Timer | None = Timer(PATIENCE, self._tell)
        self._timer.daemon = True
        self._timer.start()

    def close(self) -> None:
        """Also: nothing is said from now on."""
        with self._telling:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        super().close()

    def _exchange(self, request: Request[Any], attempt: Try) -> Answer | Failure:
        if isinstance(attempt, Look):
            return super()._exchange(request, attempt)
        self._note(attempt.node, "")
        heard = super()._exchange(request, attempt)
        self._note(attempt.node, judge(request, heard).detail)
        return heard

    def _note(self, node: str, words: str) -> None:
        with self._telling:
            self._last.pop(node, None)  # who is asked now is named last
            self._last[node] = words

    def _tell(self) -> None:
        with self._telling:
            if self._timer is None:
                return
            said = "; ".join(
                f"{node}: {words or 'the answer is not there yet'}" for node, words in self._last.items()
            )
            how_long = f"trying until {self._seconds:g} s are over, Ctrl-C ends it"
            if not all(self._last.values()):
                how_long += f"; what it waits for: pbkv why{self._at}"
            click.echo(f"pbkv: no answer yet; {how_long} ({line(said)})", err=True)


def client_of(session: Session) -> Client:
    """A client for keys and values, which tells if there is somebody to tell. Raises ``click.UsageError``."""
    return session.client(partial(TellingClient, at=session.at) if session.talks else Client)
