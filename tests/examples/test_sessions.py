"""Sessions in the store: what the browser sees, what is kept, what goes; on both frameworks."""

from __future__ import annotations

import inspect
import json
import re
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from quart import Quart

from examples.sessions import GRACE, LIFETIME, PREFIX, Book, flask_app, quart_app


class Browser:
    """One application, and the one cookie of somebody who uses it."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.store = app.extensions["pbproto"]
        self.sessions = app.session_interface
        self.now = 1e9
        self.sessions.book = Book(lambda: self.now)
        self.cookie: str | None = None

    async def ask(self, method: str, path: str, form: Any = None) -> str:
        headers = {} if self.cookie is None else {"cookie": f"session={self.cookie}"}
        client = self.app.test_client(use_cookies=False)
        body = {} if form is None else {"form" if isinstance(self.app, Quart) else "data": form}
        answer = await done(client.open(path, method=method, headers=headers, **body))
        found = re.search("session=([^;]*)", answer.headers.get("set-cookie", ""))
        if found is not None:
            self.cookie = found[1] or None
        assert answer.status_code == 200
        return str(await done(answer.get_data(as_text=True)))

    async def kept(self) -> dict[str, Any]:
        items = (await done(self.store.items())).items
        return {key.removeprefix(PREFIX): json.loads(text)["data"] for key, text in items.items()}


async def done(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


@pytest.fixture(params=["quart", "flask"])
async def browser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Browser]:
    """The application on either framework, in a view of its node alone."""
    monkeypatch.setenv("SECRET_KEY", "of a test")
    make: Any = quart_app if request.param == "quart" else flask_app
    app = make(id=1, scope=uuid.uuid4().hex)
    made = Browser(app)
    if request.param == "quart":
        async with app.test_app():
            await made.store.tell_view({1: "127.0.0.1:9"})
            yield made
    else:
        made.store.tell_view({1: "127.0.0.1:9"})
        yield made
        made.store.close()


async def test_a_session_from_login_to_logout(browser: Browser) -> None:
    """Goal: the server keeps the session, the cookie only names it. Method: all of a visit."""
    assert await browser.ask("GET", "/") == "Who are you?"
    assert not browser.cookie
    assert await browser.kept() == {}
    await browser.ask("POST", "/login", {"name": "ada"})
    for visit in (1, 2):
        assert await browser.ask("GET", "/") == f"Hello ada, visit {visit}."
    ((id_, data),) = (await browser.kept()).items()
    assert data == {"name": "ada", "visits": 2}
    assert str(browser.cookie).startswith(f"{id_}.")
    assert await browser.ask("POST", "/logout") == "Bye."
    assert not browser.cookie
    assert await browser.kept() == {}


async def test_a_login_gets_a_new_id(browser: Browser) -> None:
    """Goal: nobody can make others use an id that they know. Method: log in twice; make an id up."""
    await browser.ask("POST", "/login", {"name": "eve"})
    known = browser.cookie
    await browser.ask("POST", "/login", {"name": "ada"})
    assert browser.cookie != known
    assert list((await browser.kept()).values()) == [{"name": "ada", "visits": 0}], "the old one is gone"
    browser.cookie = known
    assert await browser.ask("GET", "/") == "Who are you?"
    browser.cookie = browser.sessions.book.cookie("made-up", "of a test")
    await browser.ask("POST", "/login", {"name": "eve"})
    assert "made-up" not in await browser.kept()


@pytest.mark.parametrize("cookie", ["", "x", "id.wrong", "%C3", "."])
async def test_a_cookie_that_we_did_not_sign_is_none(browser: Browser, cookie: str) -> None:
    """Goal: ids cannot be guessed by trial. Method: cookies that nobody has signed."""
    browser.cookie = cookie
    assert await browser.ask("GET", "/") == "Who are you?"


async def test_a_session_expires_and_goes(browser: Browser) -> None:
    """Goal: what is used stays, what is not goes, and nothing goes that may be prolonged.

    Method: by a clock of the test: look in before half of the lifetime, after it, and after all of it. A
    sweep before and after the grace.
    """
    await browser.ask("POST", "/login", {"name": "ada"})
    browser.now += LIFETIME - 1
    assert await browser.ask("GET", "/") == "Hello ada, visit 1."
    browser.now += LIFETIME - 1
    await done(browser.sessions.sweep())
    assert await browser.ask("POST", "/login", {"name": "bob"}) == "Welcome, bob."
    browser.now += LIFETIME
    assert await browser.ask("GET", "/") == "Who are you?"
    browser.now += GRACE
    await done(browser.sessions.sweep())
    assert len(await browser.kept()) == 1
    browser.now += 1
    await done(browser.sessions.sweep())
    assert await browser.kept() == {}


def test_a_session_that_is_only_looked_at_is_prolonged() -> None:
    """Goal: reading is use, but not always a write. Method: a session before and after half of its time."""
    now = [0.0]
    book = Book(lambda: now[0])
    session = book.opened("id", json.dumps({"expires": LIFETIME, "data": {"name": "ada"}}))
    now[0] = LIFETIME / 2
    assert not book.due(session)
    now[0] += 1
    assert book.due(session)
    assert not book.due(book.opened("id", None)), "there is nothing to write of a session that is not there"
