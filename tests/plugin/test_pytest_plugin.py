"""The plugin as pytest loads it: fixtures, the marker, the report of a failure, and what users copy."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "test_your_code.py"
STRICT = ("--strict-markers", "--strict-config", "-p", "no:cacheprovider", "-p", "no:xdist")


@pytest.fixture
def installed(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project of somebody who has the store installed: what pip writes down is there, and nothing else."""
    site = pytester.mkdir("site")
    described = site / "pbproto-0.1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: pbproto\nVersion: 0.1.0\n")
    (described / "entry_points.txt").write_text("[pytest11]\npbkv = pbkv.testing.plugin\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeini("[pytest]\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n")
    return pytester


def test_the_entry_point_is_the_one_that_is_declared() -> None:
    """The fixture above stands for an installation: compare it with what ``pyproject.toml`` declares."""
    declared = (ROOT / "pyproject.toml").read_text()
    assert '[project.entry-points.pytest11]\npbkv = "pbkv.testing.plugin"\n' in declared


def test_the_fixtures_and_the_marker_are_there_under_strict_rules(installed: pytest.Pytester) -> None:
    """Use all of them with strict markers: the closest marker goes before others, arguments before it."""
    installed.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.pbkv(nodes=2, seed=9)

        def test_of_the_module(pbkv_cluster):
            assert (len(pbkv_cluster.ids), pbkv_cluster.seed, pbkv_cluster.primary) == (2, 9, 1)

        @pytest.mark.pbkv(nodes=5, request_timeout=2.0)
        def test_of_its_own(pbkv_cluster, pbkv_cluster_factory):
            assert (len(pbkv_cluster.ids), pbkv_cluster.seed) == (5, 9)
            assert len(pbkv_cluster_factory(1).ids) == 1
            other = pbkv_cluster_factory(view=False, seed=3)
            assert (len(other.ids), other.seed, other.primary) == (5, 3, None)
        """
    )
    installed.runpytest(*STRICT).assert_outcomes(passed=2)


def test_without_a_marker_there_are_three_nodes_of_seed_1_or_as_the_command_says(
    installed: pytest.Pytester,
) -> None:
    """Run a test that prints its cluster, without and with ``--pbkv-seed``; a marker's seed stays."""
    installed.makepyfile(
        """
        import pytest

        def test_it(pbkv_cluster):
            print(f"made {pbkv_cluster!r}")

        @pytest.mark.pbkv(seed=5)
        def test_marked(pbkv_cluster):
            print(f"made {pbkv_cluster!r}")
        """
    )
    for options, seed in (((), 1), (("--pbkv-seed", "77"), 77)):
        result = installed.runpytest(*STRICT, "-s", *options)
        made = re.findall(r"made <Cluster of 3 nodes, seed (\d+),", result.stdout.str())
        assert made == [str(seed), "5"]


def test_a_failure_shows_what_happened_to_each_cluster(installed: pytest.Pytester) -> None:
    """Let tests fail in the call and in the set-up, and one pass: seed, faults, requests and answers show."""
    installed.makepyfile(
        """
        import pytest

        @pytest.mark.pbkv(seed=1234)
        def test_fails(pbkv_cluster, pbkv_cluster_factory):
            pbkv_cluster_factory(2, seed=5678)
            with pbkv_cluster.http(1) as client:
                client.put("/data/colour", json={"value": "green"})
            pbkv_cluster.fail_over()
            assert pbkv_cluster.data() == {}

        @pytest.fixture
        def broken(pbkv_cluster):
            pbkv_cluster.pause(2)
            raise ValueError("broken")

        def test_is_not_set_up(broken):
            pass

        def test_passes(pbkv_cluster):
            pbkv_cluster.kill(3)
        """
    )
    result = installed.runpytest(*STRICT)
    result.assert_outcomes(passed=1, failed=1, errors=1)
    result.stdout.fnmatch_lines_random(
        [
            "*pbkv cluster of 3 nodes, seed 1234*",
            "*pbkv cluster of 2 nodes, seed 5678*",
            '*request 1 to node 1: PUT /data/colour {"value":"green"}',
            "*request 1: 201, Msg-Num 0 {}, after 0.00* s",
            "*the test: kill(1)",
            "*the test: set_view(2, 3), number 2",
            "*the test: pause(2)",
            "at * s: node 1 does not run; node 2 is *",
        ]
    )
    result.stdout.no_fnmatch_line("*kill(3)*")


def test_a_marker_that_means_nothing_is_an_error(installed: pytest.Pytester) -> None:
    """Mark tests with a bare value, and with an option that there is not: both are told."""
    installed.makepyfile(
        """
        import pytest

        @pytest.mark.pbkv(5)
        def test_bare(pbkv_cluster):
            pass

        @pytest.mark.pbkv(node=5)
        def test_unknown(pbkv_cluster):
            pass
        """
    )
    result = installed.runpytest(*STRICT)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines_random(["*takes names and values only*", "*there is no setting 'node'*"])


def test_nothing_heavy_is_imported_for_those_who_use_no_cluster() -> None:
    """Import the plugin in a process of its own and look for what only clusters need."""
    program = (
        "import sys, pbkv.testing.plugin; "
        "print([name for name in ('httpx', 'asyncio', 'pbproto', 'frontends') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_what_the_package_offers_is_there_and_nothing_else() -> None:
    """Look up each name that ``pbkv.testing`` says it has, and one that it has not."""
    import pbkv.testing

    for name in pbkv.testing.__all__:
        assert getattr(pbkv.testing, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Clusters'"):
        pbkv.testing.Clusters  # noqa: B018


def test_the_example_for_users_works(installed: pytest.Pytester) -> None:
    """Copy it into a project of its own, and run it as a user would."""
    installed.makepyfile(test_a_copy=EXAMPLE.read_text())
    tests = EXAMPLE.read_text().count("\ndef test_")
    assert tests >= 5
    installed.runpytest(*STRICT).assert_outcomes(passed=tests)
