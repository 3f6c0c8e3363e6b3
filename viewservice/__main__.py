"""An instance of the view service, and its operator's words.

python -m viewservice --nodes 1=127.0.0.1:8081,2=127.0.0.1:8082,3=127.0.0.1:8083
python -m viewservice status
python -m viewservice plan 2,3          what that view would mean; changes nothing
python -m viewservice switchover 2
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import getpass
import json
import logging
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from frontends.common.listen import make_room
from frontends.common.settings import PREFIX, SettingError, Settings, named_tokens, split_address
from frontends.common.tls import HANDSHAKE_TIMEOUT
from pbproto import __version__

from .config import PRESETS
from .core import Service
from .driver import LOGGER, Driver
from .orders import LOOKING, MAX_NAME
from .report import one_line
from .stores import Store, StoreError
from .stores.etcd import EtcdStore
from .stores.sqlite import SqliteStore
from .table import show
from .trust import Certificates, Trust, TrustError, is_local

DEFAULT_BIND = "127.0.0.1:8070"
DEFAULT_STORE = "viewservice.sqlite"
MAX_CONNECTIONS = 256
"""Of those who talk to it. They must not take the descriptors by which it talks to nodes and its store."""
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
        command = commands.add_parser(word, help=help_, description=help_)
        command.add_argument("--at", default=DEFAULT_BIND, help=f"an instance (default {DEFAULT_BIND})")
        command.add_argument("--json", action="store_true", help="for programs")
        command.add_argument("--token-file", default="", metavar="FILE", help="the token of the service")
        command.add_argument("--tls-ca", default="", metavar="FILE", help="the service speaks HTTPS (PEM)")
        if word in ("plan", "force"):
            command.add_argument("ids", type=_ids, help="ids with commas between them")
        if word in ("switchover", "add", "remove"):
            command.add_argument("id", type=int)
        if word == "add":
            command.add_argument(
                "address", nargs="?", default="", help="host:port, of a node that is new here"
            )
        if word == "size":
            command.add_argument("size", type=int)
        if word == "force":
            command.add_argument("--yes", action="store_true", help="what only others have may be lost")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run an instance, or give an order. The exit status is 1 if that did not work."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0].startswith("--") and given[0] not in ("--help", "--version"):
        given.insert(0, "run")
    parser = _parser()
    options = parser.parse_args(given)
    if options.command is None:
        parser.error("--nodes says which nodes there are")
    try:
        if options.command != "run":
            return _order(options, parser, Trust(options.token_file, options.tls_ca))
        trust = Trust(
            options.token_file,
            options.tls_ca,
            tokens=options.tokens or os.environ.get(f"{PREFIX}TOKENS", ""),
            named=named_tokens(os.environ),
            insecure=options.insecure,
        )
        _check_open(options, trust)
        asyncio.run(_run(options, trust))
    except (StoreError, TrustError, OSError) as error:
        print(f"viewservice: {error}", file=sys.stderr)
        return 1
    return 0


def _store(text: str) -> Store:
    kind, _, rest = text.partition(":")
    if kind == "sqlite" and rest:
        return SqliteStore(Path(rest))
    if kind == "etcd" and rest:
        return EtcdStore(rest.split(","))
    raise StoreError(f"a store is sqlite:PATH or etcd:URL,URL, not {text!r}")


def _check_open(options: argparse.Namespace, trust: Trust) -> None:
    """Raises ``TrustError`` where anybody could give orders and nobody said so."""
    if not (is_local(options.bind) or trust.guarded or options.insecure):
        raise TrustError(
            f"{options.bind} is open to others than this machine: give --tokens or --token-file, or say"
            " --insecure"
        )
    if bool(options.tls_cert) != bool(options.tls_key):
        raise TrustError("--tls-cert and --tls-key belong together")


async def _run(options: argparse.Namespace, trust: Trust) -> None:
    from hypercorn.asyncio import run, serve
    from hypercorn.config import Config as ServerConfig

    from frontends.quart_app.http2 import WholeRequests
    from frontends.quart_app.patience import connection

    from .web import CLIENT_TIMEOUT, create_app

    _set_up_logs()
    driver = Driver(Service(PRESETS[options.preset]), _store(options.store), trust=trust)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    certificates = Certificates(options.tls_cert, options.tls_key) if options.tls_cert else None

    class Secure(ServerConfig):
        def create_ssl_context(self) -> ssl.SSLContext | None:
            return certificates.server if certificates is not None else None

    server = Secure()
    server.bind = [options.bind]
    server.certfile, server.keyfile = options.tls_cert or None, options.tls_key or None
    server.ssl_handshake_timeout = HANDSHAKE_TIMEOUT
    server.include_server_header = False
    server.graceful_timeout = 1.0
    server.loglevel = "WARNING"
    bounds = Settings(id=0, max_connections=MAX_CONNECTIONS, client_timeout=CLIENT_TIMEOUT)
    make_room(bounds)
    vars(run)["TCPServer"] = connection(bounds)
    whole: Any = WholeRequests(create_app(driver), CLIENT_TIMEOUT)
    acting = asyncio.create_task(driver.run())
    beginning = asyncio.create_task(_begin(driver, options))
    serving = asyncio.create_task(serve(whole, server, shutdown_trigger=stopped.wait))
    stop = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait([acting, serving, stop], return_when=asyncio.FIRST_COMPLETED)
        if acting.done():
            acting.result()
        if serving.done():
            serving.result()
    finally:
        stopped.set()
        for task in (acting, beginning, stop):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(acting, beginning, serving, stop, return_exceptions=True)


async def _begin(driver: Driver, options: argparse.Namespace) -> None:
    """Tell a service that was never used before which nodes there are; one that was keeps what it knows."""
    while True:
        with contextlib.suppress(TimeoutError):
            answer = await driver.order("init", nodes=options.nodes, size=options.size)
            if answer.ok:
                known = [(node["id"], node["address"]) for node in answer.document["nodes"]]
                if known != sorted(options.nodes):
                    LOGGER.warning(
                        "nodes: what is written down has other nodes; `add` and `remove` change that"
                    )
                return
            if answer.document["reason"] == "not_possible":
                LOGGER.error("init: %s", answer.document["error"])
                return
        await asyncio.sleep(0.2)


class _Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        level = {"CRITICAL": "ALARM"}.get(record.levelname, record.levelname).lower()
        text = f"{stamp}.{int(record.msecs):03d}Z {level} {record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def _set_up_logs() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    LOGGER.setLevel(logging.INFO)


def _order(options: argparse.Namespace, parser: argparse.ArgumentParser, trust: Trust) -> int:
    if options.command == "force" and not options.yes:
        parser.error("force may lose what only other nodes have; look at `plan` first, and say --yes")
    document: dict[str, Any] = {"word": options.command}
    if options.command not in LOOKING:
        document["by"] = _who()
    if "ids" in options:
        document["ids"] = options.ids
    if "id" in options:
        document["ids"] = [options.id]
    for name in ("address", "size"):
        if name in options:
            document[name] = getattr(options, name)
    try:
        response = httpx.post(
            f"{trust.scheme}://{options.at}/orders",
            json=document,
            headers=trust.headers(),
            verify=trust.verify(),
            timeout=15,
            trust_env=False,
        )
        answer = response.json()
        if not isinstance(answer, dict):
            raise ValueError("that is no object")
    except (httpx.HTTPError, ValueError, RecursionError) as error:
        print(f"viewservice: {options.at} does not answer as a view service does: {error}", file=sys.stderr)
        return 1
    if response.status_code != 200:
        print(f"viewservice: {one_line(str(answer.get('detail', answer)))}", file=sys.stderr)
        return 1
    print(json.dumps(answer, indent=2) if options.json else show(options.command, answer))
    return 0


def _who() -> str:
    """Who gives an order, as far as this machine knows: it is for people, and proves nothing."""
    try:
        name = f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):  # a container's user may have no name
        name = f"uid {os.getuid()}@{socket.gethostname()}"
    return "".join(letter for letter in name if letter.isprintable())[:MAX_NAME]


if __name__ == "__main__":
    sys.exit(main())
