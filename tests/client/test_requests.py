"""Keys and values arrive as they are, or nothing is sent."""

from __future__ import annotations

import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontends.common.routes import Plan, plan
from frontends.common.settings import Settings
from pbkv import Client, Invalid, requests

from .desk import KINDS, Desk, Kind, OneNode, client_of

SETTINGS = Settings(id=1)
HARD = [
    "a/../b",
    ".",
    "..",
    "//x",
    "/",
    "a//b/",
    "?",
    "#",
    "%2F",
    "%",
    "a b",
    "+",
    "\0",
    "\n",
    "€",
    "\U0001f600",
]
HARD += ["a" * 4096, "\U0001f600" * 1024, "http://x/y", ";", "\\", "data"]


def key_at_node(target: str) -> str:
    found = plan("GET", target.encode("ascii"), SETTINGS)
    assert isinstance(found, Plan)
    return found.key.decode()


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=50))
def test_a_node_reads_the_key_that_was_meant(key: str) -> None:
    """Goal: no key becomes another one. Method: any key, through the target, into the node's own parser."""
    assert key_at_node(requests.target_of(key)) == key


@pytest.mark.parametrize("kind", KINDS)
def test_hard_keys_and_values_come_back(kind: Kind) -> None:
    """Goal: the same through httpx, which tidies paths up. Method: write hard keys to a real node in this
    process, read each and list all."""
    with Desk(kind, OneNode()) as desk:
        for number, key in enumerate(HARD):
            assert desk("put", key, f"{key}!").number == number
        for key in HARD:
            assert desk("get", key).value == f"{key}!"
        assert desk("items").items == {key: f"{key}!" for key in HARD}


def test_the_request_line_is_what_was_written() -> None:
    """Goal: nothing between us and the wire normalises. Method: read the bytes at a listening socket."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        lines: list[bytes] = []

        def serve() -> None:
            link, _ = listener.accept()
            with link:
                lines.append(link.recv(65536).partition(b"\r\n")[0])
                link.sendall(b"HTTP/1.1 404 Not Found\r\nMsg-Num: 3\r\nContent-Length: 2\r\n\r\n{}")

        thread = threading.Thread(target=serve)
        thread.start()
        with Client([f"http://127.0.0.1:{listener.getsockname()[1]}/store/"]) as client:
            read = client.get("a/../.%2F")
        thread.join()
    assert lines == [b"GET /store/data/a%2F..%2F.%252F HTTP/1.1"]
    assert (read.value, read.number) == (None, 3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("get", ("",)),
        ("get", ("a" * 4097,)),
        ("get", ("\U0001f600" * 1025,)),
        ("get", ("\ud800",)),
        ("delete", ("\udfff x",)),
        ("put", ("k", "half \ud83d")),
        ("put", ("", "v")),
    ],
)
def test_what_no_node_would_take_is_not_sent(kind: Kind, name: str, arguments: tuple[str, ...]) -> None:
    """Goal: a clear error, before anything happens. Method: bad keys and values; look who was asked."""
    node = OneNode()
    with Desk(kind, node) as desk, pytest.raises(Invalid, match=r"key|value") as caught:
        desk(name, *arguments)
    assert isinstance(caught.value, ValueError)
    assert node.targets == []


@pytest.mark.parametrize("name", ["", "a b", "é", "x" * 256, "a\n"])
def test_a_bad_idempotency_key_is_not_sent(name: str) -> None:
    """Goal: as above, for the key of a call. Method: names that the API does not take."""
    with pytest.raises(Invalid, match="idempotency key"):
        requests.put("k", "v", name)


@pytest.mark.parametrize(("key", "value"), [(b"k", "v"), ("k", 1), ("k", None), (None, "v")])
def test_other_types_are_type_errors(key: object, value: object) -> None:
    """Goal: a slip of the program shows as one. Method: keys and values that are no strings."""
    with pytest.raises(TypeError, match="is a str"):
        requests.put(key, value)  # type: ignore[arg-type]


def test_what_the_store_says_is_what_is_returned() -> None:
    """Goal: results and numbers are the store's. Method: one life of a key at a real node."""
    with client_of(OneNode()) as client:
        first = client.put("k", "1")
        second = client.put("k", "")
        assert [(each.number, each.created) for each in (first, second)] == [(0, True), (1, False)]
        read = client.get("k")
        assert (read.value, read.number) == ("", 2)
        gone = client.delete("k")
        again = client.delete("k")
        assert [(each.number, each.existed) for each in (gone, again)] == [(2, True), (3, False)]
        read = client.get("k")
        assert (read.value, read.number) == (None, 4)
        listing = client.items()
        assert (listing.items, listing.number) == ({}, 4)
