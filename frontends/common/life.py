"""The life of a node within an application: with what it begins, and how it ends, in both frontends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

from . import tls
from .api import Api
from .collector import settle
from .guard import Guard, stock_scope
from .node import Node
from .place import Place
from .settings import SettingError, Settings, from_app, from_arguments
from .starting import say_started

NAME = "pbproto"
"""In an application's ``extensions``."""


class Driver(Protocol):
    """Who executes a node's effects."""

    node: Node

    def stop(self) -> None:
        """Carry nothing and tick no more."""


D = TypeVar("D", bound=Driver)


class Life(Generic[D]):
    """One node in one application. Where the two differ in when it begins and ends, they call this then."""

    def __init__(
        self, id_: int | None, scope: str | None, settings: Settings | None, given: Mapping[str, object]
    ) -> None:
        """Either ``settings`` or single ones, ``given``. Raises ``SettingError``."""
        self._given = {**given, "id": id_} if id_ is not None else dict(given)
        if settings is not None and self._given:
            raise SettingError("give either settings or single ones")
        if settings is None:
            from_arguments({"id": 0, **self._given})  # a bad one shows here, not when the application is made
        self._settings = settings
        self._scope = scope
        self._joined = False
        self.driver: D | None = None
        """While the node lives, and after that."""
        self.rest: Api | None = None
        """Its REST interface, likewise."""
        self._guard: Guard | None = None
        self._put_back: Callable[[], None] | None = None

    @property
    def settings(self) -> Settings:
        """All of them. Raises ``SettingError`` while nobody has said which."""
        if self._settings is None:
            raise SettingError("a node needs settings")
        return self._settings

    @cached_property
    def contexts(self) -> tls.Contexts | None:
        """The TLS of the node, and of a server that serves nothing else. Raises ``SettingError``."""
        return tls.of(self.settings)

    def configure(self, config: Mapping[str, Any]) -> None:
        """What was not given comes from the ``config`` of the application. Raises ``SettingError``."""
        if self._settings is None:
            self._settings = from_app(self._given, config)

    def check_free(self, extensions: Mapping[str, Any]) -> None:
        """Raises ``SettingError`` if the application has a node, or this node an application."""
        if self._joined or NAME in extensions:
            raise SettingError("one application has one node, and one node is in one application")

    def join(self, extensions: dict[str, Any], extension: object) -> None:
        """From now on they have each other."""
        self._joined = True
        extensions[NAME] = extension

    def begin(
        self,
        frontend: str,
        make: Callable[[Settings, tls.Contexts | None], D],
        answer_first: Callable[[Callable[[], None]], Callable[[], None]],
        place: Place | None,
    ) -> D:
        """Bring the node to life. Raises ``SecondProcessError`` in a second worker.

        ``answer_first``: hears the signals to end, and returns what puts their handlers back. ``place``:
        where the node is within the application; ``None`` if that is nothing but a node.
        """
        settings = self.settings
        self._guard = Guard(settings.id, self._scope or stock_scope())
        try:
            self.driver = make(settings, self.contexts)
            node = self.driver.node
            self.rest = Api(node, place.name if place is not None else "")
        except BaseException:
            self._guard.release()
            raise
        if place is None:
            settle()
        self._put_back = answer_first(node.close)
        say_started(settings, node.incarnation, frontend, place)
        return self.driver

    def end(self) -> None:
        """Answer who waits, and nobody after that. May be called twice."""
        if self.driver is not None:
            self.driver.node.close()
            self.driver.stop()
            self.driver.node.end_recording()
        if self._put_back is not None:
            self._put_back()
        if self._guard is not None:
            self._guard.release()
