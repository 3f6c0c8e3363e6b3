"""The documents by which one looks into a node, of nodes in whatever state."""

from __future__ import annotations

import json
from dataclasses import replace

from frontends.common.history import Event, Events
from frontends.common.node import Node, Sight
from frontends.common.settings import Settings
from frontends.common.status_page import MAX_KEY_SHOWN, of_status, of_why, stamp
from pbproto import Get, Put, View
from pbproto.config import MILLISECOND, SECOND
from pbproto.inside import BackupSeen, Transfer
from pbproto.why import Awaited, Wait, Why

VIEW = View.of([(1, "a:1"), (2, "b:1")])
SETTINGS = Settings(id=1)


def waiting(key: bytes, exposed: bool = True) -> Wait:
    awaited = (Awaited(2, "b:1", "because", 7 * MILLISECOND + 1), Awaited(3, "c:1", "too"))
    return Wait("put", key, 2 * SECOND, 8 * SECOND, exposed, "parked", awaited, "it waits")


def asked(*waits: Wait) -> Why:
    return Why(1, VIEW, 4, 1, "active", "two wait", waits, 3, None, None)


def test_what_waits_is_told_in_milliseconds() -> None:
    """Goal: each field, and what a client is told at its deadline. Method: one wait by hand."""
    document = of_why(asked(waiting(b"k"), waiting(b"k", exposed=False)))
    first, second = document["waiting"]
    assert first == {
        "operation": "put",
        "key": "k",
        "since_ms": 2000,
        "deadline_in_ms": 8000,
        "at_timeout": "unknown",
        "stage": "parked",
        "waits_for": [
            {"id": 2, "address": "b:1", "reason": "because", "silent_ms": 7},
            {"id": 3, "address": "c:1", "reason": "too", "silent_ms": None},
        ],
        "words": "it waits",
    }
    assert second["at_timeout"] == "not_applied"
    assert (document["summary"], document["left_out"], document["epoch"]) == ("two wait", 3, 4)
    assert document["at_primary"] is None


def test_long_keys_are_cut_and_hostile_ones_kept_as_they_are() -> None:
    """Goal: an answer stays short and is still JSON. Method: a key of the most bytes, one of control
    characters, and none."""
    keys = [b"\xe2\x82\xac" * 1000, b'\0"</script>\x7f', b""]
    document = json.loads(json.dumps(of_why(asked(*map(waiting, keys)))))
    assert [each["key"] for each in document["waiting"]] == [
        "€" * MAX_KEY_SHOWN + "…",
        '\0"</script>\x7f',
        None,
    ]


def node() -> Node:
    return Node(SETTINGS, wake_peer=lambda _: None, wake_timer=lambda _: None)


def test_what_is_known_of_others_is_shown() -> None:
    """Goal: backups, transfers, mail and totals. Method: put them into what a fresh node shows."""
    sight = node().look()
    backup = BackupSeen(2, "b:1", 0xAB, 5, 2, 3 * MILLISECOND, "it does not answer", 4 * MILLISECOND, None)
    transfer = Transfer(3, "c:1", "to", "copy", "operations", 1, 9)
    inside = replace(sight.inside, backups=(backup,), transfers=(transfer,), ignored=(("repeated", 2),))
    document = of_status(sight._replace(inside=inside, mail={"b:1": 77}), SETTINGS, 0.0, {"requests": {}})
    assert document["backups"] == [
        {
            "id": 2,
            "address": "b:1",
            "incarnation": "00000000000000ab",
            "acked": 5,
            "lag": 2,
            "owes_ms": 3,
            "suspected": "it does not answer",
            "suspected_ms": 4,
            "lease_ms": None,
        }
    ]
    assert document["transfers"] == [
        {
            "id": 3,
            "address": "c:1",
            "direction": "to",
            "what": "copy",
            "unit": "operations",
            "done": 1,
            "total": 9,
            "refusal": None,
        }
    ]
    assert document["mail"] == [{"address": "b:1", "bytes": 77}]
    assert document["ignored"] == {"repeated": 2}
    assert document["totals"] == {"requests": {}}


def test_events_have_their_words_and_their_time() -> None:
    """Goal: an event as the page shows it. Method: one by hand, at a time that is known."""
    event = Event(7, 1_700_000_000.1239, "suspected", "warning", (("backup", 2), ("reason", "it is away")))
    document = of_status(node().look()._replace(events=Events(7, 6, (event,))), SETTINGS, 0.0, None)
    assert document["events"] == {
        "last": 7,
        "missed": 6,
        "list": [
            {
                "number": 7,
                "time": "2023-11-14T22:13:20.123Z",
                "event": "suspected",
                "level": "warning",
                "fields": {"backup": 2, "reason": "it is away"},
                "words": "node 2 is suspected: it is away. New writes wait for it",
            }
        ],
    }
    assert stamp(0.0) == "1970-01-01T00:00:00.000Z"


def test_a_node_shows_what_it_does() -> None:
    """Goal: the whole way from the replica. Method: a node is told a view whose other member never answers;
    a client reads and one writes; mail queues up."""
    one = node()
    one.tell_view(VIEW)
    one.request(lambda token: Put(token, b"k", b"secret"), lambda _: None)
    one.request(lambda token: Get(token, b"k"), lambda _: None)
    sight = one.look()
    assert isinstance(sight, Sight)
    assert sight.status.waiting == 2
    assert sight.mail.keys() == {"b:1"}
    assert sight.mail["b:1"] > 0
    assert [event.name for event in one.look(1).events.events] == ["view_told"]
    why = of_why(one.why())
    assert [(wait["operation"], wait["stage"]) for wait in why["waiting"]] == [
        ("put", "installing"),
        ("get", "installing"),
    ]
    assert "secret" not in json.dumps(why)
    assert one.told() == VIEW
    one.close()
    assert one.take_mail("b:1")
    assert one.look().mail == {}
    assert one.look().events.events[-1].name == "closed"
