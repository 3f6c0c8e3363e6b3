"""Clusters in virtual time for the tests of those who use the store; see ``docs/testing.md``.

What is named here is imported when it is asked for: pytest loads the plugin beside this file in every run of
every project that has the store installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cluster import Cluster
    from .errors import ClusterError

__all__ = ["Cluster", "ClusterError"]


def __getattr__(name: str) -> object:
    if name == "Cluster":
        from .cluster import Cluster

        return Cluster
    if name == "ClusterError":
        from .errors import ClusterError

        return ClusterError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
