"""The blocks of code in a Markdown page, and what the comments above them say about running them.

What a block is, its language says:

* ``python``: run in order, all blocks of a page in one namespace; a block with functions ``test_…`` is a file
  of tests, which pytest runs with the store's plugin;
* ``sh``, ``bash``: commands, run one after the other in one shell for each page; each must end with status 0;
* ``console``: the same behind the prompt ``$``; lines without a prompt are what the command must print, where
  ``...`` stands for anything. Behind the prompt ``devenv>`` stand words for the cluster's own prompt;
* ``json``, ``yaml``, ``toml``, ``ini``: must parse;
* ``text``: excerpts, diagrams, tables of output; not run. ``{directive}``: for Sphinx.

Comments directly above a block change how it is run; neither the site nor a repository host shows them:

* ``<!-- run as: COMMANDS -->``: these instead, a shortened form, in which every program and every long flag
  of the block has to appear;
* ``<!-- run until: TEXT -->``: start each command, wait until it prints the text, or, with ``GET URL``, until
  that answers 200; then interrupt it. With a line for each command, each has its own; a line ``--help``
  asks that command for its help only, a line ``-`` runs it to its end;
* ``<!-- run in background until: TEXT -->``: the same, but it ends with the page;
* ``<!-- run as the cluster -->``: a ``devenv.py -n …`` command; what follows is about its nodes;
* ``<!-- run: only --help -->``: ask each program for its help, which has to name every long flag that the
  block gives it, or the word that it is told;
* ``<!-- checked: PROGRAM, … -->``: commands with these programs need what is not here (a container engine, a
  Kubernetes cluster, systemd, root), and are taken apart instead (``taken_apart.py``); others are run;
* ``<!-- not run: COMMAND: REASON -->``: leaves one command of the block out, but for its flags;
* ``<!-- only compiled: REASON -->``: of a block of Python that needs what is not here;
* ``<!-- save as: NAME -->``: of a block of any language but commands: it is a file that the reader makes, and
  that a command further down has to name.

Anywhere on a page ``<!-- run: with cluster -->`` says that it talks to nodes of ``python3 devenv.py -n 3``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))

COMMANDS = ("sh", "bash", "console")
RUN = ("python", *COMMANDS)
PARSED = ("json", "yaml", "toml", "ini")
SHOWN = ("text",)
DIRECTIVES = frozenset(
    (
        "{toctree}",
        "{include}",
        "{eval-rst}",
        "{node-settings}",
        "{service-options}",
        "{service-presets}",
        "{command-line}",
    )
)
"""Of Sphinx and ``docs/_ext``; they show nothing that could be run."""

AS, UNTIL, BEHIND, CLUSTER, HELP, CHECKED, NOT, COMPILED, SAVE = (
    "run as",
    "run until",
    "run in background until",
    "run as the cluster",
    "run: only --help",
    "checked",
    "not run",
    "only compiled",
    "save as",
)
WITH_CLUSTER = re.compile(r"run: with cluster(?P<more>.*)")
_ORDER = re.compile(
    rf"(?P<word>{HELP}|{CLUSTER}|(?:{BEHIND}|{UNTIL}|{AS}|{CHECKED}|{NOT}|{COMPILED}|{SAVE})(?=:))(?::\s*(?P<rest>.*))?",
    re.DOTALL,
)
_COMMENT = re.compile(r"<!--\s*(.*?)\s*-->", re.DOTALL)
_LOOKS_LIKE_AN_ORDER = re.compile(r"(not )?run\b|save\b|checked\b|only\b")


class PageError(AssertionError):
    """A page has a block that nothing can be done with."""


@dataclass(frozen=True)
class Order:
    """What a comment says about the block below it."""

    word: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """One block of a page."""

    page: str
    line: int
    language: str
    text: str
    orders: tuple[Order, ...] = ()

    @property
    def place(self) -> str:
        """Where a person finds it."""
        return f"{self.page}:{self.line}"

    def lines_of(self, word: str) -> tuple[str, ...] | None:
        """The lines of an order, or ``None`` without it."""
        found = [order.lines for order in self.orders if order.word == word]
        return tuple(line for lines in found for line in lines) if found else None


@dataclass(frozen=True)
class Page:
    """A page, its blocks, and whether it talks to a cluster."""

    name: str
    blocks: tuple[Block, ...]
    cluster: str | None = None
    """The command of the cluster that the page talks to from its beginning, if there is one."""


def read(path: Path) -> Page:
    """The blocks of a page. Raises ``PageError``."""
    return parse(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))


def parse(name: str, text: str) -> Page:
    """The blocks of a page with this text. Raises ``PageError``."""
    blocks: list[Block] = []
    orders: list[Order] = []
    cluster = None
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "html_block":
            for comment in _COMMENT.findall(token.content):
                if (found := WITH_CLUSTER.fullmatch(comment)) is not None:
                    cluster = f"python3 devenv.py -n 3{found['more']}"
                elif _LOOKS_LIKE_AN_ORDER.match(comment):
                    orders.append(_order(f"{name}:{line}", comment))
        elif token.type in ("fence", "code_block"):
            language = token.info.partition(" ")[0].strip()
            blocks.append(Block(name, line, language, token.content, tuple(orders)))
            orders = []
        elif orders:
            raise PageError(f"{name}:{line}: the comment {orders[-1].word!r} has no block below it")
    for block in blocks:
        check(block)
    return Page(name, tuple(blocks), cluster)


def _order(place: str, comment: str) -> Order:
    found = _ORDER.fullmatch(comment)
    if found is None:
        raise PageError(f"{place}: what is {comment!r}?")
    lines = tuple(line.strip() for line in (found["rest"] or "").splitlines() if line.strip())
    return Order(found["word"], lines)


def check(block: Block) -> None:
    """Raises ``PageError`` for a block that would escape being run, parsed, or called mere text."""
    if not block.language:
        raise PageError(f"{block.place}: a block without a language: fence it, and say what it is")
    if block.language not in (*RUN, *PARSED, *SHOWN, *DIRECTIVES):
        raise PageError(f"{block.place}: nobody knows how to run {block.language!r}")
    for order in block.orders:
        if (order.word in (SAVE, COMPILED)) is (block.language in COMMANDS):
            raise PageError(f"{block.place}: the comment {order.word!r} is for another kind of block")
    reasons = [line.partition(": ")[2] for line in block.lines_of(NOT) or ()]
    for reason in (*reasons, *(block.lines_of(COMPILED) or ())):
        if len(reason.split()) < 3:
            raise PageError(f"{block.place}: left out without a reason")
