"""Half-open connections: what was said long ago arrives after the view has changed, and changes nothing.

Each test first proves that the old bytes arrive: a proxy counts them, or the node says what it was told.
"""

from __future__ import annotations

import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from tests.checker.linearizability import check
from tests.live.harness import Kind, wait_until
from tests.live.netns import NetworkCluster, ip, why_not
from tests.live.scenario import answers_of_all_sorts, assert_refused

from .ground import WIRE_PORT, Ground, Lift
from .line import Line, LostError
from .scene import Scene, scene
from .stream import HOLD

pytestmark = [pytest.mark.timeout(300)]

ENV = {
    "PBPROTO_REQUEST_TIMEOUT": "1",
    "PBPROTO_PEER_TIMEOUT": "0.5",
    "PBPROTO_BATCH_BYTES": "100000",
    # No node is suspected in these scenes: a write that nobody answers is to be sent, not parked. And nobody
    # asks for a sign of life, so that the connections are idle, most likely, when the write needs them.
    "PBPROTO_SUSPECT_AFTER": "30",
    "PBPROTO_HEARTBEAT": "30",
}
LARGE = "x" * 20_000
"""So much larger than all else that bytes on a wire can be told by their number."""


def each(*kinds: str) -> pytest.MarkDecorator:
    """A parameter ``kind``; what runs the same kind of cluster runs one after the other."""
    marked = [pytest.param(kind, marks=pytest.mark.xdist_group(f"chaos-{kind}")) for kind in kinds]
    return pytest.mark.parametrize("kind", marked)


def judge(stage: Scene) -> None:
    """The history is linearizable, with its numbers and without."""
    history = stage.history()
    for numbers in (True, False):
        verdict = check(history, numbers=numbers)
        assert verdict.ok, verdict.explain()


@each("quart", "wsgi")
def test_held_requests_of_an_old_view(kind: Kind, tmp_path: Path) -> None:
    """Goal: requests of a replaced primary, and to it, are delivered after all is healed, and change nothing.

    Method: hold both ways between node 0 and the others. A write at 0 stands on its wires to both, a write
    at 1 on the wire to 0; both are refused as unknown, and the nodes hang up. {1, 2} takes over and
    overwrites. Then the holds end: all three wires deliver, counted, and every store stays as it was, also
    once 0 is back.
    """
    with scene("proxy", tmp_path, kind, env=ENV) as stage, ThreadPoolExecutor(8) as pool:
        wires = stage.ground.wires
        stage.write(0, "k", "old")
        stage.write(0, "gone", "old")
        lift = wires.impose(HOLD, stage.ground.around(0))
        at_primary = stage.ask(0, "put", "k", f"zombie{LARGE}")
        at_backup = stage.ask(1, "put", "other", f"forwarded{LARGE}")
        assert (at_primary.outcome, at_backup.outcome) == ("unknown", "unknown")
        held = [(0, 1), (0, 2), (1, 0)]
        for way in held:
            wait_until(lambda: wires.waiting(way) > len(LARGE), f"the old request stands on {way}")  # noqa: B023
            assert wires.traffic(way).late == 0

        stage.cluster.install([1, 2])
        stage.write(1, "k", "new")
        stage.write(2, "created", "new")
        assert stage.ask(2, "delete", "gone").outcome == "ok"
        expected = {"k": "new", "created": "new"}
        assert stage.contents(1) == expected

        lift()
        for way in held:
            wait_until(lambda: wires.traffic(way).late > len(LARGE), f"{way} delivers")  # noqa: B023
            assert wires.traffic(way).late_mails >= 1
        for way in held:
            wait_until(lambda: wires.waiting(way) == 0, f"{way} has delivered everything")  # noqa: B023
        assert_refused(answers_of_all_sorts(stage.cluster.node(0), "k", pool))
        assert stage.contents(1) == stage.contents(2) == expected
        stage.cluster.install([0, 1, 2])
        for node in (0, 1, 2):
            assert stage.contents(node) == expected
        judge(stage)


def unsent(ground: Ground, speaker: int, listener: int) -> int:
    """How many bytes the kernel of one node's host still keeps for another node, which has not got them."""
    network = cast(NetworkCluster, ground.cluster).network
    packed = socket.inet_aton(network.address(f"n{listener}"))
    remote = f"{int.from_bytes(packed, sys.byteorder):08X}:{WIRE_PORT:04X}"
    table = ip("netns", "exec", network.namespace(f"n{speaker}"), "cat", "/proc/net/tcp")
    lines = [line.split() for line in table.splitlines()[1:]]
    return sum(int(fields[4].partition(":")[0], 16) for fields in lines if fields[2] == remote)


def leave_unsent(stage: Scene, value: str) -> Lift:
    """Mute node 0, and have it say a write that then stands in its kernel, for both others.

    A node sends it on connections that exist only while nothing else is under way on them; so try again.
    """
    for _ in range(10):
        stage.write(0, "k", "old")
        lift = stage.ground.mute([(0, 1), (0, 2)])
        assert stage.ask(0, "put", "k", value).outcome != "ok"
        if all(unsent(stage.ground, 0, node) > len(value) for node in (1, 2)):
            return lift
        lift()
        wait_until(lambda: not any(unsent(stage.ground, 0, node) for node in (1, 2)), "all is sent", 150)
    raise AssertionError("the write never stood on both connections")


@pytest.mark.netns
@each("quart", "wsgi")
def test_last_words_of_a_dead_primary(kind: Kind, tmp_path: Path) -> None:
    """Goal: TCP itself delivers what a dead process said before the view changed, and it changes nothing.

    Method: lose all that node 0 sends to the others; a write at it fails, and its kernel keeps the bytes.
    Kill it: the kernel goes on sending. {1, 2} takes over. Then the network heals, and the old bytes arrive:
    nobody else could have sent so many, and the proxies in front of 1 and 2 count them.
    """
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with scene("netns", tmp_path, kind, env=ENV) as stage:
        wires, ground = stage.ground.wires, stage.ground
        lift = leave_unsent(stage, f"zombie{LARGE}")
        before = {node: wires.traffic((0, node)).passed for node in (1, 2)}
        stage.cluster.node(0).kill()
        stage.cluster.install([1, 2])
        stage.write(1, "k", "new")
        for node in (1, 2):
            assert unsent(ground, 0, node) > len(LARGE), "nothing of it has arrived yet"
        lift()
        for node in (1, 2):
            wait_until(
                lambda: wires.traffic((0, node)).passed - before[node] > len(LARGE),  # noqa: B023
                f"the dead node's words reach node {node}",
                150,
            )
        assert stage.contents(1) == stage.contents(2) == {"k": "new"}
        stage.cluster.start_all()
        stage.cluster.install([0, 1, 2])
        assert stage.contents(0) == {"k": "new"}
        judge(stage)


@each("mixed")
def test_numbered_view_told_late(kind: Kind, tmp_path: Path) -> None:
    """Goal: an old numbered view that reaches a node after a newer one became active elsewhere moves nobody.

    Method: stop node 2; tell it {1, 2} as epoch 2 and hang up; {0, 1} as epoch 3 becomes active and is
    written to. Continue node 2: it hears of epoch 2, says so, and tries; nothing happens. Then it is back.
    """
    with scene("proxy", tmp_path, kind, numbered=True, env=ENV) as stage:
        cluster = stage.cluster
        stage.write(0, "k", "old")
        cluster.node(2).pause()
        line = Line(stage.ground.opener(2), 0.2)
        with pytest.raises(LostError):
            line.ask("PUT", "/view", cluster.view_body([1, 2], 2))
        cluster.install([0, 1], epoch=3)
        stage.write(1, "k", "new")
        cluster.node(2).resume()
        wait_until(lambda: cluster.node(2).view()["epoch"] == 2, "node 2 hears of the old view")
        assert cluster.node(2).view()["status"] == "installing"
        refusal = [
            {"id": 1, "address": cluster.node(1).member["address"], "reason": "it was told another view"}
        ]
        wait_until(lambda: cluster.node(2).view()["waiting_for"] == refusal, "node 1 has refused")
        assert stage.contents(0) == stage.contents(1) == {"k": "new"}
        cluster.wait_active([0, 1])
        cluster.install([0, 1, 2], epoch=4)
        for node in (0, 1, 2):
            assert stage.contents(node) == {"k": "new"}
        judge(stage)
