"""A rule that a run has broken."""

from __future__ import annotations


class Violation(Exception):  # noqa: N818 - the word for what it is
    """A rule is broken: which check says so, and how."""

    def __init__(self, check: str, detail: str) -> None:
        super().__init__(f"{check}: {detail}")
        self.check = check
        self.detail = detail


def demand(condition: bool, check: str, detail: str) -> None:
    """Raise ``Violation`` unless the condition holds."""
    if not condition:
        raise Violation(check, detail)
