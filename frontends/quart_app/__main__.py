"""``python -m frontends.quart_app --id 1 --bind 127.0.0.1:8081``: one node on an ASGI server."""

from __future__ import annotations

from frontends.common import logs
from frontends.common.listen import listen
from frontends.common.settings import parse_arguments
from frontends.common.starting import check_or_exit

from . import create_app
from .servers import SERVERS, run

PROGRAM = "python -m frontends.quart_app"


def main() -> None:
    settings = parse_arguments(PROGRAM, list(SERVERS))
    listener = listen(settings, PROGRAM)
    check_or_exit(settings, PROGRAM)
    logs.set_up(settings)
    run(create_app(settings, scope=f"bound to {settings.bind}"), listener, settings)


if __name__ == "__main__":
    main()
