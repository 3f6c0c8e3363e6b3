"""An application with a node in it as real processes, under servers as users start them, with a failover."""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.live.harness import Cluster, Node, wait_until

KINDS = {
    "quart": (("hypercorn", "uvicorn"), "wsgi"),
    "flask": (("waitress", "gunicorn"), "quart"),
}
"""The servers of the application, and the frontend of a plain node beside it."""
THREADS = "8"


class Embedded(Node):
    """A process of ``examples/sessions.py``: what is asked of the node goes below its prefix."""

    def __init__(self, id_: int, server: str, address: str, log: Path) -> None:
        env = {"NODE_IDENTIFIER": str(id_), "SECRET_KEY": "of a test", "PBPROTO_THREADS": THREADS}
        super().__init__(id_, "quart", address, log, env=env, server=server)

    def command(self) -> list[str]:
        host, _, port = self.address.partition(":")
        place = ["--host", host, "--port", port]
        words = {
            "hypercorn": ["--bind", self.address, "examples.sessions:quart_app()"],
            "uvicorn": [*place, "--factory", "examples.sessions:quart_app"],
            "waitress": [
                *[f"--listen={self.address}", f"--threads={THREADS}"],
                *["--call", "examples.sessions:flask_app"],
            ],
            "gunicorn": [
                *["--bind", self.address, "-k", "gthread", "--threads", THREADS],
                "examples.sessions:flask_app()",
            ],
        }
        assert self.server is not None
        return [sys.executable, "-m", self.server, *words[self.server]]

    def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """To the node."""
        return super().request(method, f"/kv{path}", **kwargs)

    def visit(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """To the application."""
        return super().request(method, path, **kwargs)


def log_in(node: Embedded, name: str) -> dict[str, str]:
    answer = node.visit("POST", "/login", data={"name": name})
    assert answer.text == f"Welcome, {name}."
    cookie = re.search("session=[^;]*", answer.headers["set-cookie"])
    assert cookie is not None
    return {"cookie": cookie[0]}


@pytest.mark.parametrize("kind", KINDS)
def test_a_session_outlives_the_process_that_began_it(kind: str, tmp_path: Path) -> None:
    """Goal: embedded nodes are nodes: they replicate, fail over and rejoin, also beside plain ones.

    Method: two processes of the example under two servers, and a plain node of the other frontend. Log in at
    the first, visit the second; kill the first, which is the primary; visit the second again, write and
    read at the third. Restart the first, take it in, visit it. End one by SIGTERM.
    """
    with Cluster(tmp_path, "quart", n=0) as cluster:
        servers, plain = KINDS[kind]
        first, second = (
            Embedded(id_, server, cluster.new_address(), tmp_path / f"node-{id_}.log")
            for id_, server in enumerate(servers, 1)
        )
        third = Node(3, plain, cluster.new_address(), tmp_path / "node-3.log")
        cluster.nodes |= {node.id: node for node in (first, second, third)}
        cluster.start_all()
        cluster.install([1, 2, 3])
        session = log_in(first, "ada")
        assert second.visit("GET", "/", headers=session).text == "Hello ada, visit 1."
        first.kill()
        cluster.tell([2, 3])
        # At once, while the view changes: the application waits for its store.
        assert second.visit("GET", "/", headers=session).text == "Hello ada, visit 2."
        assert third.put("beside", "the sessions").status_code == 201
        assert second.get("beside").json() == {"value": "the sessions"}
        first.restart()
        cluster.tell([1, 2, 3])
        wait_until(first.ready, "the node that was away is filled")
        assert first.visit("GET", "/", headers=session).text == "Hello ada, visit 3."
        assert "visits" in third.data().text
        cluster.assert_none_died()
        assert second.terminate() in (0, -signal.SIGTERM)
        assert "Traceback" not in second.log_text(), second.log_tail()
