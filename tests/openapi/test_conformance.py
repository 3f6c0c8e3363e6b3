"""schemathesis finds no difference between a node and the document that it serves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from frontends.common.openapi import build
from frontends.common.settings import Settings
from tests.live.harness import Kind

from .hooks import NODE_ID, tell
from .running import MAX_VALUE, cluster_of_one, look, look_at_node

pytestmark = pytest.mark.timeout(300)

PHASES = {"examples", "coverage", "fuzzing", "stateful"}
PATIENCE = 200.0


@pytest.mark.parametrize(
    ("kind", "guarded"),
    [
        pytest.param("quart", True, marks=pytest.mark.xdist_group("openapi-quart")),
        pytest.param("wsgi", False, marks=pytest.mark.xdist_group("openapi-wsgi")),
    ],
)
def test_schemathesis_finds_nothing(kind: Kind, guarded: bool, tmp_path: Path) -> None:
    """Goal: a node answers what its document says, and refuses what the document forbids.

    Method: schemathesis makes requests from the document, legal and not, one by one and along its links, with
    every check that has something to look at (schemathesis.toml says which have not). The same ones each
    time; ``python -m tests.openapi`` makes more. One of the nodes asks for tokens, and has to ask everywhere
    that it says. The report has to say that all phases and operations ran.
    """
    found, log = look_at_node(
        tmp_path, kind, None, ["--seed=1", "--max-examples=3"], PATIENCE, guarded=guarded
    )
    assert found.status == 0, found.output
    assert {name for name, each in found.report["phases"].items() if each["status"] == "success"} == PHASES
    paths = build(Settings(id=0))["paths"]
    operations = sum(not name.startswith("param") for item in paths.values() for name in item)
    skipped = 2  # of /peer
    assert found.report["operations"]["tested"] == operations - skipped
    assert found.report["test_cases"]["generated"] > 250
    assert "Traceback" not in log, log


def test_schemathesis_would_find_it(tmp_path: Path) -> None:
    """Goal: the test above can fail.

    Method: the document is changed so that the node does otherwise in five ways, and schemathesis has to name
    each: a status and a header that are not as it says, a value that may be longer, a member that must be,
    a token that nobody asks for.
    """
    document = build(Settings(id=0, max_value_bytes=MAX_VALUE))
    paths = document["paths"]
    del paths["/data/{key}"]["delete"]["responses"]["404"]
    paths["/ready"]["get"]["responses"]["200"]["headers"] = {
        "Msg-Num": {"$ref": "#/components/headers/Msg-Num"}
    }
    paths["/ready"]["head"]["security"] = [{"bearer": ["read"]}]
    document["components"]["schemas"]["Value"]["properties"]["value"]["maxLength"] = MAX_VALUE - 1
    document["components"]["schemas"]["Ping"]["required"].append("age")
    with cluster_of_one(tmp_path, "quart") as alone:
        alone.start_all()
        url = alone.node(NODE_ID).url
        tell(url)
        options = ["--header=Authorization: Bearer whatever", "--seed=1"]
        options += ["--phases=coverage", "--include-path-regex=^/(data/.*|ping|ready)$"]
        found = look(url, json.dumps(document).encode(), tmp_path, options, PATIENCE)
    assert found.status == 1, found.output
    failures = {(each["type"], name) for each in found.report["failures"] for name in each["operations"]}
    assert failures == {
        ("UndefinedStatusCode", "DELETE /data/{key}"),
        ("AcceptedNegativeData", "PUT /data/{key}"),
        ("JsonSchemaError", "GET /data/{key}"),  # the longest value, which the node took
        ("JsonSchemaError", "GET /ping"),
        ("MissingHeaders", "GET /ready"),
        ("IgnoredAuth", "HEAD /ready"),
        ("MissingHeaderNotRejected", "HEAD /ready"),
    }
