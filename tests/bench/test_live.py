"""The harness on real processes: what it counts is what happened. Short; no figure is asserted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import wrk
from bench.cells import Cell, Stand
from bench.contenders import Contender, Store, make
from bench.contenders.store import FRONTENDS
from bench.probes import Probe, probing
from bench.processes import ROOT, BenchError, wait_until
from bench.rounds import Fleet, run
from bench.talk import demand
from bench.work import key_name

pytestmark = [
    pytest.mark.skipif(
        not Path("/proc/self/statm").exists(), reason="the benchmark accounts by /proc (Linux)"
    ),
    pytest.mark.xdist_group("bench"),
]
needs_wrk = pytest.mark.skipif(not wrk.available(), reason=wrk.HOW_TO_GET)


def written(store: Contender) -> int:
    """How many writes the primary has committed."""
    return int(demand(store.addresses()[0], "GET", "/view")["commit"])


class Watched(Store):
    """A store that tells, before it is ended, how many writes it has and which keys."""

    writes = 0
    keys: frozenset[str] = frozenset()

    def stop(self) -> None:
        if self.processes:
            self.writes = written(self)
            self.keys = frozenset(demand(self.addresses()[-1], "GET", "/data"))
        super().stop()


@needs_wrk
def test_what_wrk_counts_is_in_the_store() -> None:
    """Goal: a throughput is one of writes that took effect at every node. Method: a round of two contenders;
    each write of the measured second is a new key, so the store, read at its backup, holds as many as wrk
    counted, but for those that were under way at the end."""
    stores: list[Watched] = []

    def maker(name: str, nodes: int) -> Contender:
        if name != "uvicorn":
            return make(name, nodes)
        stores.append(Watched(name, name, nodes))
        return stores[-1]

    connections = 4
    cells = [
        Cell(Stand(name, 2 if name == "uvicorn" else 1, 10, 32), "put-new", connections) for name in NAMES
    ]
    results = run(cells, rounds=1, seconds=1, seed=3, resident=2, maker=maker)
    assert [result.cell for result in results.all()] == sorted(cells)
    for result in results.all():
        assert result.errors == 0
        assert result.requests > 0
        assert result.rate == pytest.approx(result.requests / result.seconds)
        assert 0 < result.p50 <= result.p99 <= result.p999
        assert result.cpu_per_1000 > 0
        assert len(result.rss) == result.cell.stand.nodes
        assert min(result.rss) > 2**20
        assert 0 <= result.foreign <= 1
    counted = next(result.requests for result in results.all() if result.cell.stand.contender == "uvicorn")
    new = {key for key in stores[0].keys if key.startswith("n")}
    assert counted <= len(new) <= counted + connections
    assert {key for key in stores[0].keys if key.startswith("k")} == {key_name(index) for index in range(10)}
    assert stores[0].writes >= len(stores[0].keys)


NAMES = ("uvicorn", "limit-uvicorn")


class Fake(Contender):
    """A contender without processes that keeps a diary."""

    diary: list[str]

    def start(self) -> None:
        self.diary.append(f"start {self.name}")

    def load(self, keys: int, size: int) -> None:
        self.diary.append(f"load {self.name} {keys} {size}")

    def addresses(self) -> list[str]:
        return ["127.0.0.1:1"]

    def stop(self) -> None:
        self.diary.append(f"stop {self.name}")


def test_who_was_used_longest_ago_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: never more contenders than may be up, and none left at the end, also after an error. Method: a
    fleet of two, three contenders with diaries."""
    monkeypatch.setattr("bench.rounds.wrk.run", lambda _: None)
    diary: list[str] = []

    def maker(name: str, nodes: int) -> Contender:
        fake = Fake(name, nodes)
        fake.diary = diary
        return fake

    def use() -> None:
        with Fleet(2, maker) as fleet:
            for name in ("a", "b", "a", "c", "a"):
                assert fleet.get(Stand(name, 1, 0, 1)).name == name
            raise BenchError("enough")

    with pytest.raises(BenchError, match="enough"):
        use()
    steps = [step for step in diary if not step.startswith("load")]
    assert steps == ["start a", "start b", "stop b", "start c", "stop a", "stop c"]


# Clients that keep times, stores that are filled by a transfer.


def test_a_probe_sees_each_of_its_writes_and_a_full_member_fills_a_store() -> None:
    """Goal: acknowledged writes are in the store, and loading by transfer loads what loading by hand would.
    Method: fill one node from a full member, write for a moment, compare with the store."""
    store = Store("granian", "granian", 1)
    try:
        store.start()
        store.load_by_transfer([1], 50, 7)
        held = demand(store.members[1], "GET", "/data")
        assert held == {key_name(index): "v" * 7 for index in range(50)}
        before = written(store)
        began = time.monotonic()
        with probing([Probe(store.members[1], ["put", "get"], connections=2, keys=50, size=9)]) as probes:
            wait_until(lambda: written(store) >= before + 20, "the probe writes")
            seen = probes[0].stop()
        ended = time.monotonic()
        good = sum(each.good and each.operation == "put" for each in seen)
        assert before + good <= written(store) <= before + good + 2
        assert all(began < each.due <= each.answered < ended for each in seen)
        assert {each.operation for each in seen} == {"put", "get"}
        assert store.process(1).cpu() > 0
    finally:
        store.stop()
    assert store.processes == []


def test_a_program_that_ends_is_reported_with_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: nobody waits a minute for a process that is gone. Method: a server that there is not."""
    monkeypatch.setitem(FRONTENDS, "nginx", "frontends.quart_app")
    store = Store("nginx", "nginx", 1)
    try:
        with pytest.raises(BenchError, match=r"ended with status 2(.|\n)*invalid choice: 'nginx'"):
            store.start()
    finally:
        store.stop()


def test_nothing_outlives_a_benchmark_that_is_killed(tmp_path: Path) -> None:
    """Goal: no process stays behind, even where no code of ours can run any more. Method: kill one with
    SIGKILL."""
    program = (
        "import sys, time; from pathlib import Path; from bench.processes import Process\n"
        f"child = Process('child', ['sleep', '600'], Path({str(tmp_path / 'log')!r}))\n"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        parent.send_signal(signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{child}").exists() or _is_zombie(child), "the child is gone")
    finally:
        parent.kill()
        parent.wait()
        assert parent.stdout is not None
        parent.stdout.close()


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_the_command_line_explains_itself() -> None:
    """Goal: a newcomer finds every command, and a typing error is no traceback. Method: ask for
    help, and err."""
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for word in ("table", "matrix", "core", "join", "pause", "listing", "memory", "overload", "profile"):
        assert f"\n    {word} " in done.stdout
    wrong = subprocess.run(
        [sys.executable, "-m", "bench", "--servers", "nginx"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert wrong.returncode == 2
    assert "there is no nginx" in wrong.stderr
