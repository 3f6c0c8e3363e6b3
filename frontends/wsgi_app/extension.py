"""A node in somebody's Flask application: the extension, and the life of the node."""

from __future__ import annotations

import threading
from typing import Any

from flask import Flask

from frontends.common.api import Api
from frontends.common.inside import TIMEOUT
from frontends.common.life import Life
from frontends.common.logs import LOGGER, logfmt
from frontends.common.place import Place
from frontends.common.settings import Settings

from .answering import Answering, Environ, target_of
from .driver import Driver
from .ending import answer_first
from .lean import Lean, Ours, WayIn
from .store import Store

WAY_IN = "pbproto_way_in"
TOO_FEW = (
    "while all threads of the server wait no mail of peers, no view and no probe comes in: give it as many"
    " (waitress-serve --threads, gunicorn -k gthread --threads), and PbProto(threads=...) the same number"
)


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
        self._life: Life[Driver] = Life(id, scope, settings, given)
        self._app: Flask | None = None
        self._looked = False
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Be part of ``app``. Raises ``SettingError``; in a second worker, ``SecondProcessError``."""
        self._life.configure(app.config)
        self.attach(app, self._ours)

    def attach(self, app: Flask, ours: Ours | None, *, alone: bool = False) -> None:
        """Live within ``app`` and answer what is ``ours``. ``alone``: nothing else is in this process."""
        life = self._life
        life.check_free(app.extensions)
        driver = life.begin("wsgi", Driver, answer_first, None if alone else self._place)
        self._app = app
        answering = Answering(self.rest, life.settings)
        self._open(driver.node, answering)
        if ours is not None:
            lean: Any = Lean(app.wsgi_app, answering, ours)
            app.wsgi_app = lean  # type: ignore[method-assign]
            if alone:
                app.extensions[WAY_IN] = WayIn(self.rest, driver.together)
        life.join(app.extensions, self)

    @property
    def rest(self) -> Api:
        """The node's REST interface. Raises ``RuntimeError`` while there is none."""
        if self._life.rest is None:
            raise RuntimeError("the extension is part of no application, so there is no node")
        return self._life.rest

    def close(self) -> None:
        """End the node; for tests. It answers who waits, and nobody after that. May be called twice."""
        self._life.end()

    def _ours(self, environ: Environ) -> bytes | None:
        if not self._looked:
            self._looked = True
            self._look()
            self._count_threads(environ)
        return self._place.target(target_of(environ), environ.get("SCRIPT_NAME", ""))

    def _look(self) -> None:
        # Flask has no start-up; with the first request the application's routes are complete.
        if self._app is not None:
            rules = (rule.rule for rule in self._app.url_map.iter_rules())
            for rule in self._place.shadowed(rules):
                LOGGER.error("%s", logfmt(self.node.id, "route_hidden", rule=rule))

    def _count_threads(self, environ: Environ) -> None:
        """Say that the server has fewer threads than it was said to have, where that can be seen."""
        has, threads = _threads_of(environ), self._life.settings.threads
        if has is not None and has < threads:
            fields = {"threads": threads, "server_has": has, "hint": TOO_FEW}
            LOGGER.error("%s", logfmt(self.node.id, "too_few_threads", **fields))


def _threads_of(environ: Environ) -> int | None:
    """How many threads answer requests. Waitress has all of them from the beginning, by name; of gunicorn one
    sees only whether it is a single one, which is what it has by default.
    """
    if environ.get("SERVER_SOFTWARE", "").startswith("gunicorn/"):
        return None if environ["wsgi.multithread"] else 1
    prefix = "waitress-"
    if not threading.current_thread().name.startswith(prefix):
        return None
    return sum(thread.name.startswith(prefix) for thread in threading.enumerate())
