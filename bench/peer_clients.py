"""What a POST to a peer costs the node that sends it, for every HTTP client a frontend could use.

The primary spends most of its time on sending mail to its backups, so the client library behind that mail
decides how many operations a node can serve. Two questions are answered here:

* `cost`: one POST in flight over one kept-alive connection, a small and a larger body. CPU per request is
  that of the calling process alone (the peer is a process of its own), latency is the median of the round.
* `load`: the event loop of an async frontend under load. Tasks on the loop stand for client requests: each
  spins for a while, as a request handler would, then waits for the next exchange with every peer to finish.
  One exchange per peer is in flight and takes along whatever has queued up. Compared are aiohttp on that same
  loop and `http.client` in one thread per peer that hands its answers back with `loop.call_soon_threadsafe`.

Rounds are interleaved (every client once, then all of them again), so a drift of the machine meets all alike;
the tables show minimum, median and maximum over the rounds. A client that is not installed is named on stderr
and left out.

    python -m bench.peer_clients [--rounds 5] [--requests 1500] [--seconds 2] [--only cost|load]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import importlib
import importlib.util
import queue
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from frontends.common.wire import Posted

HOST = "127.0.0.1"
PATH = "/peer"
HEADERS = {"content-type": "application/octet-stream"}
ANSWER = b"x" * 40
SIZES = (200, 65536)
WARM_UP = 100


# --- the peer


async def answer_post(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Read the whole body and answer 200 with a few bytes: the least a peer can do."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body", False):
        pass
    length = (b"content-length", b"%d" % len(ANSWER))
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": ANSWER})


def serve_peer(fd: int) -> None:
    """Serve `answer_post` on an inherited listening socket until the process is killed."""
    import uvicorn

    config = uvicorn.Config(
        answer_post,
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=600,
        ws="none",
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=fd)])


@contextlib.contextmanager
def peers(count: int) -> Iterator[list[int]]:
    """Start `count` peers, each a process of its own, and yield their ports; they are killed at the end.

    The socket listens before its process exists, so nobody has to poll for the peer to come up and no port
    can be taken by someone else in between.
    """
    processes: list[subprocess.Popen[bytes]] = []
    ports: list[int] = []
    try:
        for _ in range(count):
            with socket.create_server((HOST, 0), backlog=128) as listener:
                fd = listener.fileno()
                command = [sys.executable, "-m", "bench.peer_clients", "--serve-fd", str(fd)]
                processes.append(subprocess.Popen(command, pass_fds=[fd]))
                ports.append(int(listener.getsockname()[1]))
        yield ports
    finally:
        for process in processes:
            process.kill()
            process.wait()


# --- one POST in flight: cost


@dataclass(frozen=True)
class Sample:
    """One round of one client: CPU time and median latency per request, in milliseconds."""

    cpu: float
    latency: float


Measure = Callable[[int, bytes, int], Sample]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def run_blocking(post: Callable[[], bytes], requests: int) -> Sample:
    """Send one after another with a blocking client."""
    for _ in range(WARM_UP):
        check(post())
    times = []
    cpu = time.process_time()
    for _ in range(requests):
        begin = time.perf_counter()
        answer = post()
        times.append(time.perf_counter() - begin)
        check(answer)
    return Sample((time.process_time() - cpu) * 1e3 / requests, statistics.median(times) * 1e3)


async def run_async(post: Callable[[], Awaitable[bytes]], requests: int) -> Sample:
    """Send one after another on the running event loop."""
    for _ in range(WARM_UP):
        check(await post())
    times = []
    cpu = time.process_time()
    for _ in range(requests):
        begin = time.perf_counter()
        answer = await post()
        times.append(time.perf_counter() - begin)
        check(answer)
    return Sample((time.process_time() - cpu) * 1e3 / requests, statistics.median(times) * 1e3)


def check(answer: bytes) -> None:
    """A wrong answer would make the figure meaningless, so it ends the measurement."""
    if answer != ANSWER:
        raise RuntimeError(f"the peer answered {len(answer)} bytes, not {len(ANSWER)}")


def connect(port: int) -> http.client.HTTPConnection:
    """Connect without Nagle's algorithm: with it, a body sent after its head would wait for an ACK."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def post_on(connection: http.client.HTTPConnection, body: bytes) -> bytes:
    """One exchange on a kept-alive connection."""
    connection.request("POST", PATH, body, HEADERS)
    return connection.getresponse().read()


def measure_http_client(port: int, body: bytes, requests: int) -> Sample:
    """The standard library's client."""
    connection = connect(port)
    try:
        return run_blocking(lambda: post_on(connection, body), requests)
    finally:
        connection.close()


def measure_urllib3(port: int, body: bytes, requests: int) -> Sample:
    """urllib3 with one pooled connection, no retries and no redirects."""
    urllib3 = importlib.import_module("urllib3")
    with urllib3.HTTPConnectionPool(HOST, port, maxsize=1) as pool:

        def post() -> bytes:
            answer = pool.request("POST", PATH, body=body, headers=HEADERS, retries=False, redirect=False)
            return bytes(answer.data)

        return run_blocking(post, requests)


def measure_httpx(port: int, body: bytes, requests: int) -> Sample:
    """httpx.Client; the proxies of the environment are ignored, as a node has to."""
    import httpx

    with httpx.Client(trust_env=False) as client:
        url = f"http://{HOST}:{port}{PATH}"
        return run_blocking(lambda: client.post(url, content=body, headers=HEADERS).content, requests)


def measure_httpx_async(loop_factory: LoopFactory) -> Measure:
    """httpx.AsyncClient on the given kind of event loop."""
    import httpx

    def measure(port: int, body: bytes, requests: int) -> Sample:
        async def main() -> Sample:
            url = f"http://{HOST}:{port}{PATH}"
            async with httpx.AsyncClient(trust_env=False) as client:

                async def post() -> bytes:
                    return (await client.post(url, content=body, headers=HEADERS)).content

                return await run_async(post, requests)

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(main())

    return measure


def measure_aiohttp(loop_factory: LoopFactory) -> Measure:
    """aiohttp.ClientSession on the given kind of event loop."""
    import aiohttp

    def measure(port: int, body: bytes, requests: int) -> Sample:
        async def main() -> Sample:
            url = f"http://{HOST}:{port}{PATH}"
            timeout = aiohttp.ClientTimeout(total=10, connect=1)
            async with aiohttp.ClientSession(timeout=timeout) as session:

                async def post() -> bytes:
                    async with session.post(url, data=body, headers=HEADERS, allow_redirects=False) as answer:
                        content: bytes = await answer.read()
                        return content

                return await run_async(post, requests)

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(main())

    return measure


class Mailbag:
    """What a carrier needs of a node: one piece of mail at a time, and somebody who waits for the answer."""

    id = 0
    access = tls = None
    peers = SimpleNamespace(header="1-2")

    def __init__(self) -> None:
        self._mail = b""
        self._answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def put(self, mail: bytes) -> asyncio.Future[bytes]:
        """The answer to ``mail``, once the carrier is woken."""
        self._mail = mail
        self._answer = asyncio.get_running_loop().create_future()
        return self._answer

    def take_mail(self, _: str) -> bytes:
        mail, self._mail = self._mail, b""
        return mail

    def posted(self, _: str, ended: Posted) -> None:
        self._answer.set_result(ended.body)


def measure_carrier(loop_factory: LoopFactory) -> Measure:
    """The carrier of the async frontend: httptools' parser and a few callbacks."""
    from frontends.common.settings import Settings
    from frontends.quart_app.carrier import Carrier

    def measure(port: int, body: bytes, requests: int) -> Sample:
        async def main() -> Sample:
            mailbag = Mailbag()
            carrier = Carrier(cast(Any, mailbag), Settings(id=0), f"{HOST}:{port}", lambda: None)

            def post() -> asyncio.Future[bytes]:
                answer = mailbag.put(body)
                carrier.wake()
                return answer

            try:
                return await run_async(post, requests)
            finally:
                carrier.close()

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(main())

    return measure


def installed(name: str) -> bool:
    """Whether a module can be imported; says so when it cannot, so that no client is missed silently."""
    if importlib.util.find_spec(name) is not None:
        return True
    print(f"{name} is not installed: left out", file=sys.stderr)
    return False


def loop_factories() -> dict[str, LoopFactory]:
    """The kinds of event loop a frontend can run on."""
    factories: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}
    if installed("uvloop"):
        import uvloop

        factories["uvloop"] = uvloop.new_event_loop
    return factories


def cost_clients() -> dict[str, Measure]:
    """Every client that is installed, by the name shown in the table."""
    clients: dict[str, Measure] = {"http.client": measure_http_client}
    if installed("urllib3"):
        clients["urllib3"] = measure_urllib3
    if installed("httpx"):
        clients["httpx.Client"] = measure_httpx
    for loop, factory in loop_factories().items():
        if installed("httptools"):
            clients[f"carrier ({loop})"] = measure_carrier(factory)
        if installed("aiohttp"):
            clients[f"aiohttp ({loop})"] = measure_aiohttp(factory)
        if installed("httpx"):
            clients[f"httpx.AsyncClient ({loop})"] = measure_httpx_async(factory)
    return clients


def bench_cost(rounds: int, requests: int) -> None:
    """Measure every client with every body size and print one row for each."""
    clients = cost_clients()
    samples: dict[tuple[str, int], list[Sample]] = {}
    with peers(1) as [port]:
        for _ in range(rounds):
            for size in SIZES:
                for name, measure in clients.items():
                    sample = measure(port, b"x" * size, requests)
                    samples.setdefault((name, size), []).append(sample)
    print(f"one POST in flight, {rounds} rounds of {requests} requests: min / median / max over the rounds")
    print(f"{'client':<28}{'body':>7}  {'CPU ms per request':<24}{'latency ms (p50)':<24}")
    for (name, size), taken in sorted(samples.items(), key=lambda item: item[0][1]):
        cpu = spread([sample.cpu for sample in taken])
        print(f"{name:<28}{size:>7}  {cpu:<24}{spread([sample.latency for sample in taken]):<24}")


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Minimum, median and maximum in one cell."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{low:.{digits}f} / {middle:.{digits}f} / {high:.{digits}f}"


# --- a loaded event loop


class Channel(Protocol):
    """A way to exchange one message with one peer at a time; `done` is called on the loop with the answer."""

    def post(self, body: bytes) -> None: ...

    async def close(self) -> None: ...


Done = Callable[[bytes], None]
Opener = Callable[[asyncio.AbstractEventLoop, int, Done], Channel]


class AiohttpChannel:
    """aiohttp on the loop that serves the clients as well."""

    def __init__(self, loop: asyncio.AbstractEventLoop, port: int, done: Done) -> None:
        import aiohttp

        self._loop = loop
        self._url = f"http://{HOST}:{port}{PATH}"
        self._done = done
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10, connect=1))
        self._task: asyncio.Task[None] | None = None

    def post(self, body: bytes) -> None:
        self._task = self._loop.create_task(self._exchange(body))

    async def _exchange(self, body: bytes) -> None:
        async with self._session.post(self._url, data=body, headers=HEADERS, allow_redirects=False) as answer:
            content = await answer.read()
        self._done(content)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._session.close()


class ThreadChannel:
    """`http.client` in a thread of its own; the answer comes back to the loop with `call_soon_threadsafe`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, port: int, done: Done) -> None:
        self._loop = loop
        self._done = done
        self._connection = connect(port)
        self._bodies: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def post(self, body: bytes) -> None:
        self._bodies.put(body)

    def _run(self) -> None:
        while (body := self._bodies.get()) is not None:
            content = post_on(self._connection, body)
            self._loop.call_soon_threadsafe(self._done, content)

    async def close(self) -> None:
        self._bodies.put(None)
        await self._loop.run_in_executor(None, self._thread.join)
        self._connection.close()


@dataclass(frozen=True)
class LoadSample:
    """One round under load: operations per second, median latency in ms, CPU ms per operation."""

    rate: float
    latency: float
    cpu: float


async def run_load(
    opener: Opener, ports: Sequence[int], clients: int, work: float, seconds: float
) -> LoadSample:
    """Let `clients` tasks do operations for a while; an operation is over when every peer has confirmed it.

    One exchange per peer is in flight. What queues up meanwhile goes along in the next one, as in the
    protocol; a waiting operation adds 200 bytes to its body.
    """
    loop = asyncio.get_running_loop()
    waiting: list[list[asyncio.Future[None]]] = [[] for _ in ports]
    flying: list[list[asyncio.Future[None]]] = [[] for _ in ports]
    channels: list[Channel] = []

    def send(peer: int) -> None:
        if waiting[peer] and not flying[peer]:
            flying[peer], waiting[peer] = waiting[peer], []
            channels[peer].post(b"x" * (200 * len(flying[peer])))

    def confirmer(peer: int) -> Done:
        def confirmed(answer: bytes) -> None:
            check(answer)
            for future in flying[peer]:
                if not future.done():
                    future.set_result(None)
            flying[peer] = []
            send(peer)

        return confirmed

    channels.extend(opener(loop, port, confirmer(peer)) for peer, port in enumerate(ports))
    times: list[float] = []

    async def client(until: float) -> None:
        while (begin := time.perf_counter()) < until:
            busy_until = begin + work
            while time.perf_counter() < busy_until:
                pass
            futures = []
            for peer in range(len(ports)):
                future: asyncio.Future[None] = loop.create_future()
                waiting[peer].append(future)
                futures.append(future)
                send(peer)
            for future in futures:
                await future
            times.append(time.perf_counter() - begin)

    begin, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(client(begin + seconds) for _ in range(clients)))
    passed, spent = time.perf_counter() - begin, time.process_time() - cpu
    for channel in channels:
        await channel.close()
    return LoadSample(len(times) / passed, statistics.median(times) * 1e3, spent * 1e3 / len(times))


def bench_load(rounds: int, seconds: float) -> None:
    """Compare the two ways of an async frontend at several numbers of concurrent clients."""
    openers: dict[str, Opener] = {"http.client in threads": ThreadChannel}
    if installed("aiohttp"):
        openers["aiohttp on the loop"] = AiohttpChannel
    cases = [(1, 60e-6), (32, 60e-6), (128, 60e-6), (32, 300e-6)]
    samples: dict[tuple[int, float, str, str], list[LoadSample]] = {}
    with peers(2) as ports:
        for _ in range(rounds):
            for clients, work in cases:
                for loop, factory in loop_factories().items():
                    for name, opener in openers.items():
                        with asyncio.Runner(loop_factory=factory) as runner:
                            sample = runner.run(run_load(opener, ports, clients, work, seconds))
                        samples.setdefault((clients, work, loop, name), []).append(sample)
    print(f"\nan event loop under load, 2 peers, {rounds} rounds of {seconds:g} s: min / median / max")
    header = f"{'clients':>7}{'work µs':>8}  {'loop':<8}{'peer client':<24}"
    print(f"{header}{'operations/s':<24}{'latency ms (p50)':<26}{'CPU ms per operation':<24}")
    for (clients, work, loop, name), taken in samples.items():
        rate = spread([sample.rate for sample in taken], 0)
        latency = spread([sample.latency for sample in taken], 2)
        cpu = spread([sample.cpu for sample in taken])
        print(f"{clients:>7}{work * 1e6:>8.0f}  {loop:<8}{name:<24}{rate:<24}{latency:<26}{cpu:<24}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench.peer_clients", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=1500, help="requests of one round (cost)")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one round (load)")
    parser.add_argument("--only", choices=("cost", "load"))
    parser.add_argument("--serve-fd", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve_fd is not None:
        serve_peer(options.serve_fd)
        return
    if options.only != "load":
        bench_cost(options.rounds, options.requests)
    if options.only != "cost":
        bench_load(options.rounds, options.seconds)


if __name__ == "__main__":
    main()
