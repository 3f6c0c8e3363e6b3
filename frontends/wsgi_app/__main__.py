"""``python -m frontends.wsgi_app --id 1 --bind 127.0.0.1:8081``: one node on a threaded WSGI server."""

from __future__ import annotations

from frontends.common.listen import listen
from frontends.common.settings import parse_arguments
from frontends.common.starting import check_or_exit

from .servers import SERVERS, run

PROGRAM = "python -m frontends.wsgi_app"


def main() -> None:
    settings = parse_arguments(PROGRAM, list(SERVERS))
    listener = listen(settings, PROGRAM)
    check_or_exit(settings, PROGRAM)
    run(listener, settings, scope=f"bound to {settings.bind}")


if __name__ == "__main__":
    main()
