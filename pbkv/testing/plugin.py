"""The pytest plugin: fixtures, a marker and a section in the report of a test that failed.

pytest imports this in every run where the store is installed, so nothing else is imported until a test asks
for a cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .cluster import Cluster

_CLUSTERS = pytest.StashKey[list["Cluster"]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--pbkv-seed``."""
    group = parser.getgroup("pbkv", "clusters of the replicated store in virtual time")
    group.addoption(
        "--pbkv-seed",
        type=int,
        metavar="N",
        help="the seed of clusters for which the test names none (default 1)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """The marker."""
    config.addinivalue_line(
        "markers",
        "pbkv(nodes=3, seed=1, **options): how the fixtures pbkv_cluster and pbkv_cluster_factory make "
        "clusters; the options are those of pbkv.testing.Cluster.",
    )


@pytest.fixture
def pbkv_cluster_factory(request: pytest.FixtureRequest) -> Callable[..., Cluster]:
    """A function that makes clusters; its arguments are those of ``Cluster``, and go before the marker's."""
    from .cluster import Cluster

    defaults = _options(request)
    clusters = request.node.stash.setdefault(_CLUSTERS, [])

    def make(nodes: int | None = None, **options: Any) -> Cluster:
        given = options if nodes is None else {"nodes": nodes, **options}
        cluster = Cluster(**{**defaults, **given})
        clusters.append(cluster)
        return cluster

    return make


@pytest.fixture
def pbkv_cluster(pbkv_cluster_factory: Callable[..., Cluster]) -> Cluster:
    """A cluster of three nodes in an active view, or as ``@pytest.mark.pbkv`` says."""
    return pbkv_cluster_factory()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What happened to the clusters of a test that failed."""
    report = yield
    if report.failed:
        for cluster in item.stash.get(_CLUSTERS, []):
            title = f"pbkv cluster of {len(cluster.ids)} nodes, seed {cluster.seed}"
            report.sections.append((title, cluster.report()))
    return report


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What command line and markers say; the closest marker goes first."""
    options: dict[str, Any] = {}
    seed = request.config.getoption("--pbkv-seed", None)
    if seed is not None:
        options["seed"] = seed
    for marker in reversed(list(request.node.iter_markers("pbkv"))):
        if marker.args:
            raise pytest.UsageError(f"@pytest.mark.pbkv takes names and values only, not {marker.args!r}")
        options |= marker.kwargs
    return options
