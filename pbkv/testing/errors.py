"""What a test is told that asks for something impossible."""

from __future__ import annotations


class ClusterError(RuntimeError):
    """The cluster cannot do that: the test asks for the wrong thing, or for something at the wrong time."""
