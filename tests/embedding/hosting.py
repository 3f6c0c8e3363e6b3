"""An application of somebody's around a node, in the process of a test; the same for both frameworks."""

from __future__ import annotations

import inspect
import threading
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import flask
import quart
from werkzeug.serving import make_server

from frontends import quart_app, wsgi_app

FRAMEWORKS = ("quart", "flask")
ADDRESS = "127.0.0.1:9"
"""Where the only node of a view is said to be: nobody has to reach it."""


class Seen(NamedTuple):
    """An answer over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Hosted:
    """An application with routes of its own, and a node in it."""

    def __init__(self, framework: str, **arguments: Any) -> None:
        self.framework = framework
        self.hooks: list[str] = []
        """The paths that the application's own hook has seen."""
        module: Any = quart if framework == "quart" else flask
        self.app: Any = module.Quart("own") if framework == "quart" else module.Flask("own")
        self.app.secret_key = "of a test"
        self._add_routes(module)
        self.store: Any = extension_of(framework)(
            self.app, **{"scope": uuid.uuid4().hex, "id": 1, **arguments}
        )

    def _add_routes(self, module: Any) -> None:
        app = self.app

        @app.before_request  # type: ignore[untyped-decorator]
        def seen() -> None:
            self.hooks.append(module.request.path)

        @app.errorhandler(404)  # type: ignore[untyped-decorator]
        def lost(_: Exception) -> tuple[str, int]:
            return "lost in the application", 404

        @app.get("/hello/<name>")  # type: ignore[untyped-decorator]
        def hello(name: str) -> str:
            module.session["name"] = name
            return f"hello {name}"

        @app.get("/again")  # type: ignore[untyped-decorator]
        def again() -> str:
            return f"again {module.session.get('name')}"

    async def ask(
        self,
        method: str,
        path: str,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        host: str | None = None,
        mount: str = "",
    ) -> Seen:
        """A request by the framework's own client; ``host``: from where it seems to come."""
        options: dict[str, Any] = {"method": method, "headers": headers or {}}
        if json is not None:
            options["json"] = json
        if self.framework == "quart":
            base: dict[str, Any] = {"raw_path": path.encode()}  # as it is: the client would tidy it up
            if host is not None:
                base["client"] = (host, 4711)
            if mount:
                base["root_path"] = mount
            answer: Any = await self.app.test_client().open(path, scope_base=base, **options)
            return Seen(answer.status_code, answer.headers, await answer.get_data(as_text=False))
        environ = {"REQUEST_URI": mount + path, "SCRIPT_NAME": mount}
        if host is not None:
            environ["REMOTE_ADDR"] = host
        answer = self.app.test_client(use_cookies=False).open(path, environ_overrides=environ, **options)
        return Seen(answer.status_code, answer.headers, answer.get_data())


@asynccontextmanager
async def hosted(
    framework: str, *, view: Mapping[int, str] | None = None, **arguments: Any
) -> AsyncIterator[Hosted]:
    """An application that is served, in this view; in one of its node alone if there is none."""
    host = Hosted(framework, **arguments)
    async with serving(host):
        if view is None:
            view = {host.store.status().id: ADDRESS}
        if view:
            await done(host.store.tell_view(view, 1))
        yield host


@asynccontextmanager
async def serving(host: Hosted) -> AsyncIterator[None]:
    """The life of an application."""
    if host.framework == "quart":
        async with host.app.test_app():
            yield
    else:
        try:
            yield
        finally:
            host.store.close()


class Other:
    """Another node, in a server of its own. A view with it waits until it has been told the view as well."""

    def __init__(self, listener: Any, store: Any) -> None:
        self.view = {1: ADDRESS, 99: f"127.0.0.1:{listener.server_port}"}
        self._store = store

    def go_on(self) -> None:
        """Be a member of the view."""
        self._store.tell_view(self.view, 1)


@contextmanager
def other_node() -> Iterator[Other]:
    """Another node, which answers no sooner than it is told to."""
    host = Hosted("flask", id=99)
    listener = make_server("127.0.0.1", 0, host.app, threaded=True)
    thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield Other(listener, host.store)
    finally:
        host.store.close()
        listener.shutdown()
        thread.join()
        listener.server_close()


async def done(result: Any) -> Any:
    """What a call returns, of which one frontend's is awaited."""
    return await result if inspect.isawaitable(result) else result


def extension_of(framework: str) -> Any:
    """The class of the extension."""
    return quart_app.PbProto if framework == "quart" else wsgi_app.PbProto
