"""What a node says of its decisions. That all notes fit ``notes.py`` is checked in every test of the core."""

from __future__ import annotations

import pytest

from pbproto import Effect, Note
from pbproto.effects import Code
from pbproto.out import Out

from .cluster import Cluster, Mail, view
from .notes import FORMS, check


class Courteous(Cluster):
    """A cluster in which nobody writes to itself."""

    def deliver(self, mail: Mail) -> tuple[Effect, ...]:
        assert mail.sender != mail.receiver, f"{mail} is to its own sender"
        return super().deliver(mail)


def test_every_code_has_a_form() -> None:
    """A note of a new code would go unchecked: compare the table with the codes, in order."""
    assert list(FORMS) == list(Code)


@pytest.mark.parametrize(
    "note",
    [
        Note(Code.CLOSED, (("reason", "x"),)),
        Note(Code.PROMISED, (("ballot", "1.0@0"), ("synced", "None"))),
        Note(Code.PROMISED, (("ballot", "1.0@0"), ("log_end", 0), ("synced", "None"))),
        Note(Code.STARTED_EMPTY, (("ballot", "None"),)),
        Note(Code.VIEW_TOLD, (("members", "0=a:1,"), ("epoch", 1))),
        Note(Code.VIEW_TOLD, (("members", "nobody"), ("epoch", 0))),
        Note(Code.RECOVERED, (("backup", True),)),
        Note(Code.IGNORED, (("reason", "because"), ("message", "Told"), ("sender", 1))),
        Note(Code.IGNORED, (("reason", "repeated"), ("message", "NoneType"), ("sender", 1))),
        Note(Code.REJECTED, (("reason", "timeout"), ("certain", True), ("waited_for", ""))),
    ],
)
def test_a_note_that_does_not_fit_is_noticed(note: Note) -> None:
    """A table that everything fits checks nothing: compare notes with a fault each."""
    with pytest.raises(AssertionError):
        check(note)


def test_notes_are_checked_where_they_are_made() -> None:
    """The fixture is on in every test of the core: make a note that does not fit."""
    with pytest.raises(AssertionError):
        Out().note(Code.CLOSED, reason="x")


def test_the_notes_of_a_first_view_say_this() -> None:
    """The whole story of two nodes, note by note, so that the values are the right ones too."""
    cluster = Cluster((0, 1))
    cluster.tell((0, 1), to=(1,))
    cluster.install((0, 1), epoch=1)
    story = [(who, note.code.value, dict(note.fields)) for who, note in cluster.notes]
    assert story == [
        (1, "view_told", {"members": "0=node0:80,1=node1:80", "epoch": "unnumbered"}),
        (0, "view_told", {"members": "0=node0:80,1=node1:80", "epoch": 1}),
        (1, "view_told", {"members": "0=node0:80,1=node1:80", "epoch": 1}),
        (0, "ignored", {"reason": "told_other_view", "message": "Told", "sender": 1}),
        (1, "ignored", {"reason": "nothing_to_offer", "message": "Seek", "sender": 0}),
        (0, "proposed", {"ballot": "1.0@0", "members": "0,1"}),
        (1, "promised", {"ballot": "1.0@0", "synced": "None", "log_end": 0}),
        (0, "started_empty", {"ballot": "1.0@0"}),
        (0, "base_chosen", {"ballot": "1.0@0", "source": 0, "end": 0}),
        (0, "became_primary", {"ballot": "1.0@0", "commit": 0, "backups": 1}),
        (1, "installed", {"ballot": "1.0@0", "role": "backup", "commit": 0}),
    ]


def test_a_promise_says_what_the_member_holds() -> None:
    """The ballot it is synced in, and how far its log goes: install a second view after a write."""
    cluster = Cluster((0, 1, 2))
    cluster.install((0, 1))
    cluster.put(0, b"k", b"v")
    cluster.run()
    cluster.install((0, 1, 2))
    assert cluster.noted(1, "promised")[-1] == {"ballot": "2.0@0", "synced": "1.0@0", "log_end": 1}
    assert cluster.noted(2, "promised") == [{"ballot": "2.0@0", "synced": "None", "log_end": 0}]


def test_nobody_is_told_as_such() -> None:
    """The empty view has no members to name."""
    cluster = Cluster((0,))
    cluster.tell((), to=(0,))
    assert cluster.noted(0, "view_told") == [{"members": "nobody", "epoch": "unnumbered"}]


@pytest.mark.parametrize("ids_", [(0, 1), (0, 1, 2)])
def test_nobody_writes_to_itself(ids_: tuple[int, ...]) -> None:
    """A message to oneself would only be turned away: install a view, with proposals that are repeated."""
    cluster = Courteous(ids_)
    cluster.tell(ids_, to=(0,))
    cluster.advance(2_000)
    assert all(mail.receiver != mail.sender for mail in cluster.mail)
    cluster.install(ids_)
    assert cluster.status(0).view == view(ids_)
