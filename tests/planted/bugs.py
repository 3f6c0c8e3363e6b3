# ruff: noqa: E501 - pieces of source are quoted as they are
"""The planted faults. An edit names a piece of the source, which must be there once, and what takes its place.

Where the core itself would stop at the damage (``ensure``), the guard is taken out as well, as ``_UNGUARDED``
and in single edits: otherwise most faults would only show that the core checks itself.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of one file of ``pbproto``."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Bug:
    """A rule that is switched off."""

    name: str
    rule: str
    edits: tuple[Edit, ...]
    beyond_scopes: str = ""
    """Why the explorer is not expected to find it; empty where it is."""
    explored: bool = True
    """Whether the explorer hunts it."""


def bug(
    name: str, rule: str, *edits: tuple[str, str, str], beyond_scopes: str = "", explored: bool = True
) -> Bug:
    """A fault of ``(file, old, new)`` edits."""
    return Bug(name, rule, tuple(Edit(*edit) for edit in edits), beyond_scopes, explored)


def unexplored(name: str, rule: str, *edits: tuple[str, str, str]) -> Bug:
    """A fault that the explorer does not hunt: its scopes have not what it takes."""
    return bug(name, rule, *edits, explored=False)


_UNGUARDED = (
    "state.py",
    """            ensure(state.commit <= backup.acked <= state.log.end, "committed is what every backup has")
""",
    """            pass
""",
)
"""The core's own look at what a primary may have committed."""
_APPLIED_TWICE = (
    "store.py",
    """        ensure(operation.counter not in origin.results, "no request is applied twice")
        ensure(operation.counter >= origin.settled, "no settled request is applied")
""",
    "",
)
_SYNCED_BELOW = (
    "state.py",
    '    ensure(state.synced is None or state.synced <= state.promised, "synced never passes promised")\n',
    "",
)

_LIVENESS = "its network loses nothing for good, so nothing has to be sent again"
"""Why the explorer cannot miss what is not sent."""

BUGS: tuple[Bug, ...] = (
    bug(
        "commit_on_any_ack",
        "commit is the smallest log end over all members",
        _UNGUARDED,
        (
            "commit.py",
            "everywhere = min((backup.acked for backup in lead.backups.values()), default=state.log.end)",
            "everywhere = max((backup.acked for backup in lead.backups.values()), default=state.log.end)",
        ),
    ),
    bug(
        "commit_on_majority",
        "commit is the smallest log end over all members",
        _UNGUARDED,
        (
            "commit.py",
            "everywhere = min((backup.acked for backup in lead.backups.values()), default=state.log.end)",
            "everywhere = sorted([state.log.end, *(backup.acked for backup in lead.backups.values())])"
            "[len(lead.backups) // 2]\n    everywhere = max(everywhere, state.commit)",
        ),
    ),
    bug(
        "acks_counted",
        "acknowledgements are kept per member, incarnation and ballot",
        _UNGUARDED,
        (
            "commit.py",
            "    backup.acked = max(backup.acked, message.log_end)\n",
            "    lead.marks[(-1, message.log_end)] = lead.marks.get((-1, message.log_end), 0) + 1\n"
            "    for other in lead.backups.values():\n"
            "        if other is backup or lead.marks[(-1, message.log_end)] >= len(lead.backups):\n"
            "            other.acked = max(other.acked, message.log_end)\n",
        ),
    ),
    bug(
        "former_life_acks",
        "a backup acknowledges only with the complete state, and acknowledgements count per incarnation",
        (
            "gate.py",
            "    elif envelope.receiver_incarnation not in (0, state.incarnation):\n",
            "    elif not isinstance(message, Replicate) and "
            "envelope.receiver_incarnation not in (0, state.incarnation):\n",
        ),
        (
            "gate.py",
            "from .messages import Envelope, Message, Refusal, Refuse\n",
            "from .messages import Envelope, Message, Refusal, Refuse, Replicate\n",
        ),
        (
            "backup.py",
            "    follow = state.follow\n",
            "    if state.synced is None and state.told is not None and state.told.members and (\n"
            "        state.told.primary.id == envelope.sender and message.ballot > state.promised\n"
            "    ):\n"
            "        state.promised = state.synced = message.ballot\n"
            "        state.promised_view = View(state.told.members)\n"
            "        state.follow = Follow(state.told.primary)\n"
            "        state.log, state.store = Log(message.first), Store()\n"
            "        state.store.applied = state.commit = message.first\n"
            "        state.history = envelope.history\n"
            "    follow = state.follow\n",
        ),
        (
            "backup.py",
            "from .state import FOREVER, State\n",
            "from .log import Log\nfrom .state import FOREVER, Follow, State\nfrom .store import Store\n"
            "from .values import View\n",
        ),
        (
            "commit.py",
            "    if backup is None or backup.incarnation != envelope.sender_incarnation:\n",
            "    if backup is None:\n",
        ),
    ),
    bug(
        "no_read_round",
        "a read waits until every backup has acknowledged a round begun after it arrived",
        (
            "reads.py",
            "        ready = alone or (round_ <= confirmed and position <= state.commit)\n",
            "        ready = position <= state.commit\n",
        ),
        (
            "reads.py",
            "        if (alone and leased) or (round_ <= confirmed and position <= state.commit)\n",
            "        if True\n",
        ),
        (
            "replication.py",
            "    if not lead.backups:\n        commit.advance(state, lead, out)\n",
            "    commit.advance(state, lead, out)\n",
        ),
    ),
    bug(
        "read_round_reused",
        "a round that was already sent does not count for a read",
        (
            "reads.py",
            "    if lead.round_sent:\n        lead.round += 1\n        lead.round_sent = False\n",
            "    if lead.round == 0:\n        lead.round = 1\n",
        ),
        (
            "reads.py",
            "    while lead.reads:\n        round_, position, counter = lead.reads[0]\n",
            "    while lead.reads:\n        round_, position, counter = lead.reads[0]\n        round_ = min(round_, 1)\n",
        ),
        (
            "replication.py",
            "    if not lead.backups:\n        commit.advance(state, lead, out)\n",
            "    commit.advance(state, lead, out)\n",
        ),
    ),
    bug(
        "ask_reused",
        "a backup's question that is already on its way does not count for a read that arrives later",
        (
            "forwarding.py",
            "        follow.reads.append((follow.ask + 1, waiter.counter))\n",
            "        follow.reads.append((max(1, follow.ask), waiter.counter))\n",
        ),
    ),
    bug(
        "backup_reads_alone",
        "a backup asks the primary before it answers a read from its own copy",
        (
            "forwarding.py",
            "        follow.reads.append((follow.ask + 1, waiter.counter))\n",
            "        waiting.read(state, out, waiter.counter)\n",
        ),
    ),
    bug(
        "no_seal",
        "after promising a ballot a node never acknowledges a lower one",
        (
            "backup.py",
            "    if follow is None or message.ballot != state.promised:\n",
            "    if follow is None or message.ballot > state.promised:\n",
        ),
        (
            "backup.py",
            "    if not from_primary(state, envelope):\n",
            "    if message.ballot == state.promised and not from_primary(state, envelope):\n",
        ),
        (
            "backup.py",
            "    if state.synced != state.promised:\n",
            "    if state.synced is None or state.synced != message.ballot:\n",
        ),
        (
            "backup.py",
            "    out.answer(state, envelope, Replicated(state.promised, state.log.end, message.round, lease))\n"
            "    if not state.active:\n",
            "    out.answer(state, envelope, Replicated(message.ballot, state.log.end, message.round, lease))\n"
            "    if not state.active and message.ballot == state.promised:\n",
        ),
    ),
    bug(
        "promise_without_promising",
        "a node promises only what is higher than everything it has promised",
        (
            "proposing.py",
            "    if refusal is None and ballot < state.promised:\n",
            "    if refusal is None and ballot < state.promised and state.follow is None:\n",
        ),
        ("proposing.py", '    ensure(ballot > state.promised, "promises only go up")\n', ""),
        _SYNCED_BELOW,
    ),
    bug(
        "base_from_any_member",
        "the base is chosen among the members with the highest synced",
        (
            "base.py",
            "if it[1].synced == highest}",
            "if it[1].synced is not None}",
        ),
        beyond_scopes="it takes a leftover, three nodes and two changes of view, as in `big-leftover`",
    ),
    bug(
        "base_cut_at_commit",
        "the base is not cut below the base that the ballot began with",
        ("base.py", "max(promise.commit, promise.base)", "promise.commit"),
    ),
    bug(
        "base_at_commit_of_a_backup",
        "without its primary a ballot's longest log counts: any of it may have been acknowledged",
        (
            "base.py",
            "    end = max(promise.log_end for _, promise in holders.values())\n",
            "    end = max(max(promise.commit, promise.base) for _, promise in holders.values())\n",
        ),
        (
            "base.py",
            "if promise.log_end == end]",
            "if promise.log_end >= end]",
        ),
    ),
    bug(
        "base_before_all_promised",
        "the base is chosen with the promises of all members",
        (
            "proposing.py",
            "    if len(proposal.promises) < len(proposal.view.members) or proposal.base is not None",
            "    if len(proposal.promises) <= len(proposal.view.members) // 2 or proposal.base is not None",
        ),
        (
            "transfer.py",
            "    for member in proposal.view.others(state.id):\n        send_adopt(state, proposal, member, out)\n",
            "    for member in proposal.view.others(state.id):\n"
            "        if member.id in proposal.promises:\n"
            "            send_adopt(state, proposal, member, out)\n",
        ),
    ),
    bug(
        "active_before_all_adopted",
        "a view is active when all members hold the base",
        (
            "transfer.py",
            "    if all(member.id in proposal.adopted for member in proposal.view.members):\n",
            "    if len(proposal.adopted) > len(proposal.view.members) // 2:\n",
        ),
        (
            "activation.py",
            "proposal.adopted[member.id]",
            "proposal.promises[member.id][0]",
        ),
    ),
    bug(
        "acks_before_synced",
        "a backup acknowledges only with the complete state of this ballot",
        (
            "backup.py",
            "    if state.synced != state.promised:\n",
            "    if state.synced is None:\n",
        ),
        (
            "transfer.py",
            "    if state.synced == state.promised:\n        return out.answer(state, envelope, Adopted(state.promised))\n",
            "    out.answer(state, envelope, Adopted(state.promised))\n"
            "    if state.synced == state.promised:\n        return None\n",
        ),
        (
            "state.py",
            '    ensure(not state.active or state.synced == state.promised, "an active member is synced")\n',
            "",
        ),
    ),
    bug(
        "promise_kept_over_restart",
        "a promise is void when the member that gave it was restarted",
        (
            "proposing.py",
            "        return propose(state, out)\n    if known is not None:\n",
            "        proposal.promises[envelope.sender] = (envelope.sender_incarnation, known[1])\n"
            "    if known is not None:\n",
        ),
        (
            "views.py",
            "        if promised is not None and promised[0] != envelope.sender_incarnation:\n",
            "        if promised is not None and promised[0] == envelope.sender:\n",
        ),
        beyond_scopes="nothing wrong is said: the view only never becomes active",
    ),
    bug(
        "restarted_node_promises",
        "a node that was never told a view since it started promises nothing",
        (
            "proposing.py",
            "        return Refusal.NOT_TOLD\n",
            "        state.told = view\n        return None\n",
        ),
    ),
    bug(
        "told_view_not_checked",
        "an unnumbered proposal is promised only if it is exactly the node's own told view",
        (
            "proposing.py",
            "        if told.members != view.members or epoch < (told.epoch or 0):\n",
            "        if epoch < (told.epoch or 0):\n",
        ),
        (
            "proposing.py",
            '    ensure(told.primary.id == state.id, "only the told view\'s primary proposes it")\n',
            "",
        ),
        ("activation.py", '    ensure(state.told_is_promised, "who leads was told this view")\n', ""),
    ),
    bug(
        "no_floor_of_epochs",
        "a numbered view that is older than what a node knows is refused",
        ("views.py", "    if epoch < known:\n", "    if False:\n"),
        (
            "proposing.py",
            "    if view.epoch < state.told_rank:\n",
            "    if view.epoch < state.told_rank and state.follow is None:\n",
        ),
        ("proposing.py", '    ensure(ballot > state.promised, "promises only go up")\n', ""),
        _SYNCED_BELOW,
    ),
    bug(
        "snapshot_in_place",
        "the old state stays in use until the new one is complete",
        (
            "transfer.py",
            "        staging.thaw = Thaw(message, state.store)\n",
            "        staging.thaw = Thaw(message, state.store)\n"
            "        state.store.data.clear()\n"
            "        state.store.keys.clear()\n"
            "        state.store.origins.clear()\n"
            "        applied, evicted = state.store.applied, state.store.evicted\n"
            "        staging.thaw.store = state.store\n",
        ),
    ),
    bug(
        "synced_before_the_tail",
        "a member is synced only when it holds the whole base",
        (
            "transfer.py",
            "    if staging.thaw.complete and staging.thaw.applied == staging.base.end:\n",
            "    if staging.thaw.complete:\n",
        ),
        (
            "transfer.py",
            '    ensure(state.log.end == base.end, "the base is whole")\n',
            "",
        ),
    ),
    bug(
        "chunk_lost",
        "the chunks of a snapshot are put together in order and none is left out",
        (
            "store.py",
            "        if chunk.offset != self.next or self.next + count > self.total:\n            return False\n",
            "",
        ),
        ("store.py", "        return self.next == self.total\n", "        return self.next >= self.total\n"),
        (
            "store.py",
            "        if not self.complete or count != self.total:\n",
            "        if not self.complete or count < 0:\n",
        ),
    ),
    bug(
        "request_applied_twice",
        "a request that is there already is recognised before it gets a place",
        _APPLIED_TWICE,
        (
            "ordering.py",
            "    if request in lead.uncommitted or request in lead.parked or request in lead.echoing:\n",
            "    if request in lead.parked or request in lead.echoing:\n",
        ),
        (
            "ordering.py",
            "    known = state.store.look_up(operation, write.since)\n",
            "    known: Result | Known = Known.NEW\n",
        ),
    ),
    bug(
        "results_not_transferred",
        "the remembered results travel with the state",
        _APPLIED_TWICE,
        (
            "store.py",
            "        for name, known in store.origins.items()\n",
            "        for name, known in list(store.origins.items())[:0]\n",
        ),
    ),
    bug(
        "idempotency_keys_not_transferred",
        "the idempotency keys travel with the state",
        (
            "store.py",
            "        self._keys = store.keys.packed()\n",
            "        self._keys = store.keys.packed()[:0]\n",
        ),
    ),
    bug(
        "low_water_mark_too_high",
        "an origin's mark is below every request that still waits",
        (
            "requests.py",
            "        clients.settled,\n",
            "        clients.next_counter,\n",
        ),
    ),
    bug(
        "trimmed_too_far",
        "what is not committed is never trimmed",
        (
            "commit.py",
            "    limit = state.commit\n",
            "    limit = state.log.end\n",
        ),
    ),
    bug(
        "trimmed_log_sent",
        "a member that needs what the source has trimmed gets a snapshot",
        (
            "transfer.py",
            "    if not message.snapshot and state.log.start <= message.position <= end:\n"
            "        operations = state.log.since(message.position, end, state.config.chunk_bytes)\n",
            "    if not message.snapshot and message.position <= end:\n"
            "        operations = state.log.since(\n"
            "            max(message.position, state.log.start), end, state.config.chunk_bytes\n"
            "        )\n",
        ),
    ),
    bug(
        "suspicion_forgotten",
        "while a backup is suspected new writes wait outside the log",
        (
            "ordering.py",
            "        if backup.suspected:\n            return True\n",
            "        if backup.suspected and False:\n            return True\n",
        ),
    ),
    bug(
        "suspicion_never_ends",
        "when the backup answers again, all goes on",
        ("commit.py", "    if backup.suspected:\n", "    if backup.suspected and False:\n"),
    ),
    bug(
        "reply_before_commit",
        "a client is answered when its write is committed",
        (
            "ordering.py",
            "        waiter.exposed = True\n\n\ndef _repeats",
            "        waiter.exposed = True\n"
            "        kind = Kind.UPDATED if operation.key in state.store.data else Kind.CREATED\n"
            "        if operation.value is None:\n"
            "            kind = _DELETED if operation.key in state.store.data else Kind.MISSING\n"
            "        waiting.written(state, out, waiter.counter, Result(kind, position))\n\n\ndef _repeats",
        ),
        (
            "ordering.py",
            "from .values import Operation, RequestId, Result\n",
            "from .values import Kind, Operation, RequestId, Result\n",
        ),
    ),
    bug(
        "unknown_called_not_applied",
        "a write that may stand in some log is rejected as unknown",
        (
            "ordering.py",
            "    waiter = _local_waiter(state, operation.request)\n"
            "    if waiter is not None:\n        waiter.exposed = True\n\n\ndef _repeats",
            "\n\ndef _repeats",
        ),
    ),
    bug(
        "forwarded_called_not_applied",
        "a forwarded write may stand in the primary's log",
        ("forwarding.py", "    waiter.exposed = True\n", ""),
    ),
    bug(
        "exposed_ends_with_the_promise",
        "a write stops being exposed only when a view becomes active and the base does not hold it",
        (
            "proposing.py",
            "    state.active = False\n    state.lead = None\n",
            "    for waiter in state.waiting.clients.values():\n        waiter.exposed = False\n"
            "    state.active = False\n    state.lead = None\n",
        ),
    ),
    bug(
        "refusals_forgotten",
        "a late copy of a forward that was certainly refused must not bring the write back",
        (
            "ordering.py",
            "    verdict = lead.refused.get(origin, {}).get(operation.counter)\n",
            "    verdict = None\n",
        ),
    ),
    bug(
        "verdict_of_another_ballot",
        "a verdict counts only in the ballot in which it was given",
        (
            "forwarding.py",
            "    if follow is None or message.ballot != state.promised:\n"
            "        # A verdict of an earlier ballot",
            "    if follow is None:\n        # A verdict of an earlier ballot",
        ),
        (
            "forwarding.py",
            '    if not from_primary(state, envelope):\n        return ignore(state, out, "not_the_primary", envelope, message)\n'
            "    for counter",
            "    for counter",
        ),
        (
            "ordering.py",
            "    lead = lead_of(state, out, envelope, message, message.ballot)\n",
            "    lead = state.lead\n",
        ),
    ),
    bug(
        "key_claims_forgotten",
        "an idempotency key in the uncommitted log is recognised",
        (
            "store.py",
            '            ensure(operation.idempotency_key not in self.keys, "no idempotency key is applied twice")\n',
            "",
        ),
        (
            "ordering.py",
            "    claimed = lead.claimed.get(operation.idempotency_key)\n",
            "    claimed: tuple[bytes, int] | None = None\n",
        ),
        (
            "commit.py",
            "            lead.claimed.pop(operation.idempotency_key, None)\n",
            "            pass\n",
        ),
    ),
    bug(
        "key_not_compared",
        "the same idempotency key on another request is refused",
        ("ordering.py", "        if known[0] == digest:\n", "        if known[0]:\n"),
    ),
    bug(
        "logs_agree_by_length",
        "two logs agree as far as the ballots that they share",
        (
            "transfer.py",
            "    agreed = agreement(state.lineage, state.log.end, base.lineage, base.end)\n",
            "    agreed = min(state.log.end, base.end)\n",
        ),
    ),
    bug(
        "losses_not_told",
        "a join that loses operations is never silent",
        (
            "base.py",
            "    return Dropped(id_, kept, bound) if bound > kept else None\n",
            "    return Dropped(id_, kept, bound) if bound < kept else None\n",
        ),
    ),
    bug(
        "told_again_is_active",
        "a view that is told again counts as installing until a fresh round has proven it",
        (
            "status.py",
            'return "active" if state.active and state.told_is_promised and state.proven else "installing"',
            'return "active" if state.active and state.told_is_promised else "installing"',
        ),
    ),
    bug(
        "no_resend",
        "what is lost is sent again",
        ("replication.py", "            if backup.resend_at <= state.now:\n", "            if False:\n"),
        (
            "replication.py",
            "            first = min(first, backup.resend_at)\n",
            "            first = min(first, FOREVER)\n",
        ),
        beyond_scopes=_LIVENESS,
    ),
    bug(
        "nudges_once",
        "members nudge until the view is active",
        (
            "views.py",
            "    state.nudge_at = state.now + (state.config.resend_after << min(state.nudges, MAX_DOUBLINGS))\n",
            "",
        ),
        (
            "proposing.py",
            "    state.nudge_at = state.now + (state.config.resend_after << MAX_DOUBLINGS)\n",
            "",
        ),
        beyond_scopes=_LIVENESS,
    ),
    bug(
        "restart_not_noticed",
        "a restarted member that was told the view again makes the primary install it again",
        (
            "views.py",
            "        if lead.backups[envelope.sender].incarnation != envelope.sender_incarnation:\n",
            "        if False:\n",
        ),
    ),
    bug(
        "outside_goes_on_serving",
        "a node that is told a view without it stops serving",
        (
            "views.py",
            "        state.lead = None\n        state.active = False\n",
            "        state.lead.verify = 0\n",
        ),
        (
            "requests.py",
            "    return None if state.inside else Reason.OUTSIDE\n",
            "    return None if state.inside or state.lead is not None else Reason.OUTSIDE\n",
        ),
        (
            "requests.py",
            "    if state.active:\n        drive(state, waiter, out)\n",
            "    if state.active or state.lead is not None:\n        drive(state, waiter, out)\n",
        ),
    ),
    bug(
        "copy_appended_twice",
        "a Replicate that comes twice changes nothing the second time",
        _APPLIED_TWICE,
        (
            "backup.py",
            "message.operations[state.log.end - message.first :]",
            "message.operations",
        ),
    ),
)
