"""A record as JSON, which people can read as well, and back."""

from __future__ import annotations

import json
from typing import Any

from pbproto import Member

from .record import Life, Record


class RecordError(ValueError):
    """What is written down is no record of this service."""


FORM = 1


def dump(record: Record) -> str:
    """The record as one line of JSON."""
    document = {
        "form": FORM,
        "version": record.version,
        "epoch": record.epoch,
        "members": listed(record.members),
        "lives": _lives(record.lives),
        "carriers": _lives(record.carriers),
        "nodes": listed(record.nodes),
        "leaving": listed(record.leaving),
        "size": record.size,
        "floor": record.floor,
        "paused": record.paused,
        "paused_by": record.paused_by,
        "why": record.why,
        "cause": record.cause,
    }
    return json.dumps(document)


def load(text: str) -> Record:
    """The record in ``text``. Raises ``RecordError``."""
    try:
        document = json.loads(text)
        if document["form"] != FORM:
            raise RecordError(f"the record has form {document['form']}, this program knows form {FORM}")
        return Record(
            version=int(document["version"]),
            epoch=int(document["epoch"]),
            members=_read_members(document["members"]),
            lives=_read_lives(document["lives"]),
            carriers=_read_lives(document["carriers"]),
            nodes=_read_members(document["nodes"]),
            leaving=_read_members(document["leaving"]),
            size=int(document["size"]),
            floor=int(document["floor"]),
            paused=bool(document["paused"]),
            why=str(document["why"]),
            # Records from before these were written down have none.
            paused_by=str(document.get("paused_by", "")),
            cause=str(document.get("cause", "")),
        )
    except RecordError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"what is written down is no record: {error!r}") from error


def listed(members: tuple[Member, ...]) -> list[dict[str, Any]]:
    """Members as ``PUT /view`` and people read them."""
    return [{"id": member.id, "address": member.address} for member in members]


def _read_members(documents: list[dict[str, Any]]) -> tuple[Member, ...]:
    return tuple(Member(int(document["id"]), str(document["address"])) for document in documents)


def _lives(lives: tuple[Life, ...]) -> dict[str, str]:
    return {str(id_): f"{incarnation:016x}" for id_, incarnation in lives}


def _read_lives(document: dict[str, str]) -> tuple[Life, ...]:
    return tuple(sorted((int(id_), int(incarnation, 16)) for id_, incarnation in document.items()))
