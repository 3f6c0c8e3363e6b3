"""What schemathesis is told about this store: rules no schema can say, and how a node gets its view back.

Loaded by schemathesis in its own process: ``SCHEMATHESIS_HOOKS=tests.openapi.hooks``.
"""

from __future__ import annotations

import ipaddress
import itertools
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import schemathesis

from pbproto.values import MAX_IDEMPOTENCY_KEY_BYTES

NODE_ID = 4_711_000_000_815
"""Of the node under test. No generated view may have it: the node would look for the others."""
PATIENCE = 30.0
TOKEN = "all-but-mail-0123456789"
"""For a node that asks for one."""


def is_a_view(body: Any) -> bool:
    """Whether a body that fits the schema of a view also keeps the rules that a schema cannot say."""
    members = body["view"]
    ids = [member["id"] for member in members]
    addresses = [member["address"] for member in members]
    return (
        # 1.0 is an integer to JSON Schema.
        all(type(number) is int for number in (*ids, body.get("epoch", 1)))
        and len(set(ids)) == len(ids)
        and len(set(addresses)) == len(addresses)
        and all(_is_real(address) for address in addresses)
    )


def _is_real(address: str) -> bool:
    host, _, port = address.rpartition(":")
    if host.startswith("["):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            return False
    return int(port) < 65536


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: Any) -> bool:  # noqa: ARG001
    """Drop valid views that are none, and any that would have the node speak to others."""
    if (case.operation.method.upper(), case.operation.path) != ("PUT", "/view"):
        return True
    body = case.body
    if isinstance(body, dict) and isinstance(body.get("view"), list):
        members = [each for each in body["view"] if isinstance(each, dict)]
        if any(each.get("id") == NODE_ID for each in members):
            return False
    positive = case.meta is not None and case.meta.generation.mode.is_positive
    return not positive or is_a_view(body)


_NAMES = itertools.count()


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: Any, kwargs: Any) -> None:  # noqa: ARG001
    """No two requests have one name: schemathesis would reuse them for other requests, which is 422."""
    name = (case.headers or {}).get("Idempotency-Key")
    if name and (case.meta is None or case.meta.generation.mode.is_positive):
        case.headers["Idempotency-Key"] = f"{next(_NAMES)}-{name}"[:MAX_IDEMPOTENCY_KEY_BYTES]


@schemathesis.hook
def after_call(context: schemathesis.HookContext, case: Any, response: Any) -> None:  # noqa: ARG001
    """Tell the node its own view again after every view that it took, and wait until it serves."""
    if case.operation.path != "/view" or response.request.method != "PUT" or response.status_code != 200:
        return
    tell(f"http://{urlsplit(response.request.url).netloc}")


def tell(url: str) -> None:
    """Make the node a view of one. Raises ``AssertionError`` if it does not serve."""
    body = {"view": [{"address": urlsplit(url).netloc, "id": NODE_ID}]}
    headers = {"authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=PATIENCE) as client:
        answer = client.put("/view", json=body)
        assert answer.status_code == 200, answer.text
        deadline = time.monotonic() + PATIENCE
        while client.get("/ready").status_code != 200:
            assert time.monotonic() < deadline, client.get("/view").text
