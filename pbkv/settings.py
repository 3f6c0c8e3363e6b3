"""The settings that both clients share, checked once."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from .calls import Call, Policy, check_seconds
from .errors import Attempt, StoreError
from .http import authorization
from .nodes import Nodes, node_url
from .requests import MIB, Request, T
from .results import NodeAnswer, Status

TIMEOUT = 30.0
ATTEMPT_TIMEOUT = 12.0
"""A node answers 503 or 504 after 10 s, unless it was told otherwise. Who hangs up before that trades a
certain answer for an unknown one."""
CONNECT_TIMEOUT = 2.0
MAX_CONNECTIONS = 100
MAX_LISTING_BYTES = 1024 * MIB
LOOK_TIMEOUT = 3.0
"""Seconds for a question to one node about itself, which it answers at once or not at all."""
AT_ONCE = 8
"""Nodes that are asked at the same time."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a client behaves."""

    nodes: Nodes
    timeout: float
    attempt_timeout: float
    connect_timeout: float
    max_listing_bytes: int
    headers: dict[str, str]
    clock: Callable[[], float]
    draw: Callable[[], float]

    @classmethod
    def of(
        cls,
        nodes: Iterable[str],
        token: str | None,
        timeout: float,
        attempt_timeout: float,
        connect_timeout: float,
        spread: bool,
        max_listing_bytes: int,
        clock: Callable[[], float],
        draw: Callable[[], float] | None,
        *,
        follow_view: bool,
    ) -> Settings:
        """Raises ``ValueError``."""
        for name, seconds in (
            ("timeout", timeout),
            ("attempt_timeout", attempt_timeout),
            ("connect_timeout", connect_timeout),
        ):
            check_seconds(name, seconds)
        if max_listing_bytes < 1:
            raise ValueError("max_listing_bytes is a number of bytes above 0")
        # One stream of chance per client and process; only pauses and the first node depend on it.
        chance = random.Random().random if draw is None else draw
        return cls(
            Nodes(nodes, chance, spread=spread, follow=follow_view),
            timeout,
            attempt_timeout,
            connect_timeout,
            max_listing_bytes,
            authorization(token),
            clock,
            chance,
        )

    def call(self, request: Request[T], timeout: float | None) -> Call[T]:
        """A call that may ask every node."""
        if timeout is not None:
            check_seconds("timeout", timeout)
        policy = Policy(self.timeout if timeout is None else timeout, self.attempt_timeout)
        return Call(request, self.nodes, policy, self.clock(), self.draw)

    def question(self, request: Request[T], node: str, timeout: float | None) -> Call[T]:
        """One attempt at one node: the policy wants more time for a second one than is left after it."""
        if timeout is not None:
            check_seconds("timeout", timeout)
        seconds = min(LOOK_TIMEOUT, self.timeout) if timeout is None else timeout
        return Call(request, Nodes([node], self.draw), _Once(seconds, seconds), self.clock(), self.draw)

    def named(self, node: str | None) -> tuple[str, ...]:
        """The nodes that a question goes to. Raises ``ValueError``."""
        return self.nodes.urls if node is None else (node_url(node),)

    def add_members(self, answers: Iterable[NodeAnswer[Status]]) -> tuple[str, ...]:
        """Take the members of the views that nodes are in for given nodes; all of these now."""
        for each in answers:
            if each.answer is not None:
                self.nodes.add(each.node, (member.address for member in each.answer.view))
        return self.nodes.urls


class _Once(Policy):
    """Every further attempt comes too late."""

    @property
    def shortest(self) -> float:
        return math.inf


def problem_of(node: str, error: StoreError) -> NodeAnswer[T]:
    """The answer of a node that did not give one."""
    last = error.attempts[-1] if error.attempts else Attempt(node, error.summary, False)
    return NodeAnswer(node, None, last)


def urls_of_members(members: Iterable[tuple[int, str]], given: Sequence[str]) -> list[str]:
    """Where the members of a view are told it. Raises ``ValueError``.

    A view names no paths: who was given with that host and port is asked there, anybody else by the scheme
    and below the path of the first one given.
    """
    known = {url.partition("://")[2].partition("/")[0]: url for url in given}
    first = urlsplit(given[0])
    return [
        known.get(address) or node_url(f"{first.scheme}://{address}{first.path}") for _, address in members
    ]
