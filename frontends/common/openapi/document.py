"""Puts the document together: paths and methods of the routes, and what ``operations`` says about each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from frontends.common import access
from frontends.common.routes import MAX_VIEW_BYTES, Route, resources
from frontends.common.settings import Settings
from pbproto import __version__

from . import problems
from .observing import SINCE, observing
from .operations import OPERATIONS, TAGS, Operation, Success
from .problems import Problem
from .schemas import headers, key, name_of_request, ref, schemas

Json = dict[str, Any]

PROBLEM = "application/problem+json"
DESCRIPTION = """\
A strongly consistent (linearizable) in-memory key-value store. Every node takes every request and answers the
same. There is one total order of writes; no client is told "done" before all members of the view have it.

**Errors** are `application/problem+json` (RFC 9457): `reason` is the word for programs. A request is looked
at in this order: its path (404 `no_such_resource`), its method (405 `method_not_allowed`, with `Allow`), its
key, its headers and its body (400, 413), and only then whether the node can do it (503): a bad request is bad
on any node.

**Was it applied?** 503 with `outcome: not_applied` is certain. After 504 with `outcome: unknown` a write may
still take effect, once. Send an `Idempotency-Key` and repeat the request, to any node, until the answer is
not a 5xx. A write is 507, `not_applied` as well, while the data would become larger than it may be: it takes
a DELETE before that is of use.

**Tokens.** A node that was given tokens asks for one in `Authorization: Bearer`. Each token has roles, and
each operation says of which roles it needs one. A node on loopback may run without: then none is asked for.

**Request ids.** `X-Request-Id` of a request, 1 to 128 visible ASCII characters, comes back in the answer and
stands in the node's log. A 5xx always has one, in its problem document as well.

**On any resource** a query that is not described is ignored, and so is a body that is not asked for. A server
may refuse what is not HTTP (400, 431) in words of its own.
"""


def build(settings: Settings) -> Json:
    """The OpenAPI 3.1 document of a node with these settings."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "pbproto",
            "summary": "A linearizable replicated key-value store over HTTP",
            "description": DESCRIPTION,
            "version": __version__,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [
            # Relative to where the document is: a node within an application is below a prefix.
            {"url": ".", "description": "The node that this document came from; any other does as well."}
        ],
        "tags": [{"name": name, "description": words} for name, words in TAGS.items()],
        "paths": {path: _path(path, settings) for path in resources()},
        "components": {
            "schemas": schemas(settings)
            | observing(schemas(settings)["View"])
            | {
                "Document": {
                    "type": "object",
                    "description": "An OpenAPI document.",
                    "required": ["openapi", "paths"],
                }
            },
            "parameters": {
                "Key": key(),
                "IdempotencyKey": name_of_request(),
                "IfNoneMatch": IF_NONE_MATCH,
                "Since": SINCE,
            },
            "headers": headers(),
            "responses": _of_no_operation(),
            "examples": {_name(each): {"value": problems.example(each)} for each in problems.ALL},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token that the node knows. Its roles (`read`, `write`, `admin`) say "
                    "what it may be used for.",
                }
            },
        },
    }


BYTES: Json = {"type": "string", "format": "binary"}
IF_NONE_MATCH: Json = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of the document that the client has: 304 if it is still the one.",
    "schema": {"type": "string"},
}


def _path(path: str, settings: Settings) -> Json:
    route, methods = resources()[path]
    item: Json = {}
    if "{key}" in path:
        item["parameters"] = [{"$ref": "#/components/parameters/Key"}]
    known = [OPERATIONS[route, method] for method in methods if method not in ("HEAD", "OPTIONS")]
    noun = _noun(known[0])
    for method in methods:
        if method == "OPTIONS":
            item["options"] = _options(noun, known[0].tag, methods, problems.KEYED if "{key}" in path else ())
        elif method == "HEAD":
            get = OPERATIONS[route, "GET"]
            item["head"] = _operation(route, "GET", settings) | {
                "operationId": f"head{noun}",
                "summary": f"{get.summary}: headers only",
                "description": "Status and headers of GET, without a body.",
                "responses": {
                    status: {name: part for name, part in answer.items() if name not in ("content", "links")}
                    for status, answer in _answers(get, _roles(route, "GET"), met=True).items()
                },
            }
        else:
            item[method.lower()] = _operation(route, method, settings)
    return item


def _noun(operation: Operation) -> str:
    name = operation.name
    for verb in ("get", "put", "delete"):
        name = name.removeprefix(verb)
    return name[:1].upper() + name[1:]


def _options(noun: str, tag: str, methods: Iterable[str], found: tuple[Problem, ...]) -> Json:
    success = Success(200, "`Allow` says which methods it knows", headers=("Allow",))
    words = f"They are: {', '.join(methods)}."
    operation = Operation(f"options{noun}", tag, "Which methods are there?", words, (success,), found)
    return {
        "operationId": operation.name,
        "tags": [tag],
        "summary": operation.summary,
        "description": operation.description,
        "security": [],
        "responses": _answers(operation, (), met=False),
    }


def _roles(route: Route, method: str) -> tuple[str, ...]:
    """The roles of which a client needs one; none if it needs none. Mail proves itself in its own way."""
    needed = None if route is Route.PEER else access.allowed(route, method)
    return tuple(role.value for role in access.Role if needed is not None and role in needed)


def _operation(route: Route, method: str, settings: Settings) -> Json:
    operation, roles = OPERATIONS[route, method], _roles(route, method)
    found: Json = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
    }
    if operation.tag == "internal":
        found["x-internal"] = True
    parameters = []
    if operation.named:
        parameters.append({"$ref": "#/components/parameters/IdempotencyKey"})
    if operation.cached:
        parameters.append({"$ref": "#/components/parameters/IfNoneMatch"})
    if operation.since:
        parameters.append({"$ref": "#/components/parameters/Since"})
    if parameters:
        found["parameters"] = parameters
    # One of them is enough. In 3.1 the list may name the roles of any scheme. {}: no token is asked for.
    found["security"] = [{"bearer": [role]} for role in roles]
    if roles and not settings.guarded:
        found["security"].append({})
    if operation.body:
        found["requestBody"] = _body(operation, settings)
    found["responses"] = _answers(operation, roles, met=True)
    return found


def _body(operation: Operation, settings: Settings) -> Json:
    if "/" in operation.body:
        return {"required": True, "content": {operation.body: {"schema": BYTES}}}
    limit = MAX_VIEW_BYTES if operation.body == "NewView" else settings.client_body_limit
    return {
        "required": True,
        "description": f"JSON in UTF-8, at most {limit:,} bytes, under any media type. No NaN, no Infinity.",
        "content": {"application/json": {"schema": ref(operation.body)}},
    }


def _answers(operation: Operation, roles: tuple[str, ...], *, met: bool) -> Json:
    """``met``: whether whoever asks meets the door, which does not open for strangers (``door.py``)."""
    answers = {str(each.status): _success(operation, each) for each in operation.successes}
    found = [*problems.EVERYWHERE, *operation.problems]
    if met:
        found.append(problems.INSECURE)
    if roles:
        found += problems.AUTHORIZATION
    for status in sorted({each.status for each in found}):
        answers[str(status)] = _refusal(operation, status, [each for each in found if each.status == status])
    return answers


def _success(operation: Operation, success: Success) -> Json:
    answer: Json = {"description": success.meaning[:1].upper() + success.meaning[1:] + "."}
    if success.headers:
        answer["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in success.headers}
    if success.status != 304:
        other = {"type": "string"} if success.media.startswith("text/") else BYTES
        media: Json = {"schema": ref(success.schema) if success.schema else other}
        if success.example is not None:
            media["example"] = success.example
        answer["content"] = {success.media: media}
    if operation.name == "putValue":
        answer["links"] = {
            "read": _link("getValue", "The value just written."),
            "delete": _link("deleteValue", "Takes it away again."),
        }
    elif operation.name == "deleteValue":
        answer["links"] = {"read": _link("getValue", "It is 404 now.")}
    return answer


def _link(operation: str, description: str) -> Json:
    return {"operationId": operation, "parameters": {"key": "$request.path.key"}, "description": description}


def _refusal(operation: Operation, status: int, found: list[Problem]) -> Json:
    answer = _problem(found)
    names = []
    if status in (503, 504):
        names.append("Retry-After")
    if problems.UNAUTHENTICATED in found:
        names.append("WWW-Authenticate")
    if status == 404 and operation.numbered_404:
        names.append("Msg-Num")
    if names:
        answer["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return answer


def _problem(found: list[Problem]) -> Json:
    outcomes = {each.outcome for each in found}
    narrowed: Json = {"reason": {"enum": [each.reason for each in found]}}
    if outcomes != {""}:
        narrowed["outcome"] = {"enum": sorted(outcomes - {""})}
    schema: Json = {"allOf": [ref("Problem"), {"type": "object", "properties": narrowed}]}
    if "" not in outcomes:
        schema["allOf"][1]["required"] = ["outcome"]
    return {
        "description": "; ".join(f"`{each.reason}`: {each.meaning}" for each in found) + ".",
        "content": {
            PROBLEM: {
                "schema": schema,
                "examples": {each.reason: {"$ref": f"#/components/examples/{_name(each)}"} for each in found},
            }
        },
    }


def _name(problem: Problem) -> str:
    """Of its example: one word may come with several statuses."""
    return f"{problem.reason}.{problem.status}"


def _of_no_operation() -> Json:
    """Answers to requests that the document does not have."""
    not_allowed = _problem([problems.NOT_ALLOWED])
    not_allowed["headers"] = {"Allow": {"$ref": "#/components/headers/Allow"}}
    return {"NoSuchResource": _problem([problems.NO_RESOURCE]), "MethodNotAllowed": not_allowed}


def to_bytes(document: Json) -> bytes:
    """The document as a node serves it."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
