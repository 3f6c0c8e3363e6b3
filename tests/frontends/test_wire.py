"""Which version is spoken to whom: headers, what is remembered, and every way in which a peer is replaced."""

from __future__ import annotations

from logging import ERROR, INFO, WARNING
from random import Random

import pytest

from frontends.common.wire import HOLD, MAX_DOUBLINGS, MAX_PEERS, Peers, Range, parse

PEER = "peer:1"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1-1", Range(1, 1)),
        ("1-2", Range(1, 2)),
        ("3-65535", Range(3, 65535)),
        (None, None),
        ("", None),
        ("1", None),
        ("2-1", None),
        ("0-1", None),
        ("-1-2", None),
        ("1-2, 1-2", None),
        (" 1-2", None),
        ("01-2", None),
        ("1-2\n", None),
        ("١-٢", None),
        ("1-999999", None),
        ("1-2" * 10_000, None),
    ],
)
def test_a_header_has_exactly_one_form(text: str | None, found: Range | None) -> None:
    """Goal: what is not a range is nothing at all. Method: read ranges, and what only looks like them."""
    assert parse(text) == found
    if found is not None:
        assert str(found) == text


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [
        (Range(1, 2), Range(1, 2), 2),
        (Range(1, 2), Range(1, 1), 1),
        (Range(1, 2), Range(2, 5), 2),
        (Range(1, 2), Range(1, 9), 2),
        (Range(1, 2), Range(3, 4), 0),
    ],
)
def test_the_highest_that_both_know_is_spoken(one: Range, other: Range, common: int) -> None:
    """Goal: two ends come to the same conclusion. Method: ask each of them."""
    assert one.common(other) == other.common(one) == common


def test_a_stranger_is_spoken_to_as_everybody_understands() -> None:
    """Goal: an old release understands the first word.

    Method: ask before, after its answer, and for another.
    """
    peers = Peers(Range(1, 2))
    assert peers.version(PEER) == 1
    word = peers.answered(PEER, "1-2")
    assert word is not None
    assert (word.event, word.level) == ("peer_wire", INFO)
    assert word.fields == {"address": PEER, "version": 2}
    assert (peers.version(PEER), peers.version("other:1")) == (2, 1)


def test_who_says_nothing_is_an_old_release() -> None:
    """Goal: no header means version 1. Method: one that never had one; one that had, and was replaced."""
    peers = Peers(Range(1, 2))
    word = peers.answered(PEER, None)
    assert word is not None
    assert word.fields["version"] == 1
    assert peers.version(PEER) == 1
    peers.answered("other:1", "1-2")
    peers.answered("other:1", None)
    assert peers.version("other:1") == 1


def test_a_downgrade_is_met_with_one_refusal() -> None:
    """Goal: a peer replaced by an old release costs one mail.

    Method: it refuses version 2, then answers 1.
    """
    peers = Peers(Range(1, 2))
    peers.answered(PEER, "1-2")
    word = peers.refused(PEER, None)
    assert word is not None
    assert (word.event, word.level) == ("wire_refused", WARNING)
    assert peers.version(PEER) == 1
    assert peers.answered(PEER, None) is not None
    assert peers.version(PEER) == 1


def test_a_downgrade_that_says_what_it_speaks_is_believed() -> None:
    """Goal: a refusal with a header is an offer.

    Method: a node that is held at version 1 refuses 2 and says so. Then it is let go: nothing is held
    against it.
    """
    peers = Peers(Range(1, 2))
    peers.answered(PEER, "1-2")
    assert peers.refused(PEER, "1-1") is None
    assert peers.version(PEER) == 1
    peers.answered(PEER, "1-1")
    assert peers.version(PEER) == 1
    peers.answered(PEER, "1-2")
    assert peers.version(PEER) == 2


def test_a_peer_that_has_dropped_the_oldest_version_teaches_ours() -> None:
    """Goal: the first word may be too old for a later release. Method: it refuses 1, and says 2-3."""
    peers = Peers(Range(1, 2))
    assert peers.refused(PEER, "2-3") is None
    assert peers.version(PEER) == 2
    peers.answered(PEER, "2-3")
    assert peers.version(PEER) == 2


def test_whoever_answers_after_a_loss_is_a_stranger() -> None:
    """Goal: a peer that died may come back as an old release.

    Method: lose a POST; the next is in version 1.
    """
    peers = Peers(Range(1, 2))
    peers.answered(PEER, "1-2")
    peers.lost(PEER)
    assert peers.version(PEER) == 1
    assert peers.answered(PEER, "1-2") is None, "nothing new is said about it"
    assert peers.version(PEER) == 2
    peers.lost("never met:1")
    assert peers.version("never met:1") == 1


def test_peers_without_a_common_version_are_named_once() -> None:
    """Goal: an operator sees why nothing goes on, and the log is not flooded.

    Method: refuse again and again.
    """
    peers = Peers(Range(1, 2))
    words = [peers.refused(PEER, "3-4") for _ in range(50)]
    assert words[0] is not None
    assert (words[0].event, words[0].level) == ("no_common_wire", ERROR)
    assert words[0].fields == {"address": PEER, "ours": "1-2", "theirs": "3-4"}
    assert words[1:] == [None] * 49
    assert peers.trouble(PEER) == "it speaks versions 3-4 of the peer protocol, this node 1-2"
    assert peers.version(PEER) == 1
    assert peers.answered(PEER, "1-2") is not None, "it was replaced"
    assert peers.trouble(PEER) == peers.trouble("other:1") == ""


def test_a_refusal_of_the_lowest_version_changes_nothing() -> None:
    """Goal: a 400 for another reason says nothing of versions.

    Method: mail that is bad at an old and a new one.
    """
    peers = Peers(Range(1, 2))
    for text in (None, "1-2"):
        assert peers.refused(PEER, text) is None
        assert peers.version(PEER) == 1


@pytest.mark.parametrize("in_refusal", ["1-2", None])
def test_a_header_that_lies_costs_little(in_refusal: str | None) -> None:
    """Goal: a peer that says 2 and refuses it can be worked with.

    Method: 10,000 POSTs; count refusals, lines.
    """
    peers = Peers(Range(1, 2))
    refused, said = 0, 0
    for _ in range(10_000):
        if peers.version(PEER) == 2:
            refused += 1
            word = peers.refused(PEER, in_refusal)
        else:
            word = peers.answered(PEER, "1-2")
        said += word is not None
    assert 3 <= refused <= 10_000 // HOLD
    assert refused <= MAX_DOUBLINGS + 2
    assert said <= 3 * refused + 1


def test_a_peer_that_was_replaced_by_a_newer_one_is_found_out() -> None:
    """Goal: what a refusal is held against ends. Method: after one, a hundred answers and one more."""
    peers = Peers(Range(1, 2))
    peers.answered(PEER, "1-2")
    peers.refused(PEER, None)
    for _ in range(HOLD):
        peers.answered(PEER, "1-2")
        assert peers.version(PEER) == 1
    peers.answered(PEER, "1-2")
    assert peers.version(PEER) == 2


@pytest.mark.parametrize("text", ["", "2", "x" * 70_000, "3-4"])
def test_a_bad_header_is_named_once_and_ignored(text: str) -> None:
    """Goal: nonsense changes nothing.

    Method: a 200 with a malformed header, or with one that cannot be true.
    """
    peers = Peers(Range(1, 2))
    peers.answered("good:1", "1-2")
    for address in (PEER, "good:1"):
        words = [peers.answered(address, text) for _ in range(5)]
        if text:
            assert words[0] is not None
            assert (words[0].event, words[0].level) == ("bad_wire_header", WARNING)
            assert len(str(words[0].fields["header"])) <= 40
        assert words[1:] == [None] * 4
        assert peers.version(address) == 1


def test_an_answer_is_in_what_the_request_showed() -> None:
    """Goal: whoever waits for an answer can read it. Method: every kind of request; nothing is remembered."""
    peers = Peers(Range(1, 2))
    assert peers.for_answer(7, None, 1) == (1, None)
    assert peers.for_answer(7, "1-2", 1) == (2, None)
    assert peers.for_answer(7, "1-1", 1) == (1, None)
    assert peers.for_answer(7, "1-9", 2) == (2, None)
    assert peers.for_answer(7, "3-4", 1) == (1, None), "it has just spoken 1"
    assert Peers(Range(1, 1)).for_answer(7, "1-2", 1) == (1, None)
    assert peers.version(PEER) == 1


def test_senders_of_bad_headers_are_named_once_and_not_for_ever() -> None:
    """Goal: strangers cannot fill the log or the memory.

    Method: bad headers from more senders than are kept.
    """
    peers = Peers(Range(1, 2))
    named = 0
    for sender in range(2 * MAX_PEERS):
        for _ in range(2):
            version, word = peers.for_answer(sender, "nonsense", 2)
            assert version == 2
            named += word is not None
    assert named == MAX_PEERS


def test_addresses_are_forgotten_oldest_first() -> None:
    """Goal: memory is bounded. Method: one address more than is kept."""
    peers = Peers(Range(1, 2))
    for number in range(MAX_PEERS + 1):
        peers.answered(f"peer:{number}", "1-2")
    assert [peers.version(f"peer:{number}") for number in (0, 1, MAX_PEERS)] == [1, 2, 2]


def test_two_honest_ends_always_come_to_terms() -> None:
    """Goal: whatever releases follow each other at an address, mail goes through soon.

    Method: random histories. Each life speaks a range that contains version 1, with or without saying so. At
    most the first POST to a life is refused, and each other answered; a life that stays is in the end spoken
    to in the highest common version.
    """
    random = Random(5)
    for _ in range(300):
        peers = Peers(Range(1, random.randint(1, 4)))
        for _ in range(6):
            newest = random.randint(1, 4)
            header = f"1-{newest}" if newest > 1 or random.random() < 0.5 else None
            if random.random() < 0.5:
                peers.lost(PEER)  # somebody posted while there was nobody
            refused = 0
            for _ in range(random.choice((1, 2, 3 + (HOLD << MAX_DOUBLINGS)))):
                version = peers.version(PEER)
                assert version <= peers.ours.high
                if version <= newest:
                    peers.answered(PEER, header)
                else:
                    refused += 1
                    peers.refused(PEER, header)
            assert refused <= 1
        for _ in range(3 + (HOLD << MAX_DOUBLINGS)):
            peers.answered(PEER, header)
        assert peers.version(PEER) == min(newest, peers.ours.high)
