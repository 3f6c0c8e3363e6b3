"""What holds in every test of the core."""

from __future__ import annotations

import pytest

from pbproto import Note
from pbproto.effects import Code
from pbproto.out import Out

from . import test_out
from .notes import check


@pytest.fixture(autouse=True)
def every_note_fits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test is about, the notes that its nodes make have the fields and forms of ``notes.py``."""
    if request.module is test_out:
        return  # its notes are made up
    real = Out.note

    def note(self: Out, code: Code, **fields: str | int) -> None:
        real(self, code, **fields)
        made = self.effects[-1]
        assert isinstance(made, Note)
        check(made)

    monkeypatch.setattr(Out, "note", note)
