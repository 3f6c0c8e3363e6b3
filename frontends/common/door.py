"""Who gets in: what is asked of a request before its body is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from . import proof
from .node import Node
from .responses import RefusedError, Response, problem, refused
from .routes import Plan, Route
from .settings import Settings, is_loopback


class Caller(NamedTuple):
    """What the connection says about whoever sends a request."""

    host: str = ""
    """Its IP address; empty where there is none, as on a Unix socket."""
    certified: bool = False
    """It has shown a certificate that the authority of this node's peers has signed."""


NOBODY = Caller()


class Door:
    """Stands before a node that not everybody may do everything with."""

    def __init__(self, node: Node) -> None:
        self._id = node.id
        self._access = node.access
        self._certificates = bool(node.settings.tls_ca)
        self._here_only = _here_only(node.settings)

    def pass_(self, plan: Plan, headers: Mapping[str, str], caller: Caller) -> Plan | Response:
        """The plan of a request that may go on; the answer to one that may not."""
        if self._here_only and caller.host and not is_loopback(caller.host):
            detail = "a node without tokens serves its own machine only: give it tokens, or say --insecure"
            return problem(403, "insecure", detail)
        if plan.route is not Route.PEER:
            if self._access is None:
                return plan
            return self._access.refusal(plan, headers) or plan
        if self._certificates and not caller.certified:
            return problem(401, "not_a_peer", "mail is taken from nodes that show a certificate")
        if self._access is None:
            return plan
        try:
            return plan._replace(secret=proof.check_head(self._access, self._id, headers))
        except RefusedError as error:
            return refused(error)


def _here_only(settings: Settings) -> bool:
    """Whether it has to be seen from each request that nobody else comes in: it is not known who could."""
    return not (settings.place_known or settings.guarded or settings.insecure)


def of(node: Node) -> Door | None:
    """The door of a node, or ``None`` where everybody may do everything."""
    if node.access is None and not node.settings.tls_ca and not _here_only(node.settings):
        return None
    return Door(node)
