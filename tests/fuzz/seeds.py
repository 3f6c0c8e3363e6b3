"""What an engine starts from, made anew each time: nothing binary is kept in the repository."""

from __future__ import annotations

from pathlib import Path
from random import Random

from pbproto import Effect, Envelope, Message, encode

from ..core.cluster import Cluster, Mail
from ..core.script import play

PER_KIND = 6
PROGRAMS = 40
PROGRAM_BYTES = 300


def messages() -> list[tuple[Envelope, Message]]:
    """Real messages of every kind: some of those that a whole scripted life of a cluster sends."""
    found: dict[type[Message], list[tuple[Envelope, Message]]] = {}

    class Listening(Cluster):
        def deliver(self, mail: Mail) -> tuple[Effect, ...]:
            known = found.setdefault(type(mail.message), [])
            # The first ones, and then those that say more than any before.
            if len(known) < PER_KIND or len(str(mail.message)) > max(len(str(it)) for _, it in known):
                known.append((mail.envelope, mail.message))
            return super().deliver(mail)

    play(Listening)
    return [pair for pairs in found.values() for pair in pairs]


def codec() -> list[bytes]:
    """Each of these messages alone, and all of them in one batch."""
    batch = messages()
    return [encode([pair]) for pair in batch] + [encode(batch)]


def replica() -> list[bytes]:
    """Programs for the replica target: any bytes are one."""
    return [Random(seed).randbytes(PROGRAM_BYTES) for seed in range(PROGRAMS)]


def write(made: list[bytes], directory: Path) -> None:
    """One file for each seed."""
    for number, data in enumerate(made):
        (directory / f"seed{number:03}").write_bytes(data)
