"""The page at ``/ui`` in Chromium, against a real cluster of both frontends.

All tests share the cluster and the browser. Each leaves the view {1, 2, 3} active, and each page of each test
must have made no error, and asked nobody but members.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from playwright.sync_api import Browser, Page, Route, expect  # noqa: E402

from tests.live.harness import Cluster, wait_until  # noqa: E402

from .browser import Seen, opened, program, started  # noqa: E402
from .looking import faults, pale, tab_to, too_wide  # noqa: E402

pytestmark = [
    pytest.mark.skipif(program() is None, reason="no Chromium on the PATH"),
    pytest.mark.xdist_group("ui"),
]
ENV = {"PBPROTO_SUSPECT_AFTER": "0.4", "PBPROTO_REQUEST_TIMEOUT": "20"}
PATIENCE = 30_000
"""Milliseconds: other tests may run beside these."""
HOSTILE = "<img src=x onerror=window.hacked=1>"

Open = Callable[..., tuple[Page, Seen]]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Nodes 1 and 3 run Quart, node 2 runs Flask."""
    with Cluster(tmp_path_factory.mktemp("ui"), "mixed", env=ENV) as cluster:
        cluster.start_all()
        cluster.install([1, 2, 3])
        yield cluster
        cluster.end_faults()
        cluster.assert_none_died()


@pytest.fixture(scope="module")
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


def test_a_failover_appears_without_reload(cluster: Cluster, open_page: Open) -> None:
    """Goal: a change of views is seen as it happens, and said to who cannot see. Method: PUT another view,
    then the first one again; a mark in the page shows that it is still the same one."""
    page, _ = open_page(2)
    banner(page, "The view of epoch 1 is active: node 1 leads 3 members.")
    page.evaluate("window.mark = 'same'")
    cluster.install([2, 3])
    expect(page.locator("#banner-words")).to_contain_text("node 2 leads 2 members.")
    expect(row(page, 2)).to_contain_text("primary")
    expect(row(page, 1)).to_contain_text("–")
    expect(page.locator("#view-list .current")).to_contain_text("node 2 leads")
    expect(page.locator("#announce")).to_contain_text("node 2 leads 2 members.")
    cluster.install([1, 2, 3])
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
    expect(row(page, 2)).to_contain_text("Node 1 hears from it.")
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


def test_keys_are_written_read_and_deleted_by_the_keyboard_alone(cluster: Cluster, open_page: Open) -> None:
    """Goal: no mouse is needed, and the focus is always seen. Method: Tab, typing and Enter; every outcome
    has its number; what was done is looked for in the store. A key that no browser can
    name is refused, and nothing else is asked for in its place."""
    page, _ = open_page(2)
    outcome = page.locator("#outcome")
    tab_to(page, "key")
    page.keyboard.type("../a b/€?#%2F")
    tab_to(page, "value")
    page.keyboard.type("by hand")
    tab_to(page, "write")
    page.keyboard.press("Enter")
    expect(outcome).to_contain_text(re.compile(r"Created\. Msg-Num \d+\."))
    assert cluster.node(1).get("../a b/€?#%2F").json() == {"value": "by hand"}
    cluster.node(3).put("../a b/€?#%2F", "by another")
    tab_to(page, "read")
    page.keyboard.press("Space")
    expect(page.locator("#value")).to_have_value("by another")
    expect(outcome).to_contain_text(re.compile(r"Read\. Msg-Num \d+"))
    tab_to(page, "delete")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Delete this key?")).to_contain_text("../a b/€?#%2F")
    page.keyboard.press("Enter")  # the focus is where nothing is lost
    expect(page.locator("#confirm")).to_be_hidden()
    assert cluster.node(1).get("../a b/€?#%2F").status_code == 200
    page.keyboard.press("Enter")
    tab_to(page, "confirm-yes")
    page.keyboard.press("Enter")
    expect(outcome).to_contain_text(re.compile(r"Deleted\. Msg-Num \d+\."))
    assert cluster.node(1).get("../a b/€?#%2F").status_code == 404
    page.locator("#key").fill("..")
    page.locator("#write").click()
    expect(outcome).to_contain_text("A browser cannot name this key")


def test_what_is_found_is_text_whatever_it_is(cluster: Cluster, open_page: Open) -> None:
    """Goal: keys and values can do nothing. Method: list, open and read an element that would run a script;
    see that there is no image, and that nothing ran."""
    cluster.node(1).put(HOSTILE, f"</td>{HOSTILE}")
    page, _ = open_page(1)
    page.locator("#find").fill("<img")
    page.locator("#find").press("Enter")
    entry = page.get_by_role("row").filter(has=page.get_by_role("button", name=HOSTILE, exact=True))
    expect(entry).to_contain_text(f"</td>{HOSTILE}")
    entry.get_by_role("button").click()
    expect(page.locator("#key")).to_have_value(HOSTILE)
    page.get_by_role("button", name="Read", exact=True).click()
    expect(page.locator("#outcome")).to_contain_text("Read.")
    assert page.locator("img").count() == 0
    assert page.evaluate("window.hacked") is None


def test_an_unknown_write_is_repeated_under_the_same_name(cluster: Cluster, open_page: Open) -> None:
    """Goal: "repeat safely" is safe. Method: the first attempt reaches the node and its answer is lost, the
    second is answered with 504; all three carry one Idempotency-Key, and another write another one."""
    page, _ = open_page(1)
    names: list[str] = []

    def lossy(route: Route) -> None:
        names.append(route.request.headers["idempotency-key"])
        if len(names) == 1:
            route.fetch()
            route.abort()
        elif len(names) == 2:
            body = '{"detail": "it took too long", "outcome": "unknown"}'
            route.fulfill(status=504, body=body, content_type="application/problem+json")
        else:
            route.continue_()

    page.route("**/data/**", lossy)
    page.locator("#key").fill("once")
    page.locator("#value").fill("v")
    page.locator("#write").click()
    for words in ("Unknown: it cannot be reached", "Unknown: it took too long"):
        expect(page.locator("#outcome")).to_contain_text(words)
        page.get_by_role("button", name="Repeat safely").click()
    expect(page.locator("#outcome")).to_contain_text("Created.")
    expect(page.locator("#repeat")).to_be_hidden()
    page.locator("#write").click()
    expect(page.locator("#outcome")).to_contain_text("Updated.")
    assert names[0] == names[1] == names[2] != names[3]
    assert cluster.node(1).get("once").json() == {"value": "v"}


def test_a_huge_store_is_not_loaded_unasked(cluster: Cluster, open_page: Open) -> None:
    """Goal: a listing of any size is bounded, and what was not looked at is said. Method: six values of a
    megabyte; find in the beginning of the listing, then have the rest loaded."""
    for number in range(6):
        cluster.node(1).put(f"large-{number}", f"{number}" + "€" * (2**20 // 3))
    page, _ = open_page(1)
    keys = len(cluster.node(1).data().json())
    expect(page.locator("#banner-words")).to_contain_text("leads")
    page.locator("#find").fill("large-")
    page.locator("#find-go").click()
    words = page.locator("#find-status")
    part = re.compile(rf"[345] keys found\. Only the first \d+ of {keys} keys were looked at")
    expect(words).to_contain_text(part)
    page.get_by_role("button", name="Load up to 32 MiB").click()
    expect(words).to_have_text("6 keys found.")
    expect(page.locator("#found").get_by_role("row")).to_have_count(6)
    expect(page.locator("#more-bytes")).to_be_hidden()
    for number in range(6):
        cluster.node(1).delete(f"large-{number}")


def test_many_keys_are_shown_a_hundred_at_a_time(open_page: Open) -> None:
    """Goal: a long list does not stop the browser. Method: a listing of 1,050 keys in the node's place."""
    page, _ = open_page(1)
    items = {f"key-{number:04}": f'"\\{number}€' for number in range(1050)}
    listing = json.dumps(items, separators=(",", ":"))
    page.route("**/data", lambda route: route.fulfill(body=listing, content_type="application/json"))
    page.locator("#find-go").click()
    expect(page.locator("#find-status")).to_have_text("1,050 keys found, the first 100 are shown.")
    page.get_by_role("button", name="Show more").click()
    expect(page.locator("#found").get_by_role("row")).to_have_count(200)
    expect(page.locator("#found").get_by_role("row").last).to_have_text('key-0199"\\199€')
    page.locator("#find").fill("key-1")
    page.locator("#find-go").click()
    expect(page.locator("#find-status")).to_have_text("50 keys found.")


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
