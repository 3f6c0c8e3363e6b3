"""What a node says when it has started."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import pytest

from frontends.common.logs import Formatter, JsonFormatter
from frontends.common.place import Place
from frontends.common.settings import Settings, from_arguments
from frontends.common.starting import say_started

PLAIN = Settings(id=1, bind="127.0.0.1:8081", server="uvicorn")
TELLS = "it serves no data before PUT /view tells it a view: the view service does that, or pbkv view set 1="


def line(
    caplog: pytest.LogCaptureFixture, settings: Settings, place: Place | None = None
) -> logging.LogRecord:
    """The one line of a node with these settings."""
    caplog.set_level(logging.INFO, logger="pbproto")
    say_started(settings, 0xABC, "quart", place)
    (record,) = caplog.records
    return record


def test_the_line_as_text_and_as_json(caplog: pytest.LogCaptureFixture) -> None:
    """Goal: a person and a program read where it is and what it waits for. Method: both forms of one line."""
    record = line(caplog, PLAIN)
    hint = f"{TELLS}127.0.0.1:8081 ID=HOST:PORT... with all members"
    assert Formatter(1).format(record).partition(" ")[2] == (
        "level=info node=1 event=started url=http://127.0.0.1:8081 frontend=quart server=uvicorn "
        f'incarnation=0000000000000abc view=none hint="{hint}"'
    )
    document = json.loads(JsonFormatter(1).format(record))
    del document["time"]
    assert document == {
        "level": "info",
        "node": 1,
        "event": "started",
        "url": "http://127.0.0.1:8081",
        "frontend": "quart",
        "server": "uvicorn",
        "incarnation": "0000000000000abc",
        "view": "none",
        "hint": hint,
    }


@pytest.mark.parametrize(
    ("changes", "url", "address"),
    [
        ({"bind": "0.0.0.0:80"}, "http://0.0.0.0:80", "HOST:80"),
        ({"bind": "[::]:80"}, "http://[::]:80", "HOST:80"),
        ({"bind": "[::1]:80"}, "http://[::1]:80", "[::1]:80"),
        ({"tls_cert": "c", "tls_key": "k"}, "https://127.0.0.1:8081", "127.0.0.1:8081"),
        ({"place_known": False, "server": ""}, None, "HOST:PORT"),
    ],
)
def test_it_says_no_more_than_it_knows(
    caplog: pytest.LogCaptureFixture, changes: dict[str, str], url: str | None, address: str
) -> None:
    """Goal: no address that nobody could reach. Method: nodes on all interfaces, with TLS, and under a server
    that somebody else has started.
    """
    record = line(caplog, replace(PLAIN, **changes))  # type: ignore[arg-type]
    document = json.loads(JsonFormatter(1).format(record))
    assert document.get("url") == url
    assert ("server" in document) is (url is not None)
    node = f" --node https://{address}" if "tls_cert" in changes else ""
    assert document["hint"] == f"{TELLS}{address} ID=HOST:PORT...{node} with all members"


@pytest.mark.parametrize(("prefix", "how"), [("/kv", "PUT /kv/view or tell_view()"), (None, "tell_view()")])
def test_within_an_application(caplog: pytest.LogCaptureFixture, prefix: str | None, how: str) -> None:
    """Goal: the way that there is. Method: a node below a prefix, and one without a REST interface."""
    document = json.loads(JsonFormatter(1).format(line(caplog, from_arguments({"id": 1}), Place(prefix))))
    assert document["hint"] == f"it serves no data before {how} tells it a view"
    assert document.keys().isdisjoint(("url", "server"))
