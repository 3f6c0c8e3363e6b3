"""What the garbage collector is kept from looking at."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SETTLE = """
import gc, weakref
from frontends.common.collector import settle

class Ring: pass

gone, kept = Ring(), Ring()
gone.self, kept.self = gone, kept
gone = weakref.ref(gone)
gc.disable()
settle()
print(gc.get_freeze_count() > 1000, gone() is None)
"""
WSGI = """
import gc
from frontends.wsgi_app import create_app
from frontends.common.settings import Settings
create_app(Settings(id=1))
print(gc.get_freeze_count() > 1000)
"""
QUART = """
import asyncio, gc
from frontends.quart_app import create_app
from frontends.common.settings import Settings

async def main():
    app = create_app(Settings(id=1))
    await app.startup()
    print(gc.get_freeze_count() > 1000)
    await app.shutdown()

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("program", "said"), [(SETTLE, "True True"), (WSGI, "True"), (QUART, "True")], ids=["it", "wsgi", "quart"]
)
def test_code_is_left_out_of_later_collections(program: str, said: str) -> None:
    """A full collection would go through all code that is loaded: see in a process what is left to it.

    What is garbage when a node begins to serve is freed before.
    """
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split("\n")[-2] == said
