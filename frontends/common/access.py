"""Who may do what: bearer tokens by role for clients (RFC 6750), a shared secret for peers.

Tokens come from a file, which is read again when it changes, and from the environment. They are compared as
digests, each with each, in constant time: how long an answer takes says nothing about how much was right.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
import stat
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from .logs import LOGGER, logfmt
from .responses import Response, problem
from .routes import Plan, Route
from .settings import ROLES, SettingError, Settings
from .watched import Files

MAX_FILE_BYTES = 1_048_576
MAX_TOKENS = 1_000
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{16,256}")


class Role(Enum):
    """What a token is good for."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"
    METRICS = "metrics"
    PEER = "peer"
    """No client has this one: the token is a secret between nodes, and never sent."""


_DATA = frozenset((Role.READ, Role.WRITE))
_WRITE = frozenset((Role.WRITE,))
LOOK = frozenset((Role.READ, Role.WRITE, Role.ADMIN))
"""Who may see how things are."""
SCRAPE = LOOK | {Role.METRICS}
"""Who may read figures."""
ADMIN = frozenset((Role.ADMIN,))
"""Who may tell views."""

FREE = (Route.PING, Route.READY, Route.OPENAPI, Route.DOCS, Route.PAGE, Route.ROOT, Route.NOTHING)
"""Routes for everybody: probes, and what is the same in every node of this release."""
_READING: Mapping[Route, frozenset[Role]] = {
    Route.VIEW: LOOK,
    Route.STATUS: LOOK,
    Route.WHY: _DATA,  # it shows keys
    Route.METRICS: SCRAPE,
    Route.DATA: _DATA,
    Route.KEY: _DATA,
}
_CHANGING: Mapping[Route, frozenset[Role]] = {Route.VIEW: ADMIN, Route.KEY: _WRITE}


def allowed(route: Route, method: str) -> frozenset[Role] | None:
    """The roles of which one is needed; ``None`` where none is. Peers' mail is no client's business."""
    if route in FREE:
        return None
    table = _READING if method in ("GET", "HEAD") else _CHANGING
    return table[route]


class Tokens(NamedTuple):
    """Tokens as they stood at one moment."""

    clients: tuple[tuple[bytes, frozenset[Role]], ...]
    """SHA-256 of each token, and its roles."""
    secrets: tuple[bytes, ...]
    """Of peers, in order: the first is the one to prove oneself by, and all are taken."""

    def __repr__(self) -> str:
        """Without what is secret: it may stand in a message about something else."""
        return f"Tokens({len(self.clients)} of clients, {len(self.secrets)} of peers)"

    def roles(self, presented: str) -> frozenset[Role]:
        """What a presented token is good for; nothing if it is none of these."""
        digest = hashlib.sha256(presented.encode("latin-1", "replace")).digest()
        found: frozenset[Role] = frozenset()
        for known, roles in self.clients:
            if hmac.compare_digest(known, digest):  # and on with the others: no early end
                found |= roles
        return found


def read_tokens(settings: Settings) -> Tokens:
    """The tokens of a node. Raises ``SettingError``."""
    tokens = tokens_of(settings.named_tokens, settings.tokens)
    if not tokens.secrets:
        raise SettingError(
            "tokens need one of the role peer, or nodes could not tell each other from strangers"
        )
    return tokens


def tokens_of(named: Iterable[tuple[str, str]], file: str) -> Tokens:
    """The tokens of the environment and the file. Raises ``SettingError``, which names the line."""
    found = [(f"PBPROTO_TOKEN_{role.upper()}", [role], token) for role, token in named]
    if file:
        found += _of_file(file)
    clients: dict[bytes, frozenset[Role]] = {}
    secrets: dict[bytes, None] = {}
    for where, words, token in found:
        if not _TOKEN.fullmatch(token):
            raise SettingError(f"{where}: a token has 16 to 256 of the characters A-Z a-z 0-9 . _ ~ + / = -")
        roles = frozenset(Role(word) for word in words)
        if Role.PEER in roles:
            if len(roles) > 1:
                raise SettingError(f"{where}: what peers prove themselves by is no client's token")
            secrets[token.encode()] = None
        else:
            digest = hashlib.sha256(token.encode()).digest()
            clients[digest] = clients.get(digest, frozenset()) | roles
    if any(hashlib.sha256(secret).digest() in clients for secret in secrets):
        raise SettingError("what peers prove themselves by is no client's token")
    return Tokens(tuple(clients.items()), tuple(secrets))


def _of_file(name: str) -> list[tuple[str, list[str], str]]:
    try:
        with Path(name).open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"cannot read the tokens in {name}: {error}") from None
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        roles = words[0].split(",")
        if len(words) != 2 or not set(roles) <= set(ROLES):
            # Not the line itself: it may hold a token.
            raise SettingError(
                f"{name}, line {number}: a line is `role[,role…] token`; roles: {', '.join(ROLES)}"
            )
        found.append((f"{name}, line {number}", roles, words[1]))
    if len(data) > MAX_FILE_BYTES or len(found) > MAX_TOKENS:
        raise SettingError(f"{name} has more than {MAX_TOKENS} tokens")
    return found


class Access:
    """The tokens in force at a node. Raises ``SettingError`` if they cannot be read when it starts."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._file = Files((settings.tokens,))
        self.tokens = read_tokens(settings)

    def look(self) -> None:
        """Read the file again if it has changed. One that is wrong is logged, and changes nothing."""
        if not self._file.changed():
            return
        self._file.seen()
        try:
            self.tokens = read_tokens(self._settings)
        except SettingError as error:
            LOGGER.error("%s", logfmt(self._settings.id, "tokens_not_read", reason=error))
        else:
            LOGGER.info("%s", logfmt(self._settings.id, "tokens_read", clients=len(self.tokens.clients)))

    def refusal(self, plan: Plan, headers: Mapping[str, str]) -> Response | None:
        """The answer to a client that may not do this; ``None`` to one that may."""
        needed = allowed(plan.route, plan.method)
        if needed is None:
            return None
        self.look()
        return refusal_of(self.tokens, needed, headers.get("authorization", ""))


def refusal_of(tokens: Tokens, needed: frozenset[Role], authorization: str) -> Response | None:
    """The answer to a client without a token of one of these roles; ``None`` to one that has it."""
    scheme, _, token = authorization.partition(" ")
    roles = tokens.roles(token.strip()) if scheme.lower() == "bearer" else frozenset()
    if roles & needed:
        return None
    words = " or ".join(sorted(role.value for role in needed))
    if not roles:
        detail = f"this takes a token of the role {words}: Authorization: Bearer …"
        challenge = ("www-authenticate", 'Bearer realm="pbproto"')
        return problem(401, "unauthenticated", detail, (challenge,))
    challenge = (
        "www-authenticate",
        f'Bearer realm="pbproto", error="insufficient_scope", scope="{words}"',
    )
    return problem(403, "forbidden", f"this takes a token of the role {words}", (challenge,))


def of(settings: Settings) -> Access | None:
    """The access of a node, or ``None`` where everybody may do everything. Raises ``SettingError``."""
    return Access(settings) if settings.guarded else None


def warn_of_open_files(settings: Settings) -> None:
    """Log which files with secrets anybody on this machine may read; in a container that may be as it should.

    A warning and no refusal: Kubernetes and Docker hand secrets over so unless they are told otherwise.
    """
    for name in filter(None, (settings.tokens, settings.tls_key)):
        with contextlib.suppress(OSError):
            if Path(name).stat().st_mode & stat.S_IROTH:
                LOGGER.warning("%s", logfmt(settings.id, "secrets_open_to_all", file=name))


def check(settings: Settings) -> None:
    """Raises ``SettingError`` if the tokens cannot be read."""
    of(settings)
