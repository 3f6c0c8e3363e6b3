"""How a node is started: flags, environment variables, defaults and units, in one table."""

from __future__ import annotations

import argparse
import ipaddress
import math
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, NoReturn

from pbproto import Config, __version__
from pbproto.codec import VERSION, VERSIONS
from pbproto.config import MIB, SECOND
from pbproto.leases import counted
from pbproto.values import MAX_ID, MAX_KEY_BYTES

PREFIX = "PBPROTO_"
MAX_VALUE_BYTES_LIMIT = 64 * MIB
"""No setting lets a value be larger: what one node accepts, the mail between any two has to carry."""
MAX_MAIL_BYTES = 256 * MIB
"""The largest body of peer mail, far above one value and one batch, whatever their settings."""
ROLES = ("read", "write", "admin", "metrics", "peer")
LEVELS = ("debug", "info", "warning", "error")
_ADDRESS = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>[1-9][0-9]{0,4})", re.ASCII
)
"""No leading zeros in the port: a view is to see that two addresses are one."""


class SettingError(ValueError):
    """A setting has a value that it cannot have."""


def _setting(default: Any, unit: str, help_: str, low: float = 0, high: float = math.inf) -> Any:
    metadata = {"unit": unit, "help": help_, "low": low, "high": high, "words": (), "placeholder": "N"}
    return field(default=default, metadata=metadata)


def _text(default: str, placeholder: str, unit: str, help_: str, words: tuple[str, ...] = ()) -> Any:
    """A setting that is text: one of these words, or anything if there are none."""
    metadata = {"unit": unit, "help": help_, "words": words, "placeholder": placeholder}
    return field(default=default, metadata=metadata)


def _path(help_: str) -> Any:
    """A setting that names a file, or nothing."""
    return _text("", "FILE", "a path", help_)


def _switch(help_: str) -> Any:
    """A setting that is off unless it is named."""
    metadata = {"unit": "on or off", "help": help_, "words": (), "placeholder": "on|off"}
    return field(default=False, metadata=metadata)


_SWITCH = {
    "on": True,
    "1": True,
    "true": True,
    "yes": True,
    "off": False,
    "0": False,
    "false": False,
    "no": False,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one node. Times are seconds here and nanoseconds in ``Config``."""

    id: int
    bind: str = "127.0.0.1:8081"
    server: str = ""
    request_timeout: float = _setting(
        10.0, "seconds", "how long a request waits before it is answered 503 or 504", 0.01, 3600
    )
    suspect_after: float = _setting(
        1.0, "seconds", "how long a backup may owe an answer before new writes wait for it", 0.01, 3600
    )
    resend_after: float = _setting(
        0.25, "seconds", "how long an unanswered peer message waits before it is sent again", 0.01, 60
    )
    heartbeat: float = _setting(
        0.4, "seconds", "how often an idle primary asks its backups for a sign of life", 0.01, 60
    )
    reads: str = _text(
        "confirm",
        "MODE",
        "confirm or lease",
        "confirm each read by a round, or let the primary read alone while all backups have leased it that",
        ("confirm", "lease"),
    )
    lease: float = _setting(
        1.0,
        "seconds",
        "lease mode only: how long a backup promises no other primary after each sign of life",
        0.05,
        600,
    )
    clock_drift: int = _setting(
        100_000, "millionths", "lease mode only: by how much a clock may run fast or slow at most", 1, 200_000
    )
    peer_timeout: float = _setting(
        5.0,
        "seconds",
        "how long one POST to a peer may take, plus a second for each MiB it carries",
        0.05,
        600,
    )
    wire: int = _setting(
        VERSION,
        "",
        "the highest version of the peer protocol that this node speaks, for upgrades node by node",
        VERSIONS[0],
        VERSION,
    )
    max_value_bytes: int = _setting(
        8 * MIB, "bytes of UTF-8", "the largest value a client may write", 1, MAX_VALUE_BYTES_LIMIT
    )
    max_waiting: int = _setting(10_000, "requests", "how many requests may wait at this node", 1, 10**7)
    max_waiting_bytes: int = _setting(
        256 * MIB, "bytes", "how many bytes of keys and values may wait at this node", 1, 2**40
    )
    max_data_bytes: int = _setting(
        2048 * MIB,
        "bytes",
        "how large the data may become under this primary: keys, values, and 256 for each key; 0: no bound",
        0,
        2**50,
    )
    max_listings: int = _setting(
        4, "answers", "how many answers to GET /data of 64 KiB or more may be under way at once", 1, 10_000
    )
    max_body_bytes: int = _setting(
        256 * MIB, "bytes", "how many bytes of long bodies may be on their way to and from clients", 1, 2**40
    )
    batch_bytes: int = _setting(1 * MIB, "bytes", "how much one replication message carries", 1, 64 * MIB)
    chunk_bytes: int = _setting(
        1 * MIB, "bytes", "how much one chunk of a state transfer carries", 1, 64 * MIB
    )
    fill_rate: int = _setting(
        8 * MIB,
        "bytes/s",
        "how much of the state a newcomer gets while the present view goes on; 0: as fast as it asks",
        0,
        2**40,
    )
    log_keep_bytes: int = _setting(
        4 * MIB, "bytes", "how much of the committed log is kept for members that were away", 0, 2**40
    )
    max_connections: int = _setting(
        2_000, "connections", "how many connections of clients and peers there may be at once", 10, 10**6
    )
    client_timeout: float = _setting(
        60.0,
        "seconds",
        "how long a client may take for the head of a request, for its body, and to take more of an answer",
        0.05,
        3600,
    )
    threads: int = _setting(
        128,
        "threads",
        "wsgi only: worker threads; one in eight, but 2 at least, never wait for a client",
        4,
        4096,
    )
    lean: str = _text(
        "on",
        "on|off",
        "on or off",
        "whether keys and peers' mail go past the web framework",
        ("on", "off"),
    )
    log_level: str = _text("info", "LEVEL", "debug, info, warning or error", "how much the node logs", LEVELS)
    log_format: str = _text(
        "text",
        "FORMAT",
        "text or json",
        "log lines as key=value or as JSON, one object a line",
        ("text", "json"),
    )
    access_log: str = _text(
        "off",
        "on|off",
        "on or off",
        "whether every request of a client is a line in the log; at log level debug it is one in any case",
        ("on", "off"),
    )
    tracing: str = _text(
        "off",
        "on|off",
        "on or off",
        "whether requests are traced by OpenTelemetry, which the standard variables OTEL_... set up",
        ("on", "off"),
    )
    record: str = _text(
        "",
        "FILE",
        "a path; {id} stands for the id",
        "record every input of the node, for python -m pbproto.replay",
    )
    record_bytes: int = _setting(
        64 * MIB, "bytes", "how large a recording gets, FILE and FILE.1 together", 65_536, 2**50
    )
    record_redact: str = _text(
        "none",
        "WHAT",
        "none, values or all",
        "what a recording hides: values, or keys as well",
        ("none", "values", "all"),
    )

    tokens: str = _path("who may do what: lines of `role[,role…] token`, read again when they change")
    tls_cert: str = _path(
        "the certificate of this node (PEM, with its chain): serve HTTPS, speak it to peers"
    )
    tls_key: str = _path("the private key to it (PEM)")
    tls_ca: str = _path(
        "the authority that signs peers' certificates and no others (PEM); peers have to show one"
    )
    insecure: bool = _switch("listen to others than this machine without tokens: anybody may do anything")
    named_tokens: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Roles and tokens from the environment: ``PBPROTO_TOKEN_READ`` … No flags: others could see them."""
    place_known: bool = True
    """Whether ``bind`` is where the node listens: a server that somebody else started listens elsewhere."""

    @property
    def guarded(self) -> bool:
        """Whether it takes a token to do anything."""
        return bool(self.tokens or self.named_tokens)

    @property
    def core(self) -> Config:
        """The settings of the replica."""

        def ticks(seconds: float) -> int:
            return round(seconds * SECOND)

        return Config(
            request_timeout=ticks(self.request_timeout),
            suspect_after=ticks(self.suspect_after),
            resend_after=ticks(self.resend_after),
            heartbeat=ticks(self.heartbeat),
            lease=ticks(self.lease) if self.reads == "lease" else 0,
            clock_drift=self.clock_drift,
            max_waiting=self.max_waiting,
            max_waiting_bytes=self.max_waiting_bytes,
            max_data_bytes=self.max_data_bytes,
            batch_bytes=self.batch_bytes,
            chunk_bytes=self.chunk_bytes,
            fill_rate=self.fill_rate,
            log_keep_bytes=self.log_keep_bytes,
        )

    @property
    def client_body_limit(self) -> int:
        """Bytes a client's body may have: every byte of the value may come as a six-byte escape."""
        return 6 * self.max_value_bytes + 65_536


TUNABLE = tuple(each for each in fields(Settings) if each.metadata)


def split_address(text: str) -> tuple[str, int]:
    """Host and port of ``host:port`` or ``[ipv6]:port``. Raises ``SettingError``."""
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        raise SettingError(f"{text!r} is not host:port")
    return match["six"] or match["host"], int(match["port"])


def _parse_id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20) or int(text) > MAX_ID:
        raise SettingError(f"the id has to be an integer from 0 to {MAX_ID}, not {text[:40]!r}")
    return int(text)


def _parse(name: str, text: str) -> Any:
    """The value of a tunable setting. Raises ``SettingError``."""
    spec = next(each for each in TUNABLE if each.name == name)
    if isinstance(spec.default, bool):
        if text.lower() not in _SWITCH:
            raise SettingError(f"{name} has to be on or off, not {text[:40]!r}")
        return _SWITCH[text.lower()]
    if isinstance(spec.default, str):
        words = spec.metadata["words"]
        if not words:
            return _parse_path(name, text)
        if text.lower() not in words:
            raise SettingError(f"{name} has to be one of {', '.join(words)}, not {text!r}")
        return text.lower()
    kind: type[int] | type[float] = int if isinstance(spec.default, int) else float
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    low, high = spec.metadata["low"], spec.metadata["high"]
    if not low <= value <= high:  # NaN is never between
        what = "an integer" if kind is int else "a number"
        bounds = f"from {low:g} to {high:g} {spec.metadata['unit']}".rstrip()
        raise SettingError(f"{name} has to be {what} {bounds}, not {text!r}")
    return value


def _parse_path(name: str, text: str) -> str:
    if "\0" in text or text.endswith("/"):
        raise SettingError(f"{name} has to be the path of a file, not {text[:200]!r}")
    return text


def from_environment(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings for ``create_app()`` under a server that somebody else starts. Raises ``SettingError``."""
    environ = os.environ if environ is None else environ
    return replace(_build({}, environ), place_known=False)


_NOT_EMBEDDED = {
    "bind": "the application's server decides where it listens",
    "server": "the application's server is started by whoever starts the application",
    "max_connections": "the application's server takes them",
    "lean": "the routes of an embedded node never go through the framework",
    "log_format": "logging is the application's business",
    "log_level": "logging is the application's business; the logger's name is pbproto",
}


def from_arguments(given: Mapping[str, object], environ: Mapping[str, str] | None = None) -> Settings:
    """Settings for a node within somebody's application: arguments win over the environment.

    ``given``: by the names of ``Settings``; ``None`` counts as not given. Raises ``SettingError``.
    """
    for name in given:
        if name in _NOT_EMBEDDED:
            raise SettingError(f"an embedded node has no setting {name!r}: {_NOT_EMBEDDED[name]}")
        if name != "id" and name not in {each.name for each in TUNABLE}:
            raise SettingError(f"there is no setting {name!r}")
    texts = {name: str(value) for name, value in given.items() if value is not None}
    return replace(_build(texts, os.environ if environ is None else environ), place_known=False)


def from_app(given: Mapping[str, object], config: Mapping[str, Any]) -> Settings:
    """As ``from_arguments``; what is not given may stand in an application's ``config``."""
    names = ["id", *(each.name for each in TUNABLE if each.name not in _NOT_EMBEDDED)]
    configured = {name: config.get(PREFIX + name.upper()) for name in names}
    return from_arguments(
        {**configured, **{name: value for name, value in given.items() if value is not None}}
    )


def _build(given: Mapping[str, str], environ: Mapping[str, str]) -> Settings:
    id_text = given.get("id", environ.get("NODE_IDENTIFIER", ""))
    if not id_text:
        raise SettingError("a node needs an id: give --id or set NODE_IDENTIFIER")
    values: dict[str, Any] = {"id": _parse_id(id_text)}
    bind = given.get("bind", environ.get(f"{PREFIX}BIND", "127.0.0.1:8081"))
    split_address(bind)
    values["bind"] = bind
    values["server"] = given.get("server", environ.get(f"{PREFIX}SERVER", ""))
    for spec in TUNABLE:
        text = given.get(spec.name, environ.get(PREFIX + spec.name.upper()))
        if text is not None:
            values[spec.name] = _parse(spec.name, text)
    values["named_tokens"] = named_tokens(environ)
    settings = Settings(**values)
    if settings.max_waiting_bytes < settings.max_value_bytes + 2 * MAX_KEY_BYTES:
        raise SettingError("max_waiting_bytes has to be larger than max_value_bytes")
    if settings.reads == "lease":
        _check_leases(settings)
    return settings


def named_tokens(environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Roles and their tokens, of the environment."""
    return tuple(
        (role, environ[variable])
        for role in ROLES
        if environ.get(variable := f"{PREFIX}TOKEN_{role.upper()}")
    )


def is_loopback(host: str) -> bool:
    """Whether what listens there, or comes from there, is this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name may mean anything, and something else tomorrow


def check_open(settings: Settings) -> None:
    """Raises ``SettingError`` for a node that would let anybody do anything without having been told to."""
    host, _ = split_address(settings.bind)
    if not (is_loopback(host) or settings.guarded or settings.insecure):
        raise SettingError(
            f"{settings.bind} is open to others than this machine, and without tokens anybody may do anything"
            " there: give --tokens, or say --insecure"
        )


def _check_leases(settings: Settings) -> None:
    core = settings.core
    if counted(core.lease, core.clock_drift) <= core.heartbeat:
        raise SettingError("lease has to be longer than heartbeat, or leases lapse between two signs of life")
    if sys.platform != "linux":
        raise SettingError("reads=lease needs a clock that goes on while the machine sleeps, as on Linux")


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    return str(default or "none")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One clear line instead of the whole usage."""
        self.exit(2, f"{self.prog}: {message}\n")


def parse_arguments(program: str, servers: Sequence[str], arguments: Sequence[str] | None = None) -> Settings:
    """Settings from command line and environment. A bad one ends the process with one line, status 2."""
    parser = _Parser(
        prog=program,
        description="Run one node of the replicated store. Flags win over environment variables.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"pbproto {__version__}")
    parser.add_argument("--id", metavar="ID", help="this node's id, an int from 0 (env NODE_IDENTIFIER)")
    parser.add_argument(
        "--bind", metavar="HOST:PORT", help=f"where to listen (env {PREFIX}BIND; default 127.0.0.1:8081)"
    )
    parser.add_argument(
        "--server", choices=servers, help=f"the web server (env {PREFIX}SERVER; default {servers[0]})"
    )
    for spec in TUNABLE:
        variable = PREFIX + spec.name.upper()
        unit = f"in {spec.metadata['unit']}; " if spec.metadata["unit"] else ""
        alone: dict[str, Any] = {"nargs": "?", "const": "on"} if isinstance(spec.default, bool) else {}
        parser.add_argument(
            f"--{spec.name.replace('_', '-')}",
            **alone,
            metavar=spec.metadata["placeholder"],
            help=f"{spec.metadata['help']} (env {variable}; {unit}default {_shown(spec.default)})",
        )
    given = {name: text for name, text in vars(parser.parse_args(arguments)).items() if text is not None}
    try:
        settings = _build(given, os.environ)
        check_open(settings)
    except SettingError as error:
        parser.error(str(error))
    if settings.server and settings.server not in servers:
        parser.error(f"server has to be one of {', '.join(servers)}, not {settings.server!r}")
    if not settings.server:
        settings = replace(settings, server=servers[0])
    return settings
