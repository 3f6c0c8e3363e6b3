"""Schedules written by hand: a primary reads under leases while the next view begins without it."""

from __future__ import annotations

from dataclasses import replace

from pbproto.config import MILLISECOND, SECOND

from .plan import Ask, Change, Item, Plan, Told
from .schedule import CALM, fault, plan, put, view

FAST, SLOW = 1, 3
"""Amounts of a drift: as far as clocks may go."""


def _leased(drift: int) -> Plan:
    """Nothing happens, under leases of a second and clocks that are off by ``drift`` millionths at most."""
    config = replace(CALM.config, lease=SECOND, clock_drift=drift)
    return plan(replace(CALM, config=config))


def _reads(at: int, until: int, node: int) -> list[Item]:
    """Every 10 milliseconds one more client reads at a node."""
    return [
        Ask(time * MILLISECOND, 100 + number, node, "get", "k", patience=5 * SECOND)
        for number, time in enumerate(range(at, until, 10))
    ]


def slow_holder() -> Plan:
    """The clock of the primary is slow, that of the backup which takes over is fast, both as may be."""
    base = _leased(200_000)
    return plan(
        replace(base.parameters, ids=(0, 1), first=(0, 1)),
        view(0, (0, 1)),
        replace(fault("drift", 100, 4000, 0), amount=SLOW),
        replace(fault("drift", 100, 4000, 1), amount=FAST),
        put(500, 0, "old"),
        fault("cut", 1000, 4000, 0, 1),
        view(1010, (1,)),
        put(1020, 1, "new", 1),
        *_reads(1030, 3000, 0),
    )


def late_answers(release: int) -> Plan:
    """Several answers that give leases are under way for long, and what is sent meanwhile is lost.

    Each lease runs from when it was asked for, whenever the answer comes, and whichever is the next one.
    """
    base = _leased(1_000)
    return plan(
        replace(base.parameters, ids=(0, 1), first=(0, 1)),
        view(0, (0, 1)),
        put(500, 0, "old"),
        fault("hold_one_way", 600, release, 1, 0),
        fault("cut_one_way", 1200, 4500, 0, 1),
        fault("cut_one_way", release + 5, 4500, 1, 0),
        view(release + 10, (1,)),
        put(release + 20, 1, "new", 1),
        *_reads(release + 20, release + 1200, 0),
    )


def old_answers(seed: int) -> Plan:
    """What gave leases comes again, up to seconds later, while 0 asks for the next one in vain."""
    base = _leased(1_000)
    return plan(
        replace(base.parameters, ids=(0, 1), first=(0, 1)),
        view(0, (0, 1)),
        *(put(100 + 20 * number, 0, f"old{number}", number) for number in range(40)),
        fault("cut_one_way", 1000, 4500, 0, 1),
        view(1010, (1,)),
        put(1020, 1, "new", 99),
        *_reads(1500, 4000, 0),
        seed=seed,
        messages=[f"stale Replicated 1>0 #{number}" for number in range(1, 40)],
    )


def lone_member() -> Plan:
    """0 proposes {0, 2} while 1, which leads 2, is cut off and reads."""
    base = _leased(10_000)
    return plan(
        replace(base.parameters, first=(1, 2)),
        view(0, (1, 2)),
        put(500, 1, "old"),
        fault("isolate", 1000, 4000, 1),
        view(1010, (0, 2)),
        put(1020, 0, "new", 1),
        *_reads(1030, 2500, 1),
    )


def handed_over() -> Plan:
    """0 takes the lead over from 1, which is held up; 2 may not promise before 1 has."""
    base = _leased(10_000)
    return plan(
        replace(base.parameters, first=(1, 2)),
        view(0, (1, 2)),
        put(500, 1, "old"),
        fault("hold_one_way", 1000, 1600, 0, 1),
        view(1010, (0, 1, 2)),
        *_reads(1010, 1700, 1),
    )


def one_lapsed() -> Plan:
    """2 was cut off long ago and goes on alone; 1 still stands by 0."""
    base = _leased(10_000)
    return plan(
        base.parameters,
        view(0, (0, 1, 2)),
        put(500, 0, "old"),
        fault("isolate", 1000, 4000, 2),
        view(2500, (2,)),
        put(2510, 2, "new", 1),
        *_reads(2520, 3500, 0),
    )


def installed_again(apart: int) -> Plan:
    """0 installs its view again for 2, which was restarted, and is cut off as it begins to lead.

    What the others gave it before was for the ballot before: 1 may promise another from then on.
    """
    base = _leased(10_000)
    return plan(
        base.parameters,
        view(0, (0, 1, 2)),
        put(500, 0, "old"),
        replace(fault("slow", 900, 3000, 2), amount=800),  # a step takes 40 ms
        fault("crash", 1000, 1005, 2),
        Change(1010 * MILLISECOND, (), (Told(2, 0),)),
        fault("cut_one_way", 1010 + apart, 4000, 0, 1),
        fault("cut_one_way", 1010 + apart, 4000, 0, 2),
        view(1020 + apart, (1,)),
        put(1025 + apart, 1, "new", 1),
        *_reads(1020 + apart, 2500, 0),
    )


def told_behind(release: int) -> Plan:
    """1 is told {1} and not 0, which goes on asking it for leases."""
    base = _leased(10_000)
    return plan(
        replace(base.parameters, ids=(0, 1), first=(0, 1)),
        view(0, (0, 1)),
        put(500, 0, "old"),
        view(1000, (1,)),
        put(release, 1, "new", 1),
        *_reads(1000, 3000, 0),
    )


def given_by_a_former_life() -> Plan:
    """1 gives a lease, restarts and is told {1, 2} at once: 2 has given one as well, and remembers."""
    base = _leased(10_000)
    return plan(
        base.parameters,
        view(0, (0, 1, 2)),
        put(500, 0, "old"),
        fault("isolate", 1000, 4000, 0),
        fault("crash", 1005, 1006, 1),
        view(1010, (1, 2)),
        put(1020, 1, "new", 1),
        *_reads(1020, 2500, 0),
    )


def taken_in_at_last() -> Plan:
    """1 takes a write of 0 in and begins a view of its own in the step in which its lease runs out."""
    base = _leased(10_000)
    return plan(
        replace(base.parameters, ids=(0, 1), first=(0, 1)),
        view(0, (0, 1)),
        *(put(time, 0, f"x{time}", time) for time in (*range(990, 1000), *range(1980, 2010))),
        view(1000, (1,)),
    )


LEASES = {
    "lease_given_by_a_former_life": given_by_a_former_life(),
    "lease_handed_over": handed_over(),
    **{f"lease_installed_again_{apart}": installed_again(apart) for apart in range(60, 180, 20)},
    **{f"lease_late_answers_{release}": late_answers(release) for release in (1500, 1900)},
    "lease_lone_member": lone_member(),
    **{f"lease_old_answers_{seed}": old_answers(seed) for seed in (1, 2)},
    "lease_one_lapsed": one_lapsed(),
    "lease_slow_holder": slow_holder(),
    "lease_taken_in_at_last": taken_in_at_last(),
    "lease_told_behind": told_behind(1500),
}
