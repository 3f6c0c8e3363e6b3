"""Blocks of ``console``: what is typed at the prompts of a shell and of ``devenv.py``, and what is printed.

Pygments' own lexer knows the first prompt only, and takes what is printed behind ``#`` for typed by root.
"""

from __future__ import annotations

import re
from typing import Any

from pygments.lexers.shell import BashSessionLexer
from sphinx.application import Sphinx


class Console(BashSessionLexer):
    """The prompts of ``tests/docs/commands.py``."""

    _ps1rgx = re.compile(r"^((?:devenv> |\$ ))(.*\n?)")


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_lexer("console", Console)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
