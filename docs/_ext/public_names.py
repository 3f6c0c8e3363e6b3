"""Links from annotations to the reference: a class is found under the package that it is imported from.

``pbkv.Listing`` stands in ``pbkv/results.py``; annotations name it ``Listing`` or ``pbkv.results.Listing``.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes  # type: ignore[import-untyped]
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import pbkv
import pbkv.testing

PUBLIC = {name: f"{package.__name__}.{name}" for package in (pbkv.testing, pbkv) for name in package.__all__}


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, inner: nodes.Node) -> Any:
    """What is public under another name than the one that was looked for."""
    name = node.get("reftarget", "").rpartition(".")[2]
    public = PUBLIC.get(name)
    if node.get("refdomain") != "py" or public is None or node.get("reftarget") == public:
        return None
    return env.domains.python_domain.resolve_xref(
        env, node["refdoc"], app.builder, "obj", public, node, inner
    )


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("missing-reference", resolve)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
