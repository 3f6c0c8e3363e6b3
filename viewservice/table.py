"""Answers as people like to read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pbproto.config import MILLISECOND
from pbproto.status import lasting

from .report import one_line


def show(word: str, answer: dict[str, Any]) -> str:
    """The answer to an order in lines."""
    if word == "status":
        return _status(answer)
    if word == "plan":
        items = answer.items()
        return "\n".join(one_line(f"{name.replace('_', ' '):12} {_words(value)}") for name, value in items)
    members = ", ".join(f"{member['id']} at {member['address']}" for member in answer["members"])
    lines = [f"view {answer['epoch']}: {members or 'nobody yet'}", answer["why"], answer["notice"] or ""]
    return "\n".join(one_line(line) for line in lines if line)


def _status(answer: dict[str, Any]) -> str:
    said = "active" if answer["active"] else "not known to be active"
    lines = [
        f"view {answer['epoch']}, {said}; {len(answer['members'])} of {answer['size']} members"
        + (", paused" if answer["paused"] else "")
        + (f" ({answer['paused_by']})" if answer["paused_by"] else "")
        + (f"; {answer['trouble']}" if answer["trouble"] else ""),
        f"because: {answer['why']}" if answer["why"] else "",
        answer["notice"] or "",
    ]
    head = ["node", "address", "place", "says", "commit", "carries", "remarks"]
    rows = [
        [
            str(node["id"]),
            node["address"],
            node["place"],
            _words(node["says"]),
            _words(node["commit"]),
            _words(node["carries"]),
            _remarks(node),
        ]
        for node in answer["nodes"]
    ]
    return "\n".join([one_line(line) for line in lines if line] + _table([head, *rows]))


def _remarks(node: dict[str, Any]) -> str:
    found = [node["unfit"] or "", f"{node['trouble']}" if node["trouble"] else ""]
    if node["suspected_ms"] is not None:
        found.append(f"suspected for {lasting(node['suspected_ms'] * MILLISECOND)}")
    if node["out_for_ms"]:
        found.append(f"stays out for {lasting(node['out_for_ms'] * MILLISECOND)}")
    return "; ".join(part for part in found if part)


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nobody"
    return "-" if value is None else str(value)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    rows = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
