"""One process is one node."""

from __future__ import annotations

import subprocess
import sys
import uuid

import pytest

from frontends.common.guard import Guard, SecondProcessError, stock_scope

HOLD = """
import sys
from frontends.common.guard import Guard
guard = Guard(1, sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_ends() -> None:
    """Two processes cannot be one node: hold the guard in a child, try, kill the child, try again."""
    scope = uuid.uuid4().hex
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, scope], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(SecondProcessError, match="one process is one node"):
            Guard(1, scope)
        Guard(2, scope).release()
        Guard(1, scope + "elsewhere").release()
    finally:
        child.kill()
        child.communicate()
    Guard(1, scope).release()


def test_release_lets_go() -> None:
    """A node that was stopped can be started again in the same process: guard, release, guard."""
    scope = uuid.uuid4().hex
    guard = Guard(1, scope)
    guard.release()
    guard.release()
    Guard(1, scope).release()


def test_the_scope_of_a_stock_server_is_its_own() -> None:
    """Workers of one server agree on the scope: it is the same each time it is asked for."""
    assert stock_scope() == stock_scope()
