"""The cluster that devenv.py runs: its processes and its views.

Only the standard library is used, as in devenv.py.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import errno
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from devenv_keeper import ENDING_SIGNALS, Keeper, signal_group
from devenv_terminal import Keys, UserError, ending, listed, say, screen, table

ROOT = Path(__file__).resolve().parent
SERVERS = {"quart": ("hypercorn", "uvicorn", "granian"), "wsgi": ("waitress", "gunicorn")}
KILLING_SIGNALS = (*ENDING_SIGNALS, signal.SIGKILL)  # somebody sends them: no fault of a program's own does
START_SECONDS, SETTLE_SECONDS, STOP_SECONDS, ANSWER_SECONDS = 60.0, 5.0, 5.0, 1.5
LOOK_SECONDS = 0.25
COPY_SECONDS = 600.0  # for how long at most the progress of a copy is watched
LOG_TAIL = 5


@dataclass
class Node:
    """One node and its process, which leads a process group because its server may have workers."""

    id: int
    port: int
    frontend: str
    server: str | None
    log: Path | None  # None: it writes to our standard error
    process: subprocess.Popen[bytes] | None = None
    paused: bool = False
    wanted: bool = False  # it is meant to run: if it does not, that is news

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def state(self) -> str:
        process = self.process  # the thread that reports deaths may set it to None meanwhile
        if process is None or process.poll() is not None:
            return "dead"
        return "paused" if self.paused else "running"

    @property
    def name(self) -> str:
        return f"node {self.id}"

    def command(self) -> list[str]:
        """What is run with the interpreter that has everything."""
        command = ["-m", f"frontends.{self.frontend}_app", "--id", str(self.id), "--bind", self.address]
        return [*command, *(["--server", self.server] if self.server else [])]

    def signal(self, signum: int) -> bool:
        """Signal the whole group, or tell that nobody is left in it."""
        return self.process is not None and signal_group(self.process.pid, signum)


@dataclass
class ViewService(Node):
    """The view service's process: of what it says, people want to see what it decides."""

    members: str = ""
    size: int = 0
    store: Path = Path()
    read: int = 0  # how much of its log was looked at

    @property
    def name(self) -> str:
        return "the view service"

    def command(self) -> list[str]:
        """What is run with the interpreter that has everything."""
        where = ["--bind", self.address, "--store", f"sqlite:{self.store}"]
        return ["-m", "viewservice", "--nodes", self.members, "--size", str(self.size), *where]

    def news(self) -> list[str]:
        """What it has said since the last time that people want to see, without times."""
        if self.log is None or not self.log.exists():
            return []
        with self.log.open("rb") as log:
            log.seek(self.read)
            whole, newline, _ = log.read().rpartition(b"\n")
        self.read += len(whole) + len(newline)
        lines = [line.split(" ", 2)[-1] for line in whole.decode(errors="replace").splitlines()]
        return [line.partition(": ")[2] for line in lines if not line.startswith("leading")]


@dataclass(frozen=True)
class Settings:
    """What the command line asked for."""

    nodes: int = 3
    base_port: int = 8080
    frontend: str = "quart"
    server: str | None = None
    tell_view: bool = True
    logs_to_stderr: bool = False
    viewservice: bool = False
    spares: int = 0

    def new_node(self, node_id: int, logs: Path | None) -> Node:
        """Describe a node; in a mixed cluster odd ids are quart and even ones wsgi."""
        frontend = ("wsgi", "quart")[node_id % 2] if self.frontend == "mixed" else self.frontend
        server = self.server if self.server in SERVERS[frontend] else None
        log = logs and logs / f"node-{node_id}.log"
        return Node(node_id, self.base_port + node_id, frontend, server, log)

    def new_service(self, nodes: Iterable[Node], folder: Path, logs: Path | None) -> ViewService:
        """Describe the view service of these nodes."""
        members = ",".join(f"{node.id}={node.address}" for node in nodes)
        return ViewService(
            0,
            self.base_port,
            "viewservice",
            None,
            logs and logs / "viewservice.log",
            members=members,
            size=self.nodes - self.spares,
            store=folder / "viewservice.sqlite",
        )


def check_ports(ports: Sequence[int]) -> None:
    """Refuse ports that do not exist or that somebody listens on, before anything is started."""
    if ports[-1] > 65535:
        raise UserError(f"port {ports[-1]} does not exist: the highest is 65535 (see --base-port)", 2)
    problems = []
    for port in ports:
        with socket.socket() as probe:
            # As servers do it, or connections that were closed a moment ago would count as taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                taken = error.errno == errno.EADDRINUSE
                problems.append(f"port {port} is taken" if taken else f"port {port}: {error.strerror}")
    if problems:
        raise UserError(f"{'; '.join(problems)} (choose others with --base-port)", 2)


@dataclass(frozen=True)
class Reply:
    """A node's answer; status 0 means that there was none."""

    status: int
    body: dict[str, Any]

    @property
    def problem(self) -> str:
        """Say in a few words what is wrong with an answer other than 200."""
        words = str(self.body.get("detail") or self.body.get("title") or "")
        return f"answers {self.status} {words}".strip() if self.status else words


def call(address: str, method: str, path: str, body: object = None) -> Reply:
    """Send one request to a node, giving up after a short time (it may be stopped); never raises."""
    host, port = address.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=ANSWER_SECONDS)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        parsed = json.loads(response.read())
        return Reply(response.status, parsed if isinstance(parsed, dict) else {})
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Reply(0, {"detail": f"does not answer ({str(error) or type(error).__name__})"})
    finally:
        connection.close()


def ask(nodes: Sequence[Node], method: str, path: str, body: object = None) -> dict[int, Reply]:
    """Ask several nodes at once, since a slow one must not delay the others' answers."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, len(nodes))) as pool:
        return dict(pool.map(lambda node: (node.id, call(node.address, method, path, body)), nodes))


class Copies:
    """How far the copies of the data are that nodes fetch while a view is installed, as `GET /view` says."""

    FAR = re.compile(r"(?:item|position) (\d+) of (\d+)$")

    def __init__(self) -> None:
        self.first: dict[str, tuple[float, int]] = {}  # of each copy: when it was seen first, and how far
        self.last: dict[str, int] = {}
        self.moved = False  # one of them has come further since the look before

    def look(self, nodes: Sequence[Node]) -> list[str]:
        """Ask these nodes; of each copy say how far it is, and how long it will take."""
        lines = dict[str, str]()
        found = dict[str, int]()
        now = time.monotonic()
        for node_id, reply in ask(nodes, "GET", "/view").items():
            for other in reply.body.get("waiting_for", ()):
                reason = str(other.get("reason"))
                if (far := self.FAR.search(reason)) is None:
                    continue
                # A newcomer says what it fetches; its primary says so too, of the newcomer, and more roughly.
                own = " from it" in reason
                who = f"node {node_id if own else other.get('id')}"
                if who in lines and not own:
                    continue
                source = f" from node {other.get('id')}"
                what = f"is {reason.replace(' from it', source)}" if own else reason.removeprefix("it ")
                copy, done, whole = f"{who} {what[: -len(far[0])]}", int(far[1]), int(far[2])
                began, start = self.first.setdefault(copy, (now, done))
                found[copy] = done
                lines[who] = f"{copy}{far[0]}" + (f", {100 * done // whole} %" if whole else "")
                if done > start:
                    lines[who] += f", {(whole - done) * (now - began) / (done - start):.0f} s left"
        self.moved = any(done > self.last.get(copy, -1) for copy, done in found.items())
        self.last = found
        return list(lines.values())


@dataclass
class Cluster:
    """The nodes, and the view that they were told last from here."""

    settings: Settings
    python: Path
    keeper: Keeper
    logs: Path | None
    nodes: dict[int, Node] = field(default_factory=dict)
    service: ViewService | None = None
    view: list[int] = field(default_factory=list)
    killed_at: float = 0.0  # when a node was killed from here, until the next view is active
    decided_at: float = 0.0  # when the view service said that it has decided the last view
    installing: bool = False  # and it has not said yet that the view is active
    trouble: bool = False  # a node crashed or did not start: its log is worth keeping

    def __post_init__(self) -> None:
        self.lock = threading.Lock()  # guards `Node.wanted`, which two threads look at
        self.closing = threading.Event()
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.copies, self.copies_at = Copies(), 0.0
        self.folder = Path(tempfile.mkdtemp(prefix="pbproto-views-")) if self.settings.viewservice else None

    @property
    def processes(self) -> list[Node]:
        """Everything that runs, or should."""
        return [*self.nodes.values(), *([self.service] if self.service else [])]

    def launch(self, node: Node) -> None:
        """Start the node's process (`Keeper` explains how it is made sure that it cannot outlive us)."""
        command = [str(self.python), *node.command()]
        environment = {name: os.environ[name] for name in os.environ if name != "NODE_IDENTIFIER"}
        with contextlib.ExitStack() as stack:
            output: IO[bytes] | int = stack.enter_context(node.log.open("ab")) if node.log else 2
            process = subprocess.Popen(
                ["/bin/sh", "-c", Keeper.GATE, "node", *command],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a Ctrl-C at our terminal is for us alone
            )
        self.keeper.tell(f"+{process.pid}")
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as gate:
            gate.write(b"go\n")
        with self.lock:
            node.process, node.paused, node.wanted = process, False, True

    def kill(self, node: Node) -> None:
        """End the node's whole group with SIGKILL, as a crash would, and wait until its port is free.

        Afterwards the process is forgotten: its number may soon be somebody else's.
        """
        with self.lock:
            node.wanted = False
        if (process := node.process) is not None:
            node.signal(signal.SIGKILL)
            process.wait()
            end = time.monotonic() + 1  # a zombie that init does not collect must not hold us up
            while signal_group(process.pid, 0) and time.monotonic() < end:
                time.sleep(0.01)
            self.keeper.tell(f"-{process.pid}")
            node.process = None

    def report_deaths(self) -> None:
        """Report each node that ended unasked from here, once, and end what is left of its group."""
        with self.lock:
            dead = [node for node in self.processes if node.wanted and node.state == "dead"]
            for node in dead:
                node.wanted = False
        for node in dead:
            code = node.process.returncode if node.process else 0
            self.kill(node)
            how = f"exit status {code}" if code >= 0 else signal.Signals(-code).name
            if -code in KILLING_SIGNALS:
                say(f"{node.name} was killed ({how})")
            elif code == 0:
                say(f"{node.name} was told to end, and did ({how})")  # by a signal that it handles
            else:
                self.trouble = True
                log = node.log.read_text(errors="replace").splitlines()[-LOG_TAIL:] if node.log else []
                words = f"{node.name} ended by itself ({how})" + "; its log ends:" * bool(log)
                say("\n    ".join([words, *log]))

    def watch(self) -> None:
        """Report deaths until the cluster closes."""
        while not self.closing.wait(0.05 if self.service else 0.2):
            self.report_deaths()
            self.report_views()
            self.report_copies()

    def report_views(self) -> None:
        """Show what the view service decides, and how long it took since a node was killed from here."""
        for line in self.service.news() if self.service else []:
            after = ""
            if " of [" in line:
                self.decided_at, self.installing, self.copies = time.monotonic(), True, Copies()
            self.installing = self.installing and not line.endswith("is active")
            if line.endswith("is active") and 0 < self.killed_at < self.decided_at:
                after = f", {time.monotonic() - self.killed_at:.2f} s after the kill"
                self.killed_at = 0.0
            say(f"view service: {line}{after}")

    def report_copies(self) -> None:
        """At a terminal, say now and then how far the copies are that the view service's view waits for."""
        now = time.monotonic()
        if self.installing and now - max(self.decided_at, self.copies_at) > 2 and screen.draws():
            self.copies_at = now
            for line in self.copies.look(self.running(self.nodes)):
                say(f"  {line}")

    def running(self, ids: Iterable[int]) -> list[Node]:
        """Give those of the nodes that can answer.

        A paused one is left out: it would cost time, and find an old PUT of a view when it goes on.
        """
        return [self.nodes[node_id] for node_id in ids if self.nodes[node_id].state == "running"]

    def wait_for(
        self,
        path: str,
        nodes: Sequence[Node],
        seconds: float,
        look: Callable[[Sequence[Node]], bool | None] | None = None,
    ) -> None:
        """Wait until all these nodes answer 200, saying for whom; complain about who does not.

        ``look`` says it instead, and whether to begin to count the seconds anew; ``None``: to wait no more.
        """
        began = shown_at = time.monotonic()
        while True:
            ending.check()
            answers = ask(nodes, "GET", path)
            nodes = [node for node in nodes if answers[node.id].status != 200]
            if not nodes:
                return
            self.report_deaths()
            again = look(nodes) if look is not None else False
            now = time.monotonic()
            began = now if again else began
            if again is None or now - began > seconds or any(node.state == "dead" for node in nodes):
                raise UserError("; ".join(f"node {node.id} {answers[node.id].problem}" for node in nodes))
            if look is None and now - shown_at > 1:
                say(f"  waiting for {path} of {listed(node.id for node in nodes)}")
                shown_at = now
            time.sleep(0.05)

    def tell(self, ids: Sequence[int]) -> None:
        """PUT the view of these nodes to its members."""
        body = {"view": [{"address": self.nodes[node_id].address, "id": node_id} for node_id in ids]}
        different = list(dict.fromkeys(ids))  # a node twice is refused by the nodes, in better words
        answers = ask(self.running(different), "PUT", "/view", body)
        for node_id in different:
            if node_id not in answers:
                say(f"node {node_id} is {self.nodes[node_id].state} and was not told")
            elif answers[node_id].status != 200:
                say(f"node {node_id} {answers[node_id].problem}")
        if not any(reply.status == 200 for reply in answers.values()):
            raise UserError(f"no member took the view {listed(ids)}")
        self.view = list(ids)

    def learn_view(self) -> None:
        """Take the view that the nodes serve for the present one: it may have been told with curl."""
        replies = ask(self.running(self.nodes), "GET", "/view").values()
        serving = [reply.body for reply in replies if reply.body.get("status") == "active"]
        if not serving:
            return
        newest = max(serving, key=lambda body: body["epoch"] or 0)
        members = {member["id"]: member["address"] for member in newest["view"]}
        if all(id_ in self.nodes and self.nodes[id_].address == at for id_, at in members.items()):
            self.view = list(members)

    def settle(self) -> None:
        """Give the view told last a short time to become active; say what has become of it.

        At a terminal the time is longer while data is copied: one sees how far that is, and may type.
        """
        members = self.running(self.view)
        try:
            if screen.draws() and os.isatty(0):
                self.watch_copies(members)
            else:
                self.wait_for("/ready", members, SETTLE_SECONDS)
        except UserError as error:
            say(f"view {listed(self.view)} is not active yet: {error} (`status` shows more)")
            return
        for reply in list(ask(members, "GET", "/view").values())[:1]:
            epoch, primary = reply.body.get("epoch"), reply.body.get("primary")
            say(f"view {listed(self.view)} is active: epoch {epoch}, primary {primary}")

    def watch_copies(self, members: Sequence[Node]) -> None:
        """Wait for the view to become active while data moves and nobody types, and show how far it is."""
        copies, began = Copies(), time.monotonic()
        looked_at = began

        def look(nodes: Sequence[Node]) -> bool | None:
            nonlocal looked_at
            now = time.monotonic()
            if keys.ahead or now - looked_at < LOOK_SECONDS:
                return False
            if keys.typed() or now - began > COPY_SECONDS:
                return None
            looked_at = now
            lines = copies.look(nodes)
            screen.show(
                f"  {'; '.join(lines)}" if lines else f"  waiting for nodes {listed(n.id for n in nodes)}"
            )
            return copies.moved

        with Keys() as keys:
            try:
                self.wait_for("/ready", members, SETTLE_SECONDS, look)
            finally:
                screen.show("")

    def start(self) -> None:
        """Start everything, up to a cluster that answers data requests."""
        ids = range(1, self.settings.nodes + 1)
        self.nodes = {node_id: self.settings.new_node(node_id, self.logs) for node_id in ids}
        nodes = list(self.nodes.values())
        say(f"starting nodes {listed(ids)}; logs: {self.logs or 'standard error'}")
        self.watcher.start()
        try:
            for node in nodes:
                self.launch(node)
            self.wait_for("/ping", nodes, START_SECONDS)
            if self.folder is not None:
                self.service = self.settings.new_service(nodes, self.folder, self.logs)
                self.launch(self.service)
                members = nodes[: self.settings.nodes - self.settings.spares]
                self.wait_for("/ready", members, START_SECONDS)
                self.view = [node.id for node in members]
            elif self.settings.tell_view:
                self.tell(list(self.nodes))
                self.wait_for("/ready", nodes, START_SECONDS)
        except UserError:
            self.trouble = True
            raise

    def overview(self) -> str:
        """Say what runs where, and three requests to try."""
        nodes = list(self.nodes.values())
        rows = []
        for node, reply in zip(nodes, ask(nodes, "GET", "/view").values(), strict=True):
            frontend = f"{node.frontend} ({node.server})" if node.server else node.frontend
            pid = node.process.pid if node.process else "-"
            rows.append((node.id, reply.body.get("role", "?"), node.address, pid, frontend))
        first, second, last = nodes[0].address, nodes[len(nodes) // 2].address, nodes[-1].address
        put = f"""curl -X PUT -d '{{"value": "hello"}}' http://{first}/data/greeting"""
        requests = [put, f"curl http://{second}/data/greeting", f"curl http://{last}/data"]
        if self.service is not None:
            requests[2] = f"curl http://{self.service.address}/status"
        if not self.view:
            # New nodes serve only when each has been told a view, and curl sends to as many as it is given.
            view = json.dumps({"view": [{"address": node.address, "id": node.id} for node in nodes]})
            everywhere = " ".join(f"http://{node.address}/view" for node in nodes)
            requests = [f"curl http://{last}/view", f"curl -X PUT -d '{view}' {everywhere}", put]
        return "\n  ".join([table(("id", "role", "address", "pid", "frontend"), rows) + "\ntry:", *requests])

    def status(self) -> str:
        """Ask all nodes at once how they see the view."""
        answers = ask(self.running(self.nodes), "GET", "/view")
        rows = []
        for node in self.nodes.values():
            reply = answers.get(node.id, Reply(0, {"detail": "-"}))
            cells = [reply.problem, "-", "-", "-", "-"]
            if reply.status == 200:
                told = [reply.body.get(name) for name in ("status", "role", "epoch", "commit")]
                others = reply.body.get("waiting_for", ())
                why = ", ".join(f"{other['id']} ({other['reason']})" for other in others)
                told.append(why or reply.body.get("blocked"))
                cells = ["-" if cell is None else str(cell) for cell in told]
            rows.append((node.id, node.state, *cells))
        return table(("id", "process", "status", "role", "epoch", "commit", "waiting for"), rows)

    def stop(self) -> None:
        """End every process, politely at first."""
        self.closing.set()
        if self.watcher.is_alive():
            self.watcher.join()
        nodes = [node for node in self.processes if node.state != "dead"]
        for node in nodes:
            node.signal(signal.SIGTERM)
            node.signal(signal.SIGCONT)  # a paused process notices its SIGTERM only now
        end = time.monotonic() + STOP_SECONDS
        while time.monotonic() < end and any(node.state != "dead" or node.signal(0) for node in nodes):
            time.sleep(0.05)
        for node in nodes:
            self.kill(node)
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        say("all nodes are stopped")
