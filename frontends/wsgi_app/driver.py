"""Executes a node's effects with threads: mail by ``http.client``, one thread a peer; ticks by one thread."""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from time import perf_counter

from frontends.common import proof, wire
from frontends.common.access import Access
from frontends.common.logs import LOGGER, logfmt
from frontends.common.node import Complaints, Node, bad_mail
from frontends.common.settings import MAX_MAIL_BYTES, Settings, split_address
from frontends.common.tls import Contexts
from frontends.common.wire import LOST, Posted
from pbproto import CodecError
from pbproto.codec import MEDIA_TYPE
from pbproto.config import MIB, SECOND

from .deadline import answer_within

IDLE = 30.0
"""Seconds after which a peer that gets no mail has no thread any more."""


class Driver:
    """One node and its threads. They are daemons: they never keep the process from ending."""

    def __init__(self, settings: Settings, contexts: Contexts | None = None) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._carriers: dict[str, _Carrier] = {}
        self._stopped = False
        self._timer = _Timer()
        self._together = 0
        """The thread whose clients are admitted together."""
        self.node = Node(settings, self._wake_peer, self._timer.set, self._gather, contexts=contexts)
        self._timer.start(self.node)

    def stop(self) -> None:
        """Carry nothing and tick no more."""
        with self._lock:
            self._stopped = True
            carriers = list(self._carriers.values())
        for carrier in carriers:
            carrier.wake.set()
        self._timer.stop()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Whoever arrives from this thread within it is admitted at its end, in one step. For one thread."""
        self._together = threading.get_ident()
        try:
            yield
        finally:
            self._together = 0
            self.node.admit()

    def _gather(self) -> None:
        if threading.get_ident() != self._together:
            self.node.admit()

    def _wake_peer(self, address: str) -> None:
        with self._lock:
            if self._stopped:
                return
            carrier = self._carriers.get(address)
            if carrier is None:
                carrier = self._carriers[address] = _Carrier(self.node, self._settings, address)
                threading.Thread(
                    target=self._carry, args=(carrier,), name=f"pbproto-peer-{address}", daemon=True
                ).start()
            carrier.wake.set()

    def _carry(self, carrier: _Carrier) -> None:
        while True:
            woken = carrier.wake.wait(IDLE)
            with self._lock:
                # Under the lock, so that nobody wakes a carrier that is about to leave.
                if self._stopped or not (woken or carrier.wake.is_set()):
                    del self._carriers[carrier.address]
                    break
                carrier.wake.clear()
            try:
                self._exchange(carrier)
            except Exception:
                # A thread that ended here would cut the peer off for ever.
                LOGGER.exception("%s", logfmt(self.node.id, "mail_failed", address=carrier.address))
        carrier.close()

    def _exchange(self, carrier: _Carrier) -> None:
        while mail := self.node.take_mail(carrier.address):
            posted = perf_counter()
            ended = carrier.post(mail)
            self.node.meters.mail(carrier.address, perf_counter() - posted, answered=ended.usable)
            try:
                self.node.posted(carrier.address, ended)
            except CodecError as error:
                bad_mail(self.node, carrier.address, error)


class _Carrier:
    """The connection to one peer, used by one thread: one POST under way, the rest goes in the next."""

    def __init__(self, node: Node, settings: Settings, address: str) -> None:
        self.address = address
        self._node = node
        self._headers = {"content-type": MEDIA_TYPE, wire.HEADER: node.peers.header}
        self._complaints = Complaints(node, address)
        self._proved = -1
        """The node that the peer on this connection has proved to be; -1 while it has not."""
        self.wake = threading.Event()
        self._timeout = settings.peer_timeout
        self._connection: http.client.HTTPConnection | None = None

    def post(self, mail: bytes) -> Posted:
        """Post once, and never again by itself; how that ended."""
        access = self._node.access
        timeout = self._timeout + len(mail) / MIB
        try:
            connection = self._connect()
            if access is None:
                return self._exchange(connection, mail, {}, timeout)[0]
            receiver = self._node.receiver_at(self.address)
            if self._proved != receiver:
                nothing = proof.nothing(self._node.peers.version(self.address))
                proved = self._prove(access, connection, receiver, nothing, timeout)
                if proved.status != HTTPStatus.OK:
                    return proved
                self._proved = receiver
            return self._prove(access, connection, receiver, mail, timeout)
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            return LOST

    def _prove(
        self,
        access: Access,
        connection: http.client.HTTPConnection,
        receiver: int,
        mail: bytes,
        timeout: float,
    ) -> Posted:
        """Post with a proof; the answer if it comes with one, too."""
        if connection.sock is None:
            return LOST  # the peer has closed it after the last answer
        asked = proof.ask(access, receiver, mail)
        answer, mac = self._exchange(connection, mail, dict(asked.headers), timeout)
        if answer.body and proof.is_answer(access, asked.nonce, mac, answer.body):
            return answer
        self._complaints.unproved(answer.status)
        self.close()
        return LOST

    def _exchange(
        self, connection: http.client.HTTPConnection, mail: bytes, headers: dict[str, str], timeout: float
    ) -> tuple[Posted, str]:
        """How a POST ended within ``timeout``, and by what its answer claims to be from a node."""
        answer_within(connection, timeout)
        connection.request("POST", "/peer", mail, self._headers | headers)
        response = connection.getresponse()
        status, body = response.status, response.read(MAX_MAIL_BYTES + 1)
        whole = len(body) <= MAX_MAIL_BYTES
        if response.will_close or not (whole and status == HTTPStatus.OK):
            self.close()
        answer = Posted(status, response.getheader(wire.HEADER), body if whole else b"")
        return answer, response.getheader("pbproto-mac", "")

    def _connect(self) -> http.client.HTTPConnection:
        connection = self._connection
        if connection is not None and connection.sock is not None:
            if _closed_by_peer(connection.sock):
                self.close()
            else:
                return connection
        host, port = split_address(self.address)
        tls = self._node.tls
        self._connection = (
            http.client.HTTPConnection(host, port, timeout=self._timeout)
            if tls is None
            else http.client.HTTPSConnection(host, port, timeout=self._timeout, context=tls.client)
        )
        self._connection.connect()
        return self._connection

    def close(self) -> None:
        self._proved = -1
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
            self._connection = None


def _closed_by_peer(connection: socket.socket) -> bool:
    """Whether a connection on which nothing was asked has become of no use."""
    # Readable would mean closed. (poll, since select knows no descriptor above 1,023.)
    watch = select.poll()
    watch.register(connection, select.POLLIN)
    if not watch.poll(0):
        return False
    if not isinstance(connection, ssl.SSLSocket):
        return True
    # TLS 1.3 sends tickets after the handshake, which nobody asked for either.
    connection.settimeout(0)
    try:
        connection.recv(1)
    except ssl.SSLWantReadError:
        return False
    except OSError:
        return True
    return True


class _Timer:
    """Ticks the node when its deadline has come."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._deadline: int | None = None
        self._stopped = False

    def start(self, node: Node) -> None:
        threading.Thread(target=self._run, args=(node,), name="pbproto-timer", daemon=True).start()

    def set(self, deadline: int | None) -> None:
        with self._changed:
            before = self._deadline
            if deadline is not None and (before is None or deadline < before):
                self._deadline = deadline
                self._changed.notify()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _run(self, node: Node) -> None:
        while True:
            with self._changed:
                while not self._stopped:
                    deadline = self._deadline
                    rest = None if deadline is None else (deadline - node.clock()) / SECOND
                    if rest is not None and rest <= 0:
                        self._deadline = None
                        break
                    self._changed.wait(rest)
                if self._stopped:
                    return
            try:
                node.tick()  # sets the next deadline
            except Exception:
                LOGGER.exception("%s", logfmt(node.id, "tick_failed"))
                self.set(node.clock() + SECOND)
