"""A cluster of both frontends and a browser, started once for all tests of the page.

Each test leaves the view {1, 2, 3} active, and each page of each test must have made no error, and asked
nobody but members.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.live.harness import Cluster

from .browser import Open, Seen, opened, started

ENV = {"PBPROTO_SUSPECT_AFTER": "0.4", "PBPROTO_REQUEST_TIMEOUT": "20"}
PATIENCE = 30_000
"""Milliseconds: other tests may run beside these."""


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Nodes 1 and 3 run Quart, node 2 runs Flask."""
    with Cluster(tmp_path_factory.mktemp("ui"), "mixed", env=ENV) as cluster:
        cluster.start_all()
        cluster.install([1, 2, 3])
        yield cluster
        cluster.end_faults()
        cluster.assert_none_died()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with started() as browser:
        yield browser


@pytest.fixture
def open_page(cluster: Cluster, browser: Browser) -> Iterator[Open]:
    """Opens the page at a node, in a context of its own; afterwards looks at its errors and whom it asked."""
    made: list[tuple[Any, Seen]] = []

    def open_at(node: int, width: int = 1200, **options: Any) -> tuple[Page, Seen]:
        viewport: Any = {"width": width, "height": 800}
        context = browser.new_context(viewport=viewport, reduced_motion="reduce", **options)
        page, seen = opened(context, f"{cluster.node(node).url}/ui")
        made.append((context, seen))
        return page, seen

    yield open_at
    for context, seen in made:
        context.close()
        assert seen.errors == []
        assert seen.hosts <= {node.address for node in cluster.nodes.values()}
