"""What the options say: the same before and after the name of a command."""

from __future__ import annotations

import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import httpx
from click.core import ParameterSource

from ..client import Client
from ..nodes import node_url
from ..settings import TIMEOUT

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_NODES = ("http://127.0.0.1:8081", "http://127.0.0.1:8082", "http://127.0.0.1:8083")
MAX_TOKEN_BYTES = 65_536


@dataclass
class Session:
    """The settings of one run. ``transport`` and ``sleep`` are for tests."""

    nodes: tuple[str, ...] = DEFAULT_NODES
    named: bool = False
    """Whether somebody named the nodes."""
    token: str | None = None
    cacert: Path | None = None
    timeout: float = TIMEOUT
    json: bool = False
    quiet: bool = False
    no_follow_view: bool = False
    transport: httpx.BaseTransport | None = None
    sleep: Callable[[float], None] = time.sleep
    token_from: str = ""
    at: str = ""
    """The option that named the nodes; empty where the environment did, or nobody."""
    repeat: str = ""
    """How the write that is under way is gone on with, should somebody interrupt it."""

    def client(self, kind: Callable[..., Client] = Client) -> Client:
        """A client by these settings. Raises ``click.UsageError``."""
        verify: ssl.SSLContext | bool = True
        if self.cacert is not None:
            try:
                verify = ssl.create_default_context(cafile=self.cacert)
            except (OSError, ssl.SSLError) as error:
                raise click.UsageError(f"--cacert {self.cacert}: no certificates in PEM: {error}") from None
        try:
            return kind(
                self.nodes,
                token=self.token,
                timeout=self.timeout,
                verify=verify,
                follow_view=not self.no_follow_view,
                transport=self.transport,
                sleep=self.sleep,
            )
        except ValueError as error:
            raise click.UsageError(str(error)) from None

    @property
    def talks(self) -> bool:
        """Whether somebody sees, and wants to see, what is told beside the output."""
        return watched() and not self.json and not self.quiet


def watched() -> bool:
    """Whether somebody sees what is told beside the output."""
    return sys.stderr.isatty()


def session_of(context: click.Context) -> Session:
    """The session of this run."""
    return context.ensure_object(Session)


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Keep what was given; what was given later, behind the command, wins."""
    if value is None or value == () or value is False:
        return
    session = session_of(context)
    name = parameter.name or ""
    if name == "node":
        session.nodes, session.named = _nodes(value), True
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            session.at = f" --node {','.join(session.nodes)}"
    elif name in ("token", "token_file"):
        if context.get_parameter_source(name) is ParameterSource.ENVIRONMENT:
            session.token = session.token or value.strip()
            return
        if session.token_from not in ("", name):
            raise click.UsageError("--token and --token-file: give one of them")
        session.token_from = name
        session.token = value.strip() if name == "token" else _token(value)
    else:
        setattr(session, name, value)


def _nodes(texts: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(node_url(each) for text in texts for each in text.split(",") if each.strip())
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _token(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_TOKEN_BYTES).decode("ascii").strip()
    except UnicodeDecodeError:
        raise click.BadParameter(f"{path} holds no token: it is not ASCII") from None
    except OSError as error:
        raise click.BadParameter(f"{path}: {error.strerror}") from None


def _option(*names: str, **arguments: Any) -> Callable[[F], F]:
    return click.option(*names, callback=_remember, expose_value=False, **arguments)


def _file() -> click.Path:
    return click.Path(exists=True, dir_okay=False, path_type=Path)


def common(*, top: bool = False) -> Callable[[F], F]:
    """The options of every command. Variables of the environment are read once, at the top."""

    def variable(name: str) -> str | None:
        return name if top else None

    def decorate(function: F) -> F:
        for option in reversed(
            (
                _option(
                    "--node",
                    multiple=True,
                    metavar="URL",
                    envvar=variable("PBKV_NODES"),
                    help="A node; may be repeated, or several with commas between them; HOST:PORT is taken "
                    "for http. [env: PBKV_NODES; default: http://127.0.0.1:8081 to 8083]",
                ),
                _option(
                    "--no-follow-view",
                    is_flag=True,
                    help="Ask the named nodes only, not other members of the view if none of them answers.",
                ),
                _option(
                    "--token",
                    metavar="TOKEN",
                    envvar=variable("PBKV_TOKEN"),
                    help="A bearer token. Others on this machine see it in the list of processes: better use "
                    "the variable or --token-file. [env: PBKV_TOKEN]",
                ),
                _option("--token-file", type=_file(), metavar="FILE", help="A file with the token."),
                _option(
                    "--cacert",
                    type=_file(),
                    metavar="FILE",
                    envvar=variable("PBKV_CACERT"),
                    help="Certificates (PEM) by which https nodes are checked. [env: PBKV_CACERT]",
                ),
                _option(
                    "--timeout",
                    type=click.FloatRange(0, 86_400, min_open=True),
                    metavar="SECONDS",
                    help=f"How long to go on trying. [default: {TIMEOUT:g}]",
                ),
                _option("--json", is_flag=True, help="For programs: one JSON document."),
                _option("--quiet", "-q", is_flag=True, help="No words at a terminal but results and errors."),
            )
        ):
            function = option(function)
        return function

    return decorate
