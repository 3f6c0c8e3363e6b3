"""How nodes tell each other from strangers: ``frontends/common/proof.py``."""

from __future__ import annotations

import pytest

from frontends.common import proof
from frontends.common.access import Access
from frontends.common.responses import RefusedError
from frontends.common.settings import Settings

OLD, NEW, OTHER = "o" * 20, "n" * 20, "x" * 20


def knows(*secrets: str) -> Access:
    """A node with these secrets of peers, in this order."""
    return Access(Settings(id=1, named_tokens=tuple(("peer", secret) for secret in secrets)))


def exchanged(asker: Access, answerer: Access, own: int = 2) -> bool:
    """Whether a mail to node 2 and its answer prove both sides; ``own`` is who gets it."""
    asked = proof.ask(asker, 2, b"mail")
    headers = dict(asked.headers)
    secret = proof.check_head(answerer, own, headers)
    proof.check_body(headers, b"mail")
    (mac,) = [value for name, value in proof.answer(secret, headers, b"answers") if name == "pbproto-mac"]
    assert not proof.is_answer(asker, asked.nonce, mac, b"other answers")
    assert not proof.is_answer(asker, "2-" + "0" * 32, mac, b"answers")
    return proof.is_answer(asker, asked.nonce, mac, b"answers")


def test_nodes_that_know_the_secret_prove_it_to_each_other() -> None:
    """Goal: mail and answer are known by the secret. Method: exchange one; change answer and nonce."""
    assert exchanged(knows(OLD), knows(OLD))


@pytest.mark.parametrize(
    ("asker", "answerer"),
    [((OLD, NEW), (OLD,)), ((OLD,), (OLD, NEW)), ((NEW, OLD), (OLD, NEW)), ((NEW,), (NEW, OLD))],
)
def test_the_secret_is_rotated_node_by_node(asker: tuple[str, ...], answerer: tuple[str, ...]) -> None:
    """Goal: it is added as second, made the first, and the old one is taken away, while all go on talking.

    Method: all pairs of neighbouring steps.
    """
    assert exchanged(knows(*asker), knows(*answerer))
    assert exchanged(knows(*answerer), knows(*asker))


@pytest.mark.parametrize(
    "change",
    [
        {"pbproto-mac": ""},
        {"pbproto-mac": "00" * 32},
        {"pbproto-mac": "é"},
        {"pbproto-nonce": "2-" + "1" * 32},
        {"pbproto-nonce": "x"},
        {"pbproto-digest": "0" * 64},
        {"pbproto-digest": ""},
    ],
)
def test_mail_without_the_proof_is_refused_before_its_body(change: dict[str, str]) -> None:
    """Goal: a stranger's mail is not even read. Method: change one header of a good one."""
    headers = dict(proof.ask(knows(OLD), 2, b"mail").headers)
    proof.check_head(knows(OLD), 2, headers)
    with pytest.raises(RefusedError):
        proof.check_head(knows(OLD), 2, headers | change)
    for name in headers:
        with pytest.raises(RefusedError):
            proof.check_head(knows(OLD), 2, {key: value for key, value in headers.items() if key != name})


def test_another_secret_and_another_body_are_refused() -> None:
    """A stranger's own secret proves nothing, and the headers of one mail do not prove another."""
    headers = dict(proof.ask(knows(OTHER), 2, b"mail").headers)
    with pytest.raises(RefusedError):
        proof.check_head(knows(OLD, NEW), 2, headers)
    headers = dict(proof.ask(knows(OLD), 2, b"mail").headers)
    with pytest.raises(RefusedError):
        proof.check_body(headers, b"other")


def test_a_stranger_cannot_have_somebody_else_answer_for_it() -> None:
    """Goal: a mail to node 2 is answered by node 2 alone. Method: pass it on to node 3, and to its sender."""
    for own in (1, 3):
        with pytest.raises(RefusedError):
            exchanged(knows(OLD), knows(OLD), own)


def test_a_mail_is_no_answer() -> None:
    """Goal: what a node sends cannot be sent back to it as an answer. Method: the MAC of the mail itself."""
    asked = proof.ask(knows(OLD), 2, b"same")
    assert not proof.is_answer(knows(OLD), asked.nonce, dict(asked.headers)["pbproto-mac"], b"same")
