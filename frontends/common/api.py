"""The mapping between HTTP and the node, once for every frontend.

A frontend asks ``plan`` what a request is, reads a body of at most ``plan.body_limit`` bytes, and calls
``Api.start``: the answer is either there at once or comes to a callback later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic, perf_counter

from pbproto import (
    CodecError,
    Delete,
    Get,
    GetAll,
    Listing,
    Put,
    Reject,
    VersionError,
    ViewRefused,
    Written,
)
from pbproto.codec import MEDIA_TYPE, VERSIONS
from pbproto.events import Request as CoreRequest

from . import door, entrance, proof, trace_context, wire
from .bodies import idempotency_key, parse_value, parse_view
from .budget import SHORT, Budget
from .door import NOBODY, Caller
from .ledger import Ledger
from .listing import to_json
from .metrics import Exposition
from .node import Answer, Node
from .openapi.serving import Documents, unless_known
from .origins import SHARED, shared
from .pages import answer as page
from .responses import (
    JSON,
    NOTHING,
    WRITTEN,
    Headers,
    RefusedError,
    Response,
    head,
    internal_error,
    problem,
    refused,
    rejection,
    success,
    too_many,
    too_many_bytes,
    too_many_clients,
    two_lengths,
)
from .routes import BARE, Plan, Route, path_of, plan, refused_plan
from .status_page import not_serving, of_status, of_view, of_why, since
from .wire import Range


class Api:
    """The REST interface of one node."""

    def __init__(self, node: Node, name: str = "") -> None:
        """``name``: the last part of the prefix below which it is, if there is one (``Place.name``)."""
        self._node = node
        self._name = name
        self._settings = node.settings
        self.meters = node.meters
        self._exposition = Exposition(node)
        self._ledger = Ledger(node)
        self._wire: Headers = ((wire.HEADER, str(Range(VERSIONS[0], node.settings.wire))),)
        self._door = door.Door(node)
        self.bodies = Budget(self._settings.max_body_bytes)
        """For the long bodies of clients."""
        self._started = monotonic()
        self._documents = Documents(self._settings)

    @property
    def node_id(self) -> int:
        """The id of the node."""
        return self._node.id

    @property
    def client_timeout(self) -> float:
        """Seconds that a client may take for a body."""
        return self._settings.client_timeout

    @property
    def guarded(self) -> bool:
        """Whether it matters who is connected."""
        return self._door.asks_who

    def plan(
        self, method: str, target: bytes, headers: Mapping[str, str], caller: Caller = NOBODY
    ) -> Plan | Response:
        """What a request is, before its body is read; or the answer, where nothing more has to be known.

        ``headers`` are those of ``wanted.WANTED`` that it has, by lower-case name; ``caller`` is what the
        connection says about whoever sends it.
        """
        if "transfer-encoding" in headers and "content-length" in headers:
            return head(method, self.unplanned(method, target, headers, two_lengths()))
        found = plan(method, target, self._settings)
        if isinstance(found, Plan):
            answer = self._door.pass_(found, headers, caller)
            found = answer if isinstance(answer, Plan) else head(method, answer)
        if isinstance(found, Response):
            found = self.unplanned(method, target, headers, found)
            if path_of(target) in SHARED:
                return self._shared(method, headers, found)
        return found

    def start(
        self, request: Plan, headers: Mapping[str, str], body: bytes, done: Callable[[Response], None]
    ) -> None:
        """Handle a request whose body was read; ``done`` gets the answer once, now or later.

        ``headers`` are looked up by lower-case name. ``done`` may be called from any thread.
        """
        started = perf_counter()
        if self._ledger.tracing is not None:
            headers = self._ledger.tracing.begin(request, headers)
        try:
            if request.waits:
                self._node.request(
                    self._operation(request, headers, body),
                    lambda answer: done(self._answered(request, headers, answer, started)),
                )
                return
            if request.route is Route.METRICS:
                response = self._metrics(headers.get("accept", ""))
            else:
                response = self._now(request, headers, body)
        except RefusedError as error:
            response = refused(error)
        if request.route in _SHARED:
            response = self._shared(request.method, headers, response)
        done(self._end(request, headers, response, started))

    def refuse(self, request: Plan, headers: Mapping[str, str], response: Response) -> Response:
        """The answer of a frontend that did not ``start`` a request; every request is counted once."""
        return self._end(request, headers, response, perf_counter())

    def unplanned(
        self, method: str, target: bytes, headers: Mapping[str, str], response: Response
    ) -> Response:
        """The answer of a frontend to a request that never had a plan."""
        return self._ledger.end(refused_plan(method, target), headers, response, perf_counter())

    def failed(self, method: str, target: bytes, headers: Mapping[str, str]) -> Response:
        """The answer to a request at which our own code failed; to be called by the exception's handler."""
        name = self._ledger.failure("request_failed", headers)
        return self._ledger.end(refused_plan(method, target), headers, internal_error(), perf_counter(), name)

    def _end(self, request: Plan, headers: Mapping[str, str], response: Response, started: float) -> Response:
        return head(request.method, self._ledger.end(request, headers, response, started))

    def _answered(
        self, request: Plan, headers: Mapping[str, str], answer: Answer, started: float
    ) -> Response:
        name = ""
        try:
            response = self._answer(answer)
        except Exception:
            # Whatever went wrong here, a client that got no answer at all would wait for ever.
            name = self._ledger.failure("answer_failed", headers)
            response = internal_error()
        response = self._ledger.end(request, headers, response, started, name)
        return head(request.method, response) if request.method == "HEAD" else response

    def _shared(self, method: str, headers: Mapping[str, str], response: Response) -> Response:
        origin = headers.get("origin")
        return shared(response, method, origin, None if origin is None else self._node.told())

    def _answer(self, answer: Answer) -> Response:
        if isinstance(answer, Reject):
            return rejection(answer)
        outcome = answer.outcome
        if isinstance(outcome, Written):
            return _written(outcome)
        number: Headers = (("msg-num", str(outcome.position)),)
        if isinstance(outcome, Listing):
            return self._listing(outcome, number)
        if outcome.value is None:
            return _missing(number)
        body = b'{"value":%b}' % to_json(outcome.value.decode())
        return Response(200, (JSON, *number), body)

    def _listing(self, outcome: Listing, number: Headers) -> Response:
        body = self._node.listings.answer(outcome.items)
        if body is None:
            return too_many("too many long listings are under way at this node")
        return Response(200, (("content-type", "application/json"), *number), body)

    def overloaded(self, request: Plan, headers: Mapping[str, str], body: bytes) -> Response:
        """The answer where the frontend can let nobody else wait; a bad request is bad here, too."""
        try:
            self._operation(request, headers, body)
        except RefusedError as error:
            return self.refuse(request, headers, refused(error))
        return self.refuse(request, headers, too_many_clients())

    def has_room(self, size: int) -> bool:
        """Whether a client's body of ``size`` bytes is worth reading: there would be room for it in the node.

        A node that is full works off what it let in only if it spends next to nothing on the others: to read
        and parse a megabyte takes as long as to replicate it. Bodies that are being read count as well.
        """
        if size <= SHORT:
            return True
        # Escapes make a body longer than its value, and the longest value finds room in a node that is idle.
        return self._node.has_room(min(size, self._settings.max_value_bytes) + self.bodies.held)

    def withhold(self, response: Response) -> Response:
        """What a client gets in place of a long answer, counted already, that finds no room on its way."""
        return self._ledger.withheld(response, too_many_bytes())

    def too_large(self, request: Plan) -> Response:
        """The answer to a body above ``request.body_limit``."""
        return problem(413, "body_too_large", f"the body may have {request.body_limit} bytes")

    def _now(self, request: Plan, headers: Mapping[str, str], body: bytes) -> Response:
        if request.route is Route.PING:
            return success(200, {"status": "ok", "id": self._node.id})
        if request.route is Route.READY:
            return self._ready()
        if request.route is Route.PEER:
            return self._mail(request, headers, body)
        if request.route is Route.ROOT:
            below = f"{self._name}/" if request.path == BARE and self._name else ""
            return entrance.answer(self._node.id, below, headers.get("accept", ""))
        if request.route in (Route.OPENAPI, Route.DOCS):
            found = self._documents.document if request.route is Route.OPENAPI else self._documents.page
            return unless_known(found, headers.get("if-none-match"))
        if request.route is Route.STATUS:
            sight = self._node.look(since(request.query))
            return success(200, of_status(sight, self._settings, self._started, self.meters.totals()))
        if request.route is Route.WHY:
            return success(200, of_why(self._node.why()))
        if request.route is Route.PAGE:
            return page(request.path, headers.get("if-none-match"))
        if request.method == "PUT":
            answer = self._node.tell_view(*parse_view(body))
            if isinstance(answer, ViewRefused):
                raise RefusedError(409, answer.reason.value, answer.detail)
        return success(200, of_view(self._node.status()))

    def _ready(self) -> Response:
        status = self._node.status()
        if status.ready:
            return success(200, {"ready": True})
        detail, said = not_serving(status), status.blocked or status.waiting_for
        if not said and status.status != "active" and (advice := self._node.advise()) is not None:
            detail = f"{advice.what}; {advice.remedy}"
        return problem(503, "not_ready", detail)

    def _metrics(self, accept: str) -> Response:
        body, media_type = self._exposition.render(accept)
        return Response(200, (("content-type", media_type),), body)

    def _mail(self, request: Plan, headers: Mapping[str, str], body: bytes) -> Response:
        if request.secret:
            proof.check_body(headers, body)
        try:
            answers = self._node.receive(body, headers.get(wire.HEADER))
        except VersionError as error:
            response = problem(400, "other_version", str(error), self._wire)
        except CodecError as error:
            response = problem(400, "bad_mail", str(error), self._wire)
        else:
            response = Response(200, (("content-type", MEDIA_TYPE), *self._wire), answers)
        if not request.secret or not isinstance(response.body, bytes):
            return response
        # A refusal is proved as well: by it the peer chooses what it speaks.
        proved = proof.answer(request.secret, headers, response.body)
        return response._replace(headers=(*response.headers, *proved))

    def _operation(
        self, request: Plan, headers: Mapping[str, str], body: bytes
    ) -> Callable[[int], CoreRequest]:
        key = request.key
        if not key:  # that of a request for a key has a byte at least
            return GetAll
        if request.method in ("GET", "HEAD"):
            return lambda token: Get(token, key)
        name = idempotency_key(headers.get("idempotency-key"))
        trace = trace_context.pack(trace_context.of(headers)) if "traceparent" in headers else b""
        if request.method == "DELETE":
            return lambda token: Delete(token, key, name, trace)
        value = parse_value(body, self._settings.max_value_bytes)
        return lambda token: Put(token, key, value, name, trace)


_SHARED = (Route.STATUS, Route.WHY, Route.VIEW)


def _written(outcome: Written) -> Response:
    kind, position = outcome.result
    number = ("msg-num", str(position))
    status = WRITTEN.get(kind.value)
    return _missing((number,)) if status is None else Response(status, (JSON, number), NOTHING)


def _missing(number: Headers) -> Response:
    return problem(404, "no_such_key", "the key is not in the store", number)
