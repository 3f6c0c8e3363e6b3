"""The view service as the outside of a virtual cluster: its core, over the virtual network."""

from __future__ import annotations

import json
from functools import partial

from frontends.common.responses import Response
from pbproto.config import MILLISECOND, SECOND
from viewservice import (
    EMPTY,
    PRESETS,
    Answer,
    Ask,
    Effect,
    Event,
    Lead,
    Level,
    Note,
    Order,
    Report,
    Said,
    Saw,
    Say,
    Service,
    Stored,
    Tick,
    Trouble,
    Write,
)
from viewservice.codec import listed
from viewservice.report import parse

from .errors import ClusterError
from .network import VIEW_SERVICE, Call, Failure
from .timeline import Timer
from .world import Request, World


class Outside:
    """One instance of the service, which always acts; what it writes down is never lost."""

    def __init__(self, world: World, preset: str, size: int) -> None:
        if preset not in PRESETS:
            raise ClusterError(
                f"there is no preset {preset!r} of the view service; there are {list(PRESETS)}"
            )
        if not 0 <= size <= len(world.hosts):
            raise ClusterError(f"a view has 1 to {len(world.hosts)} members here, not {size!r}")
        self._world = world
        self._service = Service(PRESETS[preset])
        self._patience = self._service.config.ask_timeout / SECOND
        self._timer: Timer | None = None
        nodes = tuple((host.id, host.address) for host in world.hosts.values())
        with world.timeline.turns:
            self._step(Lead(EMPTY))
            self._step(Order(1, "init", nodes=nodes, size=size))

    def _step(self, event: Event) -> None:
        timeline = self._world.timeline
        for effect in self._service.step(event, now=timeline.now):
            self._carry_out(effect)
        if self._timer is not None:
            self._timer.cancel()
        deadline = max(self._service.deadline, timeline.now + MILLISECOND)
        self._timer = timeline.at(deadline, lambda: self._step(Tick()))

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Ask():
                self._send(effect.id, Request("GET", b"/view", {}, b""), partial(self._saw, effect))
            case Say():
                document = {
                    "view": listed(effect.members),
                    "epoch": effect.epoch,
                    "incarnation": f"{effect.incarnation:016x}",
                }
                request = Request("PUT", b"/view", {}, json.dumps(document).encode())
                self._send(effect.id, request, partial(self._said, effect))
            case Write():
                # It takes a moment, as a disk does: the service must not hear of it within its own step.
                self._world.timeline.after(MILLISECOND, partial(self._step, Stored(effect.record)))
            case Note():
                level = "" if effect.level is Level.INFO else f"{effect.level.value}: "
                self._world.transcript.add(f"view service: {level}{effect.text}")
            case Answer():
                pass

    def _send(self, id_: int, request: Request, ended: partial[None]) -> None:
        self._world.ask(VIEW_SERVICE, id_, request, (self._patience, self._patience), ended)

    def _saw(self, ask: Ask, call: Call[Response]) -> None:
        self._step(Saw(ask.id, ask.address, ask.at, _found(call)))

    def _said(self, say: Say, call: Call[Response]) -> None:
        answer = call.answer
        refusal = "lost" if answer is None else ""
        if answer is not None and answer.status != 200:
            refusal = str(json.loads(_body(answer))["reason"])
        self._step(Said(say.id, say.epoch, refusal))


def _found(call: Call[Response]) -> Report | Trouble:
    if call.answer is None:
        refused = call.failure in (Failure.REFUSED, Failure.DISCONNECTED)
        return Trouble.REFUSED if refused else Trouble.SILENT
    if call.answer.status != 200:
        return Trouble.STRANGER
    return parse(json.loads(_body(call.answer)))


def _body(response: Response) -> bytes:
    return response.body if isinstance(response.body, bytes) else b""
