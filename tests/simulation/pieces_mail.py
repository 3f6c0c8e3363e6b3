"""Schedules written by hand: what serves a view comes late, twice, or to the wrong one."""

from __future__ import annotations

from dataclasses import replace

from pbproto.config import MILLISECOND, SECOND

from .limits import Limits
from .plan import Ask, Change, Item, Plan, Told
from .schedule import CALM, fault, plan, put, view


def late_verdict(release: int) -> Plan:
    """A primary's "certainly not" arrives when the write stands in the next primary's log.

    The write of a client of 2 is parked at 0, since 1 is suspected, and turned away; the verdict is held up.
    In the next view, of 1, 2 and a slow 3, it gets its place; ``release`` (milliseconds) is when the verdict
    arrives.
    """
    config = replace(
        CALM.config, request_timeout=SECOND, suspect_after=100 * MILLISECOND, heartbeat=50 * MILLISECOND
    )
    parameters = replace(CALM, ids=(0, 1, 2, 3), first=(0, 1, 2), config=config)
    return plan(
        parameters,
        view(0, (0, 1, 2)),
        fault("cut", 300, 1400, 0, 1),
        put(1000, 2, "late"),
        fault("hold_one_way", 1700, release, 0, 2),
        replace(fault("slow", 1755, 2500, 3), amount=800),
        view(1756, (1, 2, 3)),
    )


def echoes() -> Plan:
    """More repeats of an uncommitted write come to the primary than may wait: the last is turned away."""
    parameters = replace(CALM, config=replace(CALM.config, max_waiting=2))
    repeats = ((500, 0), (505, 0), (510, 2), (515, 2))
    return plan(
        parameters,
        view(0, (0, 1, 2)),
        fault("hold_one_way", 450, 900, 1, 0),
        *(replace(put(at, node, "once", at), name="key") for at, node in repeats),
    )


def held_answers() -> Plan:
    """A slow primary answers a joining member, then a reader, when the way to them has come to a halt."""
    slow = replace(fault("slow", 990, 3000, 0), amount=800)  # a step takes 40 ms
    return plan(
        CALM,
        view(0, (0, 1)),
        put(500, 0, "x"),
        slow,
        view(1000, (0, 1, 2)),
        fault("hold_one_way", 1170, 1500, 0, 2),
        put(2000, 0, "y"),
        Ask(2003 * MILLISECOND, 1, 1, "get", "k", patience=10 * SECOND),
        fault("hold_one_way", 2130, 2500, 0, 1),
    )


def paused_while_others_adopt() -> Plan:
    """The primary stands still when a slow member says that it holds the base."""
    return plan(
        CALM,
        view(0, (0, 1)),
        replace(fault("slow", 499, 2000, 2), amount=800),  # a step takes 40 ms
        view(500, (0, 1, 2)),
        fault("pause", 570, 700, 0),
    )


def stale_answers(seed: int) -> Plan:
    """Every message comes again, up to seconds later, while one primary installs view after view."""
    items: list[Item] = [
        view(400 * number, (0, 1) if number % 2 else (0, 1, 2), (0, 1, 2)) for number in range(12)
    ]
    for number in range(330):
        at = 50 + 14 * number
        items.append(Ask(at * MILLISECOND, number % 3, 1, "get", "k", patience=10 * SECOND))
        if number % 2:
            items.append(put(at, 0, f"v{number}", 3))
    return plan(replace(CALM, stale=0.9, delay=30 * MILLISECOND), *items, seed=seed)


def question_under_way() -> Plan:
    """1 is told the view again while the answer to an older question of its own is held up."""
    return plan(
        CALM,
        view(0, (0, 1, 2)),
        fault("hold_one_way", 490, 700, 2, 0),
        Ask(500 * MILLISECOND, 0, 1, "get", "k", patience=10 * SECOND),
        fault("hold_one_way", 600, 1000, 0, 1),
        view(800, (0,)),
        view(900, (0, 1, 2), (1,)),
    )


def round_under_way() -> Plan:
    """0 is told the view again while a backup's part in an older round of its own is held up.

    1 has been alone since, and does not hear of the view of both yet.
    """
    return plan(
        replace(CALM, ids=(0, 1), first=(0, 1)),
        view(0, (0, 1)),
        fault("hold_one_way", 490, 1000, 1, 0),
        Ask(500 * MILLISECOND, 0, 0, "get", "k", patience=10 * SECOND),
        view(600, (1,)),
        view(900, (0, 1), (0,)),
    )


def quiet_primary() -> Plan:
    """0 is owed no answer when it is asked for what 1 wrote alone; then old answers of 1 come again."""
    return plan(
        replace(CALM, ids=(0, 1), first=(0, 1)),
        view(0, (0, 1)),
        *(put(100 + 20 * number, 0, f"old{number}", number) for number in range(30)),
        view(710, (1,)),
        put(720, 1, "new", 99),
        Ask(730 * MILLISECOND, 100, 0, "get", "k", patience=10 * SECOND),
        messages=[f"stale Replicated 1>0 #{number}" for number in range(1, 32)],
    )


def fresh_primary(alone: int) -> Plan:
    """0 begins to lead when 1, which has adopted its base, has been alone and has written meanwhile."""
    return plan(
        replace(CALM, first=(0, 1)),
        view(0, (0, 1)),
        put(100, 0, "x"),
        replace(fault("slow", 499, 2000, 2), amount=800),
        view(500, (0, 1, 2)),
        view(alone, (1,)),
        put(alone + 2, 1, "alone", 1),
        Ask((alone + 6) * MILLISECOND, 2, 0, "get", "k", patience=10 * SECOND),
    )


def late_fetch(release: int) -> Plan:
    """A copy of a Fetch reaches its source when the receiver has it all; later the source is one again.

    0 is restarted and told its own view again. It is no newcomer then: it gets the state under the seal.
    """
    return plan(
        replace(CALM, config=replace(CALM.config, log_keep_bytes=0)),
        view(0, (0, 1, 2)),
        *(put(100 + 10 * number, 1, f"x{number}", number) for number in range(3)),
        replace(fault("slow", 499, 1500, 2), amount=800),  # a step takes 40 ms
        fault("crash", 500, 505, 0),
        Change(510 * MILLISECOND, (), (Told(0, 0),)),
        fault("hold_one_way", 520, release, 0, 1),
        fault("pause", release - 10, release + 100, 2),
        *(put(1700 + 10 * number, 1, f"y{number}", number) for number in range(3)),
        fault("crash", 1900, 1910, 0),
        Change(1920 * MILLISECOND, (), (Told(0, 0),)),
        Ask(3000 * MILLISECOND, 9, 0, "get", "k", patience=10 * SECOND),
    )


def late_forward(release: int) -> Plan:
    """Copies of a forward that was refused for certain arrive after a later one of the same origin."""
    config = replace(
        CALM.config,
        request_timeout=SECOND,
        suspect_after=100 * MILLISECOND,
        heartbeat=50 * MILLISECOND,
        resend_after=50 * MILLISECOND,
    )
    return plan(
        replace(CALM, config=config),
        view(0, (0, 1, 2)),
        fault("cut", 300, 2000, 0, 2),
        put(1000, 1, "refused"),
        fault("hold_one_way", 1100, release, 1, 0),
        put(1800, 1, "next", 1),
    )


def forward_in_doubt() -> Plan:
    """The client of 2 is turned away when 2 holds the base of the next view, which is active only later.

    Its write was sent on to 0, which told 2 of it, and not 1; so it stands in that base.
    """
    return plan(
        replace(CALM, config=replace(CALM.config, request_timeout=SECOND)),
        view(0, (0, 1, 2)),
        fault("cut_one_way", 400, 2000, 0, 1),
        put(450, 2, "in doubt"),
        replace(fault("slow", 499, 700, 2), amount=800),  # a step takes 40 ms
        view(500, (1, 2)),
        fault("cut_one_way", 640, 2000, 2, 1),
    )


def overload_comes_again(seed: int) -> Plan:
    """Forwards that were refused since too many were parked come again when there is room."""
    config = replace(CALM.config, max_waiting=2, suspect_after=100 * MILLISECOND, heartbeat=50 * MILLISECOND)
    return plan(
        replace(CALM, ids=(0, 1, 2, 3), first=(0, 1, 2, 3), config=config),
        view(0, (0, 1, 2, 3)),
        fault("cut", 300, 900, 0, 3),
        *(put(600 + number, 1, f"parked{number}", number) for number in range(2)),
        *(put(610 + number, 2, f"refused{number}", 10 + number) for number in range(2)),
        seed=seed,
        messages=[f"stale Forward 2>0 #{number}" for number in (1, 2)],
    )


def reuse_comes_again(seed: int) -> Plan:
    """A forward that was refused for its key comes again when the key is forgotten."""
    return plan(
        replace(CALM, limits=Limits(names=1)),
        view(0, (0, 1, 2)),
        replace(put(300, 0, "first"), name="key"),
        replace(put(400, 1, "reused", 1), name="key"),
        replace(put(500, 0, "other", 2), name="another"),
        seed=seed,
        messages=["stale Forward 1>0 #1"],
    )


def forgotten(seed: int) -> Plan:
    """Verdicts are lost while origins are forgotten all the time, and come back."""
    config = replace(CALM.config, resend_after=50 * MILLISECOND, suspect_after=2 * SECOND)
    items: list[Item] = [view(0, (0, 1, 2))]
    for number in range(300):
        items.append(put(100 + 14 * number, number % 3, f"v{number}", number % 12))
    parameters = replace(CALM, limits=Limits(origins=1), loss=0.2, config=config)
    return plan(parameters, *items, seed=seed)


def full_store() -> Plan:
    """The store has room for two keys. Clients write three at once, which are looked at in the step in which
    the view becomes active; then shorter and longer values; they make room, and repeat by its key what filled
    the store. The next primary has no room either.
    """

    def ask(at: int, node: int, key: str, value: str, name: str = "", client: int = 0) -> Ask:
        return replace(put(at, node, value, client or at), key=key, name=name)

    def gone(at: int, node: int, key: str) -> Ask:
        return Ask(at * MILLISECOND, at, node, "delete", key, patience=10 * SECOND)

    return plan(
        replace(CALM, keys=("a", "b", "c"), config=replace(CALM.config, max_data_bytes=560)),
        view(0, (0, 1, 2)),
        *(ask(2, 0, key, f"at once {key}", client=number) for number, key in enumerate("abc", 1)),
        *(ask(500 + 10 * number, number, "d", f"full {number}") for number in range(3)),
        gone(600, 0, "a"),
        ask(700, 1, "b", "longer, and no room for more " + "." * 300),
        ask(800, 0, "a", "the last piece", "name"),
        gone(820, 1, "a"),
        ask(840, 0, "f", "in its place"),
        *(ask(900 + 10 * number, number, "a", "the last piece", "name") for number in range(3)),
        *(ask(1000 + 10 * number, number, "b", f"shorter {number}") for number in range(3)),
        view(1200, (1, 2)),
        ask(1500, 2, "e", "no room here"),
        *(gone(1600 + number, 1 + number % 2, key) for number, key in enumerate("abcdf")),
        ask(1700, 2, "e", "room"),
    )
