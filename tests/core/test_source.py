"""The name of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

import pbproto
from pbproto.source import code_digest

PACKAGE = Path(pbproto.__file__).parent


def test_the_code_has_a_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two codes have two names, one code one: compare with a copy, and with one that is changed."""
    for path in PACKAGE.glob("*.py"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    name = code_digest()
    assert len(name) == 16
    monkeypatch.setattr("pbproto.source.__file__", str(tmp_path / "source.py"))
    assert code_digest() == name
    (tmp_path / "store.py").write_text("# another")
    assert code_digest() != name
