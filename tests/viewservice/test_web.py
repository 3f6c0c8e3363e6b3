"""What an instance answers over HTTP: problems, probes, who may what, and figures that are what happened."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from viewservice import Service
from viewservice.driver import Driver
from viewservice.trust import Trust
from viewservice.web import create_app

from .test_driver import QUICK, VIEW, Shelf, http


@dataclass
class Instance:
    """An instance that acts, over one node, which serves a view of itself already."""

    driver: Driver
    client: Any
    store: Shelf
    node: asyncio.Server

    async def order(self, word: str, **fields: Any) -> tuple[int, dict[str, Any]]:
        answer = await self.client.post("/orders", json={"word": word, **fields})
        return answer.status_code, await answer.get_json(force=True)

    async def figures(self) -> dict[tuple[str, ...], float]:
        """Each sample of a scrape, by its name without the prefix and the values of its labels,
        in the order of the labels' names.
        """
        answer = await self.client.get("/metrics")
        body = str(await answer.get_data(as_text=True))
        return {
            (
                sample.name.removeprefix("pbproto_viewservice_"),
                *(value for _, value in sorted(sample.labels.items())),
            ): sample.value
            for family in text_string_to_metric_families(body)
            for sample in family.samples
        }

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Its status, once it is as a test wants."""
        async with asyncio.timeout(30):
            while True:
                answer = await self.client.get("/status")
                document: dict[str, Any] = await answer.get_json(force=True)
                if answer.status_code == 200 and wanted(document):
                    return document
                await asyncio.sleep(0.01)


@asynccontextmanager
async def acting() -> AsyncIterator[Instance]:
    """The view is adopted, and known to be active."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        view = VIEW.replace(b"a:1", address.encode()).replace(
            b'{"id":5,"address":"b:1","reason":"late"}', b""
        )
        writer.write(http(view))
        writer.close()

    node = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = node.sockets[0].getsockname()
    address = f"{host}:{port}"
    store = Shelf()
    driver = Driver(Service(QUICK), store)
    running = asyncio.create_task(driver.run())
    try:
        async with asyncio.timeout(30):
            while not driver.service.leading:
                await asyncio.sleep(0.001)
        assert (await driver.order("init", nodes=((4, address),), size=1)).ok
        instance = Instance(driver, create_app(driver).test_client(), store, node)
        await instance.until(lambda status: bool(status["active"]))
        yield instance
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        node.close()


async def test_the_figures_are_what_happened() -> None:
    """Goal: an operator can believe a scrape. Method: bring things about, and scrape after each."""
    async with acting() as it:
        found = await it.figures()
        names = ("acting", "view_epoch", "view_active", "view_members", "view_size", "spares", "kept_out")
        assert [found[name,] for name in names] == [1, 3, 1, 1, 1, 0, 0]
        assert found["views_total", "adopted"] == 1
        assert sum(number for key, number in found.items() if key[0] == "views_total") == 1
        assert (found["nodes_told",], found["nodes_untold",]) == (1, 0)
        # The nodes, and the view.
        assert (found["store_writes_total", "written"], found["store_write_seconds_count",]) == (2, 2)
        assert found["orders_total", "done", "init"] == 1
        assert found["questions_total", "report"] >= 1
        assert (found["suspected_seconds", "4"], found["node_answering", "4"]) == (0, 1)

        assert (await it.order("add", ids=[9], address="127.0.0.1:1"))[0] == 200
        assert (await it.order("size", size=2))[0] == 200
        assert (await it.order("size"))[0] == 409
        await it.until(lambda status: status["trouble"] == "no_spare")
        found = await it.figures()
        assert (found["view_size",], found["spares",], found["node_answering", "9"]) == (2, 1, 0)
        assert (found["orders_total", "done", "size"], found["orders_total", "refused", "size"]) == (1, 1)
        assert found["trouble", "no_spare"] == 1
        assert sum(number for key, number in found.items() if key[0] == "trouble") == 1
        assert found["requests_total", "orders", "409"] == 1

        it.store.fails = [RuntimeError("the disk is full")]
        assert (await it.order("pause"))[0] == 409
        found = await it.figures()
        assert (found["store_writes_total", "unknown"], found["store_errors_total",]) == (1, 1)

        it.node.close()
        await it.until(lambda status: status["trouble"] == "nobody_proven")
        found = await it.figures()
        assert (found["view_active",], found["node_answering", "4"], found["trouble", "nobody_proven"]) == (
            0,
            0,
            1,
        )
        assert found["questions_total", "refused"] > 0
        assert found["suspected_seconds", "4"] * 10**9 >= QUICK.gone_after


async def test_who_does_not_act_says_nothing_of_the_view() -> None:
    """Goal: no alert rests on what an idle instance remembers. Method: scrape one that never acted."""
    driver = Driver(Service(QUICK), Shelf())
    client = create_app(driver).test_client()
    answer = await client.get("/ready")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert (await answer.get_json(force=True))["reason"] == "not_leading"
    assert (await client.get("/ping")).status_code == 200
    body = str(await (await client.get("/metrics")).get_data(as_text=True))
    assert "pbproto_viewservice_acting 0.0" in body
    assert "pbproto_viewservice_view" not in body.replace("pbproto_viewservice_views_total", "")
    assert 'pbproto_viewservice_views_total{cause="failure"} 0.0' in body


async def test_openmetrics_is_spoken_where_it_is_asked_for() -> None:
    """As the nodes do."""
    client = create_app(Driver(Service(QUICK), Shelf())).test_client()
    answer = await client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert str(await answer.get_data(as_text=True)).endswith("# EOF\n")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "reason"),
    [
        ("GET", "/nothing", b"", 404, "no_such_resource"),
        ("GET", "/orders", b"", 405, "bad_request"),
        ("POST", "/orders", b"{", 400, "bad_order"),
        ("POST", "/orders", b'"\xff"', 400, "bad_order"),
        ("POST", "/orders", b"[" * 65_000, 400, "bad_order"),
        ("POST", "/orders", b'{"word":"add","ids":[1],"address":"a"}', 400, "bad_order"),
        ("POST", "/orders", b'{"word":"add","ids":[-1],"address":"a:1"}', 400, "bad_order"),
        ("POST", "/orders", b'{"word":"pause","by":"two\\nlines"}', 400, "bad_order"),
        ("POST", "/orders", b'{"word":"size","size":257}', 400, "bad_order"),
        ("POST", "/orders", b'{"word":"status","\\ud800":1}', 400, "bad_order"),
        ("POST", "/orders", b" " * 65_537, 413, "bad_request"),
        ("POST", "/orders", b'{"word":"pause"}', 503, "not_leading"),
        ("GET", "/status", b"", 503, "not_leading"),
        ("GET", "/ready", b"", 503, "not_leading"),
    ],
)
async def test_errors_are_problem_documents(
    method: str, path: str, body: bytes, status: int, reason: str
) -> None:
    """Goal: one form of errors for nodes and service (RFC 9457). Method: one request for each way to fail."""
    client = create_app(Driver(Service(QUICK), Shelf())).test_client()
    answer = await (client.get(path) if method == "GET" else client.post(path, data=body))
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    document = await answer.get_json(force=True)
    assert (document["status"], document["reason"], document["type"]) == (status, reason, "about:blank")
    assert document["title"]
    assert document["detail"]
    assert ("retry-after" in answer.headers) == (status == 503)
    assert ("allow" in answer.headers) == (status == 405)


async def test_our_own_faults_are_500(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: no trace leaves the service, and the form is the same. Method: break the driver."""
    driver = Driver(Service(QUICK), Shelf())

    async def broken(word: str, **fields: Any) -> None:
        raise RuntimeError(f"secret of {word} {fields}")

    monkeypatch.setattr(driver, "order", broken)
    client = create_app(driver).test_client()
    answer = await client.get("/status")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in str(await answer.get_data(as_text=True))


async def test_roles_may_what_they_may_at_nodes(tmp_path: Path) -> None:
    """Goal: a scraper scrapes, a reader reads, admin alone gives orders. Method: each on each route."""
    roles = ("read", "write", "admin", "metrics")
    (tmp_path / "tokens").write_text("".join(f"{role} {role * 8}\n" for role in roles) + f"peer {'p' * 20}\n")
    driver = Driver(Service(QUICK), Shelf(), trust=Trust(tokens=str(tmp_path / "tokens")))
    client = create_app(driver).test_client()
    found = {}
    for role in ("", *roles, "peer"):
        token = "p" * 20 if role == "peer" else role * 8
        shown = {"authorization": f"Bearer {token}"} if role else {}
        answers = [
            await client.get("/ping", headers=shown),
            await client.get("/ready", headers=shown),
            await client.get("/metrics", headers=shown),
            await client.get("/status", headers=shown),
            await client.post("/orders", headers=shown, json={"word": "plan", "ids": [1]}),
            await client.post("/orders", headers=shown, json={"word": "pause"}),
        ]
        found[role] = [answer.status_code for answer in answers]
        for answer in answers[1:]:
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == "application/problem+json"
    # 503: it does not act, and was asked.
    assert found == {
        "": [200, 503, 401, 401, 401, 401],
        "read": [200, 503, 200, 503, 503, 403],
        "write": [200, 503, 200, 503, 503, 403],
        "admin": [200, 503, 200, 503, 503, 503],
        "metrics": [200, 503, 200, 403, 403, 403],
        "peer": [200, 503, 401, 401, 401, 401],
    }


async def test_who_ordered_what_and_when_is_written_down() -> None:
    """Goal: the next person knows whom to ask. Method: orders with and without a name; look at the status."""
    async with acting() as it:
        assert (await it.order("pause", by="ann@desk"))[0] == 200
        paused_by = (await it.until(lambda status: bool(status["paused"])))["paused_by"]
        assert re.fullmatch(r"ordered by ann@desk from \S+ at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", paused_by), (
            paused_by
        )
        assert (await it.order("resume"))[0] == 200
        assert (await it.order("pause"))[1]["paused_by"].startswith("ordered by somebody at ")
