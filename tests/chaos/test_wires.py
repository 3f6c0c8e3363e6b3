"""The proxies between nodes: each trouble does what it says, to one way only, and ends when it should."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from random import Random

import pytest

from pbproto.codec import MAGIC, encode
from pbproto.messages import Confirm, Envelope
from pbproto.values import NO_BALLOT
from tests.live.harness import reserve_port, wait_until

from .mail import NOBODY, sender_of
from .stream import CUT, HOLD, Trouble
from .wires import Wires

SPEAKER, LISTENER = 1, 2
THERE, BACK = (SPEAKER, LISTENER), (LISTENER, SPEAKER)


def mail(sender: int, body: bytes = b"") -> bytes:
    """A POST as a peer begins it, with as much of a body as the proxy reads, and any bytes behind it."""
    start = MAGIC + struct.pack(">HQ", 1, sender) + bytes(32)
    return b"POST /peer HTTP/1.1\r\nHost: x\r\n\r\n" + start + body


class Echo:
    """Stands for a node: keeps what it is told, and says it back."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self.listener.getsockname()
        self.heard = b""
        self.hung_up = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=self.listener.accept()[:1], daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        with link, suppress(OSError):
            while piece := link.recv(65_536):
                self.heard += piece
                link.sendall(piece)
        self.hung_up += 1

    def close(self) -> None:
        self.listener.close()


@pytest.fixture
def node() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.close()


@pytest.fixture
def wires() -> Iterator[Wires]:
    made = Wires()
    yield made
    made.close()
    assert made.errors == []


@pytest.fixture
def front(wires: Wires, node: Echo) -> tuple[str, int]:
    """The address of the proxy in front of the node."""
    listener = reserve_port()
    address: tuple[str, int] = listener.getsockname()
    wires.attach(LISTENER, listener, lambda: (socket.socket(), node.address))
    return address


def speak(front: tuple[str, int], said: bytes) -> socket.socket:
    link = socket.create_connection(front, timeout=30)
    link.sendall(said)
    return link


def read(link: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        piece = link.recv(size - len(got))
        if not piece:
            break
        got += piece
    return got


def test_sender_is_read_from_real_mail() -> None:
    """Goal: the proxy knows who speaks by the codec's own bytes. Method: encode, cut at every length."""
    body = encode([(Envelope(7, 1, 2, 3, 4), Confirm(NO_BALLOT, 5))])
    whole = b"POST /peer HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    seen = [sender_of(whole[:size]) for size in range(len(whole) + 1)]
    known = seen.index(7)
    assert seen == [None] * known + [7] * (len(seen) - known)
    assert sender_of(b"GET /view HTTP/1.1\r\n\r\n") == NOBODY
    assert sender_of(b"POST /peer HTTP/1.1\r\n\r\n" + bytes(99)) == NOBODY


def test_passes_both_ways(wires: Wires, node: Echo, front: tuple[str, int]) -> None:
    """Goal: a healthy wire changes nothing. Method: a megabyte, and the end of it, there and back."""
    said = mail(SPEAKER, bytes(range(256)) * 4096)
    with socket.create_connection(front, timeout=30) as link:
        threading.Thread(target=link.sendall, args=(said,), daemon=True).start()
        assert read(link, len(said)) == said
        link.shutdown(socket.SHUT_WR)
        assert link.recv(1) == b""
    assert node.heard == said
    wait_until(lambda: node.hung_up == 1, "the node learns that its peer hung up")
    assert wires.traffic(THERE).passed == wires.traffic(BACK).passed == len(said)
    assert wires.total().lost == wires.total().late == 0


def test_hold_delivers_what_a_closed_connection_said(
    wires: Wires, node: Echo, front: tuple[str, int]
) -> None:
    """Goal: a held request arrives after its speaker has hung up, whole, and counted as late.

    Method: hold one way, speak and close; nothing arrives while another peer's words do; end the hold.
    """
    lift = wires.impose(HOLD, [THERE])
    said = mail(SPEAKER, b"old")
    speak(front, said).close()
    wait_until(lambda: wires.waiting(THERE) == len(said), "the proxy keeps what was said")
    other = mail(3, b"other")
    with speak(front, other) as link:
        assert read(link, len(other)) == other
    assert node.heard == other
    lift()
    wait_until(lambda: node.heard == other + said, "the old request arrives")
    traffic = wires.traffic(THERE)
    assert (traffic.late, traffic.late_mails) == (len(said), 1)
    assert traffic.oldest > 0.0
    assert wires.traffic((3, LISTENER)).late == 0


def test_hold_of_the_answers_only(wires: Wires, node: Echo, front: tuple[str, int]) -> None:
    """Goal: one way is one way: the request arrives, the answer waits for the end of the hold."""
    said = mail(SPEAKER, b"question")
    lift = wires.impose(HOLD, [BACK])
    with speak(front, said) as link:
        wait_until(lambda: wires.waiting(BACK) == len(said), "the answer is kept")
        assert node.heard == said
        lift()
        assert read(link, len(said)) == said
    assert wires.traffic(BACK).late == len(said)


def test_cut_loses_and_resets(wires: Wires, node: Echo, front: tuple[str, int]) -> None:
    """Goal: what is said on a cut wire never arrives, and the connection is useless afterwards.

    Method: speak, cut, speak again; when the cut ends the speaker sees a reset. A new connection works.
    """
    first = mail(SPEAKER, b"first")
    link = speak(front, first)
    assert read(link, len(first)) == first
    lift = wires.impose(CUT, [THERE])
    link.sendall(b"lost")
    wait_until(lambda: wires.traffic(THERE).lost == 4, "what is said is lost")
    lift()
    with pytest.raises(ConnectionError):
        link.recv(1)
    link.close()
    with speak(front, first) as again:
        assert read(again, len(first)) == first
    assert node.heard == first * 2


def test_cut_of_the_answers_only(wires: Wires, node: Echo, front: tuple[str, int]) -> None:
    """Goal: with the way back cut the node hears and is not heard."""
    said = mail(SPEAKER, b"question")
    wires.impose(CUT, [BACK])
    with speak(front, said):
        wait_until(lambda: wires.traffic(BACK).lost == len(said), "the answer is lost")
    assert node.heard == said


def test_troubles_overlap(wires: Wires, node: Echo, front: tuple[str, int]) -> None:
    """Goal: a wire with two troubles is well when both have ended, and ending one twice ends it once."""
    lifts = [wires.impose(HOLD, [THERE]), wires.impose(HOLD, [THERE])]
    said = mail(SPEAKER)
    with speak(front, said) as link:
        wait_until(lambda: wires.waiting(THERE) == len(said), "the proxy keeps what was said")
        lifts[0]()
        lifts[0]()
        assert wires.waiting(THERE) == len(said)
        lifts[1]()
        assert read(link, len(said)) == said
    assert node.heard == said


def test_slow_takes_its_time(wires: Wires, front: tuple[str, int]) -> None:
    """Goal: a slow wire delivers everything, no sooner than it should: lower bounds are no matter of luck.

    Method: 0.2 s of delay and 100 kB at 200 kB/s; read a monotonic clock around it. Then nothing is slow.
    """
    said = mail(SPEAKER, bytes(100_000))
    lift = wires.impose(Trouble(delay=0.2, rate=200_000), [THERE])
    started = time.monotonic()
    with speak(front, said) as link:
        assert read(link, len(said)) == said
        assert time.monotonic() - started >= 0.2 + len(said) / 200_000 - 0.01
        lift()
        link.sendall(b"quick")
        assert read(link, 5) == b"quick"


def test_reset(wires: Wires, front: tuple[str, int]) -> None:
    """Goal: a reset ends every connection of a node, from whichever side, and no other."""
    mine, other = mail(SPEAKER), mail(3)
    links = [speak(front, mine), speak(front, other)]
    for link, said in zip(links, (mine, other), strict=True):
        assert read(link, len(said)) == said
    assert wires.reset(SPEAKER) == 1
    with pytest.raises(ConnectionError):
        links[0].recv(1)
    links[1].sendall(b"still here")
    assert read(links[1], 10) == b"still here"
    for link in links:
        link.close()


@pytest.mark.parametrize("trouble", ["reset", "cut"])
def test_nothing_else_happens_to_what_is_held(
    wires: Wires, node: Echo, front: tuple[str, int], trouble: str
) -> None:
    """Goal: what was held long enough for other faults to come and go arrives all the same.

    Method: a reset of the node, or a cut that begins and ends, while its mail is held.
    """
    lift = wires.impose(HOLD, [THERE])
    said = mail(SPEAKER, b"held")
    speak(front, said).close()
    wait_until(lambda: wires.waiting(THERE) == len(said), "the proxy keeps what was said")
    if trouble == "reset":
        assert wires.reset(LISTENER) == 0
    else:
        wires.impose(CUT, [THERE])()
    lift()
    wait_until(lambda: node.heard == said, "the old request arrives")
    assert wires.traffic(THERE).lost == 0


def test_cut_that_outlasts_a_hold_loses_what_was_held(
    wires: Wires, node: Echo, front: tuple[str, int]
) -> None:
    """Goal: a hold ends into whatever else the wire suffers. Method: end the hold while the wire is cut."""
    lift = wires.impose(HOLD, [THERE])
    said = mail(SPEAKER, b"held")
    with speak(front, said):
        wait_until(lambda: wires.waiting(THERE) == len(said), "the proxy keeps what was said")
        wires.impose(CUT, [THERE])
        lift()
        wait_until(lambda: wires.traffic(THERE).lost == len(said), "what was held is lost")
    assert node.heard == b""


def test_dead_node(wires: Wires) -> None:
    """Goal: in front of a dead node a speaker learns that nobody is there. Method: nobody listens there."""
    dead, listener = reserve_port(), reserve_port()
    wires.attach(LISTENER, listener, lambda: (socket.socket(), dead.getsockname()))
    with dead, speak(listener.getsockname(), mail(SPEAKER)) as link, suppress(ConnectionError):
        assert link.recv(1) == b""
    assert wires.events["refused"] == 1


def test_late_mail_reaches_the_next_life(wires: Wires, node: Echo) -> None:
    """Goal: what was held is delivered to whoever listens when the hold ends, not to who did at its begin.

    Method: the node moves to another address while its mail is held.
    """
    addresses = [node.address]
    listener = reserve_port()
    wires.attach(LISTENER, listener, lambda: (socket.socket(), addresses[-1]))
    lift = wires.impose(HOLD, [THERE])
    said = mail(SPEAKER, b"old")
    speak(listener.getsockname(), said).close()
    wait_until(lambda: wires.waiting(THERE) == len(said), "the proxy keeps what was said")
    heir = Echo()
    addresses.append(heir.address)
    lift()
    wait_until(lambda: heir.heard == said, "the next life gets the old request")
    assert node.heard == b""
    heir.close()


def test_echo_brings_old_mail_again(wires: Wires, node: Echo, front: tuple[str, int]) -> None:
    """Goal: what a peer said reaches the node once more, whole, long after the connection has ended.

    Method: two mails in pieces on one connection, which closes; then the echo.
    """
    body = mail(SPEAKER).partition(b"\r\n\r\n")[2]
    said = [
        b"POST /peer HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % (len(body) + len(rest)) + body + rest
        for rest in (b"one", b"another")
    ]
    whole = b"".join(said)
    with speak(front, whole[:200]) as link:
        link.sendall(whole[200:])
        assert read(link, len(whole)) == whole
    node.heard = b""
    assert wires.echo(LISTENER, 9, Random(1)) == 4, "each is among the latest, and in the sample"
    assert sorted((node.heard.count(said[0]), node.heard.count(said[1]))) == [2, 2]
    assert len(node.heard) == 2 * len(whole)
    assert wires.echo(SPEAKER, 9, Random(1)) == 0
