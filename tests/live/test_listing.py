"""A long ``GET /data`` under every server: one state, whatever is written meanwhile, and no place lost."""

from __future__ import annotations

import http.client
import json
from pathlib import Path

import pytest

from . import api
from .api import expect_json, expect_problem, msg_num
from .harness import Cluster, wait_until
from .raw_http import Wire, call, request_bytes
from .test_process import SERVERS

KEYS = 120
FILLER = "x" * 200_000
"""All values together are more than the buffers on the way take, waitress's of 16 MiB among them."""


class Slow:
    """A client that lists and takes its time."""

    def __init__(self, address: str) -> None:
        self.wire = Wire(address)
        assert self.wire.send(request_bytes("GET", "/data", b"", [("Connection", "close")]))
        self.response = http.client.HTTPResponse(self.wire.socket)
        self.response.begin()

    def hang_up(self) -> None:
        """Close the connection, which the response holds as well."""
        self.response.close()
        self.wire.close()


def begun(address: str) -> Slow | None:
    """A listing under way; nothing while another has the place."""
    slow = Slow(address)
    if slow.response.status == 200:
        return slow
    slow.hang_up()
    return None


@pytest.mark.parametrize("server", SERVERS)
def test_a_long_listing_is_one_state_and_gives_its_place_back(server: str, tmp_path: Path) -> None:
    """Write while a listing is read slowly, and compare it with the state that its Msg-Num names.

    One long listing may be under way. While it is, another is turned away; when it has ended, and when its
    client hung up in the middle, the next one gets the place.
    """
    kind = SERVERS[server]
    values: dict[str, int] = {}
    states: dict[int, dict[str, int]] = {}
    environment = {"PBPROTO_MAX_LISTINGS": "1"}
    with Cluster(tmp_path, kind, 1, env=environment, servers={kind: server}) as cluster:
        cluster.start_all()
        cluster.install([1])
        address = cluster.node(1).address

        def write(number: int) -> None:
            key = f"key{number * 7 % KEYS}"
            if number % 5 == 4:
                answer = api.delete(address, key)
                values.pop(key, None)
            else:
                answer = api.put(address, key, f"{number}:{FILLER}")
                values[key] = number
            states[msg_num(answer) + 1] = dict(values)

        for number in range(KEYS):
            write(number)
        slow = Slow(address)
        body = slow.response.read(300_000)
        assert expect_problem(call(address, "GET", "/data"), 503)["reason"] == "overloaded"
        for number in range(KEYS, 2 * KEYS):
            write(number)
            body += slow.response.read(50_000)
        body += slow.response.read()
        slow.hang_up()
        position = int(slow.response.headers["msg-num"])
        found = {key: int(value.removesuffix(f":{FILLER}")) for key, value in json.loads(body).items()}
        assert position == KEYS
        assert found == states[position]
        assert found != values

        other = wait_until(lambda: begun(address), "the place of what has ended is free")
        assert other is not None
        other.response.read(300_000)
        expect_problem(call(address, "GET", "/data"), 503)
        expect_json(call(address, "GET", "/ping"), 200)
        other.hang_up()
        other = wait_until(lambda: begun(address), "the place of one who hung up is free")
        assert other is not None
        other.hang_up()
        cluster.assert_none_died()
