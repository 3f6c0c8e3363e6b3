"""The documentation site builds without a warning and without a network, and is whole."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import click
import pytest

import pbkv
import pbkv.testing
import pbproto
from frontends.common.settings import PREFIX, TUNABLE
from pbkv.cli.app import cli
from viewservice.__main__ import ORDERS
from viewservice.config import PRESETS

from .blocks import ROOT

LOADED = {
    **dict.fromkeys(("script", "img", "iframe", "source"), "src"),
    **dict.fromkeys(("link", "use"), "href"),
    "object": "data",
}
"""What a browser fetches without being asked, by element."""
STYLE = re.compile(r"""(?:url\(|@import )["']?([^"')]+)""")
IN_PROCESS = ("init_app", "put", "get", "delete", "items", "resolve", "status", "tell_view")
"""What an application can do with the node within it."""
NOT_FETCHED = ("canonical", "index", "search", "next", "prev")
PROXIES = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
"""Whoever asks for something outside gets no answer."""


class _Elements(HTMLParser):
    """The elements of a page, and the targets that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def fetched(text: str) -> Iterator[str]:
    """What a browser fetches to show this page."""
    for tag, attributes in _Elements(text).found:
        if tag == "link" and attributes.get("rel") in NOT_FETCHED:
            continue
        if tag in LOADED and (address := attributes.get(LOADED[tag], "")):
            yield address


def outside(addresses: Iterator[str]) -> list[str]:
    """Those that are somewhere else."""
    return [each for each in addresses if re.match(r"(?:[a-z]+:)?//", each) and not each.startswith("data:")]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as its page says."""
    folder = tmp_path_factory.mktemp("site")
    words = ["-W", "--keep-going", "-n", "-q", "-b", "html", "-d", str(folder / "doctrees")]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *words, "docs", str(folder / "html")],
        cwd=ROOT,
        env={**os.environ, **PROXIES},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "html"


def pages(site: Path) -> dict[str, str]:
    """The pages of the site, by their paths."""
    return {path.relative_to(site).as_posix(): path.read_text("utf-8") for path in site.rglob("*.html")}


@pytest.mark.xdist_group("site")
def test_the_site_is_whole_and_needs_nothing_from_outside(site: Path) -> None:
    """Goal: it can be read without a network, and every link within it leads somewhere.

    Method: look at what each page and style sheet makes a browser fetch, and follow each relative link.
    """
    found = pages(site)
    assert {
        "index.html",
        "tutorial.html",
        "rest-api.html",
        "guarantees.html",
        "how-to/change-the-view.html",
    } <= {*found}
    targets = {
        name: {attributes["id"] for _, attributes in _Elements(text).found if "id" in attributes}
        for name, text in found.items()
    }
    for name, text in found.items():
        assert outside(fetched(text)) == [], name
        for tag, attributes in _Elements(text).found:
            link = attributes.get("href", "") if tag == "a" else ""
            if not link or re.match(r"[a-z]+:", link):
                continue
            file, _, anchor = link.partition("#")
            path = (site / name).parent.joinpath(file).resolve() if file else site / name
            assert path.exists(), f"{name}: {link}"
            if anchor and path.suffix == ".html":
                assert anchor in targets[path.relative_to(site.resolve()).as_posix()], f"{name}: {link}"
    for path in site.rglob("*.css"):
        assert (
            outside(iter(re.findall(r"(?:url\(|@import )[\"']?([^\"')]+)", path.read_text("utf-8")))) == []
        ), path


@pytest.mark.xdist_group("site")
def test_the_reference_has_everything(site: Path) -> None:
    """Goal: what is public can be looked up. Method: look for each name, setting, word and preset."""
    found = pages(site)
    core = found["core-api.html"]
    hidden = {"Effect", "Event", "Envelope", "Message"}  # aliases, and what peers say to each other
    assert {name for name in pbproto.__all__ if f".{name}" not in core} == hidden
    for spec in TUNABLE:
        assert f"--{spec.name.replace('_', '-')}<" in found["settings.html"]
        assert f"{PREFIX}{spec.name.upper()}<" in found["settings.html"]
    for word in (*ORDERS, "run", *PRESETS):
        assert f">{word}<" in found["viewservice-options.html"]
    applications = found["frontends-api.html"]
    for frontend in ("quart_app", "wsgi_app"):
        for name in ("create_app", "PbProto", *(f"PbProto.{each}" for each in IN_PROCESS)):
            assert f'id="frontends.{frontend}.{name}"' in applications, name
    assert 'id="frontends.common.settings.from_environment"' in applications
    for package, page in ((pbkv, "client-api.html"), (pbkv.testing, "testing-api.html")):
        for name in package.__all__:
            assert f'id="{package.__name__}.{name}"' in found[page], name
    told = found["cli-reference.html"]
    for words, options in commands("pbkv", cli):
        assert f'id="{words.replace(" ", "-")}"' in told
        assert all(re.search(rf"{option}(?![\w-])", told) for option in options), words
    assert {"pbkv_cluster", "pbkv_cluster_factory", "pytest.mark.pbkv"} <= {
        *re.findall(r'id="(?:pbkv\.testing\.plugin\.)?([\w.]+)"', found["testing-api.html"])
    }


def commands(name: str, command: click.Command) -> Iterator[tuple[str, list[str]]]:
    """The commands of the command line, and the options of each."""
    yield name, [each.opts[0] for each in command.params if isinstance(each, click.Option)]
    for word, below in (command.commands if isinstance(command, click.Group) else {}).items():
        yield from commands(f"{name} {word}", below)


def test_what_is_fetched_from_outside_is_seen() -> None:
    """Goal: the check can fail. Method: a page that fetches from elsewhere, and one that only links there."""
    text = (
        '<script src="https://a/x.js"></script><link rel="stylesheet" href="//b/x.css"><img src="x.svg">'
        '<a href="https://c/">c</a><link rel="next" href="https://d/"><img src="data:image/png;base64,x">'
    )
    assert outside(fetched(text)) == ["https://a/x.js", "//b/x.css"]
