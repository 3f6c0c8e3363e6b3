"""The limits: the servers of this store with the HTTP work of a node and no replication."""

from __future__ import annotations

from bench.processes import python, wait_until
from bench.talk import call

from .base import Contender
from .store import FRONTENDS


class Limit(Contender):
    """One process on one server; what no replicated store on this server can be faster than.

    ``plain``: without a node's own way past ASGI, so as anybody else would use that server.
    """

    def __init__(self, name: str, server: str, plain: bool = False) -> None:
        super().__init__(name, 1)
        self.server = server
        self._plain = ["--plain"] if plain else []
        self._at = ""

    def start(self) -> None:
        self._at = self._address()
        self._serve(0, 0)

    def load(self, keys: int, size: int) -> None:
        """It loads itself when it starts, so it is started again."""
        self.processes.pop().kill()
        self._serve(keys, size)

    def addresses(self) -> list[str]:
        return [self._at]

    def _serve(self, keys: int, size: int) -> None:
        kind = "asgi" if FRONTENDS[self.server] == "frontends.quart_app" else "wsgi"
        command = python(f"bench.programs.limit_{kind}", "--server", self.server, "--bind", self._at)
        command += ["--keys", str(keys), "--size", str(size), *self._plain]
        process = self._launch("server", command)

        def serves() -> bool:
            process.check()
            return call(self._at, "GET", "/ping").status == 200

        wait_until(serves, f"{self.name} answers")
