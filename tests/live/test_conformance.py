"""The HTTP contract, line by line, against real processes: the same suite for every frontend.

Each kind of cluster (all nodes Quart, all nodes WSGI, both mixed) is started once and shared by the tests.
What a client may do is done at the primary and at a backup: a client must not be able to tell to which of
them it speaks. Tests use keys of their own and compare numbers with what they read before: they hold in any
order.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from . import api
from .api import expect_json, expect_problem, msg_num
from .cases import BAD_BODIES, BAD_KEYS, BAD_VIEWS, KEYS, VALUES, A, B
from .harness import Cluster, Kind, Node, wait_until
from .raw_http import Answer, Wire, call, chunked, request_bytes

# A test sends a whole table of requests, which takes minutes where several test runs share a machine.
pytestmark = pytest.mark.timeout(600)

# Small, so that the limit can be reached in many ways without moving megabytes through three processes.
MAX_VALUE = 100_000
READS = os.environ.get("CONFORMANCE_READS", "confirm")
"""How the nodes read; the answers are the same. ``CONFORMANCE_READS=lease`` runs all of it under leases."""
ENV = {"PBPROTO_MAX_VALUE_BYTES": str(MAX_VALUE), "PBPROTO_READS": READS}

KEY_ALLOW = {"DELETE", "GET", "HEAD", "OPTIONS", "PUT"}
READ_ALLOW = {"GET", "HEAD", "OPTIONS"}
ALLOW = {
    "/ping": READ_ALLOW,
    "/": READ_ALLOW,
    "/ready": READ_ALLOW,
    "/data": READ_ALLOW,
    "/view": READ_ALLOW | {"PUT"},
    "/data/methods": KEY_ALLOW,
}


# ---------------------------------------------------------------- clusters


@dataclass(frozen=True)
class Begun:
    """A cluster with an active view, and what its nodes answered before anybody wrote anything."""

    cluster: Cluster
    pings: dict[int, Answer]
    maps: dict[int, Answer]
    missing: dict[int, Answer]
    first_put: Answer


@pytest.fixture(
    scope="module",
    params=[pytest.param(kind, marks=pytest.mark.xdist_group(kind)) for kind in ("quart", "wsgi", "mixed")],
)
def begun(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Begun]:
    """Three nodes with ids from 0, started once per kind; ends with a look for stack traces in their logs.

    In the mixed cluster Quart handles all requests; where all nodes are its own, some go past it.
    """
    kind: Kind = request.param
    env = ENV | {"PBPROTO_LEAN": "off" if kind == "mixed" else "on"}
    with Cluster(tmp_path_factory.mktemp(kind), kind, first_id=0, env=env) as cluster:
        cluster.start_all()
        addresses = {node.id: node.address for node in cluster.nodes.values()}
        pings = {number: call(address, "GET", "/ping") for number, address in addresses.items()}
        cluster.tell([0, 1, 2])
        cluster.wait_active([0, 1, 2])
        yield Begun(
            cluster,
            pings,
            maps={number: call(address, "GET", "/data") for number, address in addresses.items()},
            missing={number: api.get(address, "nothing") for number, address in addresses.items()},
            first_put=api.put(addresses[1], "first", "1"),
        )
        for node in cluster.nodes.values():
            assert "Traceback" not in node.log_text(), f"{node!r}:\n{node.log_tail()}"


@pytest.fixture
def cluster(begun: Begun) -> Cluster:
    """The shared cluster of the kind at hand."""
    return begun.cluster


@pytest.fixture(params=["primary", "backup"])
def entry(request: pytest.FixtureRequest, cluster: Cluster) -> str:
    """The address of the node that the client of a test speaks to."""
    return cluster.node(0 if request.param == "primary" else 1).address


@pytest.fixture
def addresses(cluster: Cluster) -> list[str]:
    """Where all the nodes of the shared cluster are."""
    return [node.address for node in cluster.nodes.values()]


FRONTENDS = [
    pytest.param(frontend, marks=pytest.mark.xdist_group(f"alone-{frontend}"))
    for frontend in ("quart", "wsgi")
]


@pytest.fixture(scope="module", params=FRONTENDS)
def solo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node with id 0 that was not told any view yet; the tests that use it tell it one."""
    with Cluster(tmp_path_factory.mktemp("solo"), request.param, n=1, first_id=0, env=ENV) as alone:
        alone.start_all()
        yield alone.node(0)
        assert "Traceback" not in alone.node(0).log_text(), alone.node(0).log_tail()


@pytest.fixture(params=FRONTENDS)
def frontend_pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """Two nodes of one frontend for one test alone, told no view yet."""
    with Cluster(tmp_path, request.param, n=2, first_id=0, env=ENV) as pair:
        pair.start_all()
        yield pair


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((frontend, state), marks=pytest.mark.xdist_group(f"alone-{frontend}"))
        for frontend in ("quart", "wsgi")
        for state in ("no view", "outside its view")
    ],
    ids=lambda param: "-".join(param).replace(" ", "-"),
)
def bystander(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Node, str]]:
    """A node that serves no data (told no view, or one without it), and the status that it must show."""
    frontend, state = request.param
    with Cluster(tmp_path_factory.mktemp("bystander"), frontend, n=1, first_id=5, env=ENV) as alone:
        alone.start_all()
        node = alone.node(5)
        if state == "no view":
            yield node, "none"
        else:
            expect_json(put_view(node.address, {"view": [{"address": A, "id": 5_000}]}), 200)
            yield node, "outside"
        assert "Traceback" not in node.log_text(), node.log_tail()


def put_view(address: str, body: object) -> Answer:
    """PUT /view with anything as its body; bytes are sent as they are."""
    return call(address, "PUT", "/view", body if isinstance(body, bytes) else json.dumps(body).encode())


def view_of(address: str) -> dict[str, Any]:
    """What GET /view says."""
    view: dict[str, Any] = expect_json(call(address, "GET", "/view"), 200)
    return view


def everything_in(address: str) -> dict[str, str]:
    """What GET /data says."""
    everything: dict[str, str] = expect_json(call(address, "GET", "/data"), 200)
    return everything


@dataclass(frozen=True)
class Guard:
    """Knows a key before a bad request, and proves that the request changed nothing and harmed nobody."""

    address: str
    key: str
    number: int

    @classmethod
    def over(cls, address: str, key: str) -> Guard:
        """Write the key through the node that is to get the bad request, and remember the write's number."""
        answer = api.put(address, key, "as it was")
        assert answer.status in {200, 201}
        return cls(address, key, msg_num(answer))

    def check(self) -> None:
        """The node lives and answers, the key is as it was, and nothing got a number in the total order.

        A read through one node is confirmed by all of them, so none has to be asked by itself.
        """
        answer = api.get(self.address, self.key)
        assert expect_json(answer, 200) == {"value": "as it was"}
        assert msg_num(answer) == self.number + 1


# ---------------------------------------------------------------- /ping, /ready, GET /view


def test_ping_is_answered_before_any_view(begun: Begun) -> None:
    """Harnesses wait for /ping before they send the first view: it was asked between start and first view."""
    for number, answer in begun.pings.items():
        assert expect_json(answer, 200) == {"status": "ok", "id": number}


def test_active_view_is_ready_on_every_node(cluster: Cluster) -> None:
    """/ready is 200 once a node can answer data requests: asked on each member of an active view."""
    for node in cluster.nodes.values():
        assert expect_json(call(node.address, "GET", "/ready"), 200) == {"ready": True}


def test_view_says_what_a_node_is_doing(cluster: Cluster) -> None:
    """GET /view shows view, epoch, primary, status and the rest: field by field on each member."""
    views = {number: view_of(node.address) for number, node in cluster.nodes.items()}
    for number, view in views.items():
        assert view["id"] == number
        assert sorted(view["view"], key=lambda member: int(member["id"])) == [
            {"address": node.address, "id": node.id} for node in cluster.nodes.values()
        ]
        assert type(view["epoch"]) is int
        assert view["epoch"] == views[0]["epoch"] >= 1
        assert view["primary"] == 0
        assert view["status"] == "active"
        assert view["role"] == ("primary" if number == 0 else "backup")
        assert view["reads"] == READS
        assert view["waiting_for"] == []
        assert view["blocked"] is None
        assert view["dropped"] == []
        assert len(view["incarnation"]) == 16
        assert int(view["incarnation"], 16) >= 0
        assert view["synced"]["epoch"] == view["epoch"]
        assert view["synced"]["primary"] == 0
        assert view["synced"]["incarnation"] == views[0]["incarnation"]
        assert type(view["commit"]) is int
        assert type(view["log_end"]) is int
    assert len({view["incarnation"] for view in views.values()}) == 3


def test_same_view_again_keeps_everything(cluster: Cluster, entry: str) -> None:
    """A repeated PUT /view answers 200 with what GET /view shows and disturbs nothing: told twice."""
    guard = Guard.over(entry, "same-view-again")
    body = cluster.view_body([2, 0, 1])
    for _ in range(2):
        answer = expect_json(put_view(entry, body), 200)
        assert answer.keys() == view_of(entry).keys()
        assert sorted(member["id"] for member in answer["view"]) == [0, 1, 2]
    cluster.wait_active([0, 1, 2])
    guard.check()


# ---------------------------------------------------------------- numbers in the total order


def test_empty_store_and_first_number(begun: Begun) -> None:
    """The store starts as {} and numbers start at 0: what every node answered before and at the first PUT."""
    for number in begun.cluster.nodes:
        assert expect_json(begun.maps[number], 200) == {}
        expect_problem(begun.missing[number], 404)
        assert msg_num(begun.missing[number]) == 0
    assert expect_json(begun.first_put, 201) == {}
    assert msg_num(begun.first_put) == 0


def test_created_updated_deleted_and_missing(addresses: list[str], entry: str) -> None:
    """201, 200, 200, 404 and the numbers between them: one key's whole life through one node.

    A PUT or DELETE takes the next number, the DELETE of a missing key too; a GET says how many there were.
    """
    start = msg_num(api.get(entry, "life"))
    expect_problem(api.get(entry, "life"), 404)
    script: list[tuple[Callable[[], Answer], int, object]] = [
        (lambda: api.put(entry, "life", "a"), 201, {}),
        (lambda: api.put(entry, "life", "a"), 200, {}),
        (lambda: api.put(entry, "life", "b"), 200, {}),
        (lambda: api.delete(entry, "life"), 200, {}),
        (lambda: api.delete(entry, "life"), 404, None),
        (lambda: api.put(entry, "life", ""), 201, {}),
        (lambda: api.delete(entry, "life"), 200, {}),
    ]
    for count, (act, status, body) in enumerate(script):
        answer = act()
        if status == 404:
            expect_problem(answer, 404)
        else:
            assert expect_json(answer, status) == body
        assert msg_num(answer) == start + count
        for address in addresses:
            assert msg_num(api.get(address, "life")) == start + count + 1


def test_numbers_are_unique_under_concurrency(addresses: list[str]) -> None:
    """Each write has its own number, whichever node took it: 60 concurrent writes leave no gap."""
    before = msg_num(api.get(addresses[0], "crowd"))
    with ThreadPoolExecutor(12) as pool:
        answers = list(
            pool.map(lambda n: api.put(addresses[n % 3], f"crowd-{n % 7}", str(n)), range(60), timeout=60)
        )
    assert sorted(map(msg_num, answers)) == list(range(before, before + 60))
    assert all(answer.status in {200, 201} for answer in answers)
    # The answers tell who came first: exactly the first PUT of each of the seven keys created it.
    for key in range(7):
        mine = sorted((msg_num(answer), answer.status) for n, answer in enumerate(answers) if n % 7 == key)
        assert [status for _, status in mine] == [201] + [200] * (len(mine) - 1)


def test_data_is_the_whole_map(addresses: list[str], entry: str) -> None:
    """GET /data is the whole store through any node: emptied to {}, filled, and compared on every node."""
    for key in everything_in(entry):
        assert api.delete(entry, key).status == 200
    assert all(everything_in(address) == {} for address in addresses)
    wanted = {
        "": "",
        "plain": "x",
        "ключ/🗝": "значение",
        "\0": "\0\n\r\t\x7f",
        'quo"te\\': "\u2028 \U0001f600",
    }
    del wanted[""]  # the empty key does not exist; the empty value does
    wanted["empty"] = ""
    for key, value in wanted.items():
        assert api.put(entry, key, value).status == 201
    for address in addresses:
        answer = call(address, "GET", "/data")
        assert expect_json(answer, 200) == wanted
        assert expect_json(call(address, "GET", "/data?plain"), 200) == wanted
    for key in wanted:
        assert api.delete(entry, key).status == 200
    assert all(everything_in(address) == {} for address in addresses)


# ---------------------------------------------------------------- bodies of PUT /data/<key>


def test_bad_body_is_400_and_changes_nothing(entry: str, subtests: pytest.Subtests) -> None:
    """A body that is not an object with a string "value" is refused, whatever is wrong with it.

    The key has a value before; afterwards the node lives, shows that value, and no number was used up.
    """
    guard = Guard.over(entry, "bad-body")
    for name, body in BAD_BODIES.items():
        with subtests.test(name):
            expect_problem(call(entry, "PUT", "/data/bad-body", body), 400)
            guard.check()


def test_missing_body_is_400(entry: str) -> None:
    """A PUT without any body, with no Content-Length at all, is refused like an empty one."""
    guard = Guard.over(entry, "missing-body")
    expect_problem(call(entry, "PUT", "/data/missing-body"), 400)
    guard.check()


MEDIA_TYPES = (
    None,
    "application/json",
    "application/x-www-form-urlencoded",
    "text/plain",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "application/json; charset=utf-16",
    "no media type at all",
)


def test_media_type_of_a_body_does_not_matter(entry: str, subtests: pytest.Subtests) -> None:
    """`curl -X PUT -d` works as it is: the same body under no, a right and several wrong media types."""
    for media in MEDIA_TYPES:
        with subtests.test(media):
            headers = [] if media is None else [("Content-Type", media)]
            body = api.json_body(f"as {media} ü")
            assert call(entry, "PUT", "/data/media", body, headers).status in {200, 201}
            assert expect_json(api.get(entry, "media"), 200) == {"value": f"as {media} ü"}


WAYS = (
    b' \r\n\t{ "value" : "x" } \n',
    b'{"\\u0076alue": "x"}',
    b'{"value": "\\u0078"}',
    b'{"other": [1, 2.5, {"deep": null}], "value": "x", "more": "y"}',
)


def test_body_may_be_written_in_any_json_way(entry: str, subtests: pytest.Subtests) -> None:
    """White space, escapes and members that mean nothing to us are legal JSON: each is taken as value "x"."""
    for body in WAYS:
        with subtests.test(str(body)):
            assert api.put(entry, "ways", "before").status in {200, 201}
            expect_json(call(entry, "PUT", "/data/ways", body), 200)
            assert expect_json(api.get(entry, "ways"), 200) == {"value": "x"}


def test_number_python_cannot_read_beside_the_value(
    addresses: list[str], entry: str, subtests: pytest.Subtests
) -> None:
    """A number too long or too large for Python is either refused or ignored, and never breaks a node."""
    for other in (b"7" * 5000, b"-1" + b"7" * 5000, b"1e999", b"-1e999"):
        with subtests.test(str(other[:6])):
            assert api.put(entry, "numbers", "before").status in {200, 201}
            answer = call(entry, "PUT", "/data/numbers", b'{"value": "after", "other": ' + other + b"}")
            if answer.status == 400:
                expect_problem(answer, 400)
            else:
                expect_json(answer, 200)
            wanted = {"value": "before" if answer.status == 400 else "after"}
            assert all(expect_json(api.get(address, "numbers"), 200) == wanted for address in addresses)


def test_value_comes_back_as_it_was_sent(addresses: list[str], entry: str, subtests: pytest.Subtests) -> None:
    r"""A value is text and comes back unchanged.

    It is sent as UTF-8 and read on all nodes, alone and in the map; sent as \u escapes, it is the same.
    """
    for name, value in VALUES.items():
        with subtests.test(name):
            assert call(entry, "PUT", "/data/value", api.json_body(value)).status in {200, 201}
            for address in addresses:
                assert expect_json(api.get(address, "value"), 200) == {"value": value}
            assert everything_in(entry)["value"] == value
            escapes = json.dumps({"value": value}, ensure_ascii=True).encode()
            assert call(entry, "PUT", "/data/value", escapes).status == 200
            assert expect_json(api.get(entry, "value"), 200) == {"value": value}
            assert api.delete(entry, "value").status == 200


# ---------------------------------------------------------------- the limit of a value

FULL_VALUES = {
    "ascii": "x" * MAX_VALUE,
    "two-bytes": "é" * (MAX_VALUE // 2),
    "four-bytes": "😀" * (MAX_VALUE // 4),
    "control": "\x01" * MAX_VALUE,
}


def escaped(value: str) -> bytes:
    r"""The body of a PUT with every character of the value written as \uXXXX."""
    units = value.encode("utf-16-be")
    text = "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
    return b'{"value": "' + text.encode() + b'"}'


@pytest.mark.parametrize("encode", [api.json_body, escaped])
def test_value_limit_counts_utf8_bytes(
    addresses: list[str], entry: str, encode: Callable[[str], bytes], subtests: pytest.Subtests
) -> None:
    """Exactly the maximum is stored and one byte more is 413, however the value is spelled on the wire.

    What was stored must pass everywhere behind the edge: it is read on every node, alone and in the map. What
    was refused must leave no trace.
    """
    for name, value in FULL_VALUES.items():
        with subtests.test(name):
            assert len(value.encode()) == MAX_VALUE
            assert call(entry, "PUT", "/data/full", encode(value)).status in {200, 201}
            number = msg_num(api.get(entry, "full"))
            expect_problem(call(entry, "PUT", "/data/full", encode(value + "x")), 413)
            for address in addresses:
                answer = api.get(address, "full")
                assert expect_json(answer, 200) == {"value": value}
                assert msg_num(answer) == number
            assert everything_in(entry)["full"] == value
            assert api.delete(entry, "full").status == 200


def refusal_or_end(wire: Wire, method: str, statuses: set[int]) -> None:
    """The node may answer with one of these statuses or hang up, but it must not be content."""
    answer = wire.answer(method)
    assert answer is None or answer.status in statuses, (answer.status, answer.body[:200])


def test_huge_content_length_is_refused(entry: str) -> None:
    """A client that announces a terabyte is refused or cut off before it sends it: only the head is sent."""
    guard = Guard.over(entry, "huge")
    for length in (10**9, 10**12, 2**63, 2**64, 10**30):
        with Wire(entry) as wire:
            wire.send(request_bytes("PUT", "/data/huge", b"{", [("Content-Length", str(length))]))
            refusal_or_end(wire, "PUT", {400, 413})
    guard.check()


def test_body_far_above_the_limit_is_refused_while_it_comes(entry: str) -> None:
    """A node does not take in what it will refuse: 16 MiB against 100 kB, with a length and in chunks."""
    guard = Guard.over(entry, "flood")
    body = b'{"value": "' + b"x" * 2**24 + b'"}'
    with Wire(entry) as wire:
        wire.send(request_bytes("PUT", "/data/flood", body))
        refusal_or_end(wire, "PUT", {413})
    with Wire(entry) as wire:
        wire.send(request_bytes("PUT", "/data/flood", headers=[("Transfer-Encoding", "chunked")]))
        wire.send(chunked(*(body[at : at + 2**20] for at in range(0, len(body), 2**20))))
        refusal_or_end(wire, "PUT", {413})
    guard.check()


# ---------------------------------------------------------------- how a body travels


def test_body_shorter_than_announced_is_never_taken(entry: str) -> None:
    """A length that lies makes no request, even if what came is a whole JSON document.

    One client stops sending and waits for its answer, another hangs up at once.
    """
    guard = Guard.over(entry, "short")
    head = request_bytes("PUT", "/data/short", headers=[("Content-Length", "1000")])
    with Wire(entry) as wire:
        wire.send(head + b'{"value": "from a liar"}')
        wire.end_of_sending()
        refusal_or_end(wire, "PUT", {400})
    with Wire(entry) as wire:
        wire.send(head + b'{"value": "from a liar"}')
    guard.check()


def test_body_longer_than_announced_is_cut(entry: str) -> None:
    """What follows the announced length belongs to no body; the document that is left is truncated: 400."""
    guard = Guard.over(entry, "long")
    with Wire(entry) as wire:
        wire.send(request_bytes("PUT", "/data/long", b'{"value": "x"}', [("Content-Length", "8")]))
        refusal_or_end(wire, "PUT", {400})
    guard.check()


def test_content_length_that_is_no_number(entry: str, subtests: pytest.Subtests) -> None:
    """A Content-Length that is no number is refused or the connection ends; the node lives on."""
    for length in ("-1", "1.5", "+16", "0x10", "sixteen", "16, 17", ""):
        with subtests.test(length):
            guard = Guard.over(entry, "length")
            with Wire(entry) as wire:
                headers = [("Content-Length", length)]
                wire.send(request_bytes("PUT", "/data/length", b'{"value": "new"}', headers))
                wire.end_of_sending()
                refusal_or_end(wire, "PUT", {400, 411, 413, 501})
            guard.check()


def test_chunked_body_is_taken(addresses: list[str], entry: str) -> None:
    """A body without a length is as good as one with: chunks that cut characters in two, up to the limit."""
    headers = [("Transfer-Encoding", "chunked")]
    for value in ("", "ü€😀" * 50, "x" * MAX_VALUE):
        body = api.json_body(value)
        parts = [body[at : at + 3] for at in range(0, len(body), 3)] if len(body) < 1000 else [body]
        assert call(entry, "PUT", "/data/chunks", chunked(*parts), headers).status in {200, 201}
        assert all(expect_json(api.get(address, "chunks"), 200) == {"value": value} for address in addresses)
    expect_problem(
        call(entry, "PUT", "/data/chunks", chunked(api.json_body("x" * (MAX_VALUE + 1))), headers), 413
    )
    expect_problem(call(entry, "PUT", "/data/chunks", chunked(b"{", b'"value": 1}'), headers), 400)
    expect_problem(call(entry, "PUT", "/data/chunks", chunked(), headers), 400)
    assert expect_json(api.get(entry, "chunks"), 200) == {"value": "x" * MAX_VALUE}
    assert api.delete(entry, "chunks").status == 200


BROKEN_CHUNKS = {
    "no-last-chunk": b'10\r\n{"value": "new"}\r\n',
    "chunk-too-short": b'40\r\n{"value": "new"}',
    "size-no-number": b'zz\r\n{"value": "new"}\r\n0\r\n\r\n',
    "size-negative": b'-1\r\n{"value": "new"}\r\n0\r\n\r\n',
}


def test_broken_chunks_are_never_taken(entry: str, subtests: pytest.Subtests) -> None:
    """A chunked body that breaks off or makes no sense is refused or cut off; the node lives on."""
    for name, body in BROKEN_CHUNKS.items():
        with subtests.test(name):
            guard = Guard.over(entry, "broken")
            with Wire(entry) as wire:
                wire.send(request_bytes("PUT", "/data/broken", body, [("Transfer-Encoding", "chunked")]))
                wire.end_of_sending()
                refusal_or_end(wire, "PUT", {400})
            guard.check()


def test_expect_100_continue(entry: str) -> None:
    """curl asks before it sends a large body: the body is sent only after the interim answer 100 came."""
    body = api.json_body("y" * 50_000)
    head = [("Expect", "100-continue"), ("Content-Length", str(len(body)))]
    with Wire(entry) as wire:
        wire.send(request_bytes("PUT", "/data/expect", headers=head))
        assert wire.interim_status() == 100
        wire.send(body)
        answer = wire.answer("PUT")
    assert answer is not None
    assert answer.status in {200, 201}
    assert expect_json(api.get(entry, "expect"), 200) == {"value": "y" * 50_000}
    assert api.delete(entry, "expect").status == 200


def test_body_in_many_small_pieces(entry: str) -> None:
    """The network cuts requests where it likes: head and body come byte by byte."""
    with Wire(entry) as wire:
        for byte in request_bytes("PUT", "/data/pieces", api.json_body("slow")):
            assert wire.send(bytes([byte]))
        answer = wire.answer("PUT")
    assert answer is not None
    assert answer.status in {200, 201}
    assert expect_json(api.get(entry, "pieces"), 200) == {"value": "slow"}


def test_many_requests_on_one_connection(entry: str) -> None:
    """Connections are kept alive, after refusals too: good and bad requests take turns on one wire."""
    script: list[tuple[str, str, bytes | None, set[int]]] = [
        ("PUT", "/data/kept", b'{"value": "1"}', {200, 201}),
        ("GET", "/data/kept", None, {200}),
        ("PUT", "/data/kept", b'{"value": 1}', {400}),
        ("POST", "/data/kept", b"ignored", {405}),
        ("GET", "/nowhere", b"ignored", {404}),
        ("HEAD", "/data/kept", None, {200}),
        ("GET", "/data/kept", b"a body that means nothing", {200}),
        ("DELETE", "/data/kept", b"a body that means nothing", {200}),
        ("DELETE", "/data/kept", None, {404}),
    ]
    with Wire(entry) as wire:
        for method, target, body, statuses in script:
            wire.send(request_bytes(method, target, body, [("Connection", "keep-alive")]))
            answer = wire.answer(method)
            assert answer is not None, f"the node hung up instead of answering {method} {target}"
            assert answer.status in statuses, (method, target, answer)


# ---------------------------------------------------------------- keys


def test_key_is_decoded_once(addresses: list[str], entry: str, subtests: pytest.Subtests) -> None:
    """A key is all that follows /data/, percent-decoded once, whichever way it goes through the cluster.

    Written through one node under a target, it is read through it and through the others, under that target
    and the fully escaped one, is called by its right name in the map, and is deleted again.
    """
    other, third = (address for address in addresses if address != entry)
    before = everything_in(entry)
    for name, (target, key) in KEYS.items():
        with subtests.test(name):
            wanted = {"value": f"value of {name}"}
            assert key not in before
            expect_json(call(entry, "PUT", f"/data/{target}", api.json_body(f"value of {name}")), 201)
            assert expect_json(call(entry, "GET", f"/data/{target}"), 200) == wanted
            assert expect_json(call(other, "GET", f"/data/{target}"), 200) == wanted
            assert expect_json(api.get(third, key), 200) == wanted
            assert everything_in(other) == before | {key: f"value of {name}"}
            expect_json(call(third, "DELETE", f"/data/{target}"), 200)
    assert everything_in(entry) == before


def test_keys_that_look_alike_are_different(addresses: list[str], entry: str) -> None:
    """No normalisation of any kind: keys that a tidy mind would take for the same live beside each other."""
    keys = [
        "a/b",
        "a//b",
        "a/b/",
        "/a/b",
        "a/./b",
        "A/B",
        "a%2Fb",
        "é",
        "e\u0301",
        "É",
        "a",
        "a ",
        "a\0",
        "a.",
        "+",
    ]
    before = everything_in(entry)
    for count, key in enumerate(keys):
        assert api.put(entry, key, str(count)).status == 201
    for address in addresses:
        assert everything_in(address) == before | {key: str(count) for count, key in enumerate(keys)}
    for key in keys:
        assert api.delete(entry, key).status == 200


def test_bad_key_is_400(entry: str, subtests: pytest.Subtests) -> None:
    """A key is 1 to 4,096 bytes of UTF-8: anything else is refused for every method and changes nothing."""
    for name, key in BAD_KEYS.items():
        with subtests.test(name):
            guard = Guard.over(entry, "bad-key")
            before = everything_in(entry)
            expect_problem(call(entry, "PUT", f"/data/{key}", api.json_body("x")), 400)
            expect_problem(call(entry, "GET", f"/data/{key}"), 400)
            expect_problem(call(entry, "DELETE", f"/data/{key}"), 400)
            assert call(entry, "HEAD", f"/data/{key}").status == 400
            assert everything_in(entry) == before
            guard.check()


def test_percent_sign_without_digits(addresses: list[str], entry: str, subtests: pytest.Subtests) -> None:
    """A percent sign that escapes nothing is either refused or taken as it is, the same on every node."""
    for key in ("%zz", "%", "%e", "a%2", "%%41"):
        with subtests.test(key):
            before = everything_in(entry)
            body = api.json_body("x")
            answers = [call(address, "PUT", f"/data/{key}", body) for address in (entry, *addresses)]
            if answers[0].status == 400:
                for answer in answers:
                    expect_problem(answer, 400)
                assert everything_in(entry) == before
            else:
                assert [answer.status for answer in answers] == [201, 200, 200, 200]
                literal = key.replace("%41", "A")
                assert all(everything_in(address) == before | {literal: "x"} for address in addresses)
                assert call(entry, "DELETE", f"/data/{key}").status == 200


def test_bytes_that_a_target_must_not_contain(entry: str, subtests: pytest.Subtests) -> None:
    """Raw bytes that no target may contain never break a node: refused, or taken as exactly those bytes."""
    for raw in (b"/data/\xc3\xa9", b"/data/\xff", b"/data/a\x01b", b"/data/a\x80"):
        with subtests.test(str(raw)):
            guard = Guard.over(entry, "raw-target")
            before = everything_in(entry)
            with Wire(entry) as wire:
                wire.send(request_bytes("PUT", raw, api.json_body("x")))
                answer = wire.answer("PUT")
            if answer is not None and answer.status in {200, 201}:
                key = raw.removeprefix(b"/data/").decode()
                assert everything_in(entry) == before | {key: "x"}
                assert api.delete(entry, key).status == 200
            else:
                assert answer is None or answer.status == 400, answer
                assert everything_in(entry) == before
                guard.check()


# ---------------------------------------------------------------- methods and paths


def test_other_methods_are_405(entry: str, subtests: pytest.Subtests) -> None:
    """What a route does not know is 405 and says what it knows: every other method, invented ones too."""
    for route, allow in ALLOW.items():
        with subtests.test(route):
            guard = Guard.over(entry, "methods")
            for method in ("GET", "PUT", "DELETE", "POST", "PATCH", "TRACE", "FOO", "PROPFIND"):
                if method not in allow:
                    answer = call(entry, method, route, api.json_body("new"))
                    expect_problem(answer, 405, (method, route))
                    assert set(answer.headers["allow"].split(", ")) == allow
            guard.check()


def test_options(entry: str, subtests: pytest.Subtests) -> None:
    """OPTIONS says which methods a route knows, with a JSON body like every answer."""
    for route, allow in ALLOW.items():
        with subtests.test(route):
            answer = call(entry, "OPTIONS", route)
            assert expect_json(answer, 200) == {}
            assert set(answer.headers["allow"].split(", ")) == allow


HEAD_TARGETS = (
    "/ping",
    "/ready",
    "/view",
    "/data",
    "/data/head",
    "/data/missing",
    "/data/",
    "/nowhere",
    "/data/%FF",
)


def test_head_is_get_without_body(entry: str, subtests: pytest.Subtests) -> None:
    """HEAD has the status and headers of GET and not one byte behind them: both are asked and compared."""
    for target in HEAD_TARGETS:
        with subtests.test(target):
            assert api.put(entry, "head", "some text").status in {200, 201}
            whole = call(entry, "GET", target)
            head = call(entry, "HEAD", target)
            with Wire(entry) as wire:
                wire.send(request_bytes("HEAD", target))
                assert wire.everything().partition(b"\r\n\r\n")[1:] == (b"\r\n\r\n", b"")
            assert head.status == whole.status
            ignored = {"date", "connection"}
            assert {name: text for name, text in head.headers.items() if name not in ignored} == {
                name: text for name, text in whole.headers.items() if name not in ignored
            }
            assert int(head.headers["content-length"]) == len(whole.body)
            Guard.over(entry, "after-head").check()


UNKNOWN_PATHS = (
    "//",
    "/nowhere",
    "/ping/",
    "/ping/x",
    "/pingx",
    "/Ping",
    "/view/",
    "/view/1",
    "/ready/",
    "/datax",
    "/DATA/x",
    "/static/x",
    "/favicon.ico",
    "/a%00b",
    "/%FF",
    "/" + "x" * 3000,
)


def test_unknown_path_is_404(entry: str, subtests: pytest.Subtests) -> None:
    """What is not in the table does not exist, for any method; it has no place in the total order either."""
    for target in UNKNOWN_PATHS:
        with subtests.test(target[:20]):
            for method in ("GET", "PUT", "DELETE", "POST"):
                answer = call(entry, method, target, b'{"value": "x"}')
                expect_problem(answer, 404, (method, target))
                assert "msg-num" not in answer.headers
            assert call(entry, "HEAD", target).status == 404


def test_query_is_ignored_everywhere(entry: str) -> None:
    """A query never makes another resource of a path: each route is asked with one."""
    assert expect_json(call(entry, "GET", "/ping?x=/y"), 200)["status"] == "ok"
    assert expect_json(call(entry, "GET", "/ready?"), 200) == {"ready": True}
    assert expect_json(call(entry, "GET", "/view?epoch=9"), 200)["status"] == "active"
    assert isinstance(expect_json(call(entry, "GET", "/data?/x"), 200), dict)


def test_errors_tell_where_a_number_belongs(entry: str) -> None:
    """404 of a key carries a number, 404 of an unknown path does not: both are asked for."""
    assert msg_num(expect_404(api.get(entry, "not-there"))) >= 1
    assert msg_num(expect_404(api.delete(entry, "not-there"))) >= 1
    assert "msg-num" not in expect_404(call(entry, "GET", "/date/not-there")).headers


def expect_404(answer: Answer) -> Answer:
    """Assert a 404 that keeps the rules for errors, and pass it on."""
    expect_problem(answer, 404)
    return answer


# ---------------------------------------------------------------- PUT /view


def settled(address: str) -> dict[str, Any]:
    """GET /view without how far a backup knows to be committed: it hears of a write's end a moment later."""
    return {name: member for name, member in view_of(address).items() if name != "commit"}


def test_bad_view_is_400_and_changes_nothing(entry: str, subtests: pytest.Subtests) -> None:
    """A view is checked whole before anything changes: GET /view says the same, data is served on."""
    guard = Guard.over(entry, "bad-view")
    before = settled(entry)
    for name, body in BAD_VIEWS.items():
        with subtests.test(name):
            expect_problem(put_view(entry, body), 400)
            assert settled(entry) == before
            guard.check()


def test_bad_view_is_400_on_a_node_without_data(
    bystander: tuple[Node, str], subtests: pytest.Subtests
) -> None:
    """A bad view is bad anywhere: refused by nodes without a view too, and forgotten at once."""
    node, _ = bystander
    before = view_of(node.address)
    for name, body in BAD_VIEWS.items():
        with subtests.test(name):
            expect_problem(put_view(node.address, body), 400)
            assert view_of(node.address) == before


GOOD_ADDRESSES = ["[::1]:8081", "[2001:db8::7]:1", "node-1.example:65535", "172.4.0.1:8081", "localhost:8081"]


@pytest.mark.parametrize("frontend", FRONTENDS)
def test_views_that_leave_a_node_out(frontend: Kind, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Legal views of other nodes are told to a node without a part in them: it shows them, serves nothing.

    As they name others only, any address may stand in them: IPv6 too, and ids up to the highest.
    """
    with Cluster(tmp_path_factory.mktemp("out"), frontend, n=1, first_id=7, env=ENV) as alone:
        alone.start_all()
        node = alone.node(7)
        views: list[list[dict[str, object]]] = [[]]
        views += [[{"address": address, "id": 0}] for address in GOOD_ADDRESSES]
        views += [[{"address": address, "id": at} for at, address in enumerate(GOOD_ADDRESSES)]]
        views += [[{"address": A, "id": 2**63 - 1}, {"address": B, "id": 0}]]
        for view in views:
            answer = expect_json(put_view(node.address, {"view": view}), 200)
            assert answer == view_of(node.address)
            assert sorted(answer["view"], key=lambda member: int(member["id"])) == sorted(
                view, key=lambda member: int(str(member["id"]))
            )
            assert answer["status"] == "outside"
            assert answer["role"] == "none"
            problem = expect_problem(call(node.address, "GET", "/ready"), 503)
            assert problem["detail"]


def test_view_of_one_node(solo: Node) -> None:
    """A view of one serves alone, with id 0: first without a view, then told one, then the numbers from 0."""
    address = solo.address
    if view_of(address)["status"] == "none":
        expect_problem(call(address, "GET", "/ready"), 503)
        become_single(solo)
        assert everything_in(address) == {}
        assert msg_num(api.get(address, "k")) == 0
    start = msg_num(api.get(address, "k"))
    script: list[tuple[Callable[[], Answer], int]] = [
        (lambda: api.put(address, "k", "1"), 201),
        (lambda: api.put(address, "k", "2"), 200),
        (lambda: api.delete(address, "k"), 200),
        (lambda: api.delete(address, "k"), 404),
    ]
    for count, (act, status) in enumerate(script):
        answer = act()
        assert answer.status == status
        assert msg_num(answer) == start + count
    assert msg_num(api.get(address, "k")) == start + len(script)


def become_single(node: Node) -> dict[str, Any]:
    """Tell a node the view of itself alone, wait until it is active, and return what GET /view says."""
    expect_json(put_view(node.address, {"view": [node.member]}), 200)
    return wait_until(lambda: active_view(node.address), "the view of one node is active")


def active_view(address: str) -> dict[str, Any]:
    """What GET /view says if the view is active, else nothing."""
    view = view_of(address)
    return view if view["status"] == "active" else {}


def test_a_view_for_another_life_is_409(solo: Node) -> None:
    """A view may say which life of the node it is meant for: its own is obeyed, any other changes nothing."""
    own = become_single(solo)["incarnation"]
    body = {"view": [solo.member], "incarnation": own}
    assert expect_json(put_view(solo.address, body), 200)["incarnation"] == own
    wait_until(lambda: active_view(solo.address), "the view is active")
    before = view_of(solo.address)
    for other in (f"{int(own, 16) ^ 1:016x}", "0" * 15 + "1"):
        answer = put_view(solo.address, {"view": [], "incarnation": other})
        assert expect_problem(answer, 409)["reason"] == "other_life"
    assert view_of(solo.address) == before


def test_stale_epoch_is_409(solo: Node) -> None:
    """A numbered view wins over lower numbers only: told upwards, repeated, then lower and contradicting.

    Whatever is refused changes nothing, and an unnumbered view is still obeyed afterwards.
    """
    address = solo.address
    epoch = become_single(solo)["epoch"] + 5
    assert api.put(address, "numbered", "kept").status in {200, 201}
    body = {"view": [solo.member], "epoch": epoch}
    for _ in range(2):
        expect_json(put_view(address, body), 200)
        view = wait_until(lambda: active_view(address), "the numbered view is active")
        assert view["epoch"] == epoch
    number = msg_num(api.get(address, "numbered"))
    others = [solo.member, {"address": A, "id": 9}]
    for stale in (
        {"view": [solo.member], "epoch": epoch - 1},
        {"view": [solo.member], "epoch": 1},
        {"view": [], "epoch": epoch - 1},
        {"view": others, "epoch": epoch},
        {"view": others, "epoch": epoch - 1},
        {"view": [], "epoch": epoch},
    ):
        before = view_of(address)
        expect_problem(put_view(address, stale), 409, stale)
        assert view_of(address) == before
        assert expect_json(api.get(address, "numbered"), 200) == {"value": "kept"}
    # 400 is decided before 409: it is bad anywhere.
    expect_problem(put_view(address, {"view": [{"id": True, "address": A}], "epoch": 1}), 400)
    become_single(solo)
    assert msg_num(api.get(address, "numbered")) == number
    assert expect_json(api.get(address, "numbered"), 200) == {"value": "kept"}


def test_highest_epoch(frontend_pair: Cluster) -> None:
    """No epoch that a node accepts leaves it without a next one: the highest is told, then unnumbered views.

    A node may refuse the number as too high. If it takes it, the views after it must become active as always.
    """
    nodes = frontend_pair.nodes
    address = nodes[0].address
    frontend_pair.tell([0, 1])
    frontend_pair.wait_active([0, 1])
    assert api.put(address, "k", "kept").status == 201
    answers = frontend_pair.tell([0, 1], epoch=2**63 - 1, expect=None)
    for answer in answers.values():
        assert answer.status_code in {200, 400}, answer.text
    frontend_pair.wait_active([0, 1])
    for view in ([0], [0, 1]):
        frontend_pair.tell(view)
        frontend_pair.wait_active(view)
        assert expect_json(api.get(address, "k"), 200) == {"value": "kept"}


def test_view_is_acknowledged_before_it_is_active(frontend_pair: Cluster) -> None:
    """PUT /view never waits for other nodes, clients do: the other member is paused.

    Meanwhile /ready and GET /view say for whom the node waits. A write that came in the meantime is answered
    as soon as the other member is there.
    """
    primary, other = frontend_pair.nodes.values()
    other.pause()
    told = expect_json(put_view(primary.address, frontend_pair.view_body([0, 1])), 200)
    assert told["status"] == "installing"
    waiting = wait_until(
        lambda: view_of(primary.address)["waiting_for"], "the primary says for whom it waits"
    )
    assert [(who["id"], who["address"]) for who in waiting] == [(1, other.address)]
    assert waiting[0]["reason"]
    assert expect_problem(call(primary.address, "GET", "/ready"), 503)["detail"]
    with Wire(primary.address) as wire:
        wire.send(request_bytes("PUT", "/data/early", api.json_body("bird")))
        other.resume()
        frontend_pair.tell([0, 1], to=[1])
        answer = wire.answer("PUT")
    assert answer is not None
    expect_json(answer, 201)
    assert msg_num(answer) == 0
    assert expect_json(call(primary.address, "GET", "/ready"), 200) == {"ready": True}


@pytest.mark.parametrize("frontend", FRONTENDS)
def test_no_and_do_not_know_are_different(frontend: Kind, tmp_path: Path) -> None:
    """A write that timed out is 503 and certainly not applied, or 504 and possibly so; a read is 503.

    A backup is paused. The first writes get into the log, which makes them uncertain; once the backup is
    suspected, writes wait outside, and are refused for certain. When the backup is back, everything goes on,
    and what was refused for certain is not there.
    """
    env = ENV | {"PBPROTO_REQUEST_TIMEOUT": "0.8", "PBPROTO_SUSPECT_AFTER": "0.4"}
    with Cluster(tmp_path, frontend, n=2, first_id=0, env=env) as pair:
        pair.start_all()
        pair.tell([0, 1])
        pair.wait_active([0, 1])
        address = pair.node(0).address
        pair.node(1).pause()
        outcomes: dict[str, str] = {}

        def write() -> bool:
            key = f"late-{len(outcomes)}"
            answer = api.put(address, key, "x")
            problem = expect_problem(answer, answer.status)
            assert (answer.status, problem["outcome"]) in {(503, "not_applied"), (504, "unknown")}
            outcomes[key] = str(problem["outcome"])
            return outcomes[key] == "not_applied"

        wait_until(write, "a write is refused for certain")
        assert expect_problem(api.get(address, "late-0"), 503)["outcome"] == "not_applied"
        assert expect_problem(call(address, "GET", "/data"), 503)["outcome"] == "not_applied"
        expect_problem(call(address, "PUT", "/data/late-0", b"{}"), 400)
        pair.node(1).resume()
        wait_until(lambda: api.put(address, "after", "x").status in {200, 201}, "writes go on")
        stored = everything_in(address)
        assert stored.keys() <= {"after", *(key for key, outcome in outcomes.items() if outcome == "unknown")}


# ---------------------------------------------------------------- nodes that serve no data


def test_bystander_says_so(bystander: tuple[Node, str]) -> None:
    """Alive but not ready: /ping is 200, /ready is 503 with its reason, GET /view tells the status."""
    node, status = bystander
    assert expect_json(call(node.address, "GET", "/ping"), 200) == {"status": "ok", "id": 5}
    problem = expect_problem(call(node.address, "GET", "/ready"), 503)
    assert problem["detail"] != problem["title"]
    view = view_of(node.address)
    assert (view["id"], view["status"], view["role"]) == (5, status, "none")
    if status == "none":
        assert (view["view"], view["epoch"], view["primary"]) == ([], None, None)
    assert (view["synced"], view["commit"], view["log_end"]) == (None, 0, 0)


def test_bystander_refuses_data_at_once(bystander: tuple[Node, str]) -> None:
    """A node without a part in any view says 503 and "certainly not done" to every data request."""
    node, _ = bystander
    for method, target, body in (
        ("PUT", "/data/k", b'{"value": "x"}'),
        ("GET", "/data/k", None),
        ("DELETE", "/data/k", None),
        ("GET", "/data", None),
    ):
        problem = expect_problem(call(node.address, method, target, body), 503, (method, target))
        assert problem["outcome"] == "not_applied"
    for target in ("/data/k", "/data"):
        assert call(node.address, "HEAD", target).status == 503
    keyed = api.put(node.address, "k", "x", [("Idempotency-Key", "early")])
    assert expect_problem(keyed, 503)["outcome"] == "not_applied"


def test_bystander_refuses_bad_bodies_first(bystander: tuple[Node, str], subtests: pytest.Subtests) -> None:
    """400 is decided before 503: a bad body is bad anywhere."""
    for name, body in BAD_BODIES.items():
        with subtests.test(name):
            expect_problem(call(bystander[0].address, "PUT", "/data/k", body), 400)


def test_bystander_refuses_bad_keys_first(bystander: tuple[Node, str], subtests: pytest.Subtests) -> None:
    """400 is decided before 503: a bad key is bad anywhere, for every method."""
    for name, key in BAD_KEYS.items():
        with subtests.test(name):
            address = bystander[0].address
            for method, body in (("PUT", b'{"value": "x"}'), ("GET", None), ("DELETE", None)):
                expect_problem(call(address, method, f"/data/{key}", body), 400)


def test_bystander_refuses_the_rest_first(bystander: tuple[Node, str]) -> None:
    """405, 404, 413 and a bad Idempotency-Key are decided before 503 too; OPTIONS needs no view at all."""
    address = bystander[0].address
    for route, allow in ALLOW.items():
        answer = call(address, "POST", route, b"{}")
        expect_problem(answer, 405)
        assert set(answer.headers["allow"].split(", ")) == allow
        assert expect_json(call(address, "OPTIONS", route), 200) == {}
    expect_problem(call(address, "GET", "/nowhere"), 404)
    expect_problem(api.put(address, "k", "x" * (MAX_VALUE + 1)), 413)
    expect_problem(api.put(address, "k", "x", [("Idempotency-Key", "")]), 400)
    expect_problem(api.delete(address, "k", [("Idempotency-Key", "é")]), 400)


# ---------------------------------------------------------------- Idempotency-Key


@pytest.fixture
def once(request: pytest.FixtureRequest) -> Callable[[str], list[tuple[str, str]]]:
    """Make the headers of an Idempotency-Key of this test's own: the table of keys outlives a test."""
    return functools.partial(idempotency, request.node.nodeid.rpartition("::")[2])


def idempotency(prefix: str, name: str) -> list[tuple[str, str]]:
    """Headers that name a request, so that it can be repeated."""
    return [("Idempotency-Key", f"{prefix}-{name}")]


Once = Callable[[str], list[tuple[str, str]]]


def test_repeated_request_gets_the_first_answer(addresses: list[str], entry: str, once: Once) -> None:
    """A client that repeats a request at any node gets the first answer and the request is applied once.

    PUT that creates, PUT that updates, DELETE and DELETE of a missing key, each repeated on all nodes after
    other writes have changed what a fresh execution would answer.
    """
    key = "repeated"
    writes: list[tuple[str, Callable[[str], Answer], int]] = [
        ("create", lambda address: api.put(address, key, "1", once("create")), 201),
        ("update", lambda address: api.put(address, key, "2", once("update")), 200),
        ("delete", lambda address: api.delete(address, key, once("delete")), 200),
        ("missing", lambda address: api.delete(address, key, once("missing")), 404),
    ]
    start = msg_num(api.get(entry, key))
    first = []
    for count, (_, act, status) in enumerate(writes):
        answer = act(entry)
        assert answer.status == status
        assert msg_num(answer) == start + count
        first.append(answer)
    assert msg_num(api.put(entry, key, "other")) == start + len(writes)
    for (name, act, status), answer in zip(writes, first, strict=True):
        for address in (*addresses, entry):
            again = act(address)
            assert (again.status, again.body, again.headers["msg-num"]) == (
                status,
                answer.body,
                answer.headers["msg-num"],
            ), name
    assert msg_num(api.get(entry, key)) == start + len(writes) + 1
    assert expect_json(api.get(entry, key), 200) == {"value": "other"}
    assert api.delete(entry, key).status == 200


def test_key_on_a_different_request_is_422(addresses: list[str], entry: str, once: Once) -> None:
    """An Idempotency-Key names one request: another value, key or method is 422 and changes nothing."""
    headers = once("one")
    assert api.put(entry, "named", "x", headers).status == 201
    number = msg_num(api.get(entry, "named"))
    for address in addresses:
        expect_problem(api.put(address, "named", "y", headers), 422)
        expect_problem(api.put(address, "named", "", headers), 422)
        expect_problem(api.put(address, "renamed", "x", headers), 422)
        expect_problem(api.delete(address, "named", headers), 422)
        assert msg_num(api.get(address, "named")) == number
        assert expect_json(api.get(address, "named"), 200) == {"value": "x"}
        assert api.get(address, "renamed").status == 404
    # The first answer is still there, and so is the difference between spelling and meaning of a body.
    again = call(entry, "PUT", "/data/n%61med", b'{ "value" : "\\u0078" }', headers)
    assert (again.status, msg_num(again)) == (201, number - 1)
    assert api.delete(entry, "named").status == 200


def test_different_keys_are_different_requests(entry: str, once: Once) -> None:
    """Two keys are two writes, although everything else is equal; no key is a third."""
    answers = [api.put(entry, "twice", "x", once("a")), api.put(entry, "twice", "x", once("b"))]
    answers.append(api.put(entry, "twice", "x"))
    assert [answer.status for answer in answers] == [201, 200, 200]
    start = msg_num(answers[0])
    assert [msg_num(answer) for answer in answers] == [start, start + 1, start + 2]
    assert api.delete(entry, "twice").status == 200


def test_concurrent_repetitions_apply_once(addresses: list[str], once: Once) -> None:
    """A client may send the same request to all nodes at the same time: of twelve, one is applied."""
    before = msg_num(api.get(addresses[0], "at-once"))
    headers = once("same")
    with ThreadPoolExecutor(12) as pool:
        answers = list(
            pool.map(lambda n: api.put(addresses[n % 3], "at-once", "x", headers), range(12), timeout=60)
        )
    assert {(answer.status, answer.body, msg_num(answer)) for answer in answers} == {(201, b"{}", before)}
    assert msg_num(api.get(addresses[0], "at-once")) == before + 1
    assert api.delete(addresses[0], "at-once").status == 200


BAD_NAMES = ("", " ", "\t", "a b", "é", "\x7f", "x" * 256)


def test_bad_idempotency_key_is_400(entry: str, subtests: pytest.Subtests) -> None:
    """An Idempotency-Key is 1 to 255 visible ASCII characters: anything else is refused and nothing changes.

    A server may refuse the bytes of a header on its own account, with an answer of its own.
    """
    for method, text in itertools.product(("PUT", "DELETE"), BAD_NAMES):
        with subtests.test(f"{method} {text!r}"):
            guard = Guard.over(entry, "bad-name")
            body = api.json_body("new") if method == "PUT" else None
            answer = call(entry, method, "/data/bad-name", body, [("Idempotency-Key", text)])
            assert answer.status == 400, (answer.status, answer.body)
            if text != "\x7f":
                expect_problem(answer, 400)
            guard.check()


def test_longest_idempotency_key(entry: str, once: Once) -> None:
    """Every visible ASCII character may stand in an Idempotency-Key, and 255 of them."""
    name = once("")[0][1]
    visible = "".join(map(chr, range(0x21, 0x7F)))
    longest = (name.replace(" ", "") + visible * 3)[:255]
    for key in (visible, longest):
        first = api.put(entry, "visible", "x", [("Idempotency-Key", key)])
        again = api.put(entry, "visible", "x", [("Idempotency-Key", key)])
        assert first.status in {200, 201}
        assert (again.status, msg_num(again)) == (first.status, msg_num(first))


@pytest.mark.parametrize("frontend", FRONTENDS)
def test_a_full_store_refuses_growth_and_lets_out(frontend: Kind, tmp_path: Path) -> None:
    """507 is certain, the same at a primary and a backup, and has both figures; there is a way out.

    There is room for one key of 100 bytes. What does not grow it, what is repeated, and DELETE go.
    """
    bound = 256 + 1 + 100
    env = ENV | {"PBPROTO_MAX_DATA_BYTES": str(bound)}
    with Cluster(tmp_path, frontend, n=2, first_id=0, env=env) as pair:
        pair.start_all()
        pair.install([0, 1])
        addresses = [pair.node(id_).address for id_ in (0, 1)]
        name = [("Idempotency-Key", "once")]
        first = api.put(addresses[1], "a", "v" * 100, name)
        expect_json(first, 201)

        def refused(address: str) -> dict[str, Any]:
            answer = api.put(address, "b", "")
            assert "retry-after" not in answer.headers
            return expect_problem(answer, 507)

        for address in addresses:
            problem = refused(address)
            assert (problem["reason"], problem["outcome"]) == ("store_full", "not_applied")
            assert f"have {bound} bytes" in problem["detail"]
            what = "the node has applied it, and says how much it has"
            wait_until(lambda: f"has {bound} here" in refused(address)["detail"], what)  # noqa: B023
            again = api.put(address, "a", "v" * 100, name)
            assert (again.status, msg_num(again)) == (201, 0)
            expect_json(api.put(address, "a", "w" * 100), 200)
            expect_json(api.put(address, "a", "v" * 100), 200)
        assert "event=store_full" in pair.node(0).log_text()
        expect_json(call(addresses[1], "DELETE", "/data/a"), 200)
        expect_json(api.put(addresses[0], "b", "w" * 100), 201)
        assert expect_json(call(addresses[1], "GET", "/data"), 200) == {"b": "w" * 100}
