# ruff: noqa: E501 - pieces of source are quoted as they are
"""Faults by people who knew the checks and tried to get past them.

Half of them did at first: they break a promise only in a schedule that chance meets too seldom, or in a way that
nobody looked at. The checks and set pieces that find them were written for the kind of fault, not for the fault.
The explorer does not hunt them: its scopes were made for the rules in ``bugs.py``.
"""

from __future__ import annotations

from .bugs import Bug, unexplored

SUBTLE: tuple[Bug, ...] = (
    unexplored(
        "epoch_not_compared",
        'what was installed under one epoch is not "active" under another',
        (
            "state.py",
            """            and told.epoch in (None, self.promised.epoch)
""",
            "",
        ),
    ),
    unexplored(
        "serving_outside",
        "a node outside the view that it was told last does not say that it is ready",
        (
            "state.py",
            """        return self.active and self.inside
""",
            """        return self.active
""",
        ),
    ),
    unexplored(
        "addresses_not_compared",
        "the same ids at other addresses are another view",
        (
            "state.py",
            """            and told.members == self.promised_view.members
""",
            """            and [m.id for m in told.members] == [m.id for m in self.promised_view.members]
""",
        ),
    ),
    unexplored(
        "verify_by_present_round",
        "a view that is told again is proven by a round that begins afterwards",
        (
            "reads.py",
            "lead.verify = max(1, _join_round(lead)) if lead.backups else 0",
            "lead.verify = (lead.round or _join_round(lead)) if lead.backups else 0",
        ),
    ),
    unexplored(
        "verify_by_round_under_way",
        "a round that is under way when a view is told again proves nothing",
        (
            "reads.py",
            "    lead.verify = max(1, _join_round(lead)) if lead.backups else 0",
            """    under_way = lead.round_sent and any(backup.round < lead.round for backup in lead.backups.values())
    lead.verify = (lead.round if under_way else max(1, _join_round(lead))) if lead.backups else 0""",
        ),
    ),
    unexplored(
        "verify_by_ask_under_way",
        "a question that is under way when a view is told again proves nothing",
        (
            "forwarding.py",
            """    follow.verify = follow.ask + 1
""",
            """    follow.verify = follow.ask + (follow.ask_resend_at == FOREVER)
""",
        ),
    ),
    unexplored(
        "fresh_verify_dropped_by_retell",
        "to be told a view once more proves nothing",
        (
            "views.py",
            """                reads.verify(state.lead)
""",
            """                if state.lead.verify:
                    state.lead.verify = 0
                else:
                    reads.verify(state.lead)
""",
        ),
    ),
    unexplored(
        "told_again_stops_nudging",
        "a member that is told its view again nudges again",
        (
            "views.py",
            """            # The promise may have gone to a proposal that nobody stands by any more.
            nudge(state, out)
""",
            """            pass
""",
        ),
    ),
    unexplored(
        "nudging_ends_with_the_promise",
        "members nudge until the view is active, not until they have promised",
        (
            "proposing.py",
            """    state.nudge_at = state.now + (state.config.resend_after << MAX_DOUBLINGS)
""",
            """    state.nudge_at = FOREVER
""",
        ),
    ),
    unexplored(
        "proposal_outlives_its_word",
        "a proposal ends with the word that it stands on",
        (
            "views.py",
            """    else:
        abandon(state)
        nudge(state, out)
""",
            """    else:
        nudge(state, out)
""",
        ),
    ),
    unexplored(
        "superseded_not_reinstalled",
        "a nudge of a member that has left the ballot makes the primary propose again",
        (
            "views.py",
            """        elif not _leads(state):
            _prepare(state, out)
""",
            """        elif False:
            _prepare(state, out)
""",
        ),
    ),
    unexplored(
        "left_ballot_in_silence",
        "a member that has left a ballot says so to the primary that still installs it",
        (
            "gate.py",
            """    if ballot < state.promised and told is not None and told.members and told.primary.id == envelope.sender:
""",
            """    if told is None and told != told:
""",
        ),
    ),
    unexplored(
        "promise_of_another_attempt",
        "a promise counts for its own attempt",
        (
            "proposing.py",
            """    if proposal is None or message.ballot != proposal.ballot:
        return ignore(state, out, "other_ballot", envelope, message)
    if proposal.view""",
            """    if proposal is None or message.ballot._replace(attempt=0) != proposal.ballot._replace(attempt=0):
        return ignore(state, out, "other_ballot", envelope, message)
    if proposal.view""",
        ),
    ),
    unexplored(
        "adopted_of_another_attempt",
        "to hold a base counts for its own attempt",
        (
            "transfer.py",
            """    if proposal is None or message.ballot != proposal.ballot or proposal.base is None:
""",
            """    if proposal is None or message.ballot[::2] != proposal.ballot[::2] or proposal.base is None:
""",
        ),
    ),
    unexplored(
        "backup_active_too_early",
        "a member takes a view for active when the primary says that all hold the base",
        (
            "transfer.py",
            """    if proposal is None:
        out.send(""",
            """    if proposal is None:
        state.active = True
        state.nudge_at = FOREVER
        out.send(""",
        ),
    ),
    unexplored(
        "lineage_keeps_oldest",
        "a full lineage forgets the oldest ballots",
        (
            "lineage.py",
            "[-MAX_LINEAGE:]",
            "[:MAX_LINEAGE]",
        ),
    ),
    unexplored(
        "base_not_raised",
        "a node remembers where the base of its ballot ends",
        (
            "transfer.py",
            """    state.base = base.end
""",
            "",
        ),
    ),
    unexplored(
        "log_chunk_twice",
        "chunks of the log are taken in in order, each once",
        (
            "transfer.py",
            """    if message.first != staging.tail_end or not message.operations:
""",
            """    if message.first > staging.tail_end or not message.operations:
""",
        ),
    ),
    unexplored(
        "frozen_is_stale",
        "a source forgets the items of a transfer with its end",
        (
            "proposing.py",
            """    state.staging = None
    state.frozen = None
""",
            """    state.staging = None
""",
        ),
        (
            "backup.py",
            """        state.frozen = None  # a late Fetch may have made it once more; nobody needs a source now
""",
            "",
        ),
    ),
    unexplored(
        "first_round_is_free",
        "reads that wait for a view need a round of it",
        (
            "activation.py",
            """    for backup in lead.backups.values():
        # The first Replicate, empty, tells the members that the view is active.
        replication.send(state, lead, backup, out)
""",
            "",
        ),
        (
            "activation.py",
            """from . import commit, reads, replication
""",
            """from . import commit, reads
""",
        ),
    ),
    unexplored(
        "settled_forward_admitted",
        "a forward below its origin's mark is not let in",
        (
            "ordering.py",
            """    if operation.counter < lead.marks.get(origin, 0):
        return ignore(state, out, "settled", envelope, message)
""",
            "",
        ),
    ),
    unexplored(
        "forward_of_another_ballot",
        "a forward counts in its own ballot",
        (
            "ordering.py",
            """    lead = lead_of(state, out, envelope, message, message.ballot)
""",
            """    lead = lead_of(state, out, envelope, message, state.lead.ballot if state.lead else message.ballot)
""",
        ),
    ),
    unexplored(
        "confirmed_of_another_ballot",
        "an answer counts for a question of its own ballot",
        (
            "forwarding.py",
            """    if follow is None or message.ballot != state.promised or not state.active:
""",
            """    if follow is None or not state.active:
""",
        ),
    ),
    unexplored(
        "confirm_of_another_ballot",
        "a question counts in its own ballot",
        (
            "reads.py",
            """    lead = lead_of(state, out, envelope, message, message.ballot)
""",
            """    lead = lead_of(state, out, envelope, message, state.lead.ballot if state.lead else message.ballot)
""",
        ),
    ),
    unexplored(
        "ack_of_another_ballot",
        "an acknowledgement counts in its own ballot",
        (
            "state.py",
            """            ensure(state.commit <= backup.acked <= state.log.end, "committed is what every backup has")
""",
            """            pass
""",
        ),
        (
            "commit.py",
            """    if lead is None or message.ballot != lead.ballot:
""",
            """    if lead is None:
""",
        ),
    ),
    unexplored(
        "verdict_of_another_ballot_same_primary",
        "a verdict counts in its own ballot",
        (
            "forwarding.py",
            """    if follow is None or message.ballot != state.promised:
        # A verdict""",
            """    if follow is None:
        # A verdict""",
        ),
    ),
    unexplored(
        "ask_joins_sent_round",
        "a question is answered by a round that begins after it",
        (
            "reads.py",
            """    lead.asks[envelope.sender] = (_join_round(lead), state.log.end, message.ask, message.leased)
""",
            """    round_ = lead.round or _join_round(lead)
    lead.asks[envelope.sender] = (round_, state.log.end, message.ask, message.leased)
""",
        ),
    ),
    unexplored(
        "round_of_one_backup",
        "a question is answered by a round of all backups",
        (
            "reads.py",
            """        if (alone and leased) or (round_ <= confirmed and position <= state.commit)
""",
            """        if round_ <= max(confirmed, lead.backups[asker].round) and position <= state.commit
""",
        ),
    ),
    unexplored(
        "read_without_suspected",
        "a round needs the suspected backups, too",
        (
            "reads.py",
            "min((backup.round for backup in lead.backups.values()), default=lead.round)",
            "min((backup.round for backup in lead.backups.values() if not backup.suspected), default=lead.round)",
        ),
    ),
    unexplored(
        "exposed_ends_with_the_base",
        "what was sent on may take effect until the next view is active",
        (
            "transfer.py",
            """    if proposal is None:
        out.send(state, staging.source, staging.source_incarnation, Adopted""",
            """    if proposal is None:
        for waiter in state.waiting.clients.values():
            waiter.exposed = False
        out.send(state, staging.source, staging.source_incarnation, Adopted""",
        ),
    ),
    unexplored(
        "forgotten_is_new",
        "a request whose origin may be forgotten is not taken for new",
        (
            "store.py",
            """            return Known.MAYBE_FORGOTTEN if since < self.evicted else Known.NEW
""",
            """            return Known.NEW
""",
        ),
    ),
    unexplored(
        "evicted_off_by_one",
        "the last operation of a forgotten origin is forgotten as well",
        (
            "store.py",
            "self.origins.pop(oldest).last_position + 1)",
            "self.origins.pop(oldest).last_position)",
        ),
    ),
    unexplored(
        "forgotten_origin_back",
        "an origin that comes back has a record that says where it begins",
        (
            "store.py",
            """        if result is None and since < min(self.evicted, origin.first_position):
""",
            """        if result is None and since < 0:
""",
        ),
    ),
    unexplored(
        "unknown_verdict_is_certain",
        "what may have been forgotten is unknown, not refused",
        (
            "ordering.py",
            """        Reason.TIMEOUT,
        False,
""",
            """        Reason.TIMEOUT,
        True,
""",
        ),
    ),
    unexplored(
        "parked_after_rejection",
        "a parked write leaves with its client",
        (
            "waiting.py",
            """        parked = lead.parked.pop(request, None)
""",
            """        parked = None
""",
        ),
    ),
    unexplored(
        "released_without_key_check",
        "parked writes are looked up by their key when they get a place",
        (
            "ordering.py",
            """def _order(state: State, lead: Lead, write: Parked, out: Out) -> None:
""",
            """def _order(state: State, lead: Lead, write: Parked, out: Out, again: bool = False) -> None:
""",
        ),
        (
            "ordering.py",
            """    if operation.idempotency_key and _repeats(state, lead, operation, out):
        return
    room = operation.size""",
            """    if not again and operation.idempotency_key and _repeats(state, lead, operation, out):
        return
    room = operation.size""",
        ),
        (
            "ordering.py",
            "        _order(state, lead, write, out)  # parks",
            "        _order(state, lead, write, out, True)  # parks",
        ),
    ),
    unexplored(
        "expiry_outlives_parking",
        "who has got a place is not turned away any more",
        (
            "ordering.py",
            """    lead.expiries.clear()
""",
            "",
        ),
        (
            "ordering.py",
            """            lead.parked_bytes -= write.operation.size
            _turn_away(state, lead, request, VerdictCode.NOT_APPLIED, out)
""",
            """            lead.parked_bytes -= write.operation.size
        _turn_away(state, lead, request, VerdictCode.NOT_APPLIED, out)
""",
        ),
    ),
    unexplored(
        "refusals_of_parked_not_remembered",
        "a write that was turned away in time is not let in by a late copy",
        (
            "ordering.py",
            """            _turn_away(state, lead, request, VerdictCode.NOT_APPLIED, out)
""",
            """            _tell(state, lead, request, VerdictCode.NOT_APPLIED, 0, out)
""",
        ),
    ),
    unexplored(
        "answer_to_old_address",
        "an answer goes where the told view says that its receiver is",
        (
            "out.py",
            """            to = told.member(received.sender) or to
""",
            """            to = to or told.member(received.sender)
""",
        ),
    ),
    unexplored(
        "answers_of_a_former_life",
        "an operation of a former life is none of this life's clients'",
        (
            "commit.py",
            """        if operation.origin == state.id and operation.incarnation == state.incarnation:
""",
            """        if operation.origin == state.id:
""",
        ),
    ),
    unexplored(
        "forward_never_resent",
        "a forwarded write is sent again until it is answered",
        (
            "forwarding.py",
            """        if waiter is not None:
            _send(state, follow, waiter, out)
""",
            """        if waiter is None:
            continue
""",
        ),
    ),
    unexplored(
        "silence_never_suspected",
        "a backup that owes an answer for too long is suspected",
        (
            "replication.py",
            """            if owed >= state.config.suspect_after and not backup.suspected:
""",
            """            if owed < 0 and not backup.suspected:
""",
        ),
        (
            "replication.py",
            """            if not backup.suspected:
                first = min(first, backup.owed_since + state.config.suspect_after)
""",
            "",
        ),
    ),
    unexplored(
        "echoes_not_answered",
        "who repeats an uncommitted write gets its answer",
        (
            "commit.py",
            """            _tell(state, echo, result, verdicts, out)
""",
            "",
        ),
    ),
    unexplored(
        "driven_once",
        "who waits is brought on the way in each ballot",
        (
            "requests.py",
            """    for waiter in list(state.waiting.clients.values()):
        drive(state, waiter, out)
""",
            """    for waiter in list(state.waiting.clients.values()):
        if not waiter.exposed:
            drive(state, waiter, out)
""",
        ),
    ),
    unexplored(
        "waiters_not_driven_at_backup",
        "who waits at a backup is brought on the way when its view begins",
        (
            "backup.py",
            """        requests.drive_all(state, out)
""",
            "",
        ),
        (
            "backup.py",
            """from . import commit, leases, requests
""",
            """from . import commit, leases
""",
        ),
    ),
    unexplored(
        "log_unbounded",
        "what stands uncommitted is bounded",
        (
            "ordering.py",
            """        len(lead.uncommitted) >= state.config.max_waiting
        or lead.uncommitted_bytes >= state.config.max_waiting_bytes
    ):
        return True
""",
            """        False
    ):
        return True
""",
        ),
    ),
    unexplored(
        "highest_id_leads",
        "the member with the lowest id leads",
        (
            "values.py",
            """        return self.members[0]
""",
            """        return self.members[-1]
""",
        ),
    ),
    unexplored(
        "drops_told_to_primary_only",
        "what a join drops is told to all members",
        (
            "transfer.py",
            """base.lineage, base.dropped)
    out.send""",
            """base.lineage, ())
    out.send""",
        ),
    ),
    unexplored(
        "dropped_not_shown",
        "what a join drops is shown afterwards",
        (
            "transfer.py",
            """        state.dropped.append(loss)
""",
            "",
        ),
    ),
    unexplored(
        "claimed_key_not_compared",
        "an uncommitted key on another request is refused",
        (
            "ordering.py",
            """    if claimed[0] == digest:
""",
            """    if claimed[0]:
""",
        ),
    ),
    unexplored(
        "outside_keeps_clients",
        "a node that is put outside answers who waits",
        (
            "views.py",
            """    waiting.reject_all(state, out, Reason.OUTSIDE, explain(state, state.now))
""",
            "",
        ),
    ),
    unexplored(
        "waiting_bytes_leak",
        "who has left takes up no room",
        (
            "waiting.py",
            """    waiting.bytes -= waiter.size
""",
            """    waiting.bytes -= waiter.size // 2
""",
        ),
    ),
    unexplored(
        "parked_bytes_leak",
        "a parked write that has left takes up no room",
        (
            "waiting.py",
            """            lead.parked_bytes -= parked.operation.size
""",
            """            pass
""",
        ),
        (
            "ordering.py",
            """            lead.parked_bytes -= write.operation.size
""",
            "",
        ),
    ),
    unexplored(
        "rank_not_raised",
        "a told number refuses older ones before it is promised",
        (
            "views.py",
            """        state.told_rank = view.epoch
""",
            """        pass
""",
        ),
    ),
    unexplored(
        "overload_not_remembered",
        "a refusal for overload is remembered",
        (
            "ordering.py",
            """    lead.refused.setdefault((request.origin, request.incarnation), {})[request.counter] = code
""",
            """    if code is not VerdictCode.OVERLOADED:
        lead.refused.setdefault((request.origin, request.incarnation), {})[request.counter] = code
""",
        ),
    ),
    unexplored(
        "key_reuse_not_remembered",
        "a refusal for a used key is remembered",
        (
            "ordering.py",
            """    lead.refused.setdefault((request.origin, request.incarnation), {})[request.counter] = code
""",
            """    if code is not VerdictCode.KEY_REUSED:
        lead.refused.setdefault((request.origin, request.incarnation), {})[request.counter] = code
""",
        ),
    ),
    unexplored(
        "closing_still_accepts",
        "a node that stops takes nobody in",
        (
            "requests.py",
            """    if state.closing:
        return Reason.CLOSING
""",
            "",
        ),
    ),
    unexplored(
        "applies_on_promise",
        "a backup applies what is known to be committed only",
        (
            "proposing.py",
            """    _seal(state, ballot, view)
    state.follow""",
            """    if state.follow is not None and state.active:
        from . import commit
        commit.apply_up_to(state, state.log.end, out)
    _seal(state, ballot, view)
    state.follow""",
        ),
    ),
    unexplored(
        "read_when_nothing_is_owed",
        "a read needs a round however quiet it is",
        (
            "reads.py",
            """    lead.reads.append((_join_round(lead), state.log.end, counter))
""",
            """    quiet = all(backup.owed_since > state.now for backup in lead.backups.values())
    lead.reads.append((0 if quiet else _join_round(lead), state.log.end, counter))
""",
        ),
    ),
    unexplored(
        "backup_read_lease",
        "a backup answers no read by the clock",
        (
            "forwarding.py",
            """        follow.reads.append((follow.ask + 1, waiter.counter))
""",
            """        if state.now - follow.heard_at < 30 * MILLISECOND:
            return waiting.read(state, out, waiter.counter)
        follow.reads.append((follow.ask + 1, waiter.counter))
""",
        ),
    ),
    unexplored(
        "origins_without_life",
        "results are remembered per life of a node",
        (
            "store.py",
            """        name = (operation.origin, operation.incarnation)
""",
            """        name = (operation.origin, 0)
""",
        ),
        (
            "store.py",
            "self.origins.get((operation.origin, operation.incarnation))",
            "self.origins.get((operation.origin, 0))",
        ),
    ),
    unexplored(
        "forget_one_too_many",
        "the result at the mark itself is kept",
        (
            "store.py",
            """            forget_below(origin.results, origin.settled, operation.settled)
""",
            """            forget_below(origin.results, origin.settled, operation.settled + 1)
""",
        ),
    ),
    unexplored(
        "staging_kept_over_seal",
        "a transfer ends with its ballot",
        (
            "proposing.py",
            """    state.seeking = None
    state.staging = None
    state.frozen = None
""",
            """    state.seeking = None
    state.frozen = None
""",
        ),
    ),
    unexplored(
        "fingerprint_without_key",
        "a used key is compared with the key that was written",
        (
            "store.py",
            """    digest.update(len(operation.key).to_bytes(4, "big"))
    digest.update(operation.key)
""",
            "",
        ),
    ),
    unexplored(
        "empty_value_deletes",
        "an empty value is a value",
        (
            "store.py",
            """        if operation.value is None:
            kind = _DELETED""",
            """        if not operation.value:
            kind = _DELETED""",
        ),
    ),
    unexplored(
        "newest_key_forgotten",
        "beyond the limit the oldest idempotency key is forgotten",
        (
            "answers.py",
            "self._packed.popitem(last=False)",
            "self._packed.popitem(last=True)",
        ),
    ),
    unexplored(
        "timeouts_in_silence",
        "whose time is up is told so",
        (
            "waiting.py",
            """        reject(state, out, waiter.counter, Reason.TIMEOUT, not waiter.exposed, detail)
""",
            """        leave(state, waiter.counter)
""",
        ),
    ),
    unexplored(
        "timeouts_never",
        "nobody waits for longer than the timeout",
        (
            "waiting.py",
            """    if not arrivals or arrivals[0][1] > state.now:
""",
            """    if detail_of is None or not arrivals:
""",
        ),
        (
            "waiting.py",
            """def expire(state: State, out: Out) -> None:
""",
            """detail_of = None


def expire(state: State, out: Out) -> None:
""",
        ),
    ),
    unexplored(
        "closes_in_silence",
        "a node that stops answers everybody",
        (
            "replica.py",
            """            waiting.reject_all(state, out, Reason.CLOSING, "the node is stopping")
""",
            "",
        ),
    ),
    unexplored(
        "all_rejections_uncertain",
        "what cannot have taken effect is said to be certain",
        (
            "waiting.py",
            """        out.add(Reject(waiter.token, reason, certain, detail))
""",
            """        out.add(Reject(waiter.token, reason, False, detail))
""",
        ),
    ),
    unexplored(
        "view_answered_twice",
        "a PUT of a view has one answer",
        (
            "views.py",
            """            out.add(refusal)
            return
""",
            """            out.add(refusal)
            out.add(ViewAccepted())
            return
""",
        ),
    ),
    unexplored(
        "log_never_trimmed",
        "the committed log keeps its bound",
        (
            "commit.py",
            """    state.log.trim(limit, state.config.log_keep_bytes)
""",
            """    return
""",
        ),
    ),
    unexplored(
        "proposals_back_off_without_end",
        "proposals and nudges are repeated soon",
        (
            "proposing.py",
            """MAX_DOUBLINGS = 3
""",
            """MAX_DOUBLINGS = 10
""",
        ),
    ),
)
"""All of them, by name and rule."""
