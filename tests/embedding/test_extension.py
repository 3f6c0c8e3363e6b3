"""The extension in an application: what is the node's, and what stays the application's."""

from __future__ import annotations

import json
import logging
import uuid
from pathlib import Path
from typing import Any

import pytest
from quart.testing.app import LifespanError

from frontends.common.guard import SecondProcessError
from frontends.common.settings import SettingError

from .hosting import ADDRESS, FRAMEWORKS, Hosted, done, extension_of, hosted, serving

pytestmark = pytest.mark.parametrize("framework", FRAMEWORKS)
VALUE = {"value": "v"}


async def test_the_rest_interface_is_below_the_prefix(framework: str) -> None:
    """Goal: a client of the store finds all of it. Method: every route, over HTTP, and what is none."""
    async with hosted(framework, view={}) as host:
        assert (await host.ask("GET", "/kv/ping")).body == b'{"status":"ok","id":1}'
        assert (await host.ask("GET", "/kv/ready")).status == 503
        told = await host.ask("PUT", "/kv/view", {"view": [{"address": ADDRESS, "id": 1}]})
        assert told.status == 200
        assert json.loads((await host.ask("GET", "/kv/view")).body)["status"] == "active"
        assert (await host.ask("GET", "/kv/status?since=0")).status == 200
        bad = await host.ask("GET", "/kv/status?since=x")
        assert json.loads(bad.body)["reason"] == "bad_query", "the query goes along"
        written = await host.ask("PUT", "/kv/data/k", VALUE)
        assert (written.status, written.headers["msg-num"]) == (201, "0")
        assert (await host.ask("GET", "/kv/data/k")).body == b'{"value":"v"}'
        assert (await host.ask("GET", "/kv/data")).body == b'{"k":"v"}'
        assert (await host.ask("HEAD", "/kv/data/k")).body == b""
        assert (await host.ask("DELETE", "/kv/data/k")).status == 200
        for path, page in (("/kv", "kv/ui"), ("/kv/", "ui")):
            assert json.loads((await host.ask("GET", path)).body)["links"]["ui"] == page
            sent = await host.ask("GET", path, headers={"Accept": "text/html"})
            assert (sent.status, sent.headers["location"]) == (307, page)
        assert json.loads((await host.ask("GET", "/kv/nothing")).body)["reason"] == "no_such_resource"
        assert (await host.ask("POST", "/kv/data", VALUE)).status == 405


async def test_the_application_is_left_alone(framework: str) -> None:
    """Goal: its routes, hooks, sessions and errors are as they were, and the node's requests are not theirs.

    Method: requests of both kinds; the hook writes down what it has seen. What looks like the node's and is
    not below its prefix gets the application's own 404.
    """
    plain = Hosted(framework)
    async with serving(plain):
        rules = sorted(rule.rule for rule in plain.app.url_map.iter_rules())
    assert rules == ["/again", "/hello/<name>", "/static/<path:filename>"]
    async with hosted(framework) as host:
        await host.ask("PUT", "/kv/data/k", VALUE)
        await host.ask("POST", "/peer")
        assert host.hooks == []
        hello = await host.ask("GET", "/hello/you")
        assert hello.text == "hello you"
        cookie = hello.headers["set-cookie"].partition(";")[0]
        assert (await host.ask("GET", "/again", headers={"cookie": cookie})).text == "again you"
        for path in ("/data/k", "/ping", "/kvx/ping", "/peer/", "/peers", "/hello/kv/ping"):
            answer = await host.ask("GET", path)
            assert (answer.status, answer.text) == (404, "lost in the application"), path


async def test_keys_are_decoded_once(framework: str) -> None:
    """Goal: keys below a prefix are those of a plain node. Method: write by escapes, read without HTTP."""
    async with hosted(framework) as host:
        for path in ("a%2Fb", "a//c", "..", "%2525", "%C3%A4", "%zz"):
            await host.ask("PUT", f"/kv/data/{path}", VALUE)
        listing = await done(host.store.items())
    assert sorted(listing.items) == sorted(["a/b", "a//c", "..", "%25", "ä"])


async def test_an_application_may_be_mounted(framework: str) -> None:
    """Goal: the prefix is within the application. Method: ask one that is mounted below a path."""
    async with hosted(framework) as host:
        if framework == "quart":  # there the path of a request has the mount in it
            answer = await host.ask("GET", "/outer/kv/ping", mount="/outer")
        else:
            answer = await host.ask("GET", "/kv/ping", mount="/outer")
    assert answer.body == b'{"status":"ok","id":1}'


async def test_a_long_listing_comes_whole(framework: str) -> None:
    """Goal: nothing that comes in pieces is lost. Method: list more than two pieces, both ways."""
    async with hosted(framework) as host:
        for number in range(8):
            await done(host.store.put(f"k{number}", str(number) * 50_000))
        over_http = json.loads((await host.ask("GET", "/kv/data")).body)
        inside = await done(host.store.items())
    assert over_http == inside.items
    assert inside.number == 8
    assert len(over_http["k7"]) == 50_000


async def test_without_a_prefix_there_is_only_mail(framework: str) -> None:
    """Goal: a node can hide from clients, and not from peers. Method: ask for both; use it inside."""
    async with hosted(framework, url_prefix=None) as host:
        assert (await host.ask("GET", "/kv/ping")).text == "lost in the application"
        assert json.loads((await host.ask("POST", "/peer")).body)["reason"] == "bad_mail"
        assert (await done(host.store.put("k", "v"))).created


async def test_a_view_service_finds_the_view(framework: str) -> None:
    """Goal: a view service needs no prefix. Method: ``/view`` at the root, wanted and not wanted."""
    async with hosted(framework, view={}) as host:
        assert (await host.ask("GET", "/view")).text == "lost in the application"
    for prefix in ("/kv", None):
        async with hosted(framework, view={}, url_prefix=prefix, view_at_root=True) as host:
            told = await host.ask("PUT", "/view", {"view": [{"address": ADDRESS, "id": 1}]})
            assert json.loads(told.body)["status"] == "active"
            assert (await host.ask("GET", "/data")).text == "lost in the application"


async def test_a_route_where_the_node_is_shows(framework: str, caplog: pytest.LogCaptureFixture) -> None:
    """Goal: nobody wonders why their route is never reached. Method: an application with such routes."""
    host = Hosted(framework)
    host.app.add_url_rule("/peer", "peer", lambda: "")
    host.app.add_url_rule("/kv/<anything>", "kv", lambda anything: anything)
    if framework == "quart":
        with pytest.raises(SettingError, match=r"routes where the node is: .*/peer"):
            await host.app.startup()
        return
    async with serving(host):
        await host.ask("GET", "/again")
    assert "route_hidden rule=/peer" in caplog.text
    assert "route_hidden rule=/kv/<anything>" in caplog.text


# Who may do what.


async def test_without_tokens_only_this_machine_is_served(framework: str) -> None:
    """Goal: whoever forgets about tokens is not open to the world. Method: ask as if from another machine."""
    async with hosted(framework) as host:
        for method, path in (("GET", "/kv/data/k"), ("PUT", "/kv/view"), ("POST", "/peer")):
            answer = await host.ask(method, path, host="192.0.2.7")
            assert (answer.status, json.loads(answer.body)["reason"]) == (403, "insecure")
        assert (await host.ask("GET", "/hello/you", host="192.0.2.7")).status == 200
        assert (await host.ask("GET", "/kv/data", host="127.0.0.1")).status == 200
    async with hosted(framework, insecure=True) as host:
        assert (await host.ask("GET", "/kv/data", host="192.0.2.7")).status == 200


async def test_tokens_guard_the_routes_and_not_the_inside(framework: str, tmp_path: Path) -> None:
    """Goal: HTTP takes a token of the role, the application itself none. Method: both, from elsewhere."""
    tokens = tmp_path / "tokens"
    tokens.write_text(
        "peer token-of-all-the-nodes\nread token-of-somebody-who-reads\nwrite token-of-somebody-who-writes\n"
    )
    async with hosted(framework, tokens=str(tokens)) as host:
        path = "/kv/data/k"
        assert (await host.ask("PUT", path, VALUE, host="192.0.2.7")).status == 401
        reader = {"authorization": "Bearer token-of-somebody-who-reads"}
        assert (await host.ask("PUT", path, VALUE, reader, host="192.0.2.7")).status == 403
        writer = {"authorization": "Bearer token-of-somebody-who-writes"}
        assert (await host.ask("PUT", path, VALUE, writer, host="192.0.2.7")).status == 201
        assert (await host.ask("POST", "/peer", host="192.0.2.7")).status == 401
        assert (await done(host.store.get("k"))).value == "v"


# Settings.


async def test_arguments_win_over_config_and_that_over_the_environment(
    framework: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goal: the nearest word counts. Method: a factory, with each setting said in one place less."""
    for name, value in (("NODE_IDENTIFIER", "3"), ("PBPROTO_BATCH_BYTES", "3"), ("PBPROTO_CHUNK_BYTES", "3")):
        monkeypatch.setenv(name, value)
    plain = Hosted(framework, scope=uuid.uuid4().hex)
    store: Any = extension_of(framework)(id=1, scope=uuid.uuid4().hex)
    app: Any = type(plain.app)("factory")
    app.config |= {"PBPROTO_ID": 2, "PBPROTO_BATCH_BYTES": 2}
    store.init_app(app)
    if framework == "flask":
        plain.store.close()
        store.close()
    made = store._life.settings
    assert (made.id, made.batch_bytes, made.chunk_bytes) == (1, 2, 3)
    assert not made.place_known


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"id": -1}, "the id has to be"),
        ({"id": True}, "the id has to be"),
        ({"request_timeout": "soon"}, "request_timeout has to be a number"),
        ({"request_timeuot": 1.0}, "no setting 'request_timeuot'"),
        ({"bind": "127.0.0.1:1"}, "no setting 'bind'"),
        ({"log_level": "debug"}, "logging is the application's business"),
        ({"timeout": 0}, "seconds above 0"),
        ({"timeout": "long"}, "seconds above 0"),
        ({"url_prefix": "kv"}, "url_prefix"),
        ({"url_prefix": "/kv/"}, "url_prefix"),
        ({"url_prefix": "/"}, "url_prefix"),
        ({"url_prefix": ""}, "url_prefix"),
        ({"url_prefix": "/a b"}, "url_prefix"),
    ],
)
def test_a_bad_setting_is_refused_at_once(framework: str, arguments: dict[str, Any], words: str) -> None:
    """Goal: the line that is wrong raises, also without an application. Method: one bad argument each."""
    with pytest.raises(SettingError, match=words):
        extension_of(framework)(**{"id": 1, **arguments})


def test_without_an_id_there_is_no_node(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: no node has an id that nobody gave it. Method: neither an argument nor the environment."""
    monkeypatch.delenv("NODE_IDENTIFIER", raising=False)
    app: Any = type(Hosted("quart").app)("own")
    with pytest.raises(SettingError, match="a node needs an id"):
        extension_of(framework)(app)


async def test_one_node_to_an_application_and_one_application_to_a_node(framework: str) -> None:
    """Goal: two nodes never share an address. Method: a second extension, a second application."""
    async with hosted(framework) as host:
        with pytest.raises(SettingError, match="one application has one node"):
            extension_of(framework)(host.app, id=2)
        with pytest.raises(SettingError, match="one application has one node"):
            host.store.init_app(type(host.app)("another"))


async def test_one_process_is_one_node(framework: str) -> None:
    """Goal: no node is there twice. Method: a second of the same id, and one of another."""
    scope = uuid.uuid4().hex  # another run of these tests may be under way
    async with hosted(framework, scope=scope) as host:
        with pytest.raises((SecondProcessError, LifespanError), match="already runs node 1"):
            async with hosted(framework, scope=scope):
                pass
        async with hosted(framework, scope=scope, id=2) as other:
            await done(host.store.put("k", "v"))
            assert (await done(other.store.get("k"))).value is None
    async with hosted(framework, scope=scope) as host:
        assert (await done(host.store.items())).items == {}, "another life begins empty"


async def test_logging_is_the_application_s(framework: str) -> None:
    """Goal: handlers and levels stay as the application has them. Method: look before and after."""

    def state() -> Any:
        loggers = [logging.getLogger(name) for name in ("", "pbproto", "hypercorn.error", "waitress.queue")]
        return [(logger.level, list(logger.handlers), logger.propagate) for logger in loggers]

    before = state()
    async with hosted(framework):
        assert state() == before
