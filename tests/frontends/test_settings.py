"""The settings of a node: where they come from, and what is refused."""

from __future__ import annotations

import pytest

from frontends.common.settings import (
    TUNABLE,
    SettingError,
    from_environment,
    parse_arguments,
    split_address,
)

SERVERS = ["first", "second"]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NODE_IDENTIFIER", "PBPROTO_BIND", "PBPROTO_SERVER"):
        monkeypatch.delenv(name, raising=False)
    for spec in TUNABLE:
        monkeypatch.delenv(f"PBPROTO_{spec.name.upper()}", raising=False)


def test_the_id_comes_from_the_flag_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node knows its id from --id or NODE_IDENTIFIER, the flag first: give one, then both."""
    monkeypatch.setenv("NODE_IDENTIFIER", "0")
    assert parse_arguments("node", SERVERS, []).id == 0
    assert parse_arguments("node", SERVERS, ["--id", "7"]).id == 7


def test_every_setting_has_a_flag_and_a_variable() -> None:
    """Nothing can be set in one way only: set each setting to its lowest value, or a word, in both ways."""
    words = {
        "lean": "off",
        "access_log": "on",
        "log_format": "json",
        "log_level": "debug",
        "record": "some/where",
        "record_redact": "all",
        "reads": "lease",
        "tracing": "on",
        "tokens": "some/where",
        "tls_cert": "some/where",
        "tls_key": "some/where",
        "tls_ca": "some/where",
        "insecure": "on",
        "max_waiting_bytes": "9000000",  # at least the largest value
    }
    for spec in TUNABLE:
        low = words.get(spec.name) or f"{spec.metadata['low']:g}"
        flag = f"--{spec.name.replace('_', '-')}"
        by_flag = parse_arguments("node", SERVERS, ["--id", "1", flag, low])
        by_variable = from_environment({"NODE_IDENTIFIER": "1", f"PBPROTO_{spec.name.upper()}": low})
        assert getattr(by_flag, spec.name) == getattr(by_variable, spec.name) != spec.default


def test_the_first_server_is_the_default() -> None:
    """No --server means the first: start without and with one."""
    assert parse_arguments("node", SERVERS, ["--id", "1"]).server == "first"
    assert parse_arguments("node", SERVERS, ["--id", "1", "--server", "second"]).server == "second"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--id", ""],
        ["--id", "-1"],
        ["--id", "1.0"],
        ["--id", "٣"],
        ["--id", str(2**63)],
        ["--id", "9" * 5000],
        ["--id", "1", "--threads", "9" * 5000],
        ["--id", "1", "--bind", "nowhere"],
        ["--id", "1", "--bind", "host:0"],
        ["--id", "1", "--bind", "host:65536"],
        ["--id", "1", "--server", "third"],
        ["--id", "1", "--request-timeout", "0"],
        ["--id", "1", "--request-timeout", "nan"],
        ["--id", "1", "--request-timeout", "inf"],
        ["--id", "1", "--request-timeout", "soon"],
        ["--id", "1", "--max-value-bytes", "1.5"],
        ["--id", "1", "--max-value-bytes", str(64 * 2**20 + 1)],
        ["--id", "1", "--threads", "3"],
        ["--id", "1", "--max-waiting-bytes", "1000"],
        ["--id", "1", "--log-level", "loud"],
        ["--id", "1", "--wire", "0"],
        ["--id", "1", "--wire", "3"],
        ["--id", "1", "--wire", "1-2"],
        ["--id", "1", "--record", "directory/"],
        ["--id", "1", "--record", "nul\0"],
        ["--id", "1", "--record-bytes", "65535"],
        ["--id", "1", "--record-redact", "keys"],
        ["--id", "1", "--reads", "stale"],
        ["--id", "1", "--reads", "lease", "--lease", "0.4"],
        ["--id", "1", "--reads", "lease", "--heartbeat", "0.99"],
        ["--id", "1", "--clock-drift", "0"],
        ["--id", "1", "--no-such-flag"],
        ["--id", "1", "--request", "5"],
    ],
)
def test_a_bad_setting_is_one_line_and_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A node does not start with a setting it cannot keep: try each bad one, read what is said."""
    with pytest.raises(SystemExit) as stop:
        parse_arguments("node", SERVERS, arguments)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("node: ")
    assert said.count("\n") == 1


def test_help_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """Who asks for help sees each setting with variable, unit and default: look for all of them."""
    with pytest.raises(SystemExit) as stop:
        parse_arguments("node", SERVERS, ["--help"])
    assert stop.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for spec in TUNABLE:
        assert f"--{spec.name.replace('_', '-')}" in text
        assert f"PBPROTO_{spec.name.upper()}" in text
        assert f"in {spec.metadata['unit']}" in text
        assert f"default {spec.default or ('off' if spec.default is False else 'none')}" in text


def test_seconds_become_nanoseconds() -> None:
    """The core counts in nanoseconds: a timeout of 1.5 seconds is 1,500,000,000 of them."""
    settings = from_environment({"NODE_IDENTIFIER": "1", "PBPROTO_REQUEST_TIMEOUT": "1.5"})
    assert settings.core.request_timeout == 1_500_000_000


def test_leases_are_off_unless_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease that is set means nothing without the mode; with it the core has both numbers."""
    name = {"NODE_IDENTIFIER": "1", "PBPROTO_LEASE": "2.5", "PBPROTO_CLOCK_DRIFT": "500"}
    assert from_environment(name).core.lease == 0
    core = from_environment(name | {"PBPROTO_READS": "lease"}).core
    assert (core.lease, core.clock_drift) == (2_500_000_000, 500)
    monkeypatch.setattr("sys.platform", "darwin")
    assert from_environment(name).core.lease == 0
    with pytest.raises(SettingError, match="while the machine sleeps"):
        from_environment(name | {"PBPROTO_READS": "lease"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a.b:1", ("a.b", 1)), ("[::1]:65535", ("::1", 65535)), ("10.0.0.1:80", ("10.0.0.1", 80))],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    """host:port and [ipv6]:port are addresses: split them."""
    assert split_address(text) == expected


@pytest.mark.parametrize(
    "text", ["", "a", ":1", "a:", "a:b", "a:1:2", "::1:80", "http://a:1", "u@a:1", "a:1/", "a b:1"]
)
def test_what_is_no_address(text: str) -> None:
    """Everything else is refused: split it."""
    with pytest.raises(SettingError):
        split_address(text)


def test_a_version_that_is_not_spoken_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: an operator who pins a version sees which there are. Method: pin one that there is not."""
    with pytest.raises(SystemExit):
        parse_arguments("node", SERVERS, ["--id", "1", "--wire", "3"])
    assert capsys.readouterr().err == "node: wire has to be an integer from 1 to 2, not '3'\n"
    assert parse_arguments("node", SERVERS, ["--id", "1"]).wire == 2
