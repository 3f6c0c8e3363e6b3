"""Options, variables, help, and what else there is."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
import pytest
import trustme
from click.testing import CliRunner

from pbkv.cli import cli
from tests.client.desk import (
    A,
    B,
    C,
    OneNode,
    Script,
    listening,
    no_connection,
)

from .running import ONE, QUICK, run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("get",), "Missing argument 'KEY'"),
        (("put", "k"), "VALUE or --value-file"),
        (("put", "k", "v", "--value-file", __file__), "VALUE or --value-file"),
        (("--node", "ftp://x", "get", "k"), "not the URL of a node"),
        (("get", "k", "--timeout", "0"), "--timeout"),
        (("get", "k", "--timeout", "nan"), "not nan"),
        (("watch-status", "--interval", "nan"), "--interval"),
        (("--token", "a b", "get", "k"), "visible ASCII"),
        (("--token", "x", "--token-file", __file__, "get", "k"), "one of them"),
        (("--token-file", "/nothing/here", "get", "k"), "does not exist"),
        (("--cacert", __file__, "get", "k"), "PEM"),
        (("view", "set"), "Missing argument"),
        (("view", "set", "1"), "ID=HOST:PORT"),
        (("view", "set", "one=a:1"), "ID=HOST:PORT"),
        (("view", "set", "1=a:99999"), "URL of a node"),
        (("nothing",), "No such command"),
        (("completion", "tcsh"), "tcsh"),
    ],
)
def test_wrong_arguments(node: OneNode, arguments: tuple[str, ...], words: str) -> None:
    """Goal: a clear word, status 2, and nothing is sent. Method: mistakes."""
    result = run(node, *arguments)
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert node.targets == []


def headers_of(*arguments: str, **env: str) -> list[httpx.Headers]:
    script = Script({A: [no_connection], B: [no_connection], C: [no_connection]})
    run(script, *arguments, *QUICK, "get", "k", env=env)
    return [request.headers for _, _, request in script.asked]


def test_nodes_and_tokens_come_from_where_they_should(tmp_path: Path) -> None:
    """Goal: what is nearer wins. Method: the environment, options before and behind the command, files."""
    script = Script({A: [no_connection], B: [no_connection], C: [no_connection]})
    run(script, *QUICK, "get", "k", env={"PBKV_NODES": "http://a:80,http://b:80"})
    assert set(script.nodes) == {A, B}
    del script.asked[:]
    run(script, *QUICK, "--node", B, "get", "k", "--node", C, env={"PBKV_NODES": "http://a:80"})
    assert set(script.nodes) == {C}
    token = tmp_path / "token"
    token.write_text("filed\n")
    for arguments, environment, expected in (
        ((), {}, None),
        ((), {"PBKV_TOKEN": "kept"}, "Bearer kept"),
        (("--token", "given"), {"PBKV_TOKEN": "kept"}, "Bearer given"),
        (("--token-file", str(token)), {"PBKV_TOKEN": "kept"}, "Bearer filed"),
    ):
        sent = headers_of(*ONE, *arguments, **environment)
        assert {each.get("authorization") for each in sent} == {expected}


def test_certificates_are_named(tmp_path: Path) -> None:
    """Goal: --cacert is what is missing, and is enough. Method: a server with a certificate of a new one."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    body = b'HTTP/1.1 200 OK\r\nMsg-Num: 4\r\nContent-Length: 13\r\n\r\n{"value":"v"}'
    with listening(body, tls=context) as url:
        arguments = ("--node", url, "get", "k")
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 3
        assert "--cacert FILE" in result.stderr
        for more, environment in ((("--cacert", str(file)), {}), ((), {"PBKV_CACERT": str(file)})):
            result = CliRunner(env=environment).invoke(cli, (*more, *arguments))
            assert (result.exit_code, result.stdout) == (0, "v\n")


@pytest.mark.parametrize("frontend", ["quart", "wsgi"])
def test_serve_hands_its_arguments_on(frontend: str, node: OneNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: a node is started by its own program. Method: its own word on a bad id, and its own help."""
    monkeypatch.setattr("sys.argv", ["put back by pytest"])
    result = run(node, "serve", "--frontend", frontend, "--id", "x", "--bind", "127.0.0.1:1")
    assert result.exit_code == 2
    assert "the id has to be an integer" in result.stderr
    result = run(node, "serve", "--frontend", frontend, "--", "--help")
    assert (result.exit_code, "--request-timeout" in result.stdout) == (0, True)


def test_help_and_completion(node: OneNode) -> None:
    """Goal: a user finds exit codes, variables and completion. Method: read the help of everything."""
    text = run(node, "--help").stdout
    for word in ("Exit status:", "130", "PBKV_NODES", "PBKV_TOKEN", "PBKV_CACERT"):
        assert word in text
    for name, command in cli.commands.items():
        assert command.help
        assert name in text
        assert run(node, name, "--help").exit_code == 0
    assert "pbkv completion zsh" in run(node, "completion").stdout
    for shell in ("bash", "zsh", "fish"):
        assert "_PBKV_COMPLETE" in run(node, "completion", shell).stdout
    assert run(node, "--version").stdout.startswith("pbproto ")
