"""A feature-flag service: a small Quart application with a node of the store in it.

    export FLAGS_TOKEN=a-secret-of-yours
    NODE_IDENTIFIER=1 python -m hypercorn -b 127.0.0.1:8081 'examples.flags:create_app()' &
    curl -X PUT -d '{"view": [{"id": 1, "address": "127.0.0.1:8081"}]}' http://127.0.0.1:8081/kv/view

    curl -X PUT -H "Authorization: Bearer $FLAGS_TOKEN" -H 'Content-Type: application/json' \\
         -d '{"percent": 20, "users": ["ada"]}' http://127.0.0.1:8081/admin/flags/new-checkout
    curl 'http://127.0.0.1:8081/flags/new-checkout?user=ada'

Each question reads the flag in the process that is asked, and is answered as of the last change that any
process has acknowledged: when the admin's request is through, the flag is on everywhere. With more processes,
tell all of them one view, as in ``sessions.py``.

Who has a flag that is on for a percentage is decided by a hash of the flag's and the user's name. So it is
the same in every process and each time, other flags choose other users, and a higher percentage only adds
some.

If the store cannot answer, the last flag that this process has seen counts, and the answer says so: an old
flag is better than none. That is a choice of this service, and it is made here and not in the store.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from dataclasses import asdict, dataclass
from typing import Any

from quart import Quart, abort, request

from frontends.quart_app import PbProto
from pbkv import Invalid, StoreError, Unavailable

PREFIX = "flags/"
PATIENCE = 0.5
"""Seconds that a question may wait for the store."""
STEPS = 10_000


@dataclass(frozen=True)
class Flag:
    """For whom a feature is on."""

    percent: float = 0.0
    users: tuple[str, ...] = ()
    """They have it, whatever the percentage."""

    def on_for(self, name: str, user: str) -> bool:
        return user in self.users or step_of(name, user) < self.percent * STEPS / 100

    @classmethod
    def parse(cls, document: Any) -> Flag:
        """Raises ``ValueError``."""
        if not isinstance(document, dict) or not document.keys() <= {"percent", "users"}:
            raise ValueError("a flag is an object with percent and users")
        percent, users = document.get("percent", 0.0), document.get("users", [])
        if type(percent) not in (int, float) or not 0 <= percent <= 100:
            raise ValueError("percent is a number from 0 to 100")
        if not isinstance(users, list) or not all(isinstance(user, str) for user in users):
            raise ValueError("users is a list of strings")
        return cls(percent, tuple(users))


OFF = Flag()


def step_of(name: str, user: str) -> int:
    """Where a user stands in the order in which a flag comes to all; from 0, below ``STEPS``."""
    digest = hashlib.sha256(f"{len(name)} {name} {user}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % STEPS


class Flags:
    """The flags, in a store: the extension, or a ``pbkv.AsyncClient``."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._seen: dict[str, Flag] = {}
        """As many as there are flags: names that are none are not kept."""

    async def read(self, name: str) -> tuple[Flag, bool]:
        """A flag, and whether it is as of now. One that was never set is off."""
        try:
            text = (await self._store.get(PREFIX + name, timeout=PATIENCE)).value
        except Unavailable:
            return self._seen.get(name, OFF), False
        if text is None:
            self._seen.pop(name, None)
            return OFF, True
        flag = self._seen[name] = Flag.parse(json.loads(text))
        return flag, True

    async def set(self, name: str, flag: Flag) -> None:
        await self._store.put(PREFIX + name, json.dumps(asdict(flag)))

    async def remove(self, name: str) -> bool:
        return bool((await self._store.delete(PREFIX + name)).existed)

    async def all(self) -> dict[str, Flag]:
        items = (await self._store.items()).items
        return {
            key[len(PREFIX) :]: Flag.parse(json.loads(text))
            for key, text in items.items()
            if key.startswith(PREFIX)
        }


def create_app(**settings: Any) -> Quart:
    """The service; ``settings`` are the node's."""
    token = os.environ["FLAGS_TOKEN"]
    app = Quart(__name__)
    flags = Flags(PbProto(app, timeout=5.0, **settings))

    @app.get("/flags/<name>")
    async def ask(name: str) -> dict[str, Any]:
        user = request.args.get("user", "")
        flag, fresh = await flags.read(name)
        return {"flag": name, "user": user, "on": flag.on_for(name, user), "stale": not fresh}

    def only_admins() -> None:
        said = request.headers.get("Authorization", "")
        if not hmac.compare_digest(said.encode(), f"Bearer {token}".encode()):
            abort(401)

    @app.get("/admin/flags")
    async def list_all() -> dict[str, Any]:
        only_admins()
        return {name: asdict(flag) for name, flag in sorted((await flags.all()).items())}

    @app.put("/admin/flags/<name>")
    async def set_one(name: str) -> dict[str, Any]:
        only_admins()
        try:
            flag = Flag.parse(await request.get_json(force=True))
        except ValueError as error:
            abort(400, str(error))
        await flags.set(name, flag)
        return asdict(flag)

    @app.delete("/admin/flags/<name>")
    async def remove(name: str) -> tuple[str, int]:
        only_admins()
        return ("", 204) if await flags.remove(name) else ("", 404)

    @app.errorhandler(StoreError)
    async def failed(error: StoreError) -> tuple[dict[str, str], int]:
        # A change whose outcome is unknown may be made once more: it says what is to be, not what to add.
        return {"error": error.summary}, 400 if isinstance(error, Invalid) else 503

    return app
