"""A node in somebody's Quart application: the extension, and the life of the node within the lifespan."""

from __future__ import annotations

from typing import Any

from quart import Quart

from frontends.common.api import Api
from frontends.common.asgi import Scope
from frontends.common.inside import TIMEOUT
from frontends.common.life import Life
from frontends.common.place import Place
from frontends.common.settings import SettingError, Settings
from frontends.common.tls import Contexts

from .driver import Driver
from .ending import answer_first
from .lean import Lean, Ours, target_of
from .store import Store


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
        self._life: Life[Driver] = Life(id, scope, settings, given)
        self._app: Quart | None = None
        self._alone = False
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Be part of ``app``. Raises ``SettingError``. In a second worker the application does not start."""
        self._life.configure(app.config)
        self.attach(app, self._ours)

    def attach(self, app: Quart, ours: Ours | None, *, alone: bool = False) -> None:
        """Live within ``app`` and answer what is ``ours``. ``alone``: nothing else is in this process."""
        self._life.check_free(app.extensions)
        self._life.join(app.extensions, self)
        self._app, self._alone = app, alone
        if ours is not None:
            lean: Any = Lean(app.asgi_app, self.mapping, ours)
            app.asgi_app = lean  # type: ignore[method-assign]
        app.before_serving(self._start)
        app.after_serving(self._stop)

    def mapping(self) -> Api | None:
        """The REST interface of the node, while it lives."""
        return self._life.rest

    @property
    def contexts(self) -> Contexts | None:
        """The TLS of the node, for a server that serves nothing else."""
        return self._life.contexts

    def _ours(self, scope: Scope) -> bytes | None:
        return self._place.target(target_of(scope), scope.get("root_path", ""))

    async def _start(self) -> None:
        if self._app is None:
            raise RuntimeError("the extension is part of no application")
        shadowed = self._place.shadowed(rule.rule for rule in self._app.url_map.iter_rules())
        if shadowed:
            raise SettingError(f"the application has routes where the node is: {', '.join(shadowed)}")
        place = None if self._alone else self._place
        self._open(self._life.begin("quart", Driver, answer_first, place).node)

    async def _stop(self) -> None:
        self._life.end()
