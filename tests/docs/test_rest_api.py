"""The page about the REST API says what the code does: its tables are compared with it."""

from __future__ import annotations

import ast
import re
from http import HTTPStatus

from frontends.common import responses, routes
from frontends.common.listing import PIECE_BYTES
from frontends.common.settings import TUNABLE, Settings
from pbproto import Reason, store, values

from .blocks import ROOT

TEXT = (ROOT / "docs" / "rest-api.md").read_text("utf-8")
MAKERS = ("problem", "RefusedError")
"""What makes an answer that is an error: both take the status and the reason first."""


def table(heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without its head."""
    section = TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def reasons_of(source: str) -> set[tuple[int, str]]:
    """Every status with its reason that stands in a source as the two are given to a maker."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and len(node.args) >= 2:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            status, reason = node.args[:2]
            if (
                name in MAKERS
                and isinstance(status, ast.Constant)
                and isinstance(reason, ast.Constant)
                and isinstance(status.value, int)
                and isinstance(reason.value, str)
            ):
                found.add((status.value, reason.value))
    return found


def test_every_route_is_told() -> None:
    """Goal: the page has every path with its methods. Method: ask the mapping for what is allowed at each."""
    settings = Settings(id=1)
    told = set()
    for path, methods, _ in table("Routes"):
        target = path.strip("`").replace("<key>", "k").encode()
        answer = routes.plan("OPTIONS", target, settings)
        assert isinstance(answer, responses.Response)
        assert dict(answer.headers)["allow"] == methods, path
        plan = routes.plan("POST" if "POST" in methods else "GET", target, settings)
        assert isinstance(plan, routes.Plan)
        told.add(plan.route)
    assert told == set(routes.Route) - {routes.Route.NOTHING}


def test_every_reason_is_told() -> None:
    """Goal: a program that looks at ``reason`` finds each on the page, with its status, and no others.

    Method: read the statuses and reasons of all errors out of the frontends' sources, and add the core's.
    """
    sources = [path.read_text("utf-8") for path in (ROOT / "frontends").rglob("*.py")]
    made = set[tuple[int, str]]().union(*map(reasons_of, sources))
    told = {
        (int(status), reason.strip("`"), outcome.strip("`"))
        for status, reason, outcome, _ in table("Every `reason`")
    }
    core = {reason.value for reason in Reason}
    assert {(status, reason) for status, reason, _ in told if reason not in core} == made | {
        (400, "bad_request")
    }
    assert {reason for _, reason, _ in told if reason in core} == core
    for status, reason, outcome in told:
        assert 400 <= HTTPStatus(status) < 600
        uncertain = {
            504: "unknown",
            422: "not_applied",
            507: "not_applied",
            503: "not_applied" if reason in core else "",
        }
        assert outcome == uncertain.get(status, ""), (status, reason)


def test_reasons_are_found_in_sources() -> None:
    """Goal: the reader of sources can be trusted. Method: all forms of a call, and what is none."""
    source = 'problem(400, "a", x)\napi.problem(401, "b")\nraise RefusedError(402, "c", y)\n'
    source += 'problem(s, r)\nother(403, "d")'
    assert reasons_of(source) == {(400, "a"), (401, "b"), (402, "c")}


def test_bounds_are_those_of_the_code() -> None:
    """Goal: figures on the page are true. Method: compare them with the constants that they are."""
    defaults = {spec.name: spec.default for spec in TUNABLE}
    told = [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", TEXT)]
    assert "8 MiB" in TEXT
    assert defaults["max_value_bytes"] == 8 * 2**20
    assert "2 GiB" in TEXT
    assert defaults["max_data_bytes"] == 2 * 2**30
    assert f"{defaults['request_timeout']:g} s" in TEXT
    assert f"{PIECE_BYTES // 1024} KiB" in TEXT
    (listings,) = (spec for spec in TUNABLE if spec.name == "max_listings")
    assert f"{PIECE_BYTES // 1024} KiB or more" in listings.metadata["help"]
    for bound in (
        values.MAX_KEY_BYTES,
        values.MAX_IDEMPOTENCY_KEY_BYTES,
        values.MAX_MEMBERS,
        store.MAX_IDEMPOTENCY_KEYS,
        store.KEY_BYTES,
    ):
        assert bound in told
