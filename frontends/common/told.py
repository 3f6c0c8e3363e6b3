"""Events in words, for people who do not know the protocol by heart."""

from __future__ import annotations

from collections.abc import Mapping

from pbproto import Code

from .history import STARTED, Event

_WORDS: Mapping[str, str] = {
    STARTED: "the node started, empty, as incarnation {incarnation}",
    Code.VIEW_TOLD.value: "told {which}",
    Code.VIEW_LEARNED.value: "learned the view of epoch {epoch} with members {members} from its primary",
    Code.FILLING.value: "newcomers are being filled while the present view goes on: node {learners}",
    Code.FILLED.value: "the filling of newcomers ended: {reason}",
    Code.PROPOSED.value: "proposed ballot {ballot} to the members {members}",
    Code.PROMISED.value: "promised ballot {ballot}; it held the log up to {log_end}",
    Code.POSTPONED.value: "waits until a lease of another primary has run out",
    Code.BASE_CHOSEN.value: "ballot {ballot} begins with the log of node {source} up to {end}",
    Code.STARTED_EMPTY.value: "no member held any state: ballot {ballot} starts with an empty store",
    Code.BLOCKED.value: "the view cannot be installed without a new word from outside: {reason}",
    Code.INSTALLED.value: "the view is active: serves in ballot {ballot} as a {role}",
    Code.BECAME_PRIMARY.value: "became the primary in ballot {ballot}, with {number}",
    Code.STOPPED_SERVING.value: "stopped serving: {reason}",
    Code.SUSPECTED.value: "node {backup} is suspected: {reason}. New writes wait for it",
    Code.RECOVERED.value: "node {backup} answers again",
    Code.STATE_SENT.value: "sent the {what} up to {end} to node {to}",
    Code.STATE_RECEIVED.value: "received the {what} up to {end} from node {source}",
    Code.DROPPED.value: (
        "lost in a join: positions {first} to {end} (not included) of the log of node {member} are not in "
        "the view; clients may have been told that these writes succeeded"
    ),
    Code.REFUSED_BY.value: "node {member} refused: {reason}",
    Code.STORE_NEARLY_FULL.value: "the data has {data_bytes} of the {max_data_bytes} bytes that it may have",
    Code.STORE_FULL.value: (
        "writes that make the data larger are refused: it has {data_bytes} of {max_data_bytes} bytes"
    ),
    Code.STORE_HAS_ROOM.value: "the data has {data_bytes} of {max_data_bytes} bytes: there is room again",
    Code.CLOSED.value: "the node is stopping",
}


def words(event: Event) -> str:
    """What happened, in one sentence."""
    fields = {name: _spaced(value) for name, value in event.fields}
    if event.name == Code.VIEW_TOLD.value:
        fields["which"] = _view(fields)
    if event.name == Code.BECAME_PRIMARY.value:
        number = fields["backups"]
        fields["number"] = "1 backup" if number == 1 else f"{number or 'no'} backups"
    return _WORDS[event.name].format_map(fields)


def _view(fields: Mapping[str, str | int]) -> str:
    members, epoch = fields["members"], fields["epoch"]
    numbered = isinstance(epoch, int)
    if members == "nobody":
        return f"the empty view{f' of epoch {epoch}' if numbered else ''}: it belongs to no view"
    return f"the view of epoch {epoch}: {members}" if numbered else f"a view without a number: {members}"


def _spaced(value: str | int) -> str | int:
    """Lists have no spaces in the log, where each would have to be quoted."""
    return value.replace(",", ", ").replace(",  ", ", ") if isinstance(value, str) else value
