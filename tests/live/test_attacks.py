"""Requests that nobody sends by accident, to a node under every server: nothing gets past the rules.

What one server refuses another may take, where HTTP leaves it open; the tests say what must not happen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import httpx
import pytest

from . import api
from .api import expect_json, expect_problem
from .harness import Cluster, Kind, Node
from .raw_http import Wire, call, request_bytes

pytestmark = pytest.mark.timeout(300)

SERVERS: dict[str, Kind] = {
    "hypercorn": "quart",
    "waitress": "wsgi",
    "uvicorn": "quart",
    "granian": "quart",
    "gunicorn": "wsgi",
}
BODY = b'{"value":"x"}'
CHUNKED = b"d\r\n" + BODY + b"\r\n0\r\n\r\n"
CLOSE = ("Connection", "close")
KEEP = ("Connection", "keep-alive")
CHUNKS = ("Transfer-Encoding", "chunked")


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.xdist_group(f"attacks-{name}")) for name in SERVERS],
)
def node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One node that serves alone, under the server at hand; no attack may leave a stack trace in its log."""
    server = request.param
    kind = SERVERS[server]
    with Cluster(tmp_path_factory.mktemp(server), kind, n=1, first_id=0, servers={kind: server}) as alone:
        alone.start_all()
        alone.install([0])
        yield alone.node(0)
        assert "Traceback" not in alone.node(0).log_text(), alone.node(0).log_tail()


def exchange(node: Node, data: bytes) -> bytes:
    """All that comes back until the node ends the connection. Fails if it does not."""
    with Wire(node.address) as wire:
        wire.send(data)
        return wire.everything()


def statuses(answers: bytes) -> list[int]:
    """Of each answer in what came back, interim ones too."""
    return [int(each) for each in re.findall(rb"HTTP/1\.[01] (\d{3})", answers)]


def stored(node: Node) -> dict[str, str]:
    """What is in the store."""
    everything: dict[str, str] = expect_json(call(node.address, "GET", "/data"), 200)
    return everything


@pytest.mark.parametrize("target", ["/data/first", "/view"])
def test_no_request_is_smuggled(node: Node, target: str) -> None:
    """Goal: where a proxy goes by the length and the node by the chunks, the rest is not taken for a request.

    Method: both headers, and a second request behind the chunks; there is one answer, and then the end.
    """
    head = request_bytes("PUT", target, headers=[CHUNKS, ("Content-Length", "4"), KEEP])
    answers = exchange(node, head + CHUNKED + request_bytes("PUT", "/data/smuggled", BODY, [CLOSE]))
    assert len(statuses(answers)) == 1, answers
    assert statuses(answers)[0] in {200, 201, 400}
    assert "smuggled" not in stored(node)
    api.delete(node.address, "first")


LENGTHS = {
    "two lengths": [("Content-Length", "13"), ("Content-Length", "5")],
    "unknown coding": [("Transfer-Encoding", "xchunked"), ("Content-Length", "13")],
    "no coding": [("Transfer-Encoding", "identity"), ("Content-Length", "13")],
}


@pytest.mark.parametrize("headers", LENGTHS.values(), ids=LENGTHS.keys())
def test_what_is_not_understood_is_not_guessed(node: Node, headers: list[tuple[str, str]]) -> None:
    """Goal: no body whose end is in doubt is taken. Method: each; refused, and the connection ends."""
    follower = request_bytes("PUT", "/data/doubt", BODY, [CLOSE])
    answers = exchange(node, request_bytes("PUT", "/data/doubt", BODY, [*headers, KEEP]) + follower)
    assert len(statuses(answers)) == 1, answers
    assert statuses(answers)[0] in {400, 501}
    assert "doubt" not in stored(node)


BAD_CHUNKS = {
    "size in C": b"0xd\r\n" + BODY + b"\r\n0\r\n\r\n",
    "size with a sign": b"+d\r\n" + BODY + b"\r\n0\r\n\r\n",
    "size too short": b"5\r\n" + BODY + b"\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("body", BAD_CHUNKS.values(), ids=BAD_CHUNKS.keys())
@pytest.mark.parametrize("target", ["/data/broken", "/view"])
def test_malformed_chunks_are_the_fault_of_the_client(node: Node, target: str, body: bytes) -> None:
    """Goal: no 500 for a bad request. Method: sizes that are none; granian answers them itself."""
    with Wire(node.address) as wire:
        wire.send(request_bytes("PUT", target, headers=[CHUNKS, CLOSE]) + body)
        wire.end_of_sending()
        answers = wire.everything()
    allowed = {400, 500} if node.server == "granian" else {400}
    assert set(statuses(answers)) <= allowed, answers
    assert "broken" not in stored(node)


@pytest.mark.parametrize("apart", [False, True])
def test_extensions_and_trailers_mean_nothing(node: Node, apart: bool) -> None:
    """Goal: a chunked body is its chunks, and what a proxy has not seen among the headers is none.

    Method: extensions, and a trailer that would be a bad header; with the rest in one piece, and behind it.
    """
    head = request_bytes("PUT", "/data/extended", headers=[CHUNKS, CLOSE])
    with Wire(node.address) as wire:
        first, second = b'd;a=b;c="d"\r\n' + BODY + b"\r\n", b"0;x\r\nIdempotency-Key: a b\r\n\r\n"
        for piece in (head + first, second) if apart else (head + first + second,):
            wire.send(piece)
        answers = wire.everything()
    assert statuses(answers) == [201], answers
    assert api.delete(node.address, "extended").status == 200


OFFER = [("Connection", "Upgrade"), ("Upgrade", "another/1")]


@pytest.mark.parametrize("target", ["/data/first", "/view"])
def test_an_offer_of_another_protocol_hides_no_request(node: Node, target: str) -> None:
    """Goal: no body is taken for a request because its head offers to speak something else.

    Method: a body that would be a request, when the node has read the head; it has one answer.
    """
    hidden = request_bytes("PUT", "/data/hidden", BODY, [KEEP])
    with Wire(node.address) as wire:
        wire.send(request_bytes("PUT", target, headers=[*OFFER, ("Content-Length", str(len(hidden)))]))
        assert call(node.address, "GET", "/ping").status == 200
        wire.send(hidden + request_bytes("GET", "/ping", headers=[CLOSE]))
        answers = wire.everything()
    assert statuses(answers) == [400, 200], answers
    assert "hidden" not in stored(node)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    ("headers", "body"), [([("Content-Length", "13")], BODY), ([CHUNKS], CHUNKED)], ids=["length", "chunks"]
)
def test_an_offer_of_another_protocol_is_ignored(
    node: Node, headers: list[tuple[str, str]], body: bytes, apart: bool
) -> None:
    """Goal: who offers, as Java's client does with its first request, is answered as anybody else.

    Method: a write with a body, in one piece and in two, and another request behind it.
    """
    head = request_bytes("PUT", "/data/offer", headers=[*OFFER, *headers])
    more, answers = body + request_bytes("DELETE", "/data/offer", headers=[KEEP]), b""
    with Wire(node.address) as wire:
        if apart:
            wire.send(head)
            assert call(node.address, "GET", "/ping").status == 200
        wire.send(more if apart else head + more)
        while len(statuses(answers)) < 2:
            piece = wire.socket.recv(65_536)
            assert piece, answers
            answers += piece
    assert statuses(answers) == [201, 200], answers


def test_nobody_changes_to_http_2(node: Node) -> None:
    """Goal: a proxy that passes an offer on sees all that follows. Method: the offer of HTTP/2, as curl makes
    it; the next request is one of HTTP/1.1 again."""
    offer = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABk")]
    offering = request_bytes("GET", "/data/none", headers=offer)
    answers = exchange(node, offering + request_bytes("GET", "/ping", headers=[CLOSE]))
    assert statuses(answers) == [404, 200], answers


def test_chunks_of_an_old_client_are_no_requests(node: Node) -> None:
    """Goal: HTTP/1.0 has no chunks: whoever sends some may have been understood otherwise on the way.

    Method: as RFC 9112, section 6.1 has it, there is one answer at most, and then the end.
    """
    head = request_bytes("PUT", "/data/chunks", headers=[CHUNKS, KEEP]).replace(b"HTTP/1.1", b"HTTP/1.0")
    answers = exchange(node, head + CHUNKED + request_bytes("PUT", "/data/smuggled", BODY, [CLOSE]))
    assert len(statuses(answers)) == 1, answers
    assert "smuggled" not in stored(node)
    api.delete(node.address, "chunks")


LAST = b"d\r\n" + BODY + b"\r\n0\r\n"
BESIDE = {
    "extension": (b"d;", b"x" * 65_536),
    "trailers": (LAST, (b"t: " + b"x" * 1_000 + b"\r\n") * 64),
    "short trailers": (LAST, b"t:\r\n" * 16_384),
    "one trailer": (LAST + b"t: ", b"x" * 65_536),
}


@pytest.mark.parametrize(("first", "piece"), BESIDE.values(), ids=BESIDE.keys())
def test_what_stands_beside_chunks_has_an_end(node: Node, first: bytes, piece: bytes) -> None:
    """Goal: what is no part of a body is kept nowhere, however much of it comes.

    Method: more and more of it. The node hangs up, and before it has had 16 MiB.
    """
    with Wire(node.address) as wire:
        wire.send(request_bytes("PUT", "/data/x", headers=[CHUNKS, KEEP]) + first)
        assert not all(wire.send(piece) for _ in range(256))
    assert "x" not in stored(node)


INJECTIONS = {
    "key": request_bytes("GET", "/data/a%0d%0aX-Evil:%201%0d%0a%0d%0a", headers=[CLOSE]),
    "path": request_bytes("GET", "/a%0d%0aX-Evil:%201", headers=[CLOSE]),
    "method": request_bytes("X-EVIL:1", "/ping", headers=[CLOSE]),
    "name of the request": request_bytes(
        "PUT", "/data/a", BODY, [("Idempotency-Key", "a%0d%0aX-Evil: 1"), CLOSE]
    ),
    "carriage return": request_bytes("PUT", "/data/a", BODY, [("Idempotency-Key", "a\rX-Evil: 1"), CLOSE]),
    "nul": request_bytes("PUT", "/data/a", BODY, [("Idempotency-Key", "a\0X-Evil: 1"), CLOSE]),
    "address": request_bytes(
        "PUT", "/view", json.dumps({"view": [{"id": 1, "address": "a\r\nX-Evil: 1:80"}]}).encode(), [CLOSE]
    ),
    "epoch": request_bytes("PUT", "/view", b'{"view":[],"epoch":"\\r\\nX-Evil: 1"}', [CLOSE]),
    "etag": request_bytes("GET", "/openapi.json", headers=[("If-None-Match", '"\\r\\nX-Evil: 1'), CLOSE]),
}


@pytest.mark.parametrize("request_", INJECTIONS.values(), ids=INJECTIONS.keys())
def test_nothing_gets_into_the_head_of_an_answer(node: Node, request_: bytes) -> None:
    """Goal: no client writes headers for another. Method: line ends wherever a text can be given."""
    answers = exchange(node, request_)
    assert len(statuses(answers)) <= 1
    assert b"x-evil" not in answers.partition(b"\r\n\r\n")[0].lower(), answers
    assert "a" not in stored(node)


NO_RESOURCE = (
    "//data/x",
    "//ping",
    "//peer",
    "/%64ata/x",
    "/data%2Fx",
    "/./ping",
    "/x/../data/x",
    "/ping/.",
    "/ping;x",
    "/ping%00",
    "/docs/",
    "/docs/../ping",
    "/openapi.json/x",
    "/openapi%2Ejson",
)


def test_paths_are_not_tidied_up(node: Node, subtests: pytest.Subtests) -> None:
    """Goal: one resource, one path: who guards paths in front of a node guards all of them.

    Method: other spellings of paths that exist are 404, to write and to read.
    """
    for target in NO_RESOURCE:
        with subtests.test(target):
            for method in ("GET", "PUT", "POST"):
                answer = call(node.address, method, target, None if method == "GET" else BODY)
                assert expect_problem(answer, 404)["reason"] == "no_such_resource"
    assert stored(node) == {}


def test_an_absolute_target_is_its_path(node: Node) -> None:
    """Goal: requests as proxies get them (RFC 9112, section 3.2.2). Method: write so, read the other way."""
    assert call(node.address, "PUT", "http://anywhere.example/data/absolute", BODY).status == 201
    assert expect_json(api.get(node.address, "absolute"), 200) == {"value": "x"}
    assert call(node.address, "DELETE", "http://anywhere.example:1/data/absolute?x").status == 200
    assert expect_problem(call(node.address, "POST", "http://x/peer", b"?"), 400)["reason"] == "bad_mail"


HEADS = {
    "many": [(f"X-{number}", "y") for number in range(3000)],
    "long": [("X-A", "a" * 60_000)],
    "too long": [("X-A", "a" * 1_000_000)],
}


@pytest.mark.parametrize("headers", HEADS.values(), ids=HEADS.keys())
@pytest.mark.parametrize("target", ["/data/x", "/ping"])
def test_a_large_head_is_taken_or_refused(node: Node, target: str, headers: list[tuple[str, str]]) -> None:
    """Goal: a head cannot harm a node. Method: each is answered, refused or cut off; the node goes on."""
    with Wire(node.address) as wire:
        wire.send(request_bytes("GET", target, headers=[*headers, CLOSE]))
        answer = wire.answer("GET")
    assert answer is None or answer.status in {200, 404, 431}
    assert call(node.address, "GET", "/ping").status == 200


@pytest.mark.parametrize("method", ["GET", "DELETE", "HEAD"])
@pytest.mark.parametrize("target", ["/data/expecting", "/ping"])
def test_who_asks_to_go_on_without_a_body_is_answered(node: Node, method: str, target: str) -> None:
    """Goal: nobody waits for a body that does not come. Method: Expect: 100-continue with nothing to send."""
    answers = exchange(node, request_bytes(method, target, headers=[("Expect", "100-continue"), CLOSE]))
    (status,) = (each for each in statuses(answers) if each != 100)
    assert status == {"/ping": {"DELETE": 405}.get(method, 200), "/data/expecting": 404}[target]


def test_requests_one_behind_the_other(node: Node) -> None:
    """Goal: pipelining keeps the order. Method: a key's life and others in one piece."""
    script = [
        request_bytes("PUT", "/data/line", BODY, [KEEP]),
        request_bytes("GET", "/data/line", headers=[KEEP]),
        request_bytes("GET", "/nowhere", headers=[KEEP]),
        request_bytes("GET", "/docs", headers=[KEEP]),
        request_bytes("HEAD", "/data/line", headers=[KEEP]),
        request_bytes("DELETE", "/data/line", headers=[KEEP]),
        request_bytes("PUT", "/data/line", b"{}", [KEEP]),
        request_bytes("GET", "/data/line", headers=[CLOSE]),
    ]
    assert statuses(exchange(node, b"".join(script))) == [201, 200, 404, 200, 200, 200, 400, 404]


def test_http_1_0(node: Node) -> None:
    """Goal: an old client gets an answer that it can read. Method: without Host; no chunks come."""
    assert api.put(node.address, "old", "x").status == 201
    for target, status in (("/data/old", 200), ("/data", 200), ("/ping", 200), ("/docs", 200), ("/no", 404)):
        answers = exchange(node, f"GET {target} HTTP/1.0\r\n\r\n".encode())
        assert statuses(answers) == [status]
        assert b"transfer-encoding" not in answers.partition(b"\r\n\r\n")[0].lower()
    assert api.delete(node.address, "old").status == 200


def test_no_websocket_is_opened(node: Node) -> None:
    """Goal: an upgrade that we do not know opens nothing. Method: ask; it is ignored, or 404."""
    headers = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
    headers += [("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]
    for target in ("/ping", "/data/x"):
        answer = call(node.address, "GET", target, headers=headers)
        if answer.status != 200:
            assert expect_problem(answer, 404)["reason"] in {"no_such_resource", "no_such_key"}


def test_two_names_are_none(node: Node) -> None:
    """Goal: a request has one name. Method: two headers; gunicorn makes one of them, which is a name."""
    names = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    answer = api.put(node.address, "names", "x", names)
    if node.server == "gunicorn":
        assert answer.status == 201
        assert api.put(node.address, "names", "x", [("Idempotency-Key", "one,two")]).status == 201
        assert api.delete(node.address, "names").status == 200
    else:
        assert expect_problem(answer, 400)["reason"] == "bad_idempotency_key"


def test_documents_come_whole_or_not_at_all(node: Node) -> None:
    """Goal: the page and the document under every server. Method: GET, HEAD, and with its name."""
    for target in ("/openapi.json", "/docs"):
        whole = call(node.address, "GET", target)
        head = call(node.address, "HEAD", target)
        assert (whole.status, head.status, head.body) == (200, 200, b"")
        assert int(head.headers["content-length"]) == len(whole.body)
        etag = whole.headers["etag"]
        for method in ("GET", "HEAD"):
            known = call(node.address, method, target, headers=[("If-None-Match", etag)])
            assert (known.status, known.body, known.headers["etag"]) == (304, b"", etag)
            assert "content-length" not in known.headers
            assert "content-type" not in known.headers


H2_SCRIPT: tuple[tuple[str, str, bytes | None, dict[str, str]], ...] = (
    ("PUT", "/data/h2/k", BODY, {"idempotency-key": "h2"}),
    ("PUT", "/data/h2/k", b"{}", {}),
    ("PUT", "/data/h2/k", BODY, {"idempotency-key": "a b"}),
    ("GET", "/data/h2%2Fk", None, {}),
    ("HEAD", "/data/h2%2Fk", None, {}),
    ("GET", "/data/../ping", None, {}),
    ("GET", "/data/%FF", None, {}),
    ("GET", "/data", None, {}),
    ("OPTIONS", "/data/h2%2Fk", None, {}),
    ("PATCH", "/data/h2%2Fk", BODY, {}),
    ("GET", "/nowhere", None, {}),
    ("POST", "/peer", b"?", {}),
    ("PUT", "/view", b'{"view":[{}]}', {}),
    ("GET", "/docs", None, {}),
    ("DELETE", "/data/h2%2Fk", None, {}),
    ("DELETE", "/data/h2%2Fk", None, {}),
)


def test_an_answer_before_the_body_ends_no_connection(node: Node) -> None:
    """Goal: a refused request harms no other one of the connection. Method: refusals without a body.

    They are answered when the head is read; then comes a body, and then another request on the connection.
    """
    if node.server not in ("hypercorn", "granian"):
        pytest.skip("this server speaks HTTP/1.1 only")
    with httpx.Client(base_url=node.url, http1=False, http2=True, trust_env=False, timeout=60) as client:
        for method, path, status in (
            ("PATCH", "/data/k", 405),
            ("PUT", "/data/%FF", 400),
            ("PATCH", "/view", 405),
            ("PUT", "/nowhere", 404),
            ("GET", "/ping", 200),
            ("GET", "/data/k", 404),
        ):
            answer = client.request(method, path, content=b"x" * 50_000)
            assert (answer.status_code, answer.http_version) == (status, "HTTP/2")
            assert client.get("/ping").status_code == 200


def test_http_2_says_the_same(node: Node) -> None:
    """Goal: hypercorn and granian speak HTTP/2 to who begins so; the mapping is the same there.

    Method: one script in both protocols on an empty store; status, body and the headers of the API agree.
    """
    if node.server not in ("hypercorn", "granian"):
        pytest.skip("this server speaks HTTP/1.1 only")
    names = ("content-type", "allow", "msg-num", "retry-after", "etag")
    heard = []
    for second in (False, True):
        with httpx.Client(
            base_url=node.url, http1=not second, http2=second, trust_env=False, timeout=60
        ) as client:
            first = int(client.get("/data/none").headers["msg-num"])
            answers = []
            for method, target, body, headers in H2_SCRIPT:
                named = {name: f"{value}-{second}" for name, value in headers.items()}
                answer = client.request(
                    method, node.url, content=body, headers=named, extensions={"target": target.encode()}
                )
                assert answer.http_version == ("HTTP/2" if second else "HTTP/1.1")
                kept = {name: answer.headers[name] for name in names if name in answer.headers}
                if "msg-num" in kept:
                    kept["msg-num"] = str(int(kept["msg-num"]) - first)
                answers.append((method, target, answer.status_code, kept, answer.content))
            heard.append(answers)
    assert heard[0] == heard[1]
    statuses_heard = [answer[2] for answer in heard[0]]
    assert statuses_heard[:4] == [201, 400, 400, 200]
    assert statuses_heard[-2:] == [200, 404]
