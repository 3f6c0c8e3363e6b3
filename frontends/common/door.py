"""Who gets in: what is asked of a request before its body is read.

A browser reaches what its user can reach, and carries out what any page tells it. To a node without tokens,
which trusts its machine, two ways lead from there: a form or a script may post anything anywhere (mail is
posted), and a name of the page's own may come to mean 127.0.0.1, so that the page and the node are of one
origin to the browser (DNS rebinding). Each shows in a header that no page can leave out: a POST has an
``Origin``, and ``Host`` is that name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from . import proof
from .access import FREE
from .node import Node
from .responses import RefusedError, Response, problem, refused
from .routes import Plan, Route
from .settings import Settings, is_loopback

_PASSED_ON = ("forwarded", "x-forwarded-for", "x-real-ip")
"""By these a proxy says that somebody else asks."""
_LONGEST_HOST = 262
"""Characters of the longest name there is, with a port."""


class Caller(NamedTuple):
    """What the connection says about whoever sends a request."""

    host: str = ""
    """Its IP address; empty where there is none, as on a Unix socket."""
    certified: bool = False
    """It has shown a certificate that the authority of this node's peers has signed."""


NOBODY = Caller()


class Door:
    """Stands before a node."""

    def __init__(self, node: Node) -> None:
        self._id = node.id
        self._access = node.access
        self._certificates = bool(node.settings.tls_ca)
        self._here_only = _here_only(node.settings)
        self._own_names_only = not (node.settings.guarded or node.settings.insecure)

    @property
    def asks_who(self) -> bool:
        """Whether it matters who is connected."""
        return self._access is not None or self._certificates or self._here_only

    def pass_(self, plan: Plan, headers: Mapping[str, str], caller: Caller) -> Plan | Response:
        """The plan of a request that may go on; the answer to one that may not."""
        if self._here_only and not _is_from_here(headers, caller):
            detail = "a node without tokens serves its own machine only: give it tokens, or say --insecure"
            return problem(403, "insecure", detail)
        if plan.route is not Route.PEER:
            if self._own_names_only and not is_own_name(headers.get("host")) and plan.route not in FREE:
                detail = (
                    "a node without tokens is asked by its IP address or as localhost, or a web page could"
                    " ask it by a name of its own: give it tokens, or say --insecure"
                )
                return problem(421, "foreign_host", detail)
            if self._access is None:
                return plan
            return self._access.refusal(plan, headers) or plan
        if "origin" in headers:
            return problem(403, "not_a_peer", "mail is taken from nodes, not from web pages")
        if self._certificates and not caller.certified:
            return problem(401, "not_a_peer", "mail is taken from nodes that show a certificate")
        if self._access is None:
            return plan
        try:
            return plan._replace(secret=proof.check_head(self._access, self._id, headers))
        except RefusedError as error:
            return refused(error)


def is_own_name(host: str | None) -> bool:
    """Whether this ``Host`` is one that nobody else can make point here: an IP address, or localhost.

    None is as good: browsers always send one.
    """
    # The length first: a cache must not keep what strangers make long.
    return not host or (len(host) <= _LONGEST_HOST and _is_own_name(host))


@lru_cache(maxsize=256)
def _is_own_name(host: str) -> bool:
    if host.startswith("["):
        name = host[1:].partition("]")[0]
    else:
        name = host.partition(":")[0].lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True  # for ever (RFC 6761, section 6.3)
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_from_here(headers: Mapping[str, str], caller: Caller) -> bool:
    # Whoever is connected may be a proxy on this machine, and ask for anybody.
    return (not caller.host or is_loopback(caller.host)) and headers.keys().isdisjoint(_PASSED_ON)


def _here_only(settings: Settings) -> bool:
    """Whether it has to be seen from each request that nobody else comes in: it is not known who could."""
    return not (settings.place_known or settings.guarded or settings.insecure)
