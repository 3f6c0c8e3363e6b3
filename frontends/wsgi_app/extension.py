"""A node in somebody's Flask application: the extension, and the life of the node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask

from frontends.common.api import Api
from frontends.common.collector import settle
from frontends.common.guard import Guard, stock_scope
from frontends.common.inside import TIMEOUT
from frontends.common.logs import LOGGER, logfmt
from frontends.common.place import Place
from frontends.common.settings import SettingError, Settings, from_app, from_arguments

from .answering import Answering, Environ, target_of
from .driver import Driver
from .ending import answer_first
from .lean import Lean, Ours, WayIn
from .store import Store

NAME = "pbproto"
"""In ``app.extensions``."""
WAY_IN = "pbproto_way_in"


class PbProto(Store):
    """A node of the store as part of a Flask application, and the way to it without HTTP.

        store = PbProto(app, id=1, url_prefix="/kv", threads=16)

    or, for applications that a factory makes, ``store = PbProto(id=1)`` and later ``store.init_app(app)``.
    One object is one node in one application.

    The node's REST interface is at ``url_prefix``; peers reach it at ``/peer``. These requests never get to
    the application's routing, hooks, sessions and error handlers. The node lives from ``init_app`` to the end
    of the process, or to ``close``. It has to be made in the process that serves: in a forked copy it
    answers nothing.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        id: int | None = None,
        url_prefix: str | None = "/kv",
        view_at_root: bool = False,
        timeout: float = TIMEOUT,
        scope: str | None = None,
        settings: Settings | None = None,
        **given: object,
    ) -> None:
        """Every other keyword is a setting of the node, as ``request_timeout=5.0``.

        ``threads``: how many threads the server has. What is not given here comes from ``app.config``
        (``PBPROTO_ID``, ``PBPROTO_THREADS``), then from the environment (``NODE_IDENTIFIER``,
        ``PBPROTO_THREADS``). ``settings``: all of them at once, instead. ``url_prefix``: ``None`` for no REST
        interface. ``view_at_root``: ``/view`` is there as well as below the prefix, for a view service.
        ``timeout``: seconds for a whole call of this object. ``scope``: names what the node must
        be alone in; by default the server that this process works for. Raises ``SettingError``; with ``app``,
        what ``init_app`` raises.
        """
        super().__init__(timeout)
        self._place = Place(url_prefix, view=view_at_root)
        self._given = {**given, "id": id} if id is not None else given
        if settings is not None and self._given:
            raise SettingError("give either settings or single ones")
        if settings is None:
            from_arguments({"id": 0, **self._given})  # a bad one shows here, not when the application is made
        self._settings = settings
        self._scope = scope
        self._app: Flask | None = None
        self._looked = False
        self._driver: Driver | None = None
        self._guard: Guard | None = None
        self._put_back: Callable[[], None] | None = None
        self.rest: Api
        """The node's REST interface, once it is within an application."""
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Be part of ``app``. Raises ``SettingError``; in a second worker, ``SecondProcessError``."""
        if self._settings is None:
            self._settings = from_app(self._given, app.config)
        self.attach(app, self._ours)

    def attach(self, app: Flask, ours: Ours | None, *, alone: bool = False) -> None:
        """Live within ``app`` and answer what is ``ours``. ``alone``: nothing else is in this process."""
        settings = self._settings
        if settings is None:
            raise SettingError("a node needs settings")
        if self._app is not None or NAME in app.extensions:
            raise SettingError("one application has one node, and one node is in one application")
        self._guard = Guard(settings.id, self._scope or stock_scope())
        try:
            self._driver = Driver(settings)
            node = self._driver.node
            mapping = Api(node, self._place.name)
        except BaseException:
            self._guard.release()
            raise
        self._app = app
        self.rest = mapping
        answering = Answering(mapping, settings)
        self._open(node, answering)
        if ours is not None:
            lean: Any = Lean(app.wsgi_app, answering, ours)
            app.wsgi_app = lean  # type: ignore[method-assign]
            if alone:
                app.extensions[WAY_IN] = WayIn(mapping, self._driver.together)
        app.extensions[NAME] = self
        if alone:
            settle()
        self._put_back = answer_first(node.close)

    def close(self) -> None:
        """End the node; for tests. It answers who waits, and nobody after that. May be called twice."""
        if self._driver is not None:
            self._driver.node.close()
            self._driver.stop()
            self._driver.node.end_recording()
        if self._put_back is not None:
            self._put_back()
        if self._guard is not None:
            self._guard.release()

    def _ours(self, environ: Environ) -> bytes | None:
        if not self._looked:
            self._looked = True
            self._look()
        return self._place.target(target_of(environ), environ.get("SCRIPT_NAME", ""))

    def _look(self) -> None:
        # Flask has no start-up; with the first request the application's routes are complete.
        if self._app is not None:
            rules = (rule.rule for rule in self._app.url_map.iter_rules())
            for rule in self._place.shadowed(rules):
                LOGGER.error("%s", logfmt(self.node.id, "route_hidden", rule=rule))
