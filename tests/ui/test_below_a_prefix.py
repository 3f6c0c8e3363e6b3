"""The page of a node that is part of an application, in Chromium."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.embedding.test_processes import Embedded
from tests.live.harness import Cluster, Node

from .browser import opened, program

pytestmark = [
    pytest.mark.skipif(program() is None, reason="no Chromium on the PATH"),
    pytest.mark.xdist_group("ui"),
]


def test_members_are_heard_below_the_prefix_of_the_page_and_at_the_root(
    browser: Browser, tmp_path: Path
) -> None:
    """Goal: the page of an embedded node shows the whole cluster, and what it offers leads to the others.

    Method: two applications, whose nodes are below ``/kv``, and a plain node. Open the page at the first:
    whom does it hear and link to? Kill the first, and read the command on the page of the second.
    """
    with Cluster(tmp_path, "quart", n=0) as cluster:
        first, second = (
            Embedded(id_, server, cluster.new_address(), tmp_path / f"node-{id_}.log")
            for id_, server in enumerate(("uvicorn", "waitress"), 1)
        )
        third = Node(3, "quart", cluster.new_address(), tmp_path / "node-3.log")
        second.env |= {"PBPROTO_SUSPECT_AFTER": "0.2"}  # so that it gives advice soon
        cluster.nodes |= {node.id: node for node in (first, second, third)}
        cluster.start_all()
        cluster.install([1, 2, 3])
        page, seen = opened(browser.new_context(), f"{first.url}/kv/ui")
        other, _ = opened(page.context, f"{second.url}/kv/ui")
        for each in (page, other):
            expect(each.locator("#member-table .badge")).to_have_text(["✓active"] * 3)
        links = page.locator("#member-table a").evaluate_all("all => all.map((each) => each.href)")
        assert links == [f"{first.url}/kv/ui", f"{second.url}/kv/ui", f"{third.url}/ui"]
        # What lies below the prefix at a plain node is for nobody's page.
        assert [words for words in seen.errors if f"'{third.url}/kv/status?" not in words] == []
        first.kill()
        command = other.locator("#advice code")
        expect(command).to_contain_text(f" {second.url}/kv/view {third.url}/view", use_inner_text=True)
        assert first.address not in command.inner_text()
        page.context.close()
