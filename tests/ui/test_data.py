"""The data browser of the page at ``/ui``, in Chromium, against a real cluster of both frontends."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Route, expect

from tests.live.harness import Cluster, wait_until

from .browser import HOSTILE, Open, program
from .looking import tab_to

pytestmark = [
    pytest.mark.skipif(program() is None, reason="no Chromium on the PATH"),
    pytest.mark.xdist_group("ui"),
]


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
    expect(outcome).to_contain_text(re.compile(r"Created\. Msg-Num \d+: its place among all writes"))
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
    expect(outcome).to_contain_text(re.compile(r"Deleted\. Msg-Num \d+: its place"))
    expect(outcome).to_be_in_viewport(ratio=1)
    expect(page.locator("#value")).to_have_value("")
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


def test_line_ends_survive_a_text_field(cluster: Cluster, open_page: Open) -> None:
    """Goal: what is opened and written back unedited is the same, byte for byte. Method: a key and a value
    with line ends of all kinds, found, opened, and written to; then edited."""
    key, words = "lines\r\n1", "a\r\nb\rc\nd"
    cluster.node(2).put(key, words)
    page, _ = open_page(2)
    page.locator("#find").fill("lines")
    page.locator("#find-go").click()
    page.locator("#found").get_by_role("button").click()
    for name, outcome in (("Read", "as long as you do not edit it"), ("Write", "Updated.")):
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.locator("#outcome")).to_contain_text(outcome)
    assert cluster.node(1).data().json()[key] == words
    page.locator("#value").fill("a\nb")
    page.locator("#write").click()
    wait_until(lambda: cluster.node(1).get(key).json() == {"value": "a\nb"}, "the edited value is written")


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


def test_what_takes_a_token_asks_for_it_where_one_is(cluster: Cluster, open_page: Open) -> None:
    """Goal: who writes or finds without a token is asked for it, in the words of the page, and goes on by the
    keyboard. Method: data is answered by 401 in the node's place until the token comes."""
    page, _ = open_page(1, width=360)
    detail = "this takes a token, in a header Authorization: Bearer"

    def guarded(route: Route) -> None:
        if route.request.headers.get("authorization") == "Bearer right":
            route.continue_()
        else:
            body = json.dumps({"detail": detail, "reason": "unauthenticated"})
            route.fulfill(status=401, body=body, content_type="application/problem+json")

    page.route(re.compile("/data"), guarded)
    expect(page.locator("#banner-words")).to_contain_text("leads")
    page.locator("#key").fill("guarded")
    page.locator("#value").fill("v")
    page.locator("#write").click()
    field = page.get_by_label("Bearer token")
    for token, words in (("wrong", "wants a token first."), ("right", "does not take this token.")):
        expect(page.locator("#outcome")).to_have_text(f"Not written: the node {words}")
        expect(field).to_be_focused()
        expect(field).to_be_in_viewport()
        page.keyboard.type(token)
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Repeat safely")).to_be_focused()
        page.keyboard.press("Enter")
    expect(page.locator("#outcome")).to_contain_text("Created.")
    assert cluster.node(2).get("guarded").json() == {"value": "v"}
    page.get_by_role("button", name="Forget token").click()
    page.locator("#find-go").click()
    expect(page.locator("#find-status")).to_have_text("Not loaded: the node wants a token first.")
    expect(field).to_be_focused()
    assert "Authorization" not in page.locator("main").inner_text()


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
