"""How nodes tell each other from strangers: by a secret that both know and neither sends.

A view is told by whoever may tell one, and names addresses. Without a proof it would be enough to name an
address of one's own to be sent the whole store, and to know a node's address to pose as its primary. So:

* Each POST of mail carries a nonce, the digest of the mail, and their HMAC (RFC 2104) under the secret. The
  HMAC is checked before the body is read, the digest after. The nonce begins with the id of the node that is
  meant, and only that node answers: a stranger that is named as node 9 could otherwise pass on what it gets
  to node 2, or back to the sender, and be taken for a node by the answer.
* The answer carries the HMAC of that nonce and of the answer's digest, made with the secret that the mail was
  made with: it can only come from a node, and only be the answer to this very mail.
* On a new connection the first mail is an empty one. Data goes out once its answer has proved who is there.

Mail that is recorded and sent again proves itself as well, and changes nothing: that is the protocol's own
promise (every message may come twice). It may be answered again, though, and somebody between two nodes reads
along. Whoever may tell a view can put himself there: he names an address of his own with the id of a node
that lives, and passes on what comes. No node can tell that it was asked by way of another address (it does
not know by which names, and through how many gateways, it is reached). Against all of them there is TLS
(``tls.py``).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import NamedTuple

from pbproto import encode

from .access import Access
from .responses import Headers, RefusedError

_MAIL = b"pbproto mail\0"
_ANSWER = b"pbproto answer\0"
NONCE_BYTES = 16


class Asked(NamedTuple):
    """A mail that was posted, and by what its answer is known."""

    headers: Headers
    nonce: str


def nothing(version: int) -> bytes:
    """The first mail on a connection, to a peer that reads this version."""
    return encode((), version)


def _mac(secret: bytes, purpose: bytes, nonce: str, digest: str) -> str:
    return hmac.digest(secret, purpose + f"{nonce}\0{digest}".encode("latin-1", "replace"), "sha256").hex()


def ask(access: Access, receiver: int, mail: bytes) -> Asked:
    """What goes out with a mail to the node with this id."""
    access.look()
    nonce = f"{receiver}-{secrets.token_hex(NONCE_BYTES)}"
    digest = hashlib.sha256(mail).hexdigest()
    mac = _mac(access.tokens.secrets[0], _MAIL, nonce, digest)
    return Asked((("pbproto-nonce", nonce), ("pbproto-digest", digest), ("pbproto-mac", mac)), nonce)


def is_answer(access: Access, nonce: str, mac: str, answer: bytes) -> bool:
    """Whether an answer with this ``pbproto-mac`` comes from a node, and to the mail with this nonce."""
    digest = hashlib.sha256(answer).hexdigest()
    found = False
    for secret in access.tokens.secrets:
        found |= hmac.compare_digest(
            _mac(secret, _ANSWER, nonce, digest).encode(), mac.encode("latin-1", "replace")
        )
    return found


def check_head(access: Access, own: int, headers: Mapping[str, str]) -> bytes:
    """The secret by which a mail to the node ``own`` proves itself, before its body is read.

    Raises ``RefusedError``.
    """
    access.look()
    nonce, digest = headers.get("pbproto-nonce", ""), headers.get("pbproto-digest", "")
    mac = headers.get("pbproto-mac", "").encode("latin-1", "replace")
    proved = b""
    for secret in access.tokens.secrets:
        if hmac.compare_digest(_mac(secret, _MAIL, nonce, digest).encode(), mac):
            proved = secret
    receiver, _, drawn = nonce.partition("-")
    if not proved or receiver != str(own) or len(drawn) != 2 * NONCE_BYTES:
        raise RefusedError(
            401, "not_a_peer", "mail is taken from nodes that know the secret of the role peer"
        )
    return proved


def check_body(headers: Mapping[str, str], mail: bytes) -> None:
    """Raises ``RefusedError`` unless this is the mail that was proved."""
    if not hmac.compare_digest(
        hashlib.sha256(mail).hexdigest().encode(), headers["pbproto-digest"].encode("latin-1", "replace")
    ):
        raise RefusedError(401, "not_a_peer", "the mail is not the one that its headers prove")


def answer(secret: bytes, headers: Mapping[str, str], body: bytes) -> Headers:
    """What an answer to a mail that proved itself by ``secret`` carries."""
    return (
        ("pbproto-mac", _mac(secret, _ANSWER, headers["pbproto-nonce"], hashlib.sha256(body).hexdigest())),
    )
