# ruff: noqa: E501 - pieces of source are quoted as they are
"""Faults of leases: who counts too long, who promises too soon, and who keeps others waiting."""

from __future__ import annotations

from .bugs import Bug, bug, unexplored

_UNGUARDED = (
    "proposing.py",
    '    ensure(not leases.bind(state), "who proposes stands by nobody else")\n',
    "",
)


LEASES: tuple[Bug, ...] = (
    bug(
        "drift_forgotten",
        "a primary counts less of a lease than it was given",
        ("leases.py", "    return lease - -(-2 * drift * lease // MILLION)\n", "    return lease\n"),
    ),
    bug(
        "drift_halved",
        "the clocks of both may be off, in opposite ways",
        (
            "leases.py",
            "    return lease - -(-2 * drift * lease // MILLION)\n",
            "    return lease - -(-drift * lease // MILLION)\n",
        ),
    ),
    bug(
        "lease_from_its_receipt",
        "a lease is counted from when it was asked for",
        ("leases.py", "backup.offered_at + lease)", "state.now + lease)"),
    ),
    bug(
        "lease_from_a_later_sending",
        "what is sent again is counted from the first sending",
        (
            "leases.py",
            "    if backup.offered_at == FOREVER:\n        # Sent again it",
            "    if True:\n        # Sent again it",
        ),
        ("leases.py", "        backup.offered_round = lead.round\n", "        backup.offered_round = 0\n"),
    ),
    bug(
        "lease_by_any_answer",
        "a lease comes with the answer to the round that asked for it",
        (
            "commit.py",
            "    if backup.offered_at != FOREVER and message.round >= backup.offered_round:\n",
            "    if backup.offered_at != FOREVER:\n",
        ),
    ),
    bug(
        "lease_of_an_old_round",
        "who asks for a lease begins a round",
        (
            "leases.py",
            "    if lead.round_sent and lead.round_at != state.now:\n        lead.round += 1\n",
            "",
        ),
    ),
    unexplored(
        "all_leases_but_one",
        "a primary reads alone while all backups stand by it",
        (
            "leases.py",
            "    lead.leased_until = min(each.leased_until for each in lead.backups.values())\n",
            "    lead.leased_until = sorted(each.leased_until for each in lead.backups.values())[:2][-1]\n",
        ),
    ),
    unexplored(
        "leases_of_the_ballot_before",
        "a ballot begins without leases",
        (
            "proposing.py",
            "    state.lead = None\n    state.follow = None\n    state.proposal = None\n",
            "    if state.lead is not None:\n"
            "        state.nudge_refusal = str(state.lead.leased_until)\n"
            "    state.lead = None\n    state.follow = None\n    state.proposal = None\n",
        ),
        (
            "activation.py",
            "    state.lead = lead\n",
            "    lead.leased_until = int(state.nudge_refusal) if state.nudge_refusal.isdigit() else 0\n"
            "    state.lead = lead\n",
        ),
    ),
    bug(
        "promise_while_leased",
        "a member promises no other primary while the lease that it gave runs",
        (
            "proposing.py",
            "    if leases.bind(state) and not (from_primary(state, envelope) or message.released == state.promised):\n",
            "    if False:\n",
        ),
    ),
    bug(
        "proposal_while_leased",
        "a node that has given a lease proposes nothing before it has run out",
        _UNGUARDED,
        ("views.py", "        elif leases.bind(state):\n", "        elif False:\n"),
    ),
    unexplored(
        "lease_of_the_same_id",
        "a primary that was restarted is another one",
        (
            "proposing.py",
            "not (from_primary(state, envelope) or message.released == state.promised)",
            "not (envelope.sender >= state.promised.primary or message.released == state.promised)",
        ),
    ),
    unexplored(
        "released_before_the_promise",
        "a lease is over when its holder has promised, and not before",
        (
            "proposing.py",
            "    return ballot if promised is not None and promised[0] == ballot.incarnation else NO_BALLOT\n",
            "    return ballot\n",
        ),
    ),
    unexplored(
        "lease_for_whoever_asks",
        "a member gives leases to the primary of its told view only",
        ("leases.py", "    if not lease or not state.told_is_promised:\n", "    if not lease:\n"),
    ),
    bug(
        "lease_not_written_down",
        "a lease that is given binds",
        (
            "leases.py",
            "    state.lease_until = max(state.lease_until, state.now + lease)\n",
            "",
        ),
    ),
    unexplored(
        "postponed_for_ever",
        "what waits for a lease goes on when it has run out",
        ("leases.py", "    return state.postponed and not bind(state)\n", "    return False\n"),
        (
            "leases.py",
            "    return state.lease_until if state.postponed else FOREVER\n",
            "    return FOREVER\n",
        ),
    ),
    unexplored(
        "proof_by_lease",
        "a view that is told again is proven by a round, never by leases",
        (
            "forwarding.py",
            "    leased = state.config.lease > 0 and follow.verify == 0\n",
            "    leased = state.config.lease > 0\n",
        ),
    ),
    unexplored(
        "leased_answer_from_the_log",
        "a backup is told what is committed, under leases as well",
        (
            "reads.py",
            "Confirmed(lead.ballot, ask, state.commit))",
            "Confirmed(lead.ballot, ask, state.log.end))",
        ),
    ),
)
