"""The wheel and the source distribution: what is in them, and that it runs where nothing else is."""

from __future__ import annotations

import signal
from email.parser import BytesParser
from importlib.metadata import EntryPoint
from pathlib import Path
from zipfile import ZipFile

import pytest

import pbproto
from tests.live.harness import ROOT, reserve_port, wait_until

from .conftest import Built
from .installed import PACKAGES, PLANTED, Installation, InstalledNode, build, contents, names_in, needed
from .pending import MODULES

pytestmark = pytest.mark.xdist_group("packaging")

FRONTENDS = {
    "quart": ("frontends.quart_app", "hypercorn"),
    "uvicorn": ("frontends.quart_app", "uvicorn"),
    "granian": ("frontends.quart_app", "granian"),
    "wsgi": ("frontends.wsgi_app", "waitress"),
    "gunicorn": ("frontends.wsgi_app", "gunicorn"),
}
"""What each extra that makes a node is for."""
COMMANDS = {"viewservice": "viewservice", "cli": "pbkv", "testing": "pbkv", "client": "pbkv", "otel": "pbkv"}
"""The packages that the other extras are for."""


def test_the_wheel_has_the_packages_whole_and_nothing_else(built: Built) -> None:
    """Goal: whoever installs it gets all that the packages need, and no tests. Method: compare the wheel's
    files with the sources', pages in folders that are no packages among them."""
    inside = {name for name in contents(built.wheel) if ".dist-info/" not in name}
    there = {
        str(path.relative_to(built.sources))
        for package in PACKAGES
        for path in (built.sources / package).rglob("*")
        if path.is_file()
    }
    assert inside == there
    assert {str(page) for page in PLANTED} <= inside
    assert {f"{package}/py.typed" for package in PACKAGES} <= inside


def test_the_metadata_say_what_it_is(built: Built) -> None:
    """Goal: an index and pip see the right thing. Method: read the metadata, and compare the licence."""
    with ZipFile(built.wheel) as archive:
        (folder,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        about = BytesParser().parsebytes(archive.read(f"{folder}/METADATA"))
        assert archive.read(f"{folder}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert (about["Name"], about["Version"]) == ("pbproto", pbproto.__version__)
    assert about["License-Expression"] == "MIT"
    assert about["Requires-Python"] == ">=3.11"
    assert all("extra ==" in line for line in about.get_all("Requires-Dist", []))  # the core needs nothing
    assert set(about.get_all("Provides-Extra", [])) == set(FRONTENDS) | set(COMMANDS)


def test_the_source_distribution_has_what_a_checkout_has(built: Built) -> None:
    """Goal: who packages it for a distribution can test it and read about it. Method: compare the files with
    the sources'."""
    inside = names_in(built.sdist)
    there = {str(path.relative_to(built.sources)) for path in built.sources.rglob("*") if path.is_file()}
    made = {name for name in inside if name == "PKG-INFO" or name.startswith("pbproto.egg-info/")}
    assert inside - made - {"setup.cfg"} == {
        name for name in there if not name.startswith("pbproto.egg-info/")
    }


def test_the_source_distribution_makes_the_same_wheel(built: Built, tmp_path: Path) -> None:
    """Goal: nothing that a wheel needs is missing in the sdist. Method: build one from the sources
    themselves, and compare it, byte for byte, with the one built from the unpacked sdist."""
    build(built.sources, tmp_path, "--wheel")
    (direct,) = tmp_path.glob("*.whl")
    assert contents(direct) == contents(built.wheel)


def test_the_bare_core_needs_nothing(installation: Installation) -> None:
    """Goal: the library can be used without any dependency. Method: install the wheel alone, without an
    index, import it and take a step; a package that the tests have is not to be found there."""
    program = (
        "import pbproto; node = pbproto.Replica(1, incarnation=1);"
        "node.step(pbproto.TellView(pbproto.View.of([(1, 'a:1')])), now=0);"
        "print(pbproto.__version__, pbproto.__file__)"
    )
    done = installation.run("python", "-c", program)
    assert done.stdout.split() == [pbproto.__version__, str(installation.site / "pbproto" / "__init__.py")]
    assert "No broken requirements" in installation.pip("check")
    assert installation.run("python", "-m", "pbproto.replay", "--help").returncode == 0
    assert "No module named 'quart'" in installation.run("python", "-m", "frontends.quart_app").stderr


@pytest.mark.parametrize("extra", [*FRONTENDS, *COMMANDS])
def test_what_an_extra_asks_for_is_what_was_tested(installation: Installation, extra: str) -> None:
    """Goal: no extra asks for a version that the tests did not run with. Method: go through all that it
    needs, by the metadata, and compare with what is installed here."""
    assert needed(installation.distribution, (extra,))


@pytest.mark.parametrize("extra", FRONTENDS)
def test_a_node_runs_from_its_extra_alone(installation: Installation, tmp_path: Path, extra: str) -> None:
    """Goal: an extra names all that its server needs. Method: start a node far from the checkout, with the
    distributions that the extra asks for and no others; write, read, and stop it."""
    module, server = FRONTENDS[extra]
    with reserve_port() as port:
        address = f"127.0.0.1:{port.getsockname()[1]}"
        node = InstalledNode(
            installation,
            lambda bind: ["-m", module, "--id", "1", "--bind", bind, "--server", server],
            address,
            tmp_path / "log",
            extras=(extra,),
        )
        try:
            node.start()
            node.wait_ping()
            assert node.request("PUT", "/view", json={"view": [node.member]}).status_code == 200
            wait_until(node.ready, "the node is ready")
            assert node.put("k", "v").status_code == 201
            assert node.get("k").json() == {"value": "v"}
            assert node.terminate() == 0
        finally:
            node.kill()
            node.close_client()


def test_the_view_service_runs_from_its_extra_alone(installation: Installation, tmp_path: Path) -> None:
    """Goal: its extra names all it needs. Method: run it with that alone, though its node is not there."""
    with reserve_port() as port, reserve_port() as nobody:
        command = ["-m", "viewservice", "--nodes", f"1=127.0.0.1:{nobody.getsockname()[1]}"]
        service = InstalledNode(
            installation,
            lambda bind: [*command, "--store", f"sqlite:{tmp_path / 'views'}", "--bind", bind],
            f"127.0.0.1:{port.getsockname()[1]}",
            tmp_path / "log",
            extras=("viewservice",),
        )
        try:
            service.start()
            service.wait_ping()
            assert service.process is not None
            service.process.send_signal(signal.SIGTERM)
            assert service.process.wait(30) == 0
        finally:
            service.kill()
            service.close_client()


@pytest.mark.parametrize("module", ["frontends.quart_app", "frontends.wsgi_app", "viewservice"])
def test_programs_tell_the_version(installation: Installation, module: str) -> None:
    """Goal: an operator sees what is installed. Method: ask each program for it."""
    done = installation.run("python", "-m", module, "--version", extras=("quart", "wsgi", "viewservice"))
    assert (done.stdout, done.returncode) == (f"pbproto {pbproto.__version__}\n", 0), done.stderr


def entry_points(installation: Installation) -> dict[str, EntryPoint]:
    return {each.group: each for each in installation.distribution.entry_points}


def test_entry_points_lead_somewhere(installation: Installation) -> None:
    """Goal: neither the command nor pytest fails for whoever installs it. Method: look for the module of each
    entry point; those that are not there yet are on a list, and only they."""
    found = entry_points(installation)
    assert {group: each.name for group, each in found.items()} == {
        "console_scripts": "pbkv",
        "pytest11": "pbkv",
    }
    missing = []
    for each in found.values():
        path = installation.site.joinpath(*each.module.split("."))
        if not path.with_suffix(".py").is_file() and not (path / "__init__.py").is_file():
            missing.append(each.module)
    assert sorted(missing) == sorted(MODULES)


@pytest.mark.skipif("pbkv.__main__" in MODULES, reason="the command line is not in this checkout yet")
def test_the_command_line_runs_from_its_extra_alone(installation: Installation) -> None:
    """Goal: its extra names all it needs. Method: run the script that pip made, with that alone."""
    done = installation.run("pbkv", "--help", extras=("cli",))
    assert done.returncode == 0, done.stderr
    assert "pbkv" in done.stdout


@pytest.mark.skipif("pbkv.testing.plugin" in MODULES, reason="the test plugin is not in this checkout yet")
def test_pytest_finds_the_plugin(installation: Installation) -> None:
    """Goal: who installs the extra for tests gets the plugin. Method: let that pytest list what it loads."""
    done = installation.run("python", "-m", "pytest", "--trace-config", "--co", extras=("testing",))
    assert f"pbproto-{pbproto.__version__} at " in done.stdout, done.stdout + done.stderr
