"""The HTTP mapping, without HTTP: what a request is, what a body means, what an answer looks like."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings, strategies

from frontends.common import api, bodies, responses, routes, trace_context
from frontends.common.listing import Listings
from frontends.common.meters import Meters
from frontends.common.node import Answer, Node
from frontends.common.settings import Settings
from pbproto import (
    Delete,
    Kind,
    Listing,
    Put,
    Reason,
    Reject,
    Reply,
    Result,
    Value,
    View,
    Written,
    encode,
)
from pbproto.codec import version_of
from pbproto.replica import check_request
from pbproto.values import MAX_TRACE_BYTES

SETTINGS = Settings(id=1, max_value_bytes=100)


def planned(method: str, target: bytes) -> routes.Plan:
    found = routes.plan(method, target, SETTINGS)
    assert isinstance(found, routes.Plan)
    return found


def body_of(response: responses.Response) -> Any:
    assert isinstance(response.body, bytes)
    return json.loads(response.body)


@pytest.mark.parametrize(
    ("target", "key"),
    [
        (b"/data/a", b"a"),
        (b"/data/a/b", b"a/b"),
        (b"/data//", b"/"),
        (b"/data/a%2Fb", b"a/b"),
        (b"/data/a%252Fb", b"a%2Fb"),
        (b"/data/%00", b"\0"),
        (b"/data/..", b".."),
        (b"/data/a+b", b"a+b"),
        (b"/data/a?b=c", b"a"),
        (b"/data/a%3Fb", b"a?b"),
        (b"/data/a#b", b"a"),
        (b"/data/%E2%82%AC", "€".encode()),
        (b"http://host:1/data/a", b"a"),
        (b"/data/" + b"a" * 4096, b"a" * 4096),
    ],
)
def test_keys_are_decoded_once(target: bytes, key: bytes) -> None:
    """The key is all that follows /data/, decoded exactly once: look at the plan for each target."""
    plan = planned("GET", target)
    assert plan.route is routes.Route.KEY
    assert plan.key == key


@pytest.mark.parametrize(
    "target", [b"/data/", b"/data/%FF", b"/data/%zz", b"/data/%4", b"/data/" + b"a" * 4097]
)
def test_bad_keys_are_400(target: bytes) -> None:
    """What is not 1 to 4,096 bytes of UTF-8 is no key: the answer is there at once."""
    for method in ("GET", "PUT", "DELETE", "HEAD"):
        answer = routes.plan(method, target, SETTINGS)
        assert isinstance(answer, responses.Response)
        assert answer.status == 400


@pytest.mark.parametrize("target", [b"/nothing", b"/x", b"/ping/", b"//ping", b"/Data/x", b"*"])
def test_unknown_paths_are_404(target: bytes) -> None:
    """There is nothing anywhere else: ask for it."""
    answer = routes.plan("GET", target, SETTINGS)
    assert isinstance(answer, responses.Response)
    assert answer.status == 404
    assert body_of(answer)["status"] == 404


def test_only_what_carries_a_body_has_one_read() -> None:
    """A body is read only where it means something, and bounded: compare the limits."""
    assert planned("PUT", b"/data/k").body_limit == 6 * 100 + 65_536
    assert planned("GET", b"/data/k").body_limit == planned("DELETE", b"/data/k").body_limit == 0
    assert planned("PUT", b"/view").body_limit > 0
    assert planned("GET", b"/view").body_limit == 0
    assert planned("POST", b"/peer").body_limit > 64 * 2**20


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"value",
        b"[]",
        b"null",
        b'"value"',
        b"{}",
        b'{"value":1}',
        b'{"value":null}',
        b'{"value":"x"} trailing',
        b'{"value":"\\ud800"}',
        b'{"value":"x","other":"\\udfff"}',
        b'{"value":"x","other":NaN}',
        b'{"value":"x","other":-Infinity}',
        b'{"value":"\xff"}',
        b'\xef\xbb\xbf{"value":"x"}',
        '{"value":"x"}'.encode("utf-16"),
        b'{"value":"x","n":' + b"9" * 5000 + b"}",
        b'{"value":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"value":"\n"}',
    ],
)
def test_bad_values_are_refused(body: bytes) -> None:
    """A body that is not a JSON object with a string is 400: parse it."""
    with pytest.raises(responses.RefusedError) as refusal:
        bodies.parse_value(body, 100)
    assert refusal.value.status == 400


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"value":""}', b""),
        (b'{"value":"x","more":1}', b"x"),
        (b'{"value":"\\u20ac\\ud83d\\ude00\\u0000"}', "€😀\0".encode()),
        ('{"value":"é"}'.encode(), "é".encode()),
    ],
)
def test_values_become_canonical_bytes(body: bytes, value: bytes) -> None:
    """However a string is written, its bytes are the same: parse each form."""
    assert bodies.parse_value(body, 100) == value


SEEN = b'{ } "value" : " a , \\n \\'.split()
UNSEEN = [b" ", b"\t", b"\n", b"\x0b", b"\x7f", b"\x00", b"\xc3\xa9", b"\xff"]


@given(strategies.lists(strategies.sampled_from(SEEN + UNSEEN), max_size=6), strategies.integers(0, 4))
@settings(derandomize=True, max_examples=2_000)
def test_a_plain_body_means_what_the_parser_says(pieces: list[bytes], at: int) -> None:
    """Goal: the pattern for plain bodies takes none that the parser reads otherwise. Method: bodies of random
    pieces, and whole ones with a piece at one place, by both.
    """
    frame = [b"{", b'"value"', b":", b'"x', b'"}']
    for body in (
        b"".join(pieces),
        b"".join([*frame[:at], *pieces[:1], *frame[at:]]),
        b"".join(frame) + b"".join(pieces),
    ):
        with mock.patch.object(bodies, "SHORT_BODY", 0):
            expected = _value_of(body)
        assert _value_of(body) == expected


def _value_of(body: bytes) -> bytes | tuple[int, str]:
    try:
        return bodies.parse_value(body, 3)
    except responses.RefusedError as error:
        return error.status, error.reason


@given(
    strategies.lists(
        strategies.sampled_from([b"k", b"/", b"%41", b"%", b"%ff", b"?", b"#", b"\xc3", b"a" * 4095, b"\n"]),
        max_size=5,
    ),
    strategies.sampled_from(["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST"]),
)
@settings(derandomize=True, max_examples=1_000)
def test_a_plain_key_is_found_as_any_other_is(pieces: list[bytes], method: str) -> None:
    """Goal: the pattern for plain keys finds what the steps for all paths find.

    Method: random keys, by both.
    """
    target = b"/data/" + b"".join(pieces)
    found = routes.plan(method, target, SETTINGS)
    with mock.patch.object(routes, "_PLAIN_KEY", return_value=None):
        assert found == routes.plan(method, target, SETTINGS)


def test_the_size_of_a_value_is_counted_in_bytes() -> None:
    """The limit is one of UTF-8 bytes: 50 characters of two bytes fit into 100, 51 do not."""
    assert len(bodies.parse_value(json.dumps({"value": "é" * 50}).encode(), 100)) == 100
    with pytest.raises(responses.RefusedError) as refusal:
        bodies.parse_value(json.dumps({"value": "é" * 51}).encode(), 100)
    assert refusal.value.status == 413


def member(**changes: object) -> dict[str, object]:
    return {"address": "10.0.0.1:8081", "id": 1, **changes}


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"view": {}},
        {"view": ["a"]},
        {"view": [{"id": 1}]},
        {"view": [{"address": "a:1"}]},
        *({"view": [member(id=id_)]} for id_ in (True, 1.0, "1", -1, None, 2**63)),
        *(
            {"view": [member(address=address)]}
            for address in (
                *(None, 1, "", "a", "a:0", "a:65536", "a:x", " a:1", "a:1 ", "http://a:1", "u@a:1", "a:1/x"),
                *("[::g]:1", "::1:1", "a" * 254 + ":1", "a:1\n"),
            )
        ),
        {"view": [member(), member()]},
        {"view": [member(), member(id=2)]},
        {"view": [member(), member(address="b:1")]},
        *({"view": [member()], "epoch": epoch} for epoch in (0, -1, True, 1.0, "1", None, 2**63)),
        {"view": [member(id=n, address=f"a:{n + 1}") for n in range(257)]},
    ],
)
def test_bad_views_are_refused(document: object) -> None:
    """A view is checked whole: parse each bad one."""
    with pytest.raises(responses.RefusedError) as refusal:
        bodies.parse_view(json.dumps(document).encode())
    assert refusal.value.status == 400


def test_good_views_are_understood() -> None:
    """Order does not matter, an empty view is one, an epoch is optional: parse them."""
    text = json.dumps({"view": [member(id=2, address="[::1]:2"), member(id=0)], "epoch": 3})
    assert bodies.parse_view(text.encode()) == (View.of([(0, "10.0.0.1:8081"), (2, "[::1]:2")], 3), 0)
    assert bodies.parse_view(b'{"view":[]}') == (View(()), 0)
    assert bodies.parse_view(b'{"view":[],"incarnation":"00000000000000ff"}') == (View(()), 255)


class FakeNode:
    """A node that answers every request as it was told to."""

    def __init__(self, answer: Callable[[int], Answer]) -> None:
        self.settings = SETTINGS
        self.access = None
        self.id = 1
        self.requests: list[object] = []
        self.listings = Listings(1)
        self.incarnation = 0xABC
        self.meters = Meters()
        self._answer = answer

    def request(self, make: Callable[[int], object], done: Callable[[Answer], None]) -> None:
        self.requests.append(make(5))
        done(self._answer(5))


def ask(
    node: FakeNode, method: str, target: bytes, body: bytes = b"", /, **headers: str
) -> responses.Response:
    got: list[responses.Response] = []
    fake: Any = node
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    api.Api(fake).start(planned(method, target), named, body, got.append)
    assert len(got) == 1
    return got[0]


@pytest.mark.parametrize(
    ("reason", "certain", "status", "outcome"),
    [
        (Reason.TIMEOUT, True, 503, "not_applied"),
        (Reason.TIMEOUT, False, 504, "unknown"),
        (Reason.NO_VIEW, True, 503, "not_applied"),
        (Reason.OUTSIDE, True, 503, "not_applied"),
        (Reason.OUTSIDE, False, 504, "unknown"),
        (Reason.CLOSING, False, 504, "unknown"),
        (Reason.OVERLOADED, True, 503, "not_applied"),
    ],
)
def test_no_and_do_not_know_are_different(reason: Reason, certain: bool, status: int, outcome: str) -> None:
    """503 is certain and 504 is not; both say when to try again: let a node reject for each reason."""
    node = FakeNode(lambda token: Reject(token, reason, certain, "because"))
    response = ask(node, "PUT", b"/data/k", b'{"value":"x"}')
    assert response.status == status
    assert body_of(response)["outcome"] == outcome
    assert dict(response.headers)["retry-after"] == "1"


def test_a_full_store_is_507_and_certain() -> None:
    """It does not say when to try again: that takes somebody who deletes. Let a node say so."""
    node = FakeNode(lambda token: Reject(token, Reason.STORE_FULL, True, "because"))
    response = ask(node, "PUT", b"/data/k", b'{"value":"x"}')
    assert response.status == 507
    assert (body_of(response)["reason"], body_of(response)["outcome"]) == ("store_full", "not_applied")
    assert body_of(response)["title"] == "Insufficient Storage"
    assert "retry-after" not in dict(response.headers)


def test_a_reused_idempotency_key_is_422() -> None:
    """The same key on another request is the client's mistake: let a node say so."""
    node = FakeNode(lambda token: Reject(token, Reason.KEY_REUSED, True, "because"))
    assert ask(node, "DELETE", b"/data/k", idempotency_key="a").status == 422


@pytest.mark.parametrize("name", ["", "a b", "é", "x" * 256])
def test_a_bad_idempotency_key_is_400_and_reaches_nobody(name: str) -> None:
    """1 to 255 visible ASCII characters: send others, and see that the node was not asked."""
    node = FakeNode(lambda token: Reject(token, Reason.TIMEOUT, True, ""))
    assert ask(node, "DELETE", b"/data/k", idempotency_key=name).status == 400
    assert node.requests == []


TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (TRACEPARENT, TRACEPARENT),
        ("cc" + TRACEPARENT[2:], TRACEPARENT),
        ("cc" + TRACEPARENT[2:] + "-and more" * 100, TRACEPARENT),
        ("cc" + TRACEPARENT[2:] + "-more", TRACEPARENT),
        (TRACEPARENT + "-more", ""),
        ("ff" + TRACEPARENT[2:], ""),
        (TRACEPARENT.upper(), ""),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", ""),
        (f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01", ""),
        (TRACEPARENT[:-1], ""),
        ("", ""),
        ("x" * 1000, ""),
        (None, ""),
    ],
)
def test_a_trace_context_goes_along_with_a_write(text: str | None, kept: str) -> None:
    """Goal: a good traceparent reaches the replica; any other is as good as none and harms no request.

    Method: the examples of W3C Trace Context, with writes of both kinds.
    """
    node = FakeNode(lambda token: Reply(token, Written(Result(Kind.CREATED, 1))))
    headers = {} if text is None else {"traceparent": text}
    assert ask(node, "PUT", b"/data/k", b'{"value":"x"}', **headers).status == 201
    assert ask(node, "DELETE", b"/data/k", **headers).status == 201
    trace = kept.encode()
    assert node.requests == [Put(5, b"k", b"x", trace=trace), Delete(5, b"k", trace=trace)]


def test_the_longest_trace_context_fits() -> None:
    """Goal: no trace makes a request that a replica does not take. Method: as much state as is handed on."""
    node = FakeNode(lambda token: Reply(token, Written(Result(Kind.CREATED, 1))))
    state = ",".join((f"a={'x' * 253}", f"b={'y' * 254}"))
    assert len(state) == trace_context.MAX_STATE
    headers = {"traceparent": TRACEPARENT, "tracestate": state}
    assert ask(node, "PUT", b"/data/k", b'{"value":"x"}', **headers).status == 201
    (put,) = node.requests
    assert isinstance(put, Put)
    assert len(put.trace) == MAX_TRACE_BYTES
    check_request(put)


def test_a_large_listing_comes_in_pieces_that_make_the_same_json() -> None:
    """Pieces are only for the sake of others: put them together and parse them."""
    items = {f"k{n}".encode(): b"v" * 1000 for n in range(500)}
    node = FakeNode(lambda token: Reply(token, Listing(items, 500)))
    response = ask(node, "GET", b"/data")
    assert not isinstance(response.body, bytes)
    assert ("msg-num", "500") in response.headers
    pieces = list(response.body)
    assert len(pieces) > 2
    assert json.loads(b"".join(pieces)) == {key.decode(): value.decode() for key, value in items.items()}


def test_a_long_listing_too_many_is_a_503() -> None:
    """Each long listing holds a snapshot: ask for a second one while the first is under way, and after it."""
    items = {f"k{n}".encode(): b"v" * 1000 for n in range(500)}
    node = FakeNode(lambda token: Reply(token, Listing(items, 500)))
    first = ask(node, "GET", b"/data")
    second = ask(node, "GET", b"/data")
    assert second.status == 503
    assert body_of(second)["reason"] == "overloaded"
    assert body_of(second)["outcome"] == "not_applied"
    assert ("retry-after", "1") in second.headers
    assert not isinstance(first.body, bytes)
    assert len(list(first.body)) > 2
    third = ask(node, "GET", b"/data")
    assert third.status == 200
    assert ask(node, "HEAD", b"/data").status == 503
    del third
    assert ask(node, "HEAD", b"/data").status == 200
    assert ask(node, "GET", b"/data").status == 200


def test_an_answer_that_cannot_be_written_out_is_a_500() -> None:
    """A fault of ours costs the client its answer, not its patience: reply with bytes that are no text."""
    node = FakeNode(lambda token: Reply(token, Value(b"\xff", 1)))
    response = ask(node, "GET", b"/data/k")
    assert response.status == 500
    assert "codec" not in str(body_of(response))


def test_head_has_the_headers_of_get_and_no_body() -> None:
    """HEAD is GET without the body: compare the two."""
    node = FakeNode(lambda token: Reply(token, Listing({b"k": b"v"}, 1)))
    got, head = ask(node, "GET", b"/data"), ask(node, "HEAD", b"/data")
    assert isinstance(got.body, bytes)
    assert head.body == b""
    assert dict(head.headers) == {**dict(got.headers), "content-length": str(len(got.body))}


def test_bad_mail_is_400_and_says_why() -> None:
    """Garbage and other versions of the protocol are told apart: post both to a real node."""
    node = Node(SETTINGS, wake_peer=lambda _: None, wake_timer=lambda _: None)
    got: list[responses.Response] = []
    for mail in (b"", b"garbage", b"pbkv\x00\x63"):
        api.Api(node).start(planned("POST", b"/peer"), {}, mail, got.append)
    assert [response.status for response in got] == [400, 400, 400]
    assert [body_of(response)["reason"] for response in got] == ["bad_mail", "bad_mail", "other_version"]
    assert {dict(response.headers)["pbproto-wire"] for response in got} == {"1-2"}


def test_an_answer_to_mail_is_in_what_its_sender_reads() -> None:
    """Goal: old and new releases ask the same node.

    Method: empty mail of each version, with and without a header. A node that is held at version 1 refuses
    the other one, as an old release does, but says what it speaks.
    """
    new, held = (
        api.Api(Node(Settings(id=1, wire=wire), wake_peer=lambda _: None, wake_timer=lambda _: None))
        for wire in (2, 1)
    )
    cases = [
        (new, 1, {}, 1, "1-2"),
        (new, 1, {"pbproto-wire": "1-2"}, 2, "1-2"),
        (new, 1, {"pbproto-wire": "1-1"}, 1, "1-2"),
        (new, 2, {}, 2, "1-2"),
        (new, 2, {"pbproto-wire": "nonsense"}, 2, "1-2"),
        (held, 1, {"pbproto-wire": "1-2"}, 1, "1-1"),
        (held, 2, {"pbproto-wire": "1-2"}, None, "1-1"),
    ]
    for mapping, version, headers, answered, said in cases:
        got: list[responses.Response] = []
        mapping.start(planned("POST", b"/peer"), headers, encode((), version), got.append)
        (response,) = got
        assert dict(response.headers)["pbproto-wire"] == said
        assert isinstance(response.body, bytes)
        if answered is None:
            assert (response.status, body_of(response)["reason"]) == (400, "other_version")
            assert "speaks version 2" in body_of(response)["detail"]
        else:
            assert (response.status, version_of(response.body)) == (200, answered)


def test_a_long_body_is_its_value() -> None:
    """Goal: no JSON that takes seconds and a gigabyte to read gets as far as that.

    Method: bodies as long as the longest value makes them, of many things, of texts with all that a text can
    have in it, and one whose text has no end.
    """
    limit = 100_000
    room = Settings(id=1, max_value_bytes=limit).client_body_limit
    for many in (b"[],", b"{},", b"1,", b"  ", b'"",', b'"a":0,'):
        for begin in (b'{"value":"x","a":[', b'{"value":"x",', b"["):
            with pytest.raises(responses.RefusedError, match="beside its texts"):
                bodies.parse_value(begin + many * (room // len(many)), limit)
    for text in ('"', "\\", '\\"', "[{,", "é", "\n"):
        value = text * (limit // len(text.encode()))
        for body in ({"value": value}, {"a": [1, {"b": value}], "value": value, "c": "x"}):
            for ascii_only in (False, True):
                data = json.dumps(body, ensure_ascii=ascii_only).encode()
                assert bodies.parse_value(data, limit) == value.encode()
    with pytest.raises(responses.RefusedError, match="not JSON"):
        bodies.parse_value(b'{"value":"' + b"x" * limit, limit)
