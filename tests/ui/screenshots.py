"""Makes the pictures of the page for the documents: ``python -m tests.ui.screenshots DIR``.

They show a real cluster of both frontends with clients that write and read, as it is, not as it was drawn.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect

from tests.live.harness import Cluster

from .browser import opened, program, started

MAX_BYTES = 200_000
ENV = {"PBPROTO_REQUEST_TIMEOUT": "20"}


@contextlib.contextmanager
def clients(cluster: Cluster, *nodes: int) -> Iterator[None]:
    """A client at each of these nodes, one request after the other, with pauses."""
    done = threading.Event()

    def work(node: int) -> None:
        for number in range(10**9):
            if done.wait(0.002 + 0.002 * (number // 150 % 3)):
                return
            with contextlib.suppress(httpx.HTTPError):
                cluster.node(node).put(f"orders/{node}/{number % 400:03}", f"order {number}")

    threads = [threading.Thread(target=work, args=(node,)) for node in nodes]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        cluster.end_faults()
        for thread in threads:
            thread.join()


def take(page: Page, directory: Path, name: str, height: int) -> None:
    """A picture of the first so many pixels of the page."""
    page.evaluate("scrollTo(0, 0)")
    width = page.evaluate("document.documentElement.clientWidth")
    path = directory / f"ui-{name}.png"
    page.screenshot(path=path, full_page=True, clip={"x": 0, "y": 0, "width": width, "height": height})
    check(path)


def check(path: Path) -> None:
    """What is committed has to be small."""
    size = path.stat().st_size
    print(f"{path}: {size} bytes")
    if size > MAX_BYTES:
        raise SystemExit(f"{path} has more than {MAX_BYTES} bytes")


def use_data(page: Page) -> None:
    """Find keys and read one of them."""
    page.locator("#find").fill("/1/00")
    page.locator("#find-go").click()
    page.get_by_role("button", name="orders/1/007").click()
    page.get_by_role("button", name="Read", exact=True).click()
    expect(page.locator("#outcome")).to_contain_text("Read.")
    page.get_by_role("button", name="Read", exact=True).blur()


def take_all(directory: Path, seconds: float) -> None:
    """All pictures; ``seconds``: how long clients work before the first."""
    with tempfile.TemporaryDirectory() as logs, started() as browser:
        cluster = Cluster(Path(logs), "mixed", env=ENV)
        with cluster:
            cluster.start_all()
            cluster.install([1, 2, 3])
            context = browser.new_context(viewport={"width": 1120, "height": 800}, reduced_motion="reduce")
            narrow = browser.new_context(
                viewport={"width": 360, "height": 740}, reduced_motion="reduce", color_scheme="dark"
            )
            page, _ = opened(context, f"{cluster.node(2).url}/ui")
            phone, _ = opened(narrow, f"{cluster.node(2).url}/ui")
            with clients(cluster, 1, 2, 3):
                page.wait_for_timeout(seconds * 1000)
                use_data(page)
                take(page, directory, "light", 820)
                page.locator("#data").screenshot(path=directory / "ui-data.png")
                check(directory / "ui-data.png")
                page.emulate_media(color_scheme="dark")
                take(page, directory, "dark", 820)
                take(phone, directory, "narrow", 1300)
                page.emulate_media(color_scheme="light")
                cluster.node(3).pause()
                expect(page.locator("#banner-words")).to_contain_text("wait for node 3")
                page.wait_for_timeout(2500)
                take(page, directory, "waiting", 1120)
                cluster.node(3).resume()
                expect(page.locator("#banner-words")).to_contain_text("node 1 leads 3 members")
                cluster.node(1).kill()
                expect(page.locator("#banner-words")).to_contain_text("its primary, node 1, is silent")
                page.wait_for_timeout(3000)
                take(page, directory, "silent-primary", 860)
                cluster.install([2, 3])
                expect(page.locator("#banner-words")).to_contain_text("node 2 leads 2 members")
                page.wait_for_timeout(3000)
                take(page, directory, "failover", 1200)


def main() -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.ui.screenshots", description=__doc__)
    parser.add_argument("directory", type=Path, help="where the pictures go")
    parser.add_argument("--seconds", type=float, default=25.0, help="how long clients work before the first")
    arguments = parser.parse_args()
    if program() is None:
        print("no Chromium on the PATH", file=sys.stderr)
        return 2
    arguments.directory.mkdir(parents=True, exist_ok=True)
    take_all(arguments.directory, arguments.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
