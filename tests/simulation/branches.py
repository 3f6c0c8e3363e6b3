"""Which branches of the core a run has taken, at next to no cost.

A coverage tool follows every line and makes a run five times as long. Here a copy of the core gets one cheap
statement at the head of every branch: the arms of ``if`` and ``match``, the bodies of loops, what follows
where no arm was taken. The runs that are judged are the runs that are counted.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

MARKS = "_marks"
"""The module of the instrumented copy that holds what was hit."""

HANDLERS = (
    "activation",
    "backup",
    "base",
    "commit",
    "forwarding",
    "gate",
    "lineage",
    "log",
    "ordering",
    "out",
    "proposing",
    "reads",
    "replica",
    "replication",
    "requests",
    "state",
    "status",
    "store",
    "transfer",
    "views",
    "waiting",
)
"""The files whose branches are counted: the rooms, and what they stand on. Not the codec, which never sees a
bad message here, nor the definitions."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One arm: where it begins, by the text of the statement that decides and of the first one in it."""

    file: str
    line: int
    text: str

    @property
    def name(self) -> str:
        return f"{self.file}: {self.text}"


class _Marker(ast.NodeTransformer):
    def __init__(self, file: str, source: str, branches: list[Branch]) -> None:
        self._file = file
        self._lines = source.splitlines()
        self._branches = branches

    def _mark(self, decides: ast.AST, arm: str) -> ast.stmt:
        line: int = decides.lineno  # type: ignore[attr-defined]
        text = f"{self._lines[line - 1].strip()} → {arm}"
        self._branches.append(Branch(self._file, line, text))
        return ast.parse(f"_HIT[{len(self._branches) - 1}] = 1").body[0]

    def _words(self, body: list[ast.stmt]) -> str:
        return self._lines[body[0].lineno - 1].strip()

    def visit_If(self, node: ast.If) -> ast.If:
        body = self._mark(node, self._words(node.body))
        other = self._mark(node, self._words(node.orelse) if node.orelse else "else")
        self.generic_visit(node)
        node.body.insert(0, body)
        node.orelse.insert(0, other)
        return node

    def visit_For(self, node: ast.For) -> ast.For:
        body = self._mark(node, self._words(node.body))
        self.generic_visit(node)
        node.body.insert(0, body)
        return node

    def visit_While(self, node: ast.While) -> ast.While:
        body = self._mark(node, self._words(node.body))
        self.generic_visit(node)
        node.body.insert(0, body)
        return node

    def visit_Match(self, node: ast.Match) -> ast.Match:
        marks = [self._mark(case.pattern, self._words(case.body)) for case in node.cases]
        self.generic_visit(node)
        for case, mark in zip(node.cases, marks, strict=True):
            case.body.insert(0, mark)
        return node


def branches_taken() -> bytes:
    """The marks that this process has hit so far; empty unless the core is an instrumented copy."""
    try:
        marks = import_module(f"pbproto.{MARKS}")
    except ModuleNotFoundError:
        return b""
    return bytes(marks.HIT)


def instrument(folder: Path) -> list[Branch]:
    """Rewrite the handlers of the copy in ``folder / "pbproto"``; the branches, in the order of their
    numbers.
    """
    branches: list[Branch] = []
    package = folder / "pbproto"
    for name in HANDLERS:
        path = package / f"{name}.py"
        source = path.read_text(encoding="utf-8")
        tree = _Marker(name, source, branches).visit(ast.parse(source))
        # After the docstring and what must come first.
        at = next(
            place
            for place, node in enumerate(tree.body)
            if isinstance(node, ast.Import | ast.ImportFrom)
            and not (isinstance(node, ast.ImportFrom) and node.module == "__future__")
        )
        tree.body.insert(at, ast.parse(f"from .{MARKS} import HIT as _HIT").body[0])
        path.write_text(ast.unparse(ast.fix_missing_locations(tree)), encoding="utf-8")
    (package / f"{MARKS}.py").write_text(f"HIT = bytearray({len(branches)})\n", encoding="utf-8")
    return branches
