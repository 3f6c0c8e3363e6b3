"""A node in somebody's Quart application: the extension, and the life of the node within the lifespan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quart import Quart

from frontends.common.api import Api
from frontends.common.collector import settle
from frontends.common.guard import Guard, stock_scope
from frontends.common.inside import TIMEOUT
from frontends.common.place import Place
from frontends.common.settings import SettingError, Settings, from_app, from_arguments

from .driver import Driver
from .ending import answer_first
from .lean import Lean, Ours, Scope, target_of
from .store import Store

NAME = "pbproto"
"""In ``app.extensions``."""


class PbProto(Store):
    """A node of the store as part of a Quart application, and the way to it without HTTP.

        store = PbProto(app, id=1, url_prefix="/kv")

    or, for applications that a factory makes, ``store = PbProto(id=1)`` and later ``store.init_app(app)``.
    One object is one node in one application.

    The node's REST interface is at ``url_prefix``; peers reach it at ``/peer``. These requests never get to
    the application's routing, hooks, sessions and error handlers. The node lives while the application is
    served, from the place of this call among its ``before_serving`` functions to the place of this call
    among its ``after_serving`` functions.
    """

    def __init__(
        self,
        app: Quart | None = None,
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

        What is not given here comes from ``app.config`` (``PBPROTO_ID``, ``PBPROTO_REQUEST_TIMEOUT``), then
        from the environment (``NODE_IDENTIFIER``, ``PBPROTO_REQUEST_TIMEOUT``). ``settings``: all of them at
        once, instead. ``url_prefix``: ``None`` for no REST interface. ``view_at_root``: ``/view`` is
        there as well as below the prefix, for a view service. ``timeout``: seconds for a whole call
        of this object. ``scope``: names what the node must be alone in; by default the server that this
        process works for. Raises ``SettingError``.
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
        self._app: Quart | None = None
        self._alone = False
        self._mapping: Api | None = None
        self._driver: Driver | None = None
        self._guard: Guard | None = None
        self._put_back: Callable[[], None] | None = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Be part of ``app``. Raises ``SettingError``. In a second worker the application does not start."""
        if self._settings is None:
            self._settings = from_app(self._given, app.config)
        self.attach(app, self._ours)

    def attach(self, app: Quart, ours: Ours | None, *, alone: bool = False) -> None:
        """Live within ``app`` and answer what is ``ours``. ``alone``: nothing else is in this process."""
        if self._app is not None or NAME in app.extensions:
            raise SettingError("one application has one node, and one node is in one application")
        self._app, self._alone = app, alone
        app.extensions[NAME] = self
        if ours is not None:
            lean: Any = Lean(app.asgi_app, self.mapping, ours)
            app.asgi_app = lean  # type: ignore[method-assign]
        app.before_serving(self._start)
        app.after_serving(self._stop)

    def mapping(self) -> Api | None:
        """The REST interface of the node, while it lives."""
        return self._mapping

    def _ours(self, scope: Scope) -> bytes | None:
        return self._place.target(target_of(scope), scope.get("root_path", ""))

    async def _start(self) -> None:
        settings = self._settings
        if settings is None or self._app is None:
            raise RuntimeError("the extension is part of no application")
        shadowed = self._place.shadowed(rule.rule for rule in self._app.url_map.iter_rules())
        if shadowed:
            raise SettingError(f"the application has routes where the node is: {', '.join(shadowed)}")
        self._guard = Guard(settings.id, self._scope or stock_scope())
        try:
            self._driver = Driver(settings)
            self._mapping = Api(self._driver.node, self._place.name)
        except BaseException:
            self._guard.release()
            raise
        self._open(self._driver.node)
        if self._alone:
            settle()
        self._put_back = answer_first(self._driver.node.close)

    async def _stop(self) -> None:
        if self._driver is not None:
            self._driver.node.close()
            self._driver.stop()
            self._driver.node.end_recording()
        if self._put_back is not None:
            self._put_back()
        if self._guard is not None:
            self._guard.release()
