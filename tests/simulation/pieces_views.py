"""Schedules written by hand: views and their installation."""

from __future__ import annotations

from dataclasses import replace

from pbproto.config import MILLISECOND, SECOND

from .limits import Limits
from .plan import Ask, Change, Plan, Told
from .schedule import CALM, fault, plan, put, view


def leftover() -> Plan:
    """The log that nobody else has is the longest one, and yet it must not become the base.

    A primary takes writes that reach nobody; the others go on without it, and write less; their primary is
    restarted; all are told the view of all.
    """
    return plan(
        CALM,
        view(0, (0, 1, 2)),
        fault("cut", 500, 2000, 0, 1),
        fault("cut", 500, 2000, 0, 2),
        *(put(510 + number, 0, f"left{number}", number) for number in range(6)),
        view(530, (1, 2)),
        put(700, 2, "kept", 10),
        fault("crash", 900, 910, 1),
        view(2100, (0, 1, 2)),
    )


def late_proposal(silent: int) -> Plan:
    """A late copy of a proposal reaches the next life of a member whose promise the primary has.

    The primary 0 waits for 2. At first it asks whether anybody serves a view, and proposes half a second on.
    The promise of 1 came late, so the proposal went out again, and that copy is held; 1 is restarted and told
    the view again, its nudges are lost, and it promises what the copy says. Until ``silent`` (milliseconds)
    nothing that it says arrives: this promise, or not even that.
    """
    return plan(
        CALM,
        view(0, (0, 1, 2)),
        fault("cut", 0, 2500, 0, 2),
        fault("hold_one_way", 490, 800, 1, 0),
        fault("hold_one_way", 700, 1100, 0, 1),
        fault("crash", 850, 855, 1),
        fault("cut_one_way", 856, silent, 1, 0),
        Change(900 * MILLISECOND, (), (Told(1, 0),)),
        put(1200, 1, "x"),
    )


def closed_twice() -> Plan:
    """Somebody who stops a node in order loses patience, and says it again."""
    return plan(
        CALM,
        view(0, (0, 1, 2)),
        fault("stop", 500, 700, 1),
        fault("stop", 510, 700, 1),
        put(800, 1, "x"),
    )


def word_taken_back() -> Plan:
    """1 is told a view of a lower primary while the promise for its own proposal is on its way."""
    return plan(
        replace(CALM, first=(1, 2)),
        view(0, (1, 2)),
        fault("hold_one_way", 0, 300, 2, 1),
        view(100, (0, 1, 2), (1,)),
    )


def left_while_installing() -> Plan:
    """0 offers its base to 2, which has promised another view meanwhile; then the first is told again."""
    return plan(
        replace(CALM, first=(0, 2)),
        replace(fault("slow", 0, 190, 0), amount=800),  # a step takes 40 ms
        view(1, (0, 2)),
        fault("cut_one_way", 90, 800, 0, 2),
        view(200, (1, 2)),
        view(500, (0, 2)),
    )


def refused_after_filling() -> Plan:
    """2 is no newcomer any more when its new life refuses what the former one was offered.

    What 2 says of its copy is lost, so 0 offers again; 2 is restarted before, and the view is taken back.
    """
    return plan(
        CALM,
        view(0, (0, 1)),
        put(100, 0, "x"),
        view(500, (0, 1, 2)),
        fault("cut_one_way", 501, 700, 2, 0),
        fault("crash", 600, 605, 2),
        fault("hold_one_way", 740, 900, 2, 0),
        view(850, (0, 1)),
    )


def learned_late(release: int) -> Plan:
    """2 says that it holds a copy when 0, whose copy it is, is down, or up again."""
    return plan(
        CALM,
        view(0, (0, 1)),
        put(100, 0, "x"),
        view(500, (0, 1, 2)),
        fault("hold_one_way", 501, release, 2, 0),
        fault("crash", 550, 750, 0),
    )


def less_while_filling() -> Plan:
    """While 2 fetches its copy from 0 the outside changes its mind: 1, which serves, is to go."""
    ambush = replace(fault("ambush", 490, 1000, 0), amount=84)  # when 0 is a source: another view, {0, 2}
    return plan(CALM, view(0, (0, 1)), put(100, 0, "x"), ambush, view(500, (0, 1, 2)), put(800, 0, "y"))


def given_up_with_an_answer() -> Plan:
    """0 answers a read and proposes in one step: meanwhile the newcomer was silent for too long."""
    return plan(
        replace(CALM, first=(0, 1)),
        view(0, (0, 1)),
        fault("cut", 100, 2000, 0, 2),
        view(500, (0, 1, 2)),
        replace(fault("slow", 1470, 1600, 0), amount=800),  # a step takes 40 ms
        Ask(1475 * MILLISECOND, 0, 0, "get", "k", patience=10 * SECOND),
    )


def short_tail() -> Plan:
    """2 was away for a moment and lacks some of the log, which is on its way for long; then 2 stands still.

    A promise of 2 waits for 0 as well, which stands still before.
    """
    return plan(
        CALM,
        view(0, (0, 1, 2)),
        put(100, 0, "x"),
        view(200, (0, 1)),
        put(300, 0, "y"),
        replace(fault("slow", 499, 900, 2), amount=800),  # a step takes 40 ms
        view(500, (0, 1, 2)),
        fault("pause", 615, 640, 0),
        fault("hold_one_way", 660, 760, 0, 2),
        fault("pause", 755, 850, 2),
    )


def cut_off_for_long() -> Plan:
    """The primary's proposals are lost for more than a minute, and so are the nudges."""
    return plan(
        replace(CALM, ids=(0, 1), first=(0, 1), length=70 * SECOND),
        view(0, (0, 1)),
        fault("cut", 0, 70_000, 0, 1),
    )


def left_behind() -> Plan:
    """0 is told the view of both again before it can hear that 1 was alone meanwhile."""
    return plan(
        replace(CALM, ids=(0, 1), first=(0, 1)),
        view(0, (0, 1)),
        fault("cut", 500, 2000, 0, 1),
        view(600, (1,)),
        put(700, 1, "alone"),
        view(1990, (0, 1)),
        put(4000, 0, "after", 5),
    )


def earlier_attempt(seed: int) -> Plan:
    """A promise for the first attempt of a numbered view arrives when the second is proposed."""
    return plan(
        replace(CALM, numbered=True),
        view(0, (0, 1, 2)),
        put(300, 0, "x"),
        fault("crash", 500, 505, 2),
        fault("hold_one_way", 506, 600, 1, 0),
        Change(510 * MILLISECOND, (), (Told(2, 0),)),
        fault("cut_one_way", 530, 1000, 0, 1),
        fault("crash", 531, 535, 2),
        Change(540 * MILLISECOND, (), (Told(2, 0),)),
        seed=seed,
    )


def earlier_adoption(seed: int) -> Plan:
    """1 says that it holds the base of the first attempt when the second one is under way."""
    return plan(
        replace(CALM, numbered=True),
        view(0, (0, 1, 2)),
        put(300, 0, "x"),
        fault("crash", 500, 505, 2),
        replace(fault("slow", 509, 600, 2), amount=800),
        Change(510 * MILLISECOND, (), (Told(2, 0),)),
        fault("hold_one_way", 530, 700, 1, 0),
        fault("crash", 580, 585, 2),
        Change(590 * MILLISECOND, (), (Told(2, 0),)),
        fault("cut_one_way", 630, 1500, 0, 1),
        seed=seed,
    )


def late_proposal_told_again() -> Plan:
    """The same, and the view is told to 1 once more when it has promised."""
    before = late_proposal(1140)
    return plan(before.parameters, *before.items, Change(1130 * MILLISECOND, (), (Told(1, 0),)))


def leftover_one_ballot() -> Plan:
    """The same where a lineage remembers one ballot only."""
    before = leftover()
    return replace(before, parameters=replace(before.parameters, limits=Limits(ballots=1)))
