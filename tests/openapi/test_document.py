"""The OpenAPI document says all that the code does, and nothing else."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from frontends.common import bodies, responses, routes, status_page
from frontends.common.node import Node
from frontends.common.openapi import __main__ as printing
from frontends.common.openapi import build, problems
from frontends.common.openapi.operations import OPERATIONS
from frontends.common.settings import Settings
from pbproto import Put, Reason, Reject, View
from tests.core.cluster import active

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = Settings(id=7, max_value_bytes=12_345)
DOCUMENT = build(SETTINGS)
REFUSERS = ("problem", "RefusedError", "framework_error")
"""What makes a problem of a status and a word."""


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    """For a schema of the document, which may refer to others of it."""
    resource = DRAFT202012.create_resource(DOCUMENT)
    registry = Registry().with_resource("urn:document", resource)
    return Draft202012Validator(_absolute(schema), registry=registry)


def _absolute(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            name: f"urn:document{each}" if name == "$ref" else _absolute(each)
            for name, each in schema.items()
        }
    return [_absolute(each) for each in schema] if isinstance(schema, list) else schema


def resolved(item: dict[str, Any]) -> dict[str, Any]:
    """What is meant by an item that may be a reference."""
    found: Any = DOCUMENT
    for name in item["$ref"].removeprefix("#/").split("/") if "$ref" in item else ():
        found = found[name]
    return item if "$ref" not in item else dict(found)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method.upper(), operation


def test_the_document_is_valid() -> None:
    """Goal: tools can read it. Method: the validator of the specification, and ids that are there once."""
    assert not list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors())
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(names)) == len(names)
    assert {tag for _, _, operation in operations() for tag in operation["tags"]} == {
        tag["name"] for tag in DOCUMENT["tags"]
    }


def test_routes_and_document_agree() -> None:
    """Goal: no route and no method without its description, and none described that is not there.

    Method: compare with the table that requests are looked up in.
    """
    table = {path: set(methods) for path, (_, methods) in routes.resources().items()}
    described: dict[str, set[str]] = {}
    for path, method, _ in operations():
        described.setdefault(path, set()).add(method)
    assert described == table
    assert set(OPERATIONS) == {
        (route, method)
        for route, methods in routes.resources().values()
        for method in methods
        if method not in ("HEAD", "OPTIONS")
    }
    for path in table:
        found = routes.plan("GET", path.replace("{key}", "k").encode(), SETTINGS)
        assert not isinstance(found, responses.Response) or found.status == 405


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call of a plain or dotted name in the frontends, by the last part of the name."""
    for file in sorted((ROOT / "frontends").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                if isinstance(node.func, ast.Name):
                    yield node.func.id, node
                elif isinstance(node.func, ast.Attribute):
                    yield node.func.attr, node


def literal(node: ast.expr) -> object:
    """A constant, or the word of a reason."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Attribute) and node.attr == "value" and isinstance(node.value, ast.Attribute):
        return Reason[node.value.attr].value if node.value.attr in Reason.__members__ else None
    return None


def answered_by_name() -> set[tuple[int, str]]:
    """Status and word of every problem that is written out somewhere in the frontends."""
    found = set()
    for name, call in calls():
        if name in REFUSERS and len(call.args) >= 2:
            status, word = literal(call.args[0]), literal(call.args[1])
            if isinstance(status, int):
                word = "bad_request" if name == "framework_error" else word
                if isinstance(word, str):
                    found.add((status, word))
    return found


def answered_by_reason() -> set[tuple[int, str]]:
    """Status and word of what the replica turns away: views by ``ViewRefused``, requests by ``Reject``."""
    core = "\n".join(file.read_text(encoding="utf-8") for file in sorted((ROOT / "pbproto").glob("*.py")))
    found = set()
    for node in ast.walk(ast.parse(core.replace("from __future__ import annotations", ""))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ViewRefused":
            reason = node.args[0]
            assert isinstance(reason, ast.Attribute)
            found.add((409, Reason[reason.attr].value))
    of_views = {word for _, word in found}
    for each in Reason:
        if each.value not in of_views:
            found |= {(status, each.value) for status in statuses_of(each)}
    return found


def statuses_of(reason: Reason) -> set[int]:
    """What a client can get. Only what was in the log already is uncertain, not who never got in."""
    at_once = {Reason.NO_VIEW, Reason.OVERLOADED, Reason.KEY_REUSED}
    certain = {True} if reason in at_once else {True, False}
    return {responses.rejection(Reject(0, reason, each, "")).status for each in certain}


def test_problems_and_document_agree() -> None:
    """Goal: a client can rely on the list of words; nobody can add one, or a status, without describing it.

    Method: read the sources for what is answered, ask the mapping what becomes of the reasons of the replica,
    and compare with the table of the document. What Quart refuses comes with any 4xx as ``bad_request``.
    """
    answered = answered_by_name() | answered_by_reason() | {(400, "bad_request")}
    described = {(each.status, each.reason) for each in problems.ALL}
    assert answered == described
    used = {(each.status, each.reason) for operation in OPERATIONS.values() for each in operation.problems}
    used |= {(each.status, each.reason) for each in (*problems.EVERYWHERE, *problems.AUTHORIZATION)}
    used.add((problems.INSECURE.status, problems.INSECURE.reason))
    of_none = {(404, "no_such_resource"), (405, "method_not_allowed")}
    assert described - used == of_none
    assert len(DOCUMENT["components"]["responses"]) == len(of_none)


ROLES = {
    "getValue": {"read", "write"},
    "headValue": {"read", "write"},
    "putValue": {"write"},
    "deleteValue": {"write"},
    "getEverything": {"read", "write"},
    "headEverything": {"read", "write"},
    "getView": {"read", "write", "admin"},
    "headView": {"read", "write", "admin"},
    "putView": {"admin"},
    "getStatus": {"read", "write", "admin"},
    "headStatus": {"read", "write", "admin"},
    "getWhy": {"read", "write"},
    "headWhy": {"read", "write"},
    "getMetrics": {"read", "write", "admin", "metrics"},
    "headMetrics": {"read", "write", "admin", "metrics"},
}
"""Of which one is needed; no other operation needs any."""


@pytest.mark.parametrize("guarded", [False, True])
def test_roles(guarded: bool) -> None:
    """Goal: a client knows which token to take. Method: a list by hand; nodes with and without tokens."""
    settings = Settings(id=7, tokens="somewhere" if guarded else "")
    for item in build(settings)["paths"].values():
        for name, operation in item.items():
            if name == "parameters":
                continue
            roles = ROLES.get(operation["operationId"], set())
            wanted = [{"bearer": [role]} for role in ("read", "write", "admin", "metrics") if role in roles]
            assert operation["security"] == wanted + ([{}] if roles and not guarded else [])
            assert ("401" in operation["responses"]) is bool(roles or operation["operationId"] == "mail")


def test_outcomes_are_what_the_mapping_says() -> None:
    """Goal: ``outcome`` is promised where it comes. Method: compare with what rejections are made into."""
    by_reason = {reason.value: reason for reason in Reason}
    for each in problems.ALL:
        if each.reason in by_reason and each.status != 409:
            rejected = Reject(0, by_reason[each.reason], each.status != 504, "")
            answer = responses.rejection(rejected)
            assert isinstance(answer.body, bytes)
            assert (answer.status, json.loads(answer.body)["outcome"]) == (each.status, each.outcome)
        else:
            assert not each.outcome


def test_successes_and_document_agree() -> None:
    """Goal: no status without its description. Method: read the sources for those that are no problem."""
    answered = {
        status
        for name, call in calls()
        if name in ("success", "Response") and call.args
        if isinstance(status := literal(call.args[0]), int) and status < 400
    }
    answered |= {status for status in responses.WRITTEN.values() if status < 400}
    described = {each.status for operation in OPERATIONS.values() for each in operation.successes}
    assert answered == described


def test_examples_keep_their_schemas() -> None:
    """Goal: whoever copies an example gets it right. Method: validate each, and each value of a reason."""
    count = 0
    for _, _, operation in operations():
        answers = operation["responses"].values()
        contents = [answer.get("content", {}) for answer in (*answers, operation.get("requestBody", {}))]
        for media in (each for content in contents for each in content.values() if "schema" in each):
            values = [resolved(each)["value"] for each in media.get("examples", {}).values()]
            values += [media["example"]] if "example" in media else []
            for value in values:
                validator(media["schema"]).validate(value)
                count += 1
    assert count > 100
    for schema in DOCUMENT["components"]["schemas"].values():
        for example in schema.get("examples", ()):
            validator(schema).validate(example)
    for each in problems.ALL:
        assert problems.example(each)["title"] == HTTPStatus(each.status).phrase


def test_limits_are_those_of_the_node() -> None:
    """Goal: a client can check its values before it sends them. Method: another setting, another document."""
    value = DOCUMENT["components"]["schemas"]["Value"]["properties"]["value"]
    assert value["maxLength"] == 12_345
    body = DOCUMENT["paths"]["/data/{key}"]["put"]["requestBody"]["description"]
    assert f"{SETTINGS.client_body_limit:,} bytes" in body


@pytest.mark.parametrize("told", [False, True])
def test_a_view_is_described_member_by_member(told: bool) -> None:
    """Goal: GET /view says what is described, in every state. Method: ask a node, compare the names too."""
    node = Node(SETTINGS, lambda _: None, lambda _: None)
    try:
        if told:
            node.tell_view(View.of([(7, "a:1"), (8, "b:1")]), 0)
        view = status_page.of_view(node.status())
    finally:
        node.close()
    schema = DOCUMENT["components"]["schemas"]["View"]
    validator(schema).validate(view)
    assert set(schema["properties"]) == set(view)


def told_exactly(schema: Any, document: Any) -> None:
    """Every object of a document has the members that are described, and no others, however deep."""
    if isinstance(document, list):
        for each in document:
            told_exactly(schema["items"], each)
    elif isinstance(document, dict) and "properties" in schema:
        assert set(document) == set(schema["properties"])
        for name, part in document.items():
            told_exactly(schema["properties"][name], part)


@pytest.mark.parametrize("told", [False, True])
def test_what_goes_on_in_a_node_is_described_member_by_member(told: bool) -> None:
    """Goal: /status and /why say what is described. Method: a node that serves alone; then one more is told,
    which never answers, while clients write and read; names are compared at every depth."""
    node = Node(SETTINGS, lambda _: None, lambda _: None)
    try:
        if told:
            node.tell_view(View.of([(7, "a:1")]), 0)
            node.tell_view(View.of([(7, "a:1"), (8, "b:1")]), 0)
            node.tell_view(View.of([(7, "a:1"), (8, "b:1"), (9, "c:1")]), 0)
            node.request(lambda token: Put(token, b"k", b"v"), lambda _: None)
        status = status_page.of_status(node.look(), SETTINGS, 0.0, {})
        why = status_page.of_why(node.why())
    finally:
        node.close()
    for name, document in (("Status", status), ("Why", why)):
        schema = DOCUMENT["components"]["schemas"][name]
        validator(schema).validate(document)
        told_exactly(schema, document)


def test_backups_and_waiting_requests_are_described_member_by_member() -> None:
    """Goal: what only an active primary says is described as well. Method: look at one whose backup is not
    there any more, made of two replicas."""
    cluster = active(7, 8)
    cluster.cut(7, 8)
    cluster.put(7, b"k", b"v")
    cluster.advance(2_000)
    cluster.put(7, b"k", b"v")
    cluster.get(8, b"k")
    empty = Node(SETTINGS, lambda _: None, lambda _: None)
    for id_ in (7, 8):
        replica = cluster.replicas[id_]
        sight = empty.look()._replace(status=replica.status(cluster.now), inside=replica.look(cluster.now))
        documents = {
            "Status": status_page.of_status(sight, SETTINGS, 0.0, {}),
            "Why": status_page.of_why(replica.why(cluster.now)),
        }
        assert documents["Why"]["waiting"]
        assert bool(documents["Status"]["backups"]) is (id_ == 7)
        for name, document in documents.items():
            schema = DOCUMENT["components"]["schemas"][name]
            validator(schema).validate(document)
            told_exactly(schema, document)
    empty.close()


ADDRESSES = {
    "10.0.0.1:1": True,
    "node-1.example_:65535": True,
    "[::1]:8081": True,
    "a:0": False,
    "a:65536": False,
    "a:08": False,
    "a b:1": False,
    "[::1:1": False,
    f"{'a' * 253}:1": True,
    f"{'a' * 254}:1": False,
}


@pytest.mark.parametrize(("address", "legal"), ADDRESSES.items())
def test_addresses_are_described_as_they_are_checked(address: str, legal: bool) -> None:
    """Goal: the pattern and the code agree. Method: both are asked about addresses at the edge."""
    document = {"view": [{"address": address, "id": 1}]}
    assert validator(DOCUMENT["components"]["schemas"]["NewView"]).is_valid(document) is legal
    try:
        bodies.parse_view(json.dumps(document).encode())
    except responses.RefusedError:
        assert not legal
    else:
        assert legal


def test_the_command_prints_the_document(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goal: the document without a node. Method: run the command, with a good setting and a bad one."""
    monkeypatch.setenv("PBPROTO_MAX_VALUE_BYTES", "12345")
    assert printing.main() == 0
    assert json.loads(capsys.readouterr().out) == DOCUMENT
    monkeypatch.setenv("PBPROTO_MAX_VALUE_BYTES", "much")
    assert printing.main() == 2
    assert "max_value_bytes" in capsys.readouterr().err
