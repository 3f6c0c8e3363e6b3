"""Two nodes in this process behind their REST interface; what they post to each other is carried by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from frontends.common import api, responses, routes
from frontends.common.node import Node
from frontends.common.settings import Settings
from frontends.common.wire import HEADER

ADDRESSES = {1: "127.0.0.1:8081", 2: "127.0.0.1:8082"}


class Pair:
    """Node 1, which is to be the primary, and node 2."""

    def __init__(self, **settings: Any) -> None:
        self.nodes = {id_: Node(Settings(id=id_, **settings), self._wake, self._set) for id_ in ADDRESSES}
        self.apis = {id_: api.Api(node) for id_, node in self.nodes.items()}

    @staticmethod
    def _wake(_: str) -> None:
        """Mail waits until it is carried."""

    @staticmethod
    def _set(_: int | None) -> None:
        """Nothing here happens by the clock."""

    def install(self) -> None:
        """Tell both their view and let it become active."""
        members = [{"address": address, "id": id_} for id_, address in ADDRESSES.items()]
        for id_ in self.nodes:
            assert self.ask(id_, "PUT", b"/view", {"view": members}).status == 200
        self.carry()

    def carry(self) -> None:
        """Carry mail until there is none, as requests to ``/peer``."""
        moved = True
        while moved:
            moved = False
            for sender, receiver in ((1, 2), (2, 1)):
                while mail := self.nodes[sender].take_mail(ADDRESSES[receiver]):
                    moved = True
                    answer = self.begin(receiver, "POST", b"/peer", mail, self._said(sender))[0]
                    assert isinstance(answer.body, bytes)
                    self.nodes[sender].meters.mail(ADDRESSES[receiver], 0.001, answered=True)
                    self.nodes[sender].receive_answers(
                        answer.body, ADDRESSES[receiver], dict(answer.headers)[HEADER]
                    )

    def _said(self, id_: int) -> dict[str, str]:
        return {HEADER: self.nodes[id_].peers.header}

    def begin(
        self,
        id_: int,
        method: str,
        target: bytes,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> list[responses.Response]:
        """Send a request; the answer is in the list as soon as there is one."""
        mapping, named, got = self.apis[id_], headers or {}, list[responses.Response]()
        plan = mapping.plan(method, target, named)
        if isinstance(plan, routes.Plan):
            mapping.start(plan, named, body, got.append)
        else:
            got.append(plan)
        return got

    def ask(
        self,
        id_: int,
        method: str,
        target: bytes,
        document: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> responses.Response:
        """The answer to a request, all mail carried that it takes."""
        body = b"" if document is None else json.dumps(document).encode()
        got = self.begin(id_, method, target, body, headers)
        if not got:
            self.carry()
        (answer,) = got
        return answer


def document_of(response: responses.Response) -> Any:
    """What the body of an answer says."""
    assert isinstance(response.body, bytes)
    return json.loads(response.body)
