"""What must be seen at least once: without it, 'no violation' would say nothing about the thing itself.

Each property is a name and a sentence. Most show in one step of one node; the rest in a state of the world.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pbproto import (
    Close,
    Effect,
    Get,
    GetAll,
    Message,
    Note,
    Receive,
    Reject,
    Reply,
    Send,
    ViewRefused,
    Written,
)
from pbproto.effects import Code, Reason
from pbproto.messages import (
    Confirm,
    Confirmed,
    Forward,
    Forwarded,
    Offer,
    Propose,
    Refuse,
    Replicated,
    VerdictCode,
)

from .facts import Facts
from .scope import LIVES, Timer

SOMETIMES = {
    "written": "a write succeeds",
    "commit_after_view_change": "a write succeeds in a view that was ordered on the way",
    "read_after_view_change": "a read is confirmed in a view that was ordered on the way",
    "read_at_backup": "a backup answers a read from its own copy",
    "rejoin": "a node that was restarted, and forgot everything, serves with data again",
    "primary_rejoin": "the same, of a node that is the primary again",
    "backup_rejoin": "the same, of a node that is a backup",
    "refused_stale_read": "a primary that was replaced cannot confirm a read",
    "answered_from_results": "a write that came again is answered from the results table",
    "base_from_another": "a primary begins with the log of another member",
    "log_tail": "a member gets the tail of a log",
    "snapshot": "a member gets a snapshot",
    "snapshot_and_tail": "the same, and then the tail of the log",
    "copied": "a newcomer has the whole of a copy, while the view before serves",
    "copy_used": "the copy becomes what a member of the new view holds",
    "filling_given_up": "a primary proposes although a newcomer lacks the copy",
    "served_meanwhile": "a client is answered by a primary that fills newcomers",
    "filled_by_another": "a primary-to-be proposes once somebody who serves has filled it",
    "nobody_serves": "a primary-to-be proposes since all members have said that they serve nothing",
    "seeking_given_up": "time passes, and a primary-to-be proposes without having heard from all members",
    "truncated": "a member cuts operations that never were acknowledged",
    "recovered": "a backup is suspected, and answers again",
    "parked_not_applied": "a write that waited outside the log is turned away with certainty",
    "unknown": "a client is told 'unknown'",
    "unknown_took_effect": "a write that was answered 'unknown' takes effect all the same",
    "lost_took_effect": "a write takes effect although the node that took it has crashed",
    "repeat_by_key": "a request that is repeated with its Idempotency-Key gets the same answer",
    "outbid": "a primary goes above a ballot that a member has promised",
    "learned": "a node learns a numbered view from the proposal",
    "late_view_refused": "a late PUT of a numbered view is refused",
    "former_life": "mail of or to a former life of a node is refused",
    "blocked": "a view cannot be installed without a new word from outside",
    "started_empty": "a view starts empty",
    "dropped": "a join reports operations that the base lacks",
    "both_halves_wrote": "both halves of a split acknowledge writes",
    "turned_away_outside": "a client of a node outside the view is turned away",
    "commit_after_restart": "a write succeeds in a view with a node that was restarted",
    "rejoin_of_three": "a node that was restarted serves with data again in a view of three",
    "installed_again": "a view becomes active as another attempt at the same epoch",
    "key_reused": "a request with the Idempotency-Key of another one is refused",
    "full": "a write finds no room",
    "suspected": "time passes, and a backup is suspected",
    "sent_again": "time passes, and what may be lost is sent again",
    "answered_at_stop": "a node that is told to stop answers a client that waits",
    "turned_away_at_stop": "a node that is stopping turns a newcomer away",
    "acknowledged_while_stopping": "a node that is stopping acknowledges what it is sent",
    "leased_read": "a primary answers a read without asking anybody",
    "leased_answer": "a primary answers a backup's question without asking the others",
    "postponed": "what was ordered of a node waits for a lease that it gave",
    "released": "a member promises at once, since the primary by whom it stood has promised",
}


def seen_in_step(before: Facts, event: object, effects: Iterable[Effect], after: Facts) -> tuple[str, ...]:
    """The names of what one step shows."""
    found: dict[str, None] = {}
    for effect in effects:
        if isinstance(effect, Note):
            found.update(dict.fromkeys(_in_note(effect, after)))
        elif isinstance(effect, Reply):
            found.update(dict.fromkeys(_in_reply(effect, after)))
        elif isinstance(effect, Reject):
            found.update(dict.fromkeys(_in_rejection(effect, before, event)))
        elif isinstance(effect, ViewRefused):
            found["late_view_refused"] = None
        elif isinstance(effect, Send):
            found.update(dict.fromkeys(_in_mail(effect.message, before, event)))
    if isinstance(event, Receive) and isinstance(event.message, Refuse) and after.promised > before.promised:
        found["outbid"] = None
    if after.synced != before.synced and after.end < before.end:
        found["truncated"] = None
    if after.says_active and not before.says_active:
        found.update(dict.fromkeys(_in_active(after)))
    if isinstance(event, Get | GetAll) and after.leads and any(isinstance(each, Reply) for each in effects):
        found["leased_read"] = None
    if isinstance(event, Receive) and isinstance(event.message, Propose) and event.message.released.epoch:
        found.update({"released": None} if after.promised > before.promised else {})
    if after.suspects and not before.suspects:
        found["suspected"] = None
    if after.synced != before.synced and after.start == max(before.copy, after.copy) > before.end:
        found["copy_used"] = None
    if before.fills and any(isinstance(each, Reply) for each in effects):
        found["served_meanwhile"] = None
    if before.seeks and not after.seeks and after.promised > before.promised:
        found.update(dict.fromkeys(_in_end_of_seeking(event)))
    return tuple(found)


def _in_end_of_seeking(event: object) -> Iterator[str]:
    if isinstance(event, Timer):
        yield "seeking_given_up"
    elif isinstance(event, Receive) and isinstance(event.message, Offer):
        yield "filled_by_another"
    elif isinstance(event, Receive) and isinstance(event.message, Refuse):
        yield "nobody_serves"


def _restarted(id_: int, incarnation: int) -> bool:
    return incarnation != LIVES[0] + id_


def _in_active(after: Facts) -> Iterator[str]:
    if after.promised.attempt:
        yield "installed_again"
    if after.end and _restarted(*after.life):
        yield "rejoin"
        yield "backup_rejoin" if after.leads is None else "primary_rejoin"
        if len(after.members) == 3:
            yield "rejoin_of_three"


_NOTES = {
    Code.RECOVERED: "recovered",
    Code.VIEW_LEARNED: "learned",
    Code.BLOCKED: "blocked",
    Code.STARTED_EMPTY: "started_empty",
    Code.DROPPED: "dropped",
    Code.POSTPONED: "postponed",
}


def _in_note(note: Note, after: Facts) -> Iterator[str]:
    fields = dict(note.fields)
    if note.code in _NOTES:
        yield _NOTES[note.code]
    elif note.code is Code.BASE_CHOSEN and fields["source"] != after.id:
        yield "base_from_another"
    elif note.code is Code.STATE_RECEIVED:
        yield {"copy": "copied", "snapshot": "snapshot"}.get(str(fields["what"]), "log_tail")
        if fields["what"] == "snapshot" and after.commit < after.end:
            yield "snapshot_and_tail"
    elif note.code is Code.FILLED and fields["reason"] != "all learners are close":
        yield "filling_given_up"
    elif note.code is Code.IGNORED and fields["reason"] in ("former_life", "wrong_incarnation"):
        yield "former_life"


def _in_reply(reply: Reply, after: Facts) -> Iterator[str]:
    later = (after.promised.epoch, after.promised.attempt) > (1, 0)
    if isinstance(reply.outcome, Written):
        yield "written"
        if later:
            yield "commit_after_view_change"
        others = [(id_, incarnation) for id_, incarnation, _ in after.leads or ()]
        if any(_restarted(*life) for life in (after.life, *others)):
            yield "commit_after_restart"
    else:
        if later:
            yield "read_after_view_change"
        if after.leads is None:
            yield "read_at_backup"


def _in_rejection(reject: Reject, before: Facts, event: object) -> Iterator[str]:
    if reject.reason is Reason.KEY_REUSED:
        yield "key_reused"
    if reject.reason is Reason.STORE_FULL:
        yield "full"
    if reject.reason is Reason.CLOSING:
        yield "answered_at_stop" if isinstance(event, Close) else "turned_away_at_stop"
    if not reject.certain:
        yield "unknown"
    elif reject.reason is Reason.TIMEOUT and before.parked:
        yield "parked_not_applied"
    elif reject.reason is Reason.OUTSIDE:
        yield "turned_away_outside"


def _in_mail(message: Message, before: Facts, event: object) -> Iterator[str]:
    if isinstance(event, Timer):
        yield "sent_again"
    if before.closing and isinstance(message, Replicated):
        yield "acknowledged_while_stopping"
    if isinstance(message, Confirmed) and isinstance(event, Receive) and isinstance(event.message, Confirm):
        yield "leased_answer"
    if isinstance(message, Forwarded):
        yield from _in_verdict(message, before, event)


def _in_verdict(message: Forwarded, before: Facts, event: object) -> Iterator[str]:
    if isinstance(event, Receive) and isinstance(event.message, Forward):
        known = before.results.get(event.message.operation.request)
        if known is not None and any(code <= VerdictCode.MISSING for _, code, _ in message.verdicts):
            yield "answered_from_results"
    if any(code is VerdictCode.NOT_APPLIED for _, code, _ in message.verdicts):
        yield "parked_not_applied"
