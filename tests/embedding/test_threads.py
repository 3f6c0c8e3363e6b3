"""How many threads a server has, and was said to have."""

from __future__ import annotations

import threading
import uuid

import pytest
from flask import Flask
from werkzeug.test import create_environ, run_wsgi_app

from frontends.wsgi_app import PbProto


@pytest.mark.parametrize(
    ("server", "names", "multithread", "has"),
    [
        ("waitress", ["waitress-0", "waitress-1"], True, 2),
        ("waitress", [f"waitress-{number}" for number in range(8)], True, None),
        ("gunicorn/27.0.1", ["MainThread"], False, 1),
        ("gunicorn/27.0.1", ["ThreadPoolExecutor-0_0"], True, None),
        ("Werkzeug/3.1.9", ["Thread-1 (process_request_thread)"], False, None),
    ],
)
def test_a_server_with_too_few_threads_is_told_of(
    server: str, names: list[str], multithread: bool, has: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Goal: nobody learns in a failover that no view comes in while all threads wait. Method: two requests
    from threads that are named as those of each server, to an application that was promised eight.
    """
    app = Flask("app")
    store = PbProto(app, id=1, threads=8, scope=uuid.uuid4().hex)
    over = threading.Event()

    def answer() -> None:
        for _ in range(2):
            environ = create_environ("/kv/ping", environ_base={"SERVER_SOFTWARE": server})
            run_wsgi_app(app, environ | {"wsgi.multithread": multithread})

    others = [threading.Thread(target=over.wait, name=name) for name in names[1:]]
    first = threading.Thread(target=answer, name=names[0])
    try:
        for thread in (*others, first):
            thread.start()
        first.join()
    finally:
        over.set()
        store.close()
    told = [each.getMessage() for each in caplog.records if "too_few_threads" in each.getMessage()]
    assert len(told) == (has is not None)
    assert all(f"threads=8 server_has={has} hint=" in each for each in told)
