"""A Chromium that is on this machine, for the tests of the page and the pictures of the documents."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
HOSTILE = "<img src=x onerror=window.hacked=1>"
"""A key, or a value, that would run a script if it were taken for markup."""


def program() -> str | None:
    """Where Chromium is, if it is on the PATH."""
    return next((path for path in map(shutil.which, NAMES) if path is not None), None)


@contextmanager
def started() -> Iterator[Browser]:
    """A browser without a window. No page of it ever needs the network beyond this machine."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


class Seen:
    """What a page said and did that nobody sees: errors, and whom it asked."""

    def __init__(self, page: Page) -> None:
        self.errors: list[str] = []
        """Exceptions, and what the console calls errors, but for requests that got no good answer."""
        self.hosts: set[str] = set()
        page.on("pageerror", lambda error: self.errors.append(f"exception: {error}"))
        page.on("console", self._said)
        page.on("request", lambda request: self.hosts.add(request.url.split("/")[2]))

    def _said(self, message: object) -> None:
        kind, words = getattr(message, "type", ""), getattr(message, "text", "")
        # Chromium itself writes a line for each answer like 404 and each connection that fails.
        if kind in ("error", "warning") and not words.startswith("Failed to load resource"):
            self.errors.append(f"{kind}: {words}")


def opened(context: BrowserContext, url: str) -> tuple[Page, Seen]:
    """A page at ``url``, and what it says."""
    page = context.new_page()
    page.set_default_timeout(30_000)
    seen = Seen(page)
    page.goto(url)
    return page, seen


Open = Callable[..., tuple[Page, Seen]]
"""Opens the page at the node with this id: ``open_page`` of the tests."""
