"""Every server answers the same requests with the same bytes.

One list of requests, legal and not, goes to a cluster under each server: the primary, a backup, a node that
was told no view and one outside its view. Status, body and every header that the API is responsible for must
be the same under all of them, so that a client can never tell what a node runs on. The conformance suite says
what is right; this says that there is only one right.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from .api import json_body, target_of
from .cases import BAD_BODIES, BAD_KEYS, BAD_VIEWS, KEYS, VALUES
from .harness import Cluster, Kind
from .raw_http import Answer, Wire, call, request_bytes

# All requests are sent before the first test, which takes minutes where several test runs share a machine.
pytestmark = [pytest.mark.xdist_group("same-bytes"), pytest.mark.timeout(900)]

MAX_VALUE = 100_000
ENV = {"PBPROTO_MAX_VALUE_BYTES": str(MAX_VALUE)}
SERVERS: dict[str, Kind] = {
    "hypercorn": "quart",
    "waitress": "wsgi",
    "uvicorn": "quart",
    "granian": "quart",
    "gunicorn": "wsgi",
}
DEFAULTS = ("hypercorn", "waitress")
REFERENCE = "hypercorn"

# The headers that the API is responsible for. Others are the server's own business (date, connection).
HEADERS = ("content-type", "content-length", "allow", "msg-num", "retry-after", "x-request-id")


@dataclass(frozen=True)
class Row:
    """One request, by a name that is unique in its section."""

    name: str
    method: str
    target: str
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


def on_key(name: str, target: str, value: str) -> Iterator[Row]:
    """A key's whole life: created, read, shown in the map, deleted, not there."""
    yield Row(f"{name}: create", "PUT", target, json_body(value))
    yield Row(f"{name}: get", "GET", target)
    yield Row(f"{name}: map", "GET", "/data")
    yield Row(f"{name}: delete", "DELETE", target)
    yield Row(f"{name}: missing", "GET", target)


def bodies() -> Iterator[Row]:
    """Bodies of PUT that are refused, and a few strange ones that are not."""
    for name, body in BAD_BODIES.items():
        yield Row(name, "PUT", "/data/body", body)
    yield Row("no body", "PUT", "/data/body")
    for number in (b"7" * 5000, b"1e999"):
        yield Row(f"number {number[:5]!r}", "PUT", "/data/body", b'{"value": "x", "n": ' + number + b"}")
    yield Row("value twice", "PUT", "/data/body", b'{"value": "x", "value": "y"}')
    yield Row("value twice, bad first", "PUT", "/data/body", b'{"value": 1, "value": "y"}')
    yield Row("value twice, bad last", "PUT", "/data/body", b'{"value": "x", "value": 1}')
    yield Row("lone surrogate beside", "PUT", "/data/body", b'{"value": "x", "other": "\\ud800"}')
    yield Row("lone surrogate as a name", "PUT", "/data/body", b'{"value": "x", "\\ud800": 1}')
    for depth in (10, 90, 200, 990, 2000):
        yield Row(
            f"depth {depth}", "PUT", "/data/body", b'{"value": "x", "n": %b%b}' % (b"[" * depth, b"]" * depth)
        )
    yield Row("form", "PUT", "/data/body", b'{"value": "x"}', (FORM,))
    yield Row("multipart", "PUT", "/data/body", b'{"value": "x"}', (("Content-Type", "multipart/form-data"),))
    yield Row(
        "charset", "PUT", "/data/body", b'{"value": "x"}', (("Content-Type", "text/plain; charset=utf-16"),)
    )
    yield Row("full", "PUT", "/data/body", json_body("x" * MAX_VALUE))
    yield Row("too large", "PUT", "/data/body", json_body("x" * (MAX_VALUE + 1)))
    yield Row("too large in bytes", "PUT", "/data/body", json_body("é" * (MAX_VALUE // 2) + "x"))
    yield Row("far too large", "PUT", "/data/body", json_body("x" * (MAX_VALUE * 5)))
    yield Row("too large and bad", "PUT", "/data/body", b"x" * (MAX_VALUE * 5))
    yield Row("too large, not text", "PUT", "/data/body", b'{"value": [' + b"1," * MAX_VALUE + b"1]}")
    yield Row("too large under a bad key", "PUT", "/data/%FF", json_body("x" * (MAX_VALUE + 1)))
    yield Row("bad under a bad key", "PUT", "/data/%FF", b"[]")
    yield Row("get with a body", "GET", "/data/body", b'{"value": "ignored"}')
    yield Row("delete with a body", "DELETE", "/data/body", b'{"value": "ignored"}')
    yield Row("gone", "DELETE", "/data/body")


FORM = ("Content-Type", "application/x-www-form-urlencoded")


def values() -> Iterator[Row]:
    """Legal values of every sort."""
    for name, value in VALUES.items():
        yield from on_key(name, "/data/values", value)
        yield Row(f"{name}: create escaped", "PUT", "/data/values", json.dumps({"value": value}).encode())
        yield Row(f"{name}: update", "PUT", "/data/values", json_body(value))
        yield Row(f"{name}: head", "HEAD", "/data/values")
        yield Row(f"{name}: again", "DELETE", "/data/values")


def keys() -> Iterator[Row]:
    """Legal keys of every sort: written as they are, read and deleted by their fully escaped name."""
    for name, (target, key) in KEYS.items():
        yield Row(f"{name}: create", "PUT", f"/data/{target}", json_body("x"))
        yield Row(f"{name}: get", "GET", target_of(key))
        yield Row(f"{name}: delete", "DELETE", target_of(key))
    yield Row("nothing is left", "GET", "/data")


def bad_keys() -> Iterator[Row]:
    """What is no key, and what may be one or not."""
    for (name, key), method in itertools.product(
        BAD_KEYS.items(), ("PUT", "GET", "DELETE", "HEAD", "OPTIONS")
    ):
        yield Row(f"{name}: {method}", method, f"/data/{key}", b'{"value": "x"}' if method == "PUT" else None)
    for key in ("%zz", "%", "%e", "a%2", "%%41"):
        yield from on_key(f"odd {key}", f"/data/{key}", "x")


ROUTES = ("/ping", "/ready", "/view", "/data", "/data/method", "/data/", "/data/%FF", "/nowhere", "/")


def methods() -> Iterator[Row]:
    """Every route with every method that it does not know, and OPTIONS."""
    for route in ROUTES:
        for method in ("OPTIONS", "POST", "PATCH", "TRACE", "PROPFIND", "FOO", "GET", "HEAD", "DELETE"):
            yield Row(f"{method} {route}", method, route)
        if route not in {"/view", "/data/method"}:
            yield Row(f"PUT {route}", "PUT", route, b'{"value": "x"}')


PATHS = (
    "/ping/",
    "/ping/x",
    "/ping?x",
    "/%70ing",
    "/ping%2F",
    "/ping%00",
    "/Ping",
    "/./ping",
    "/../ping",
    "/x/../ping",
    "//ping",
    "///ping",
    "/view/",
    "/view?epoch=1",
    "/data?x=1",
    "/data%2Fx",
    "/data%3Fx",
    "/%64ata/x",
    "//data/x",
    "/data;x",
    "/datax",
    "/DATA/x",
    "/static/x",
    "/favicon.ico",
    "/%FF",
    "/%C3%A9",
    "/%00",
    "/%zz",
    "/%",
    "/?",
)


def paths() -> Iterator[Row]:
    """Paths that are no route, or are one in disguise."""
    for path in PATHS:
        for method in ("GET", "HEAD", "DELETE"):
            yield Row(f"{method} {path}", method, path)


MARK_SIZE = 10


def idempotency() -> Iterator[Row]:
    """Repeated and contradicting requests; MARK becomes the node's standing, so that none is known yet."""

    def named(name: str) -> tuple[tuple[str, str], ...]:
        return (("Idempotency-Key", f"MARK-{name}"),)

    yield Row("create", "PUT", "/data/i", json_body("x"), named("a"))
    yield Row("create again", "PUT", "/data/i", json_body("x"), named("a"))
    yield Row("other value", "PUT", "/data/i", json_body("y"), named("a"))
    yield Row("other key", "PUT", "/data/j", json_body("x"), named("a"))
    yield Row("other method", "DELETE", "/data/i", headers=named("a"))
    yield Row("bad body", "PUT", "/data/i", b"{}", named("a"))
    yield Row("get ignores it", "GET", "/data/i", headers=named("a"))
    yield Row("second", "PUT", "/data/i", json_body("x"), named("b"))
    yield Row("delete", "DELETE", "/data/i", headers=named("c"))
    yield Row("delete again", "DELETE", "/data/i", headers=named("c"))
    yield Row("missing", "DELETE", "/data/i", headers=named("d"))
    yield Row("missing again", "DELETE", "/data/i", headers=named("d"))
    for text in ("", " ", "a b", "é", "MARK" + "x" * (255 - MARK_SIZE), "MARK" + "x" * (256 - MARK_SIZE)):
        headers = (("Idempotency-Key", text),)
        yield Row(f"named {text[:4]!r} {len(text)}", "PUT", "/data/i", json_body("x"), headers)
        yield Row(f"get named {text[:4]!r} {len(text)}", "GET", "/data/i", headers=headers)
    yield Row("bad name and bad body", "PUT", "/data/i", b"[]", (("Idempotency-Key", "a b"),))
    yield Row("bad name and bad key", "PUT", "/data/", json_body("x"), (("Idempotency-Key", "a b"),))
    yield Row(
        "bad name, too large",
        "PUT",
        "/data/i",
        json_body("x" * (MAX_VALUE + 1)),
        (("Idempotency-Key", "a b"),),
    )
    yield Row("gone", "DELETE", "/data/i")


def request_ids() -> Iterator[Row]:
    """Ids that are taken and that are not, on the way past the framework and through it."""
    for method, target in (("GET", "/data/id"), ("GET", "/data"), ("PATCH", "/data/id"), ("HEAD", "/ping")):
        for text in ("mine", "a b", "é", "x" * 128, "x" * 129):
            headers = (("X-Request-Id", text),)
            yield Row(f"{method} {target} {text[:4]!r} {len(text)}", method, target, headers=headers)


HEAD_OF_VIEW = "head of what is shown"
STALE = Row("stale", "PUT", "/view", b'{"view": [], "epoch": 1}')


def views() -> Iterator[Row]:
    """Views that are refused."""
    for name, body in BAD_VIEWS.items():
        yield Row(name, "PUT", "/view", body if isinstance(body, bytes) else json.dumps(body).encode())
    yield STALE
    yield Row("what is shown", "GET", "/view")
    yield Row(HEAD_OF_VIEW, "HEAD", "/view")


SECTIONS = {
    "bodies": list(bodies()),
    "values": list(values()),
    "keys": list(keys()),
    "bad keys": list(bad_keys()),
    "methods": list(methods()),
    "paths": list(paths()),
    "idempotency": list(idempotency()),
    "request ids": list(request_ids()),
    "views": list(views()),
}
STANDINGS = ("no view", "primary", "backup", "outside")
# Where nothing is stored, all that is legal gets the same 503.
STORED = ("values", "keys")
# The servers beside each frontend's default get what a server may spoil: targets, methods and headers.
SPOILED = ("keys", "bad keys", "methods", "paths", "idempotency", "request ids")


def asked(server: str, standing: str) -> list[str]:
    """The sections that are sent to a server in a standing."""
    serving = standing in {"primary", "backup"}
    if server not in DEFAULTS:
        return list(SPOILED) if serving else []
    return [section for section in SECTIONS if serving or section not in STORED]


Section = dict[str, Answer | None]


@dataclass
class Transcript:
    """What one server answered, and the number that a write would have got before each section."""

    answers: dict[tuple[str, str], Section] = field(default_factory=dict)
    numbers: dict[tuple[str, str], int] = field(default_factory=dict)

    def shown(self, standing: str, section: str, row: str) -> object:
        """What must be equal in the answer to a row.

        Addresses, incarnations and ids of requests differ from cluster to cluster, and how much was written
        before a section depends on which were sent. A backup hears later how far the log is committed. The
        root says which node it is, and a node outside the view since when.
        """
        answer = self.answers[standing, section][row]
        if answer is None:
            return "hung up"
        headers = {name: answer.headers.get(name) for name in HEADERS}
        if re.fullmatch("[0-9a-f]{24}", headers["x-request-id"] or ""):
            headers["x-request-id"] = "one of the node's own"
        number = headers["msg-num"]
        if number is not None:
            headers["msg-num"] = f"first + {int(number) - self.numbers[standing, section]}"
        body = re.sub(rb"127\.0\.0\.1:[0-9]+", b"ADDRESS", answer.body)
        body = re.sub(rb'"incarnation":"[0-9a-f]{16}"', b'"incarnation":"INCARNATION"', body)
        body = re.sub(rb'"request_id":"[0-9a-f]{24}"', b'"request_id":"ID"', body)
        body = re.sub(rb'("name":"pbproto","version":"[^"]+","id":)[0-9]+', rb"\1NODE", body)
        body, times = re.subn(rb", [0-9.]+ (ms|s|min [0-9]+ s) ago;", b", TIME ago;", body)
        body, places = re.subn(rb'"(commit|log_end)":[0-9]+', rb'"\1":PLACE', body)
        if times or places or row.startswith(("HEAD /view", "HEAD /ready")) or row == HEAD_OF_VIEW:
            headers["content-length"] = None  # it depends on the length of those numbers
        return answer.status, tuple(headers.items()), body


def send(address: str, row: Row, mark: str) -> Answer | None:
    """Send the request of a row; None if the server hung up on it."""
    headers = [(name, text.replace("MARK", mark)) for name, text in row.headers]
    with Wire(address) as wire:
        wire.send(request_bytes(row.method, row.target, row.body, headers))
        return wire.answer(row.method)


def record(server: str, cluster: Cluster) -> Transcript:
    """Send everything to one cluster in every standing and write down what came back."""
    transcript = Transcript()

    def play(standing: str, address: str) -> None:
        mark = standing.replace(" ", "-").ljust(MARK_SIZE, "-")
        for section in asked(server, standing):
            number = call(address, "GET", "/data/nothing").headers.get("msg-num", "0")
            transcript.numbers[standing, section] = int(number)
            transcript.answers[standing, section] = {
                row.name: send(address, row, mark)
                for row in SECTIONS[section]
                if (standing, row) != ("no view", STALE)  # there, nothing can be stale yet
            }

    play("no view", cluster.node(1).address)
    cluster.tell([1, 2], epoch=1)
    cluster.wait_active([1, 2])
    play("primary", cluster.node(1).address)
    play("backup", cluster.node(2).address)
    cluster.tell([2], epoch=2, to=[1])
    play("outside", cluster.node(1).address)
    return transcript


@pytest.fixture(scope="module")
def transcripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Transcript]]:
    """The answers of all servers; the clusters are started, and asked, at the same time."""
    clusters = {
        server: Cluster(tmp_path_factory.mktemp(server), kind, n=2, env=ENV, servers={kind: server})
        for server, kind in SERVERS.items()
    }
    try:
        for cluster in clusters.values():
            for node in cluster.nodes.values():
                node.start()
        for cluster in clusters.values():
            cluster.start_all()
        with ThreadPoolExecutor(len(clusters)) as pool:
            recorded = dict(zip(clusters, pool.map(record, clusters, clusters.values()), strict=True))
        yield recorded
        for cluster in clusters.values():
            for node in cluster.nodes.values():
                assert "Traceback" not in node.log_text(), f"{node!r}:\n{node.log_tail()}"
    finally:
        for cluster in clusters.values():
            cluster.close()


@pytest.mark.parametrize(
    ("server", "standing", "section"),
    [
        (server, standing, section)
        for server in SERVERS
        if server != REFERENCE
        for standing in STANDINGS
        for section in asked(server, standing)
    ],
)
def test_servers_answer_the_same(
    transcripts: dict[str, Transcript], server: str, standing: str, section: str
) -> None:
    """Each server says what the reference says, byte for byte, to every row, wherever a node stands."""
    different = {
        row: pair
        for row in transcripts[server].answers[standing, section]
        if len(
            set(
                pair := tuple(transcripts[each].shown(standing, section, row) for each in (server, REFERENCE))
            )
        )
        > 1
    }
    assert not different, f"{len(different)} rows: {server} and {REFERENCE} differ"


@pytest.mark.parametrize(
    ("server", "section"),
    [(server, section) for server in SERVERS for section in asked(server, "backup") if section != "views"],
)
def test_backup_answers_like_the_primary(
    transcripts: dict[str, Transcript], server: str, section: str
) -> None:
    """A forwarded request gets the very bytes that the primary would have sent, counted from the start.

    What a node says about itself (/ping, /view) is left out, because there the two differ by their ids.
    """
    transcript = transcripts[server]
    different = {}
    for row in SECTIONS[section]:
        if row.target.startswith(("/ping", "/view")):
            continue
        pair = [transcript.shown(standing, section, row.name) for standing in ("primary", "backup")]
        if pair[0] != pair[1]:
            different[row.name] = pair
    assert not different, f"{len(different)} rows differ"


@pytest.mark.parametrize("server", SERVERS)
def test_every_answer_is_json_of_the_length_it_says(transcripts: dict[str, Transcript], server: str) -> None:
    """Each of the thousands of answers has a JSON body and the length it announces, under every server."""
    rows = {(section, row.name): row for section, table in SECTIONS.items() for row in table}
    for (standing, section), answers in transcripts[server].answers.items():
        for name, answer in answers.items():
            row = rows[section, name]
            assert answer is not None, (standing, section, name)
            assert answer.status < 500 or answer.status == 503, (standing, section, name, answer)
            length = int(answer.headers["content-length"])
            if row.method == "HEAD":
                assert answer.body == b"", (standing, section, name)
            else:
                assert length == len(answer.body), (standing, section, name)
                json.loads(answer.body)
            kind = "application/json" if answer.status < 400 else "application/problem+json"
            assert answer.headers["content-type"].startswith(kind), (standing, section, name)
