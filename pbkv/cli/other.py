"""``serve`` and ``completion``."""

from __future__ import annotations

import sys
from importlib import import_module

import click
from click.shell_completion import get_completion_class

_FRONTENDS = {"quart": "frontends.quart_app.__main__", "wsgi": "frontends.wsgi_app.__main__"}
_SHELLS = {
    "bash": "echo 'eval \"$(pbkv completion bash)\"' >> ~/.bashrc",
    "zsh": "echo 'eval \"$(pbkv completion zsh)\"' >> ~/.zshrc",
    "fish": "pbkv completion fish > ~/.config/fish/completions/pbkv.fish",
}


@click.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--frontend",
    type=click.Choice(list(_FRONTENDS)),
    default="quart",
    show_default=True,
    help="The web frontend.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def serve(frontend: str, arguments: tuple[str, ...]) -> None:
    """Run one node. All other ARGUMENTS are the node's own; see them with: pbkv serve -- --help

    For example: pbkv serve --id 1 --bind 127.0.0.1:8081
    """
    try:
        module = import_module(_FRONTENDS[frontend])
    except ModuleNotFoundError as error:
        message = f"{error.name} is not installed; install it with: pip install 'pbproto[{frontend}]'"
        raise click.UsageError(message) from None
    sys.argv = [f"pbkv serve --frontend {frontend}", *arguments]
    module.main()


@click.command()
@click.argument("shell", type=click.Choice(list(_SHELLS)), required=False)
@click.pass_context
def completion(context: click.Context, shell: str | None) -> None:
    """How to complete commands by the tab key; with a SHELL, the script itself."""
    if shell is None:
        for name, how in _SHELLS.items():
            click.echo(f"{name:5} {how}")
        return
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, "pbkv", "_PBKV_COMPLETE").source())


COMMANDS = (serve, completion)
