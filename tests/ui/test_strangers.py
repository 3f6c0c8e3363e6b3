"""The page and a member that says what no node says: at the address of one that is down may be somebody."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.live.harness import Cluster

from .browser import Open, opened, program
from .test_page import row

pytestmark = [
    pytest.mark.skipif(program() is None, reason="no Chromium on the PATH"),
    pytest.mark.xdist_group("ui"),
]

Lie = Callable[[dict[str, Any]], None]
NONSENSE: dict[str, Lie] = {
    "the view is no list": lambda status: status.update(view=5),
    "an address that is none": lambda status: status["view"][0].update(address="x:1/$(id)"),
    "more members than a view has": lambda status: status.update(view=status["view"] * 100),
    "an id that is no number": lambda status: status.update(id={}),
    "no counts of what was rejected": lambda status: status["totals"].pop("rejected"),
    "backups that are none": lambda status: status.update(backups=[None]),
    "an event without fields": lambda status: status["events"].update(
        list=[{"number": 1, "time": "", "event": "proposed", "level": "info", "words": ""}]
    ),
    "members of a view that are no text": lambda status: status["events"].update(
        list=[
            {"number": 1, "time": "", "event": name, "level": "info", "words": "", "fields": fields}
            for name, fields in (
                ("proposed", {"ballot": "9.0@1", "members": 5}),
                ("installed", {"ballot": "9.0@1"}),
            )
        ]
    ),
    "a ballot that is none": lambda status: status["events"].update(
        list=[{"number": 1, "time": "", "event": "installed", "level": "info", "words": "", "fields": {}}]
    ),
    "advice without words": lambda status: status.update(advice={"put": None}),
}
COMMANDS: tuple[dict[str, Any], ...] = (
    {"view": [{"address": "x:1'; touch hacked; '", "id": 3}]},
    {"view": [{"address": "x:1;touch${IFS}hacked", "id": 3}]},
    {"view": [{"address": "$(touch hacked):1", "id": 3}]},
    {"view": [{"address": "x:1\ntouch hacked", "id": 3}]},
    {"view": [{"address": "x:1\n", "id": 3}]},
    {"view": [{"address": "x:1", "id": "3}]}'; touch hacked; '"}]},
    {"view": [{"address": "x:1", "id": 3}], "epoch": "1}'; touch hacked; '"},
)
"""Views that a shell would take for more than that, if they were put into a command as they are."""


def tell(page: Page, cluster: Cluster, node: int, lie: Lie) -> None:
    """Let what this node says of itself come with a lie in it from now on."""

    def lying(route: Route) -> None:
        answer = route.fetch()
        status = answer.json()
        lie(status)
        route.fulfill(response=answer, json=status)

    place = f"{cluster.node(node).url}/status?*"
    page.route(place, lying)


def test_a_member_that_answers_nonsense_hides_nothing_but_itself(cluster: Cluster, open_page: Open) -> None:
    """Goal: an impostor cannot make the page blind to the other nodes, and no command of his can be pasted.

    Method: the page's own judgement of what a node says, and of the same with a lie in it. Then node 3 says
    of its view that it is a number, and node 2 advises a command to a shell: their rows say so, and node 1 is
    heard, without an exception (the fixture looks).
    """
    page, _ = open_page(1)
    true = cluster.node(3).request("GET", "/status?since=0").json()
    judge = "(status) => import('./ui/shape.js').then(({ isStatus }) => isStatus(status))"
    words = {"what": "w", "costs": "c", "remedy": "r", "caution": None}
    assert page.evaluate(judge, true)
    assert page.evaluate(judge, true | {"advice": words | {"put": {"view": true["view"], "epoch": 7}}})
    for what, lie in NONSENSE.items():
        false = copy.deepcopy(true)
        lie(false)
        assert not page.evaluate(judge, false), what
    for put in COMMANDS:
        assert not page.evaluate(judge, true | {"advice": words | {"put": put}}), put
    tell(page, cluster, 2, lambda status: status.update(advice=words | {"put": COMMANDS[0]}))
    tell(page, cluster, 3, lambda status: status.update(view=5))
    for node in (2, 3):
        expect(row(page, node)).to_contain_text("its answer is not what a node says of itself")
    expect(row(page, 1)).to_contain_text("active")
    expect(page.locator("#heard")).to_contain_text("Live")
    assert "hacked" not in page.content()
    page.unroute_all(behavior="wait")


def test_invented_members_take_no_places_of_real_ones(cluster: Cluster, browser: Browser) -> None:
    """Goal: whoever the view of the page's own node names is watched. Method: of the view {1, 2}, node 2
    invents a hundred members. Node 3 joins: the page of node 1 hears it."""
    invented = [{"address": f"127.0.0.1:{port}", "id": port} for port in range(1, 101)]
    cluster.install([1, 2])
    try:
        context = browser.new_context()
        page, seen = opened(context, f"{cluster.node(1).url}/ui")
        tell(page, cluster, 2, lambda status: status["view"].extend(invented))
        ends = time.monotonic() + 30
        while len(seen.hosts) < 60 and time.monotonic() < ends:
            page.wait_for_timeout(20)  # the page's events come in meanwhile
    finally:
        cluster.install([1, 2, 3])
    expect(row(page, 3)).to_contain_text("active")
    page.unroute_all(behavior="wait")
    context.close()
    assert [words for words in seen.errors if "127.0.0.1" not in words] == []
