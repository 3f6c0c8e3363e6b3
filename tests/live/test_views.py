"""View changes, crashes and pauses, played on real processes of both frontends.

Every test runs with three nodes (ids 0, 1, 2) of each kind: all Quart, all WSGI, and mixed. The tests of
one kind borrow the same running cluster one after the other (see `Shared`): each finds the view of all three
nodes active, and works on keys of its own.

There are two clusters per kind. The patient one lets requests wait longer than any scenario takes, and moves
state in small chunks, so that even small transfers have many. The hasty one gives up early, for scenarios in
which the end of the patience is what is looked at.
"""

from __future__ import annotations

import http.client
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from .harness import Cluster, Kind, Node, data_path, wait_until
from .scenario import (
    Contents,
    Shared,
    answers_of_all_sorts,
    assert_refused,
    brief,
    contents,
    erase,
    insist,
    losses,
    number,
    own,
    persistent_contents,
    persistently,
    read,
    write,
)

# Generous: the bound is for a hang, and many test runs may share one slow machine.
pytestmark = pytest.mark.timeout(300)

ALL = (0, 1, 2)
PATIENT = {"PBPROTO_REQUEST_TIMEOUT": "40", "PBPROTO_CHUNK_BYTES": "16384"}
HASTY = {"PBPROTO_REQUEST_TIMEOUT": "1.5", "PBPROTO_SUSPECT_AFTER": "0.4"}


@pytest.fixture(scope="module", params=["quart", "wsgi", "mixed"])
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


@pytest.fixture(scope="module")
def patient(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    tmp_path = tmp_path_factory.mktemp(f"patient-{kind}")
    shared = Shared(lambda: Cluster(tmp_path, kind, 3, first_id=0, env=PATIENT))
    yield shared
    shared.close()


@pytest.fixture(scope="module")
def impatient(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    tmp_path = tmp_path_factory.mktemp(f"hasty-{kind}")
    shared = Shared(lambda: Cluster(tmp_path, kind, 3, first_id=0, env=HASTY))
    yield shared
    shared.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for requests that wait. The cluster fixtures need it, so that it is closed after they have
    brought their cluster back to life and every request has been answered."""
    with ThreadPoolExecutor(16) as executor:
        yield executor


@pytest.fixture
def cluster(patient: Shared, pool: ThreadPoolExecutor) -> Iterator[Cluster]:
    """Three nodes whose requests wait long; the view of all three is active."""
    assert pool is not None
    yield patient.lend()
    patient.take_back()


@pytest.fixture
def hasty(impatient: Shared, pool: ThreadPoolExecutor) -> Iterator[Cluster]:
    """Three nodes whose requests are refused after a short time; the view of all three is active."""
    assert pool is not None
    yield impatient.lend()
    impatient.take_back()


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """The beginning of all keys of this test: what others left in the shared cluster does not matter."""
    name: str = request.node.name
    return name


class Writer:
    """A client that writes and deletes its own keys, one request after the other, until it is told to stop.

    It knows what each answer must be, since nobody else touches its keys: a request that was applied twice,
    or whose repetition was decided anew, betrays itself by the status (201 for a new key, 404 for a
    missing one).
    """

    def __init__(self, name: str, nodes: Sequence[Node], keys: int = 3) -> None:
        self.name = name
        self.nodes = nodes
        self.expected: Contents = {}
        self.numbers: list[int] = []
        self.refusals: list[str] = []
        self._keys = [f"{name}.{i}" for i in range(keys)]
        self._stop = threading.Event()
        self._run: Future[None] | None = None

    def start(self, pool: ThreadPoolExecutor) -> None:
        self._run = pool.submit(self._write_on)

    def _write_on(self) -> None:
        for turn in itertools.count():
            if self._stop.is_set():
                return
            key = self._keys[turn % len(self._keys)]
            token = f"{self.name}-{turn}"
            known = key in self.expected
            if turn % 5 == 4:
                response = insist(self.nodes, "DELETE", key, token, refusals=self.refusals)
                wanted = 200 if known else 404
                self.expected.pop(key, None)
            else:
                response = insist(self.nodes, "PUT", key, token, value=f"{turn}", refusals=self.refusals)
                wanted = 200 if known else 201
                self.expected[key] = f"{turn}"
            assert response.status_code == wanted, f"{token}: {response.status_code} {response.text}"
            self.numbers.append(number(response))

    def stop(self) -> None:
        """Let the request under way end; then no more. Raises what went wrong, if anything did."""
        self._stop.set()
        if self._run is not None:
            self._run.result()

    def wait_for_answers(self, more: int = 5) -> None:
        """Wait until this client has got that many more answers (or has failed: `stop` tells)."""
        wanted = len(self.numbers) + more

        def answered() -> bool:
            return len(self.numbers) >= wanted or (self._run is not None and self._run.done())

        wait_until(answered, f"{self.name} has {wanted} answers", 60)


@contextmanager
def writing(pool: ThreadPoolExecutor, writers: Sequence[Writer]) -> Iterator[None]:
    """All these clients write until the end of the block."""
    try:
        for writer in writers:
            writer.start(pool)
        yield
    finally:
        for writer in writers:
            writer._stop.set()
    for writer in writers:
        writer.stop()


def assert_exactly_once(writers: Sequence[Writer], nodes: Iterable[Node], first: int) -> int:
    """Each number was given to exactly one request, and the store holds what the clients were told.

    Returns the number of the next write.
    """
    numbers = sorted(n for writer in writers for n in writer.numbers)
    assert numbers == list(range(first, first + len(numbers)))
    for node in nodes:
        everything = contents(node)
        for writer in writers:
            mine = {name: value for name, value in everything.items() if name.startswith(writer.name + ".")}
            assert mine == writer.expected
    return first + len(numbers)


def plain(key: str) -> str:
    """A key that needs no escaping in a path, for the clients that build their own."""
    return "".join(letter if letter.isalnum() else "-" for letter in key)


# ---- shrinking and splitting


def test_every_node_alone_has_everything(cluster: Cluster, key: str) -> None:
    """Goal: a view of one member is an order, not an error: it serves alone, with all earlier data.

    Method: write, update and delete through all nodes; tell each node a view of itself only, so that there
    are three disjoint views at once; each must answer every read as before. Joining them loses nothing.
    """
    for node_id in ALL:
        write(cluster.node(node_id), f"{key}/{node_id}", "first")
    write(cluster.node(1), f"{key}/0", "updated")
    erase(cluster.node(2), f"{key}/1")
    before = contents(cluster.node(0))
    count = number(cluster.node(0).get(f"{key}/0"))
    known_losses = [losses(cluster.node(node_id)) for node_id in ALL]
    for node_id in ALL:
        cluster.tell([node_id])
    for node_id in ALL:
        node = cluster.node(node_id)
        cluster.wait_active([node_id])
        assert read(node, f"{key}/0") == "updated"
        assert read(node, f"{key}/1") is None
        assert contents(node) == before
        assert number(node.get(f"{key}/2")) == count
    cluster.install(ALL)
    assert [contents(cluster.node(node_id)) for node_id in ALL] == [before] * 3
    assert [losses(cluster.node(node_id)) for node_id in ALL] == known_losses


@pytest.mark.parametrize("winner", ["left", "right"])
def test_split_and_joined_again(cluster: Cluster, key: str, winner: str) -> None:
    """Goal: two disjoint views each serve; joined again, the highest ballot wins, and never silently.

    Method: split into {0, 1} and {2}; both write, also to the same key, and see only their own. With equal
    epochs the ballot of primary 2 is the higher one; two more view changes on the left raise that side
    above it. After the join all nodes have exactly the winner's data, `GET /view` names the operations of
    each loser, the error is logged, and numbering goes on where the winner was.
    """
    first_lost = write(cluster.node(0), f"{key}/common", "before") + 1
    known_losses = losses(cluster.node(0))
    cluster.install([0, 1])
    if winner == "left":
        cluster.install([0])
        cluster.install([0, 1])
    cluster.install([2])
    for i in range(4):
        write(cluster.node(i % 2), f"{key}/left/{i}", "left")
    write(cluster.node(0), f"{key}/common", "left")
    for i in range(2):
        write(cluster.node(2), f"{key}/right/{i}", "right")
    write(cluster.node(2), f"{key}/common", "right")
    left, right = contents(cluster.node(1)), contents(cluster.node(2))
    assert left[f"{key}/common"] == "left"
    assert f"{key}/right/0" not in left
    assert right[f"{key}/common"] == "right"
    assert f"{key}/left/0" not in right
    ballots = {
        name: (cluster.node(node_id).view()["epoch"], node_id)
        for name, node_id in (("left", 0), ("right", 2))
    }
    assert max(ballots, key=lambda name: ballots[name]) == winner, ballots

    cluster.install(ALL)
    for node_id in ALL:
        assert contents(cluster.node(node_id)) == (left if winner == "left" else right)
    if winner == "left":
        lost = {(2, first_lost, first_lost + 3)}
    else:
        lost = {(node_id, first_lost, first_lost + 5) for node_id in (0, 1)}
    assert losses(cluster.node(0)) - known_losses == lost
    assert "event=dropped" in cluster.node(0).log_text()
    assert write(cluster.node(1), f"{key}/after", "x") == first_lost + (5 if winner == "left" else 3)


# ---- crashes


def test_promotion_loses_no_acknowledged_write(cluster: Cluster, key: str, pool: ThreadPoolExecutor) -> None:
    """Goal: the primary dies under load, a backup is promoted; nothing acknowledged is lost.

    Method: one client writes through each node while the primary is killed (SIGKILL) and the others are told
    the view of the two of them. Clients of the backups only wait; the primary's client repeats its last
    request elsewhere. All answers together carry each number exactly once, without a gap, and both
    survivors hold exactly what the clients were told.
    """
    first = write(cluster.node(0), key, "start") + 1
    writers = [Writer(f"{plain(key)}-{node_id}", [cluster.node(node_id), cluster.node(1)]) for node_id in ALL]
    with writing(pool, writers):
        for writer in writers:
            writer.wait_for_answers()
        cluster.node(0).kill()
        cluster.tell([1, 2])
        for writer in writers:
            writer.wait_for_answers()
    following = assert_exactly_once(writers, [cluster.node(1), cluster.node(2)], first)
    assert write(cluster.node(2), key, "end") == following
    assert [writer.refusals for writer in writers[1:]] == [[], []], "clients of the backups only wait"


@pytest.mark.parametrize("told", [ALL, (2,)], ids=["all-told", "only-it-told"])
def test_restarted_backup_rejoins_and_is_filled(
    cluster: Cluster, key: str, pool: ThreadPoolExecutor, told: tuple[int, ...]
) -> None:
    """Goal: a backup that lost its memory counts for nothing until told its view again; then it is filled.

    Method: restart node 2 empty. Until the same view is PUT again (to all, or to it alone) a write hangs.
    Afterwards the write is acknowledged, and a view of node 2 alone proves that it has everything.
    """
    for i in range(5):
        write(cluster.node(i % 3), f"{key}/{i}", f"{i}")
    erase(cluster.node(0), f"{key}/0")
    cluster.node(2).restart()
    waiting = pool.submit(write, cluster.node(0), f"{key}/waiting", "yes")

    def noticed() -> bool:
        view = cluster.node(0).view()
        return bool(view["log_end"] > view["commit"] or view["waiting_for"])

    wait_until(noticed, "the primary misses its backup's answers")
    assert not waiting.done()
    cluster.tell(ALL, to=told)
    waiting.result()
    cluster.wait_active(ALL)
    before = contents(cluster.node(0))
    assert before[f"{key}/waiting"] == "yes"
    cluster.install([2])
    assert contents(cluster.node(2)) == before
    assert read(cluster.node(2), f"{key}/0") is None
    assert read(cluster.node(2), f"{key}/4") == "4"


@pytest.mark.parametrize("failover_first", [True, False], ids=["after-failover", "same-view-again"])
def test_lowest_id_restarts_empty_and_leads_again(cluster: Cluster, key: str, failover_first: bool) -> None:
    """Goal: the empty node that becomes primary by its id takes the others' state, never the reverse.

    Method: kill node 0; either let {1, 2} go on writing, or not; start it again and tell all the view of all.
    It must lead, know everything, go on numbering, and prove it in a view of its own.
    """
    write(cluster.node(1), f"{key}/kept", "1")
    last = write(cluster.node(0), f"{key}/gone", "1")
    cluster.node(0).kill()
    if failover_first:
        cluster.install([1, 2])
        erase(cluster.node(2), f"{key}/gone")
        last = write(cluster.node(2), f"{key}/kept", "2")
    cluster.node(0).start()
    cluster.node(0).wait_ping()
    cluster.install(ALL)
    assert cluster.node(0).view()["role"] == "primary"
    assert write(cluster.node(1), f"{key}/more", "3") == last + 1
    before = contents(cluster.node(2))
    cluster.install([0])
    assert contents(cluster.node(0)) == before
    assert before[f"{key}/kept"] == ("2" if failover_first else "1")
    assert (f"{key}/gone" in before) is not failover_first


def test_everything_restarts(cluster: Cluster, key: str, pool: ThreadPoolExecutor) -> None:
    """Goal: when every memory is lost, an unnumbered view starts an empty store; clients that are early wait.

    Method: restart all three. Before any view, data requests are refused at once and certainly. Then tell
    node after node, the backups first; requests sent to the first of them meanwhile are answered in the end.
    """
    write(cluster.node(1), f"{key}/lost", "x")
    for node in cluster.nodes.values():
        node.kill()
    cluster.start_all()
    refused = cluster.node(2).put(f"{key}/early", "x")
    assert (refused.status_code, refused.json()["outcome"]) == (503, "not_applied")
    assert cluster.node(2).view()["status"] == "none"
    cluster.tell(ALL, to=[1])
    writing = pool.submit(write, cluster.node(1), f"{key}/first", "x")
    cluster.tell(ALL, to=[2])
    reading = pool.submit(read, cluster.node(2), f"{key}/lost")
    assert cluster.node(1).view()["status"] == "installing"
    assert not writing.done()
    assert not reading.done()
    cluster.tell(ALL, to=[0])
    assert writing.result() == 0
    assert reading.result() is None
    for node_id in ALL:
        assert contents(cluster.node(node_id)) == {f"{key}/first": "x"}


# ---- coming back


@pytest.mark.parametrize("amount", ["tail", "much"])
@pytest.mark.parametrize("returning", [2, 0], ids=["backup", "primary"])
def test_dropped_node_comes_back(cluster: Cluster, key: str, returning: int, amount: str) -> None:
    """Goal: a node left out while the others wrote gets what it missed, and no deleted key lives on in it.

    Method: leave out a node (a backup, or the lowest id, which takes the lead again when it returns), write
    and delete; either so little that the log's tail does, or more than the 4 MiB of log that are kept, so
    that it takes a copy, in hundreds of chunks of 16 KiB, while the others go on (the node's log says which
    it was). A view of the returned node alone proves its contents.
    """
    others = [node_id for node_id in ALL if node_id != returning]
    write(cluster.node(returning), f"{key}/changed", "old")
    write(cluster.node(returning), f"{key}/deleted", "old")
    cluster.install(others)
    speaker = cluster.node(others[1])
    last = write(speaker, f"{key}/changed", "new")
    last = erase(speaker, f"{key}/deleted")
    if amount == "much":
        for i in range(24):
            last = write(speaker, f"{key}/large/{i % 20}", f"{i:03}" * 80_000)
        for i in range(100):
            last = write(speaker, f"{key}/small/{i % 50}", f"{i}")
    before = contents(speaker)
    node = cluster.node(returning)
    known = len(node.log_text())
    cluster.install(ALL)
    how = "log" if amount == "tail" else "copy"
    received = [line for line in node.log_text()[known:].splitlines() if "event=state_received" in line]
    assert any(f"what={how}" in line for line in received), received
    cluster.install([returning])
    assert contents(node) == before
    assert read(node, f"{key}/changed") == "new"
    assert read(node, f"{key}/deleted") is None
    assert write(node, f"{key}/more", "x") == last + 1
    for name in own(before, f"{key}/large"):  # the tests that follow need not carry this along
        erase(node, name)


def test_big_values_pass_everywhere(cluster: Cluster, key: str) -> None:
    """Goal: a value that one node accepts can be forwarded, replicated, transferred and listed by all others.

    Method: PUT values of several MiB (one of them just at the limit of 8 MiB) through a backup; restart the
    other backup empty; tell the view again, so that everything moves in chunks of 16 KiB; read it from a view
    of that node alone.
    """
    values = {f"{key}/{i}": letter * size for i, (letter, size) in enumerate(BIG)}
    for name, value in values.items():
        write(cluster.node(2), name, value)
    cluster.node(1).restart()
    cluster.install(ALL)
    before = contents(cluster.node(2))
    cluster.install([1])
    for name, value in values.items():
        assert read(cluster.node(1), name) == brief(value)
    assert contents(cluster.node(1)) == before
    for name in values:  # the tests that follow need not carry this along
        erase(cluster.node(1), name)


MIB = 1024 * 1024
BIG = (("a", 8 * MIB), ("é", 2 * MIB), ("\n", 1 * MIB))


def test_addresses_change(cluster: Cluster, key: str) -> None:
    """Goal: the same id at another address is a different view; the node there starts without memory.

    Method: move node 2 to another port, then node 0, each with a restart (the others are not restarted),
    and tell the view with the new address. Each moved node gets everything, as a view of it alone proves.
    """
    write(cluster.node(0), key, "x")
    for node_id in (2, 0):
        node = cluster.node(node_id)
        node.kill()
        node.address = cluster.new_address()
        node.start()
        node.wait_ping()
        cluster.install(ALL)
        write(node, f"{key}/{node_id}", "moved")
        before = contents(cluster.node(1))
        cluster.install([node_id])
        assert contents(node) == before
        assert read(node, key) == "x"
        cluster.install(ALL)


# ---- requests that wait


@pytest.mark.parametrize("via", [0, 1], ids=["at-primary", "at-backup"])
def test_write_in_flight_survives_the_view_change(
    cluster: Cluster, key: str, pool: ThreadPoolExecutor, via: int
) -> None:
    """Goal: a write that waits for a silent backup succeeds when a view without that backup is told.

    Method: pause node 2 and send a write; when the primary has taken it up, tell {0, 1}; it is acknowledged.
    """
    cluster.node(2).pause()
    commit = cluster.node(0).view()["commit"]
    writing = pool.submit(write, cluster.node(via), key, "x")

    def taken_up() -> bool:
        view = cluster.node(0).view()
        assert view["commit"] == commit
        return bool(view["log_end"] > commit or view["waiting_for"])

    wait_until(taken_up, "the primary holds the write, or waits for its backup")
    assert not writing.done()
    cluster.tell([0, 1])
    writing.result()
    assert read(cluster.node(1), key) == "x"


def test_clients_wait_while_a_view_is_installed(cluster: Cluster, key: str, pool: ThreadPoolExecutor) -> None:
    """Goal: who comes while a view is being installed waits, and is answered when it is active.

    Method: from {0, 1}, told to all, go to the view of all, telling node 2 last: without it nothing can be
    installed. The others say so in `GET /view` and `GET /ready`, and answer none of the requests of all sorts
    sent meanwhile. Then node 2 is told.
    """
    write(cluster.node(0), f"{key}/known", "x")
    write(cluster.node(0), f"{key}/doomed", "x")
    cluster.install([0, 1], to=ALL)
    cluster.tell(ALL, to=[0, 1])

    def waits() -> bool:
        view = cluster.node(0).view()
        return view["status"] == "installing" and [who["id"] for who in view["waiting_for"]] == [2]

    wait_until(waits, "the primary waits for node 2 only")
    assert cluster.node(0).request("GET", "/ready").status_code == 503
    requests: list[Future[httpx.Response]] = []
    for node_id in (0, 1):
        node = cluster.node(node_id)
        requests += [
            pool.submit(node.put, f"{key}/new/{node_id}", "x"),
            pool.submit(node.get, f"{key}/known"),
            pool.submit(node.data),
        ]
    requests.append(pool.submit(cluster.node(1).delete, f"{key}/doomed"))
    assert not any(request.done() for request in requests)
    cluster.tell(ALL, to=[2])
    assert [request.result().status_code for request in requests] == [201, 200, 200, 201, 200, 200, 200]
    cluster.wait_active(ALL)
    assert cluster.node(0).request("GET", "/ready").status_code == 200


CHANGES: tuple[tuple[tuple[int, ...], bool, bool], ...] = (
    # members, told to all nodes (else to the members only), waited for until it is active. What is skipped
    # without waiting shares a member with the view active last and with all views after it: the rule that
    # the outside keeps.
    ((0, 1), True, True),
    ((0, 1, 2), True, True),
    ((1, 2), False, True),
    ((1,), False, False),
    ((0, 1), True, False),
    ((0, 1, 2), True, True),
    ((0, 2), False, False),
    ((2,), True, True),
    ((1, 2), True, False),
    ((0, 1, 2), False, True),
    ((0,), False, True),
    ((0, 1, 2), True, True),
)


def test_writes_during_many_view_changes(cluster: Cluster, key: str, pool: ThreadPoolExecutor) -> None:
    """Goal: each write is applied exactly once however often the view changes under it.

    Method: six clients write and delete through all nodes while the view changes two dozen times, some
    changes overtaking each other, some not told to those who leave. Every request carries an
    Idempotency-Key and is repeated, at another node, until it is answered. Each answer must be the one of a
    single execution (see `Writer`), all answers together carry each number exactly once, and the store
    holds exactly what the clients were told.
    """
    first = write(cluster.node(0), key, "start") + 1
    nodes = [cluster.node(node_id) for node_id in ALL]
    writers = [Writer(f"{plain(key)}-{i}", nodes[i % 3 :] + nodes[: i % 3]) for i in range(6)]
    with writing(pool, writers):
        for _ in range(2):
            for members, to_all, waited in CHANGES:
                cluster.tell(members, to=ALL if to_all else None)
                if waited:
                    cluster.wait_active(members)
        for writer in writers:
            writer.wait_for_answers(2)
    assert write(cluster.node(1), key, "end") == assert_exactly_once(writers, nodes, first)


def test_repeated_request_after_failover(cluster: Cluster, key: str) -> None:
    """Goal: a request repeated under its Idempotency-Key gets its first answer again, also after failover.

    Method: create, update, delete, and delete a missing key, each with an Idempotency-Key, then change the
    key once more. Kill the primary, promote the others, and repeat all four at another node: the same
    status, body and number, and nothing changes. A different request under the same key is refused (422).
    """
    name = plain(key)
    requests: list[tuple[str, str, str | None]] = [
        ("PUT", name, "one"),
        ("PUT", name, "two"),
        ("DELETE", name, None),
        ("DELETE", f"{name}-missing", None),
    ]
    first = [
        insist([cluster.node(1)], method, target, f"{name}-{i}", value=value)
        for i, (method, target, value) in enumerate(requests)
    ]
    assert [response.status_code for response in first] == [201, 200, 200, 404]
    last = write(cluster.node(0), name, "three")
    cluster.node(0).kill()
    cluster.install([1, 2])
    for node_id in (2, 1):
        for i, (method, target, value) in enumerate(requests):
            again = insist([cluster.node(node_id)], method, target, f"{name}-{i}", value=value)
            assert (again.status_code, again.json(), number(again)) == (
                first[i].status_code,
                first[i].json(),
                number(first[i]),
            )
        assert insist([cluster.node(node_id)], "PUT", name, f"{name}-0", value="other").status_code == 422
        assert insist([cluster.node(node_id)], "DELETE", name, f"{name}-0").status_code == 422
    assert read(cluster.node(2), name) == "three"
    assert write(cluster.node(1), name, "four") == last + 1


# ---- numbered views


def test_numbered_views(cluster: Cluster, key: str) -> None:
    """Goal: with epochs, what is late or contradicts is refused, and members learn a view from its primary.

    Method: tell a view with an epoch above all before; then a stale epoch, and the same epoch with other
    members (409, nothing changes), the same again (200). Tell the next one only to its primary: the member
    that was not told installs it all the same. An unnumbered view takes the next epoch.
    """
    write(cluster.node(0), key, "x")
    epoch = max(cluster.node(node_id).view()["epoch"] for node_id in ALL) + 5
    cluster.install(ALL, epoch=epoch)
    assert cluster.node(1).view()["epoch"] == epoch
    for members, late in (((0, 1), epoch - 1), ((0, 1), epoch), (ALL, epoch - 1)):
        for answer in cluster.tell(members, late, to=ALL, expect=409).values():
            assert answer.json()["status"] == 409
    cluster.tell(ALL, epoch)
    cluster.wait_active(ALL)
    assert cluster.node(0).view()["epoch"] == epoch

    cluster.tell([0, 1], epoch + 3, to=[0])
    cluster.wait_active([0, 1])
    assert cluster.node(1).view()["epoch"] == epoch + 3
    assert read(cluster.node(1), key) == "x"
    cluster.install(ALL)
    assert cluster.node(2).view()["epoch"] > epoch + 3


def test_numbered_view_does_not_start_empty(cluster: Cluster, key: str) -> None:
    """Goal: a numbered view above 1 whose members have no state must not start: the data is elsewhere.

    Method: restart nodes 0 and 1 and tell them a numbered view of the two of them: it stays installing, and
    `GET /view` says why. Then the next view includes node 2, which still holds the data: everything is back.
    """
    write(cluster.node(1), key, "x")
    epoch = max(cluster.node(node_id).view()["epoch"] for node_id in ALL) + 1
    for node_id in (0, 1):
        cluster.node(node_id).restart()
    cluster.tell([0, 1], epoch)
    blocked = wait_until(lambda: cluster.node(0).view()["blocked"], "the primary says what blocks it")
    assert isinstance(blocked, str)
    assert [cluster.node(node_id).view()["status"] for node_id in (0, 1)] == ["installing"] * 2
    assert cluster.node(0).request("GET", "/ready").status_code == 503
    cluster.install(ALL, epoch=epoch + 1)
    assert cluster.node(0).view()["blocked"] is None
    for node_id in ALL:
        assert read(cluster.node(node_id), key) == "x"


# ---- silence


def prepare_old_and_new(hasty: Cluster, key: str, change: Callable[[], None]) -> Contents:
    """Write, do `change` (which puts {1, 2} in charge), write differently; returns what is true then."""
    persistently(hasty.node(0), f"{key}/known", "old")
    persistently(hasty.node(0), f"{key}/deleted", "old")
    change()
    persistently(hasty.node(1), f"{key}/known", "new")
    persistently(hasty.node(2), f"{key}/created", "new")
    wait_until(lambda: hasty.node(1).delete(f"{key}/deleted").status_code == 404, "the key is deleted")
    return {f"{key}/known": "new", f"{key}/created": "new"}


def test_removed_primary_that_was_not_told(hasty: Cluster, key: str, pool: ThreadPoolExecutor) -> None:
    """Goal: a primary that was removed and does not know it neither takes writes nor answers reads.

    Method: tell {1, 2} to the two of them only. They change everything; then node 0 is asked for all that
    its own copy would answer wrongly. All of it is refused, and nothing of it ever appears.
    """
    expected = prepare_old_and_new(hasty, key, lambda: hasty.install([1, 2]))
    assert_refused(answers_of_all_sorts(hasty.node(0), key, pool))
    assert own(persistent_contents(hasty.node(1)), key) == expected
    hasty.install(ALL)
    assert own(persistent_contents(hasty.node(0)), key) == expected


def test_paused_primary_that_was_replaced(hasty: Cluster, key: str, pool: ThreadPoolExecutor) -> None:
    """Goal: a primary that slept through its replacement does not answer from before it fell asleep.

    Method: stop node 0 (SIGSTOP), install {1, 2} and change everything; let reads queue up at
    the sleeper, then wake it: these, and requests of all sorts sent afterwards, are all refused.
    """
    node = hasty.node(0)

    def replace() -> None:
        node.pause()
        hasty.install([1, 2])

    expected = prepare_old_and_new(hasty, key, replace)
    queued = [http.client.HTTPConnection(node.address, timeout=60) for _ in range(4)]
    for connection in queued:  # on return the request is in the sleeper's socket
        connection.request("GET", data_path(f"{key}/known"))
    node.resume()
    for connection in queued:
        answer = connection.getresponse()
        assert answer.status == 503, answer.read()
        connection.close()
    assert_refused(answers_of_all_sorts(node, key, pool))
    assert own(persistent_contents(hasty.node(2)), key) == expected
    hasty.install(ALL)
    assert own(persistent_contents(node), key) == expected


def test_paused_backup_returns_by_itself(hasty: Cluster, key: str, pool: ThreadPoolExecutor) -> None:
    """Goal: a silent backup stops writes, honestly, and its return sets them going without any new view.

    Method: stop node 2 (SIGSTOP) and write. Who wrote before the primary suspected it is told "not applied"
    or "unknown"; who comes later to the primary is told "not applied" for certain; reads are refused. Wake
    node 2: writes succeed through every node, and what was not applied never appears.
    """
    node = hasty.node(0)
    persistently(node, f"{key}/before", "x")
    suspicions = node.log_text().count("event=suspected")
    hasty.node(2).pause()
    early = pool.submit(node.put, f"{key}/early", "x")
    wait_until(lambda: node.log_text().count("event=suspected") > suspicions, "the primary suspects node 2")
    late = {
        "PUT": pool.submit(node.put, f"{key}/late", "x"),
        "DELETE": pool.submit(node.delete, f"{key}/before"),
        "GET": pool.submit(node.get, f"{key}/before"),
        "GET all": pool.submit(node.data),
    }
    forwarded = pool.submit(hasty.node(1).put, f"{key}/forwarded", "x")
    answers = {name: request.result() for name, request in late.items()}
    assert_refused(answers | {"PUT early": early.result(), "PUT forwarded": forwarded.result()})
    assert {answer.status_code for answer in answers.values()} == {503}

    hasty.node(2).resume()
    for node_id in ALL:
        persistently(hasty.node(node_id), f"{key}/after/{node_id}", "x")
    certain = {f"{key}/before"} | {f"{key}/after/{node_id}" for node_id in ALL}
    possible = {
        f"{key}/{name}"
        for name, request in (("early", early), ("forwarded", forwarded))
        if request.result().status_code == 504
    }
    for node_id in ALL:
        seen = set(own(persistent_contents(hasty.node(node_id)), key))
        assert certain <= seen <= certain | possible


def test_namesake_at_the_old_address(hasty: Cluster, key: str, pool: ThreadPoolExecutor) -> None:
    """Goal: when an id moves to another address, the process left at the old one no longer counts.

    Method: start a second process with id 1 elsewhere and tell the view with its address to all but the old
    one. The old process answers nothing from its own copy, and while the new one is stopped its
    acknowledgements let no write pass.
    """
    old = hasty.node(1)
    persistently(old, f"{key}/known", "old")
    twin = hasty.nodes[1] = hasty.make_node(1)
    try:
        twin.start()
        twin.wait_ping()
        hasty.install(ALL)
        persistently(twin, f"{key}/known", "new")
        stale = old.get(f"{key}/known")
        assert stale.status_code == 503 or stale.json() == {"value": "new"}, stale.text
        twin.pause()
        refused = [pool.submit(hasty.node(node_id).put, f"{key}/alone", "x") for node_id in (0, 2)]
        assert_refused({f"PUT {i}": request.result() for i, request in enumerate(refused)})
    finally:
        old.kill()
        old.close_client()
