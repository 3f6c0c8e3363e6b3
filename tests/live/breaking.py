"""Runs a module of ours with a bug: ``python -m tests.live.breaking frontends.quart_app --id 1 …``.

The store finds an invariant broken when it applies the value ``BREAK``. A node and a replay that are both run
by this program have the same bug.
"""

from __future__ import annotations

import runpy
import sys

from pbproto import InvariantError, Operation, Result
from pbproto.store import Store

BREAK = "break"
RULE = "this value is never applied"

_apply = Store.apply


def apply(self: Store, operation: Operation) -> Result:
    if operation.value == BREAK.encode():
        raise InvariantError(RULE)
    return _apply(self, operation)


if __name__ == "__main__":
    Store.apply = apply  # type: ignore[method-assign]
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
