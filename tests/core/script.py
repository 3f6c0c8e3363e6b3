"""One long scripted life of a cluster, written down: run as a program, it prints every effect of every step.

With failover, restarts, transfers by log and by snapshot, loss, copies, reordering, suspicion, refused and
repeated requests, so that whatever could depend on a process would show.
"""

from __future__ import annotations

from pbproto import Config

from .cluster import Cluster, of


def play(make: type[Cluster] = Cluster) -> Cluster:
    """The script, with a cluster of this class."""
    cluster = make((0, 1, 2, 3), Config(chunk_bytes=100, log_keep_bytes=800))
    cluster.trace = []
    cluster.install((0, 1, 2))
    for number in range(12):
        cluster.put(number % 3, b"key%d" % (number % 5), b"value%d" % number, b"once%d" % (number % 4))
        cluster.get((number + 1) % 3, b"key%d" % (number % 5))
    cluster.get_all(2)
    cluster.mail.reverse()
    cluster.run()
    cut = cluster.cut(2, 0, 1)
    for number in range(5):
        cluster.put(number % 2, b"held%d" % number, b"value", b"once")
        cluster.delete(number % 2, b"key%d" % number)
    cluster.advance(12_000)
    cluster.release(cut)
    cluster.advance(2_000)
    cluster.install((0, 1))
    cluster.put(1, b"without 2", b"v")
    cluster.run()
    cluster.install((0, 1, 2))
    cluster.put(1, b"last of 0", b"v")
    cluster.crash(0)
    cluster.tell((1, 2, 3))
    cluster.mail += cluster.mail[::2]
    cluster.advance(3_000)
    cluster.start(0)
    cluster.install((0, 1, 2, 3))
    cluster.start(2)
    cluster.tell((0, 1, 2, 3), to=(2,))
    cluster.advance(2_000)
    cluster.lose(of())
    for id_ in cluster.ids:
        cluster.put(id_, b"end", b"%d" % id_)
        cluster.get_all(id_)
    cluster.advance(5_000)
    cluster.tell((2, 3), to=(2, 3), epoch=50)
    cluster.advance(5_000)
    for id_ in cluster.ids:
        cluster.close(id_)
    return cluster


def main() -> None:
    cluster = play()
    print("\n".join(cluster.trace or ()))
    for id_ in cluster.ids:
        state = cluster.state(id_)
        print(cluster.status(id_), state.lineage, state.ignored)
        print([state.log[position] for position in range(state.log.start, state.log.end)])
        # As a list: Python 3.12 changed how an OrderedDict shows itself.
        print(state.store.data, list(state.store.keys.items()), state.store.origins)


if __name__ == "__main__":
    main()
