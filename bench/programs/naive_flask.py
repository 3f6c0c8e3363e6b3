"""What people build first: a primary in Flask that POSTs each write to each backup and then answers.

One lock orders the writes, and is held while they are sent on: without it two backups could take two writes
in different orders. No views, no failover, no retries, and a read that nobody confirms. It is served by
waitress with its defaults.

    python -m bench.programs.naive_flask --bind 127.0.0.1:9001 [--backups 127.0.0.1:9002,127.0.0.1:9003]
"""

from __future__ import annotations

import argparse
import threading

import requests
import waitress
from flask import Flask, request
from flask.typing import ResponseReturnValue


def application(backups: list[str]) -> Flask:
    """A node: the primary if it has backups, otherwise one of them."""
    app = Flask("naive")
    data: dict[str, str] = {}
    lock = threading.Lock()

    @app.put("/data/<path:key>")
    def put(key: str) -> ResponseReturnValue:
        value = request.get_json()["value"]
        with lock:
            for backup in backups:
                document = {"key": key, "value": value}
                requests.post(f"http://{backup}/replicate", json=document, timeout=10).raise_for_status()
            status = 200 if key in data else 201
            data[key] = value
        return {}, status

    @app.delete("/data/<path:key>")
    def delete(key: str) -> ResponseReturnValue:
        with lock:
            for backup in backups:
                document = {"key": key, "value": None}
                requests.post(f"http://{backup}/replicate", json=document, timeout=10).raise_for_status()
            return {}, 404 if data.pop(key, None) is None else 200

    @app.get("/data/<path:key>")
    def get(key: str) -> ResponseReturnValue:
        return ({"value": data[key]}, 200) if key in data else ({}, 404)

    @app.get("/data")
    def listing() -> ResponseReturnValue:
        return dict(data), 200

    @app.post("/replicate")
    def replicate() -> ResponseReturnValue:
        document = request.get_json()
        with lock:
            if document["value"] is None:
                data.pop(document["key"], None)
            else:
                data[document["key"]] = document["value"]
        return {}, 200

    return app


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bind", required=True)
    parser.add_argument("--backups", default="")
    options = parser.parse_args()
    waitress.serve(application([each for each in options.backups.split(",") if each]), listen=options.bind)


if __name__ == "__main__":
    main()
