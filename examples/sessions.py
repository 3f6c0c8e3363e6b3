"""Sessions of Quart and Flask, kept in a store that the application's own processes are.

A user may go from process to process, whichever framework it is written in, and processes may die: each
member of the view has all sessions. The cookie holds a random id, signed, and nothing else. Three processes
(the third is told how many threads its server has):

    export SECRET_KEY=$(python3 -c 'import secrets; print(secrets.token_hex())')
    NODE_IDENTIFIER=1 python -m hypercorn -b 127.0.0.1:8081 'examples.sessions:quart_app()' &
    NODE_IDENTIFIER=2 python -m hypercorn -b 127.0.0.1:8082 'examples.sessions:quart_app()' &
    NODE_IDENTIFIER=3 PBPROTO_THREADS=16 \\
        python -m gunicorn -k gthread --threads 16 -b 127.0.0.1:8083 'examples.sessions:flask_app()' &

    view='{"view": [{"id": 1, "address": "127.0.0.1:8081"}, {"id": 2, "address": "127.0.0.1:8082"},
                    {"id": 3, "address": "127.0.0.1:8083"}]}'
    for port in 8081 8082 8083; do curl -X PUT -d "$view" http://127.0.0.1:$port/kv/view; done

    curl -c jar -b jar -d name=ada http://127.0.0.1:8081/login
    curl -c jar -b jar http://127.0.0.1:8083/

**Expiry.** The store knows no time, so each value says when it expires, by the clock of the process that
wrote it, and each process deletes now and then what is overdue. There is no "delete if unchanged" in the
store: between the listing and the delete somebody might have prolonged the session. Nobody does, since an
expired session counts as absent and is never prolonged. Only a request that began before it expired may still
write it, so sweepers wait for ``GRACE`` seconds more, which is longer than any request, and than clocks may
differ.

**Two requests of one session at the same time:** the later write stays, as with any session that is one
value. So a request that is under way during a logout may bring the session back, if it changes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

import flask
import quart
from flask.sessions import SecureCookieSession, SessionInterface
from itsdangerous import BadSignature, Signer
from quart.sessions import SessionInterface as QuartSessionInterface

from frontends import quart_app as for_quart
from frontends import wsgi_app as for_flask
from pbkv import StoreError

PREFIX = "sessions/"
LIFETIME = 3600.0
"""Seconds from the last use; a session is written anew when half of them are over."""
GRACE = 300.0
SWEEP_EVERY = 60.0


class Session(SecureCookieSession):
    """A session, and under which id it is kept."""

    def __init__(self, initial: Mapping[str, Any] | None = None, id_: str = "", expires: float = 0.0) -> None:
        super().__init__(initial or {})
        self.id = id_
        """Empty as long as it is not kept."""
        self.expires = expires
        self.former = ""

    def renew(self) -> None:
        """Go on under another id: whenever the user becomes somebody else, as at a login."""
        self.former, self.id, self.modified = self.id, "", True


class Book:
    """What sessions look like in the store and in the cookie; no I/O."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock

    def id_in(self, cookie: str | None, secret: str) -> str | None:
        """The id in a cookie that one of us has signed."""
        try:
            return None if not cookie else _signer(secret).unsign(cookie).decode()
        except (BadSignature, UnicodeDecodeError):
            return None

    def cookie(self, id_: str, secret: str) -> str:
        return _signer(secret).sign(id_).decode()

    def opened(self, id_: str, text: str | None) -> Session:
        """The session of an id. An id that is not there is not taken over: somebody may have made it up."""
        kept = None if text is None else json.loads(text)
        if kept is None or kept["expires"] <= self.clock():
            return Session()
        return Session(kept["data"], id_, kept["expires"])

    def due(self, session: Session) -> bool:
        """Whether it has to be written, or deleted."""
        return session.modified or (bool(session.id) and session.expires - self.clock() < LIFETIME / 2)

    def written(self, session: Session) -> str:
        """The value to write, under the session's id."""
        session.id = session.id or secrets.token_urlsafe(24)
        session.expires = self.clock() + LIFETIME
        return json.dumps({"expires": session.expires, "data": dict(session)})

    def gone(self, session: Session) -> list[str]:
        """The keys that have no session any more."""
        ids = [session.former, *([] if session else [session.id])]
        return [PREFIX + id_ for id_ in ids if id_]

    def overdue(self, items: Mapping[str, str]) -> list[str]:
        end = self.clock() - GRACE
        return [
            key for key, text in items.items() if key.startswith(PREFIX) and json.loads(text)["expires"] < end
        ]


def _signer(secret: str) -> Signer:
    return Signer(secret, salt="a session's id")


class _Cookies:
    """What both frameworks do alike around the store; it is mixed into their interfaces."""

    book: Book

    def _id(self, app: Any, request: Any) -> str | None:
        return self.book.id_in(request.cookies.get(app.config["SESSION_COOKIE_NAME"]), str(app.secret_key))

    def _answer(self, app: Any, session: Session, response: Any) -> None:
        response.vary.add("Cookie")
        name = app.config["SESSION_COOKIE_NAME"]
        if not session:
            response.delete_cookie(name)
            return
        response.set_cookie(
            name,
            self.book.cookie(session.id, str(app.secret_key)),
            max_age=int(LIFETIME),
            httponly=True,
            secure=app.config["SESSION_COOKIE_SECURE"],
            samesite="Lax",
        )


class FlaskSessions(_Cookies, SessionInterface):
    """``app.session_interface = FlaskSessions(store)``; the store may be a ``pbkv.Client`` as well."""

    def __init__(self, store: Any, book: Book | None = None) -> None:
        self.store = store
        self.book = book or Book()

    def open_session(self, app: flask.Flask, request: flask.Request) -> Session:
        id_ = self._id(app, request)
        return Session() if id_ is None else self.book.opened(id_, self.store.get(PREFIX + id_).value)

    def save_session(self, app: flask.Flask, session: Any, response: flask.Response) -> None:
        if not self.book.due(session):
            return
        if session:
            text = self.book.written(session)
            self.store.put(PREFIX + session.id, text)
        for key in self.book.gone(session):
            self.store.delete(key)
        self._answer(app, session, response)

    def sweep(self) -> None:
        """Delete what is overdue."""
        for key in self.book.overdue(self.store.items().items):
            self.store.delete(key)


class QuartSessions(_Cookies, QuartSessionInterface):
    """The same for Quart, also with a ``pbkv.AsyncClient``."""

    def __init__(self, store: Any, book: Book | None = None) -> None:
        self.store = store
        self.book = book or Book()

    async def open_session(self, app: quart.Quart, request: Any) -> Session:
        id_ = self._id(app, request)
        return Session() if id_ is None else self.book.opened(id_, (await self.store.get(PREFIX + id_)).value)

    async def save_session(self, app: quart.Quart, session: Any, response: Any) -> None:
        if not self.book.due(session):
            return
        if session:
            text = self.book.written(session)
            await self.store.put(PREFIX + session.id, text)
        for key in self.book.gone(session):
            await self.store.delete(key)
        self._answer(app, session, response)

    async def sweep(self) -> None:
        for key in self.book.overdue((await self.store.items()).items):
            await self.store.delete(key)


# An application with them, twice.


def quart_app(**settings: Any) -> quart.Quart:
    """The application on Quart; ``settings`` are the node's."""
    app = quart.Quart(__name__)
    app.secret_key = os.environ["SECRET_KEY"]
    store = for_quart.PbProto(app, timeout=5.0, **settings)
    sessions = QuartSessions(store)
    app.session_interface = sessions  # type: ignore[assignment] # Quart names too narrow a type

    @app.while_serving
    async def sweeping() -> AsyncGenerator[None, None]:
        async def sweep() -> None:
            while True:
                with contextlib.suppress(StoreError):  # another time, or another process
                    await sessions.sweep()
                await asyncio.sleep(SWEEP_EVERY)

        task = asyncio.create_task(sweep())
        yield
        task.cancel()

    @app.get("/")
    async def home() -> str:
        return greeting(quart.session)

    @app.post("/login")
    async def login() -> str:
        name = (await quart.request.form)["name"]
        return welcome(quart.session, name)

    @app.post("/logout")
    async def logout() -> str:
        quart.session.clear()
        return "Bye."

    app.register_error_handler(500, away)
    return app


def flask_app(**settings: Any) -> flask.Flask:
    """The same on Flask."""
    app = flask.Flask(__name__)
    app.secret_key = os.environ["SECRET_KEY"]
    store = for_flask.PbProto(app, timeout=5.0, **settings)
    sessions = app.session_interface = FlaskSessions(store)

    def sweeping() -> None:
        while True:
            with contextlib.suppress(StoreError):
                sessions.sweep()
            time.sleep(SWEEP_EVERY)

    threading.Thread(target=sweeping, daemon=True).start()

    @app.get("/")
    def home() -> str:
        return greeting(flask.session)

    @app.post("/login")
    def login() -> str:
        return welcome(flask.session, flask.request.form["name"])

    @app.post("/logout")
    def logout() -> str:
        flask.session.clear()
        return "Bye."

    app.register_error_handler(500, away)
    return app


def greeting(session: Any) -> str:
    """Who it is, and for the how manieth time."""
    if "name" not in session:
        return "Who are you?"
    session["visits"] += 1
    return f"Hello {session['name']}, visit {session['visits']}."


def welcome(session: Any, name: str) -> str:
    """Somebody has logged in."""
    session.renew()
    session |= {"name": name, "visits": 0}
    return f"Welcome, {name}."


def away(error: Any) -> tuple[str, int, dict[str, str]]:
    """The store could not answer, or nobody knows if it did: the browser may try again."""
    if isinstance(error.original_exception, StoreError):
        return "Sessions cannot be reached at the moment.", 503, {"Retry-After": "1"}
    return "Something went wrong.", 500, {}
