"""An instance of the view service, and its operator's words.

python -m viewservice --nodes 1=127.0.0.1:8081,2=127.0.0.1:8082,3=127.0.0.1:8083
python -m viewservice status
python -m viewservice plan 2,3          what that view would mean; changes nothing
python -m viewservice switchover 2
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

from frontends.common.settings import PREFIX, SettingError, named_tokens, split_address
from pbproto import __version__

from . import command, instance
from .config import PRESETS
from .stores import StoreError
from .trust import Trust, TrustError

DEFAULT_BIND = "127.0.0.1:8070"
DEFAULT_STORE = "viewservice.sqlite"
ORDERS = {
    "status": "how everybody is",
    "plan": "what a view of these nodes would mean; changes nothing",
    "switchover": "make this member the primary; those with lower ids leave the view",
    "add": "know one more node, which is a spare at first; one that is known, or was, needs no address",
    "remove": "take this node out, for good",
    "size": "how many members the view should have",
    "pause": "change nothing by itself",
    "resume": "go on",
    "force": "a view of these nodes, whatever is lost (--yes)",
}


def _nodes(text: str) -> tuple[tuple[int, str], ...]:
    found = []
    for part in text.split(","):
        id_, equals, address = part.strip().partition("=")
        try:
            split_address(address)
        except SettingError:
            equals = ""
        if not equals or not id_.isdecimal():
            raise argparse.ArgumentTypeError(f"a node is ID=HOST:PORT, not {part!r}")
        found.append((int(id_), address))
    if len(dict(found)) != len(found):
        raise argparse.ArgumentTypeError("two nodes have one id")
    return tuple(found)


def _ids(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"ids are numbers with commas between them, not {text!r}")
    return [int(part) for part in parts]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m viewservice",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pbproto {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="WORD")
    run = commands.add_parser("run", help="an instance of the service (the default)")
    run.add_argument(
        "--nodes", type=_nodes, required=True, metavar="ID=HOST:PORT,…", help="all nodes, when it begins"
    )
    run.add_argument(
        "--size", type=int, default=0, help="members that a view should have (default: all nodes)"
    )
    run.add_argument(
        "--store",
        default=f"sqlite:{DEFAULT_STORE}",
        metavar="sqlite:PATH | etcd:URL,URL,…",
        help=f"where decisions are written down (default sqlite:{DEFAULT_STORE})",
    )
    run.add_argument("--bind", default=DEFAULT_BIND, help=f"where it is talked to (default {DEFAULT_BIND})")
    run.add_argument("--preset", choices=sorted(PRESETS), default="default", help="how fast it concludes")
    run.add_argument("--token-file", default="", metavar="FILE", help="the nodes' token of the role admin")
    run.add_argument(
        "--tokens",
        default="",
        metavar="FILE",
        help="tokens of those who talk to it, by role (or PBPROTO_TOKENS, PBPROTO_TOKEN_ADMIN, …, as nodes)",
    )
    run.add_argument("--tls-ca", default="", metavar="FILE", help="who signs the nodes' certificates (PEM)")
    run.add_argument("--tls-cert", default="", metavar="FILE", help="serve HTTPS with this certificate (PEM)")
    run.add_argument("--tls-key", default="", metavar="FILE", help="the private key to it (PEM)")
    run.add_argument(
        "--insecure", action="store_true", help="listen to others than this machine without a token"
    )
    for word, help_ in ORDERS.items():
        _add_order(commands.add_parser(word, help=help_, description=help_), word)
    return parser


def _add_order(order: argparse.ArgumentParser, word: str) -> None:
    order.add_argument("--at", default=DEFAULT_BIND, help=f"an instance (default {DEFAULT_BIND})")
    order.add_argument("--json", action="store_true", help="for programs")
    order.add_argument("--token-file", default="", metavar="FILE", help="the token of the service")
    order.add_argument("--tls-ca", default="", metavar="FILE", help="the service speaks HTTPS (PEM)")
    if word in ("plan", "force"):
        order.add_argument("ids", type=_ids, help="ids with commas between them")
    if word in ("switchover", "add", "remove"):
        order.add_argument("id", type=int)
    if word == "add":
        order.add_argument("address", nargs="?", default="", help="host:port, of a node that is new here")
    if word == "size":
        order.add_argument("size", type=int)
    if word == "force":
        order.add_argument("--yes", action="store_true", help="what only others have may be lost")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run an instance, or give an order. The exit status is 1 if that did not work."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0].startswith("--") and given[0] not in ("--help", "--version"):
        given.insert(0, "run")
    parser = _parser()
    options = parser.parse_args(given)
    if options.command is None:
        parser.error("--nodes says which nodes there are")
    if options.command == "force" and not options.yes:
        parser.error("force may lose what only other nodes have; look at `plan` first, and say --yes")
    try:
        if options.command != "run":
            return command.give(options, Trust(options.token_file, options.tls_ca))
        trust = Trust(
            options.token_file,
            options.tls_ca,
            tokens=options.tokens or os.environ.get(f"{PREFIX}TOKENS", ""),
            named=named_tokens(os.environ),
            insecure=options.insecure,
        )
        instance.check(options, trust)
        asyncio.run(instance.run(options, trust))
    except (StoreError, TrustError, OSError) as error:
        print(f"viewservice: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
