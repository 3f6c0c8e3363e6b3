"""What the page at ``/ui`` shows of a cluster, in Chromium, against a real one of both frontends."""

from __future__ import annotations

import re
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.core.test_why import LENGTHS
from tests.live.harness import Cluster, wait_until

from .browser import HOSTILE, Open, program
from .looking import faults, pale, too_wide

pytestmark = [
    pytest.mark.skipif(program() is None, reason="no Chromium on the PATH"),
    pytest.mark.xdist_group("ui"),
]


def banner(page: Page, words: str) -> None:
    expect(page.locator("#banner-words")).to_have_text(words)


def row(page: Page, node: int) -> Any:
    return page.locator("#member-table").get_by_role("row").filter(has_text=f"Node {node}127")


def test_members_show_their_roles_in_their_own_words(cluster: Cluster, open_page: Open) -> None:
    """Goal: who leads, who follows, how far each is. Method: open the page at a backup; the other nodes are
    asked across origins; then read what a screen reader gets."""
    cluster.node(1).put("k", "v")
    page, seen = open_page(2)
    banner(page, "The view of epoch 1 is active: node 1 leads 3 members.")
    for node, role in ((1, "primary"), (2, "backup"), (3, "backup")):
        expect(row(page, node)).to_contain_text(role)
        expect(row(page, node)).to_contain_text("active")
        expect(row(page, node)).to_contain_text("now")
    assert seen.hosts == {node.address for node in cluster.nodes.values()}
    expect(page.get_by_role("banner")).to_match_aria_snapshot("""
        - banner:
          - heading "pbproto node 2" [level=1]
          - button "Pause"
          - combobox "Theme"
          - navigation "Sections"
    """)
    expect(page.locator("#view-list")).to_contain_text("node 1 leads")
    expect(page.locator("#event-list")).to_contain_text("Node 1: became the primary")
    expect(page.locator("#waiting-summary")).to_contain_text("Nothing has waited for longer")
    assert page.title() == "node 2 · pbproto"
    assert faults(page) == []


def test_a_failover_appears_without_reload_and_is_done_by_the_command_of_the_page(
    cluster: Cluster, open_page: Open, tmp_path: Path
) -> None:
    """Goal: whoever is on call reads what is wrong, what it costs, and runs what ends it; the change is seen
    as it happens, and said to who cannot see. Method: stop node 1, while a write at node 2 waits; run the
    command of the page in a shell, and the write goes through; a mark shows that the page is the same one."""
    page, _ = open_page(2)
    banner(page, "The view of epoch 1 is active: node 1 leads 3 members.")
    page.evaluate("window.mark = 'same'")
    advice = page.locator("#advice")
    cluster.node(1).pause()
    writer = threading.Thread(target=cluster.node(2).put, args=("k", "v"))
    try:
        writer.start()
        expect(page.locator("#banner-words")).to_contain_text("its primary, node 1, is silent: ")
        expect(advice.get_by_role("definition")).to_have_text(
            [
                re.compile(r"Node \d says: node 1 \(.*\), the primary, has not been heard by this node for "),
                re.compile(r"Writes and reads at this node wait for it, and end after 20 s"),
                re.compile(r"It goes on when node 1 is heard again, .* node 2 \(.*\) and node 3 \("),
                re.compile(r"Ask the others first: "),
            ]
        )
        assert (faults(page), pale(page), too_wide(page)) == ([], [], 0)
        command = advice.locator("code").inner_text()
        assert cluster.node(1).address not in command
        subprocess.run(["sh", "-ec", command], check=True, stdout=subprocess.DEVNULL, cwd=tmp_path)
        expect(page.locator("#banner-words")).to_contain_text("node 2 leads 2 members.")
        expect(advice).to_be_hidden()
        expect(row(page, 2)).to_contain_text("primary")
        expect(row(page, 1)).to_contain_text("–")
        expect(page.locator("#view-list .current")).to_contain_text("node 2 leads")
        expect(page.locator("#announce")).to_contain_text("node 2 leads 2 members.")
    finally:
        cluster.node(1).resume()
        writer.join()
        cluster.install([1, 2, 3])
    assert cluster.node(3).get("k").json() == {"value": "v"}
    expect(page.locator("#banner-words")).to_contain_text("node 1 leads 3 members.")
    assert page.evaluate("window.mark") == "same"


def test_a_page_at_no_members_address_says_where_to_open_it(cluster: Cluster, open_page: Open) -> None:
    """Goal: who opened the page under another name knows why the others are silent. Method: the same node by
    another name of the loopback; it hears itself, and offers the members' addresses."""
    page, seen = open_page(1)
    port = cluster.node(1).address.rpartition(":")[2]
    page.goto(f"http://localhost:{port}/ui")
    hint = page.locator("#origin-hint")
    expect(hint).to_contain_text(f"localhost:{port} is no member's address")
    expect(hint.get_by_role("link")).to_have_text([node.address for node in cluster.nodes.values()])
    expect(row(page, 1)).to_contain_text("active")
    expect(row(page, 2)).to_contain_text("Node 1 hears from it: ")
    seen.hosts.remove(f"localhost:{port}")
    seen.errors[:] = [error for error in seen.errors if "blocked by CORS policy" not in error]
    hint.get_by_role("link").first.click()
    expect(row(page, 2)).to_contain_text("active")
    expect(hint).to_be_hidden()


def test_a_silent_backup_shows_in_what_waits_for_it(cluster: Cluster, open_page: Open) -> None:
    """Goal: on call one reads which node is to blame and what will become of each request. Method: stop node
    3; write a hostile key at the primary and through a backup. A page that node 3 served says that it
    hears nothing and since when. Go on, and all of it is over."""
    page, _ = open_page(1)
    deaf, _ = open_page(3)
    expect(deaf.locator("#heard")).to_contain_text("Live")
    expect(row(page, 3)).to_contain_text("active")
    cluster.node(3).pause()
    writers = [
        threading.Thread(target=cluster.node(node).put, args=(f"{HOSTILE}{node}", "secret"))
        for node in (1, 2)
    ]
    try:
        for writer in writers:
            writer.start()
        expect(page.locator("#banner-words")).to_contain_text("writes and reads wait for node 3.")
        expect(row(page, 3)).to_contain_text("suspected")
        waits = page.locator("#waiting-rows")
        expect(waits.get_by_role("row").filter(has_text=f"{HOSTILE}1")).to_contain_text(
            re.compile(r"Node 3 \(silent for .*\) has not acknowledged position \d+\.")
        )
        expect(waits.get_by_role("row").filter(has_text=f"{HOSTILE}2")).to_contain_text(
            "forwarded to the primary"
        )
        expect(waits).to_contain_text("unknown: it may take effect")
        expect(page.locator("#event-list .warn").first).to_contain_text("node 3 is suspected")
        expect(deaf.locator("#heard")).to_contain_text(
            re.compile(r"does not answer .* Last heard \d+ s ago\.")
        )
        assert faults(page) == []
        assert pale(page) == []
    finally:
        cluster.node(3).resume()
        for writer in writers:
            writer.join()
    expect(page.locator("#waiting-rows").get_by_role("row")).to_have_count(0)
    expect(page.locator("#banner-words")).to_contain_text("node 1 leads 3 members.")
    expect(deaf.locator("#heard")).to_contain_text("Live")
    assert "secret" not in page.content()
    assert page.evaluate("window.hacked") is None


def test_a_node_that_was_sent_home_says_so_on_its_page(cluster: Cluster, open_page: Open) -> None:
    """Goal: the empty view is no secret. Method: tell it to node 3 alone; its page, /why, /ready and /status
    say so, with the time; the page of a member misses it. Then the view again."""
    page, _ = open_page(3)
    expect(page.locator("#banner-words")).to_contain_text("leads 3 members.")
    try:
        assert cluster.node(3).request("PUT", "/view", json={"view": []}).status_code == 200
        banner(page, "Node 3, which serves this page, belongs to no view.")
        expect(page.locator("#banner-more")).to_contain_text("is active: node 1 leads 3 members.")
        expect(page.locator("#advice")).to_contain_text(
            re.compile(
                r"told the empty view, .* ago\..*It serves no reads.*It gets in when a view with it", re.S
            )
        )
        expect(row(page, 3)).to_contain_text("no view")
        expect(page.locator("#event-list .warn").first).to_contain_text("told the empty view")
        status = cluster.node(3).request("GET", "/status").json()
        assert 0 <= status["told_ms"] < 60_000
        words = "this node belongs to no view: it was told the empty view, "
        assert status["advice"]["what"].startswith(words)
        assert cluster.node(3).request("GET", "/why").json()["summary"].startswith(f"nothing waits; {words}")
        ready = cluster.node(3).request("GET", "/ready").json()
        assert ready["detail"].startswith(words)
        assert "it gets in when" in ready["detail"]
    finally:
        cluster.install([1, 2, 3])
    expect(page.locator("#banner-words")).to_contain_text("node 1 leads 3 members.")
    expect(page.locator("#advice")).to_be_hidden()


def test_lengths_of_time_are_said_as_the_nodes_say_them(open_page: Open) -> None:
    """Goal: one way to write them, wherever the words come from. Method: the lengths of the core's test."""
    page, _ = open_page(1)
    module = "(all) => import('./ui/dom.js').then(({ duration }) => all.map(duration))"
    assert page.evaluate(module, [each for each, _ in LENGTHS]) == [words for _, words in LENGTHS]


def test_a_token_is_asked_for_and_kept_in_the_tab_only(open_page: Open) -> None:
    """Goal: a node that wants a token gets it, and nobody else keeps it. Method: answer 401 in the node's
    place until the right one comes; look into the storages, then forget it."""
    page, _ = open_page(2)
    banner_words = page.locator("#banner-words")
    expect(banner_words).to_contain_text("leads")

    def guarded(route: Route) -> None:
        if route.request.headers.get("authorization") == "Bearer right":
            route.continue_()
        else:
            route.fulfill(
                status=401, body='{"detail": "who are you?"}', content_type="application/problem+json"
            )

    page.route("**/status?*", guarded)
    field = page.get_by_label("Bearer token")
    expect(field).to_be_visible()
    expect(page.locator("#heard")).to_contain_text("does not answer (401: who are you?)")
    field.fill("wrong")
    field.press("Enter")
    expect(page.locator("#token-why")).to_have_text("The node does not take this token.")
    field.fill("right")
    field.press("Enter")
    expect(page.locator("#heard")).to_contain_text("Live")
    expect(page.locator("#token-form")).to_be_hidden()
    assert page.evaluate("[Object.values(sessionStorage), Object.values(localStorage), document.cookie]") == [
        ["right"],
        [],
        "",
    ]
    page.get_by_role("button", name="Forget token").click()
    expect(field).to_be_visible()
    assert page.evaluate("Object.values(sessionStorage)") == []


def test_a_token_that_shows_no_keys_shows_the_rest(cluster: Cluster, open_page: Open) -> None:
    """Goal: whoever may see how a node is, and no data, is told so and sees the rest. Method: /why is
    answered by 403 in the node's place, while a write waits for a stopped backup."""
    page, _ = open_page(1)
    body = '{"status": 403, "detail": "this takes a token of the role read or write"}'
    page.route("**/why", lambda route: route.fulfill(status=403, body=body))
    expect(row(page, 3)).to_contain_text("active")
    cluster.node(3).pause()
    writer = threading.Thread(target=cluster.node(1).put, args=("k", "v"))
    try:
        writer.start()
        expect(page.locator("#waiting-summary")).to_contain_text("this token does not show which")
        expect(page.locator("#heard")).to_contain_text("Live")
        expect(page.locator("#token-form")).to_be_hidden()
    finally:
        cluster.node(3).resume()
        writer.join()


def test_rejections_are_shown_by_reason(cluster: Cluster, open_page: Open) -> None:
    """Goal: what was turned away, where, and why, and how much was done. Method: two bad writes and a
    good one at node 2, while the page is open; what others did before counts as well."""
    page, _ = open_page(1)
    expect(row(page, 2)).to_contain_text("active")
    reasons = page.locator("#rejection-rows")
    bad = reasons.get_by_role("row").filter(has_text="bad body").filter(has_text="node 2")
    expect(bad).to_have_count(0)
    for body in (b"not JSON", b"[]"):
        assert cluster.node(2).request("PUT", "/data/k", content=body).status_code == 400
    cluster.node(2).put("k", "v")
    expect(bad.get_by_role("cell")).to_have_text(["node 2", "2", "2"])
    counted = page.locator("#request-rows").get_by_role("row").filter(has_text="Node 2")
    totals = cluster.node(2).request("GET", "/status").json()["totals"]
    answered = sum(
        each["count"]
        for operation in ("put", "get", "delete", "list")
        for each in totals["requests"].get(operation, {}).values()
    )
    expect(counted.get_by_role("cell").nth(2)).to_have_text(f"{answered:,}")
    expect(counted.get_by_role("cell").nth(3)).to_have_text(f"{sum(totals['rejected'].values()):,}")
    assert cluster.node(2).request("GET", "/status").json()["totals"]["rejected"]["bad_body"] == 2


def test_another_life_is_counted_from_its_beginning(open_page: Open) -> None:
    """Goal: a restart makes no number of rejections negative. Method: in the node's place say that it was
    never told a view, and so has no events, and turned three away; then that it was restarted, and one; and
    another."""
    life, times = "0000000000000001", 3

    def never_told(route: Route) -> None:
        document = route.fetch().json()
        document |= {"incarnation": life, "events": {"list": [], "last": 0, "missed": 0}}
        document["totals"]["rejected"] = {"no_view": times}
        route.fulfill(json=document)

    page, _ = open_page(2)
    page.route(re.compile(r"/status\?"), never_told)
    cells = page.locator("#rejection-rows").get_by_role("row").filter(has_text="node 2").get_by_role("cell")
    expect(cells.nth(1)).to_have_text("3")
    life, times = "0000000000000002", 1
    expect(cells.nth(1)).to_have_text("1")
    expect(cells.nth(2)).to_have_text("0")  # what was before this page heard of it is in the first figure
    times = 2
    expect(cells.nth(2)).to_have_text("1")


def test_colours_can_be_read_light_and_dark_wide_and_narrow(open_page: Open) -> None:
    """Goal: contrast of level AA in both schemes, by the system's wish and by the switch, and nothing to
    scroll sideways on a small telephone. Method: computed colours, and the width of the page."""
    page, _ = open_page(1, width=360, color_scheme="dark")
    expect(page.locator("#banner-words")).to_contain_text("leads")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (pale(page), too_wide(page), faults(page)) == ([], 0, [])
    page.get_by_label("Theme").select_option("Light")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert light != dark
    assert pale(page) == []
    page.set_viewport_size({"width": 1200, "height": 800})
    page.reload()
    expect(page.locator("#banner-words")).to_contain_text("leads")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == light
    assert (pale(page), too_wide(page)) == ([], 0)
    page.get_by_label("Theme").select_option("Auto")
    page.emulate_media(color_scheme="light")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == light


def test_nobody_is_asked_while_nobody_looks(open_page: Open) -> None:
    """Goal: a forgotten tab costs the nodes nothing. Method: hide one page, and let another ask on; the
    hidden one has asked nothing meanwhile, and does again as soon as it is shown."""
    hidden, _ = open_page(1)
    other, _ = open_page(2)
    asked = {"hidden": 0, "other": 0}

    def count(page: Page, name: str) -> None:
        page.on("request", lambda _: asked.update({name: asked[name] + 1}))

    def show(shown: bool) -> None:
        word = "false" if shown else "true"
        hidden.evaluate(
            f"Object.defineProperty(document, 'hidden', {{ configurable: true, get: () => {word} }});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )

    expect(row(hidden, 3)).to_contain_text("active")
    show(False)
    hidden.wait_for_load_state("networkidle")
    count(hidden, "hidden")
    count(other, "other")
    with other.expect_request(lambda _: asked["other"] >= 3):
        pass
    assert asked["hidden"] == 0
    with hidden.expect_request("**/status?*"):
        show(True)


def test_what_a_join_lost_is_shown_in_red_with_what_it_means(cluster: Cluster, open_page: Open) -> None:
    """Goal: lost writes are not overlooked. Method: {3} and {1, 2} both write and are joined; the page that
    was open all the while shows how many operations of which node are gone."""
    page, seen = open_page(1)
    expect(row(page, 3)).to_contain_text("active")
    cluster.install([3])
    cluster.install([1, 2])
    wait_until(lambda: cluster.node(3).put("half", "lost").status_code == 201, "node 3 writes alone")
    wait_until(lambda: cluster.node(1).put("half", "kept").status_code == 201, "nodes 1 and 2 write")
    cluster.install([1, 2, 3])
    losses = page.get_by_role("region", name="Lost in a join")
    expect(losses).to_contain_text(
        re.compile(r"Positions \d+ to \d+ of the log of node \d: \d+ operations?\.")
    )
    expect(page.locator("#event-list .bad").first).to_contain_text("lost in a join")
    expect(page.locator("#view-list .lossy").first).to_contain_text("were lost in this join")
    red = page.locator("#losses .banner").evaluate("each => getComputedStyle(each).color")
    assert red == "rgb(156, 17, 39)"
    # Node 3 was told a view without node 1, and answered its page no more.
    seen.errors[:] = [error for error in seen.errors if "blocked by CORS policy" not in error]
    assert pale(page) == []
    assert faults(page) == []
