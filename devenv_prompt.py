"""The prompt of devenv.py, at which a person controls a cluster.

Only the standard library is used, as in devenv.py.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from devenv_cluster import ROOT, START_SECONDS, Cluster, Node, Settings, check_ports
from devenv_keeper import Keeper
from devenv_terminal import Stopped, UserError, ending, has_person, say, screen, table


class Console:
    """The commands that a person gives at a terminal: each method `do_X` is the command X."""

    PROMPT = "devenv> "

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.commands = {name[3:]: getattr(self, name) for name in vars(Console) if name.startswith("do_")}

    def loop(self) -> None:
        """Carry commands out until `quit` or the end of the input."""
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - its presence gives `input` line editing and a history
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(errors="replace")  # a slip of the finger is no reason to end
        while True:
            screen.prompt = self.PROMPT
            try:
                with ending.interrupts():
                    name, _, words = input(self.PROMPT).strip().partition(" ")
            except (EOFError, OSError, Stopped):  # OSError: the terminal is gone
                screen.prompt = ""
                say("")  # the cursor stands behind the prompt
                return
            screen.prompt = ""
            try:
                if name and name not in self.commands:
                    raise UserError(f"there is no command {name!r}: `help` lists them all")
                if name == "quit":
                    return
                if name:
                    self.commands[name](words)
            except UserError as error:
                say(str(error))

    def chosen(self, words: str) -> list[Node]:
        """Read the ids of nodes of this cluster; `service` is the view service."""
        nodes = {str(node_id): node for node_id, node in self.cluster.nodes.items()}
        if self.cluster.service is not None:
            nodes["service"] = self.cluster.service
        if unknown := [word for word in words.split() if word not in nodes]:
            raise UserError(f"there is no node {', '.join(unknown)}: the nodes are {', '.join(nodes)}")
        if not words:
            raise UserError(f"which node? The nodes are {', '.join(nodes)}")
        return [nodes[word] for word in words.split()]

    def do_status(self, _words: str) -> None:
        """status: show how every node sees the view"""
        say(self.cluster.status())

    def do_kill(self, words: str) -> None:
        """kill 2: crash node 2 (SIGKILL); its data is gone"""
        for node in self.chosen(words):
            say(f"{node.name} is " + ("dead already" if node.state == "dead" else "killed"))
            if node is not self.cluster.service:
                self.cluster.killed_at = time.monotonic()
            self.cluster.kill(node)

    def do_restart(self, words: str) -> None:
        """restart 2: start node 2 again, empty; a view with it takes it in (the present one is told again)"""
        for node in self.chosen(words):
            self.cluster.learn_view()
            self.cluster.kill(node)
            self.cluster.launch(node)
            self.cluster.wait_for("/ping", [node], START_SECONDS)
            say(f"{node.name} runs again")
            if self.cluster.service is not None or not self.cluster.view:
                continue  # the view service notices, or there is nothing to tell
            self.cluster.tell(self.cluster.view)
            self.cluster.settle()
            if node.id not in self.cluster.view:
                say(f"node {node.id} is not in that view, so it stays empty: `view` with it takes it in")

    def do_pause(self, words: str) -> None:
        """pause 1: stop node 1's process without ending it (SIGSTOP)"""
        for node in self.chosen(words):
            if node.state != "running":
                raise UserError(f"{node.name} is {node.state}")
            node.paused = node.signal(signal.SIGSTOP)
            say(f"{node.name} is paused")

    def do_resume(self, words: str) -> None:
        """resume 1: let a paused node 1 go on (SIGCONT)"""
        for node in self.chosen(words):
            if node.state != "paused":
                raise UserError(f"{node.name} is {node.state}, not paused")
            node.paused = not node.signal(signal.SIGCONT)
            say(f"{node.name} goes on")

    def do_view(self, words: str) -> None:
        """view 1 3: tell nodes 1 and 3 that they are the view now"""
        if self.cluster.service is not None:
            raise UserError("the view service decides that: see `service --help`")
        self.cluster.tell([node.id for node in self.chosen(words)])
        self.cluster.settle()

    def do_add(self, words: str) -> None:
        """add: start one more node and tell the present view with it added"""
        if words:
            raise UserError("`add` takes no argument: the new node gets the next free id")
        cluster = self.cluster
        node = cluster.settings.new_node(max(cluster.nodes) + 1, cluster.logs)
        check_ports([node.port])
        cluster.nodes[node.id] = node
        try:
            cluster.launch(node)
            cluster.wait_for("/ping", [node], START_SECONDS)
        except UserError:
            cluster.kill(node)
            del cluster.nodes[node.id]
            raise
        say(f"node {node.id} ({node.frontend}) runs at {node.address}")
        if cluster.service is not None:
            self.do_service(f"add {node.id} {node.address}")
            return
        cluster.learn_view()
        if cluster.view:
            cluster.tell([*cluster.view, node.id])
            cluster.settle()

    def do_service(self, words: str) -> None:
        """service switchover 2: an order to the view service; also add 1, plan 2,3, size 2, pause, status"""
        service = self.cluster.service
        if service is None:
            raise UserError("there is no view service here: start with --viewservice")
        command = [str(self.cluster.python), "-m", "viewservice", *(words.split() or ["status"])]
        if "--help" not in command:
            command += ["--at", service.address]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
        say((done.stdout + done.stderr).rstrip())

    def do_help(self, _words: str) -> None:
        """help: show this"""
        lines = [str(command.__doc__).split(": ", 1) for command in self.commands.values()]
        say(table(("command", "what it does"), lines))

    def do_quit(self, _words: str) -> None:
        """quit: stop all nodes and end, as Ctrl-C and Ctrl-D do"""


def run_cluster(settings: Settings, python: Path) -> None:
    """Run a cluster with this interpreter until it is told to end."""
    with Keeper() as keeper:
        logs = None if settings.logs_to_stderr else Path(tempfile.mkdtemp(prefix="pbproto-"))
        cluster = Cluster(settings, python, keeper, logs)
        try:
            cluster.start()
            say(cluster.overview())
            with contextlib.suppress(Stopped):
                if has_person():
                    more = "service, " if settings.viewservice else "view, "
                    say(f"commands: status, kill, restart, pause, resume, {more}add, help, quit")
                    Console(cluster).loop()
                else:
                    say("running until SIGINT or SIGTERM")
                    with ending.interrupts():
                        while True:  # not signal.pause: a signal just before it would be waited for in vain
                            time.sleep(1)
        finally:
            cluster.stop()
            if logs and cluster.trouble:
                say(f"the logs are kept: {logs}")
            elif logs:
                shutil.rmtree(logs, ignore_errors=True)
