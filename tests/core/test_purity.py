"""The dependency rule: the core knows no clock, no chance, no threads, no I/O and no unordered iteration.

Read in the syntax trees, so that it holds for lines that no test runs.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pbproto

PACKAGE = Path(pbproto.__file__).parent
FILES = sorted(PACKAGE.glob("**/*.py"))

PURE = (
    "__future__",
    "bisect",
    "collections",
    "collections.abc",
    "dataclasses",
    "difflib",
    "enum",
    "hashlib",
    "heapq",
    "itertools",
    "struct",
    "typing",
    "zlib",  # for its check sums
)
"""All that the core may import. To add a module is a decision: it must be a function of its input only."""

COMMAND = "replay.py"
MAY_IMPORT = {
    COMMAND: ("argparse", "io", "json", "os", "pathlib", "stat", "sys"),
    "source.py": ("pathlib",),
}
"""``python -m pbproto.replay`` reads recordings and prints, wherever the package is: it is a command and no
part of the core. No other file is free to do so, none imports this one, and even this has no clock. The other
file reads the package itself, to name it; only the command imports it."""

UNORDERED = ("set", "frozenset")
OUTSIDE_WORLD = ("open", "print", "input", "exec", "eval", "compile", "__import__", "hash", "id", "globals")
"""Builtins that reach out, or whose results differ from process to process."""


def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))))


def test_there_is_something_to_read() -> None:
    """A rule over no files would hold: look for the files that matter."""
    names = [path.name for path in FILES]
    assert len(names) > 20
    assert "replica.py" in names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_only_pure_modules_are_imported(path: Path) -> None:
    """No clock, socket, thread, chance or logging: compare each import with the list of what is pure."""
    allowed = PURE + MAY_IMPORT.get(path.name, ())
    for node in nodes(path):
        if isinstance(node, ast.Import):
            for alias in node.names:
                assert alias.name in allowed, f"{path.name}:{node.lineno} imports {alias.name}"
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module in allowed, f"{path.name}:{node.lineno} imports from {node.module}"
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 1, f"{path.name}:{node.lineno} imports from outside the package"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_imports_the_command(path: Path) -> None:
    """What the command may do, the core does not get by it: look for its name in all imports."""
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(alias.name for alias in node.names)]
            assert Path(COMMAND).stem not in names, f"{path.name}:{node.lineno} imports the command"
            assert "source" not in names or path.name == COMMAND, f"{path.name}:{node.lineno} reads files"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_set_is_made(path: Path) -> None:
    """The order of a set changes from process to process, so none exists that could be iterated over.

    Look for literals, comprehensions and the names. Dicts keep their order and serve as well.
    """
    for node in nodes(path):
        assert not isinstance(node, ast.Set | ast.SetComp), f"{path.name}:{node.lineno} makes a set"
        if isinstance(node, ast.Name):
            assert node.id not in UNORDERED, f"{path.name}:{node.lineno} names {node.id}"
        if isinstance(node, ast.BinOp):
            # ``one.keys() & other.keys()`` is a set as well.
            for side in (node.left, node.right):
                assert not _is_view_of_dict(side), f"{path.name}:{node.lineno} makes a set of a dict"


def _is_view_of_dict(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("keys", "items")
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_builtin_reaches_out(path: Path) -> None:
    """Neither files nor the addresses and hashes of objects may decide anything: look for the calls."""
    for node in nodes(path):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in OUTSIDE_WORLD, f"{path.name}:{node.lineno} calls {node.func.id}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_assert_guards_anything(path: Path) -> None:
    """``python -O`` strips ``assert``; the core states its conclusions by a function: look for any."""
    for node in nodes(path):
        assert not isinstance(node, ast.Assert), f"{path.name}:{node.lineno} asserts"


def test_importing_the_core_loads_no_clock_chance_or_thread() -> None:
    """What is not loaded cannot be reached, by no detour: import the core alone and look what came along.

    ``time`` is built in and always there, so it is the imports above that keep it out.
    """
    program = (
        "import sys; before = list(sys.modules); import pbproto;"
        "print(*[name for name in sys.modules if name not in before])"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    assert "pbproto.replica" in loaded
    for name in ("random", "secrets", "uuid", "socket", "asyncio", "logging", "threading", "subprocess"):
        assert name not in loaded
    for name in ("pbproto.replay", "pbproto.recording", "pbproto.source", "argparse", "pathlib"):
        assert name not in loaded


def test_the_package_says_that_it_is_typed() -> None:
    """Type checkers of users look for a marker (PEP 561): it is there, and it is empty."""
    assert (PACKAGE / "py.typed").read_bytes() == b""


def test_everything_public_is_there_once() -> None:
    """``__all__`` is what users may rely on: each name exists, in order, once."""
    assert sorted(pbproto.__all__) == pbproto.__all__
    assert len(dict.fromkeys(pbproto.__all__)) == len(pbproto.__all__)
    for name in pbproto.__all__:
        assert hasattr(pbproto, name)
