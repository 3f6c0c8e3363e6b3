"""What ``replay`` says: of a recording, of a step and in the end; in lines for people and plain for tools."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Any

from .config import SECOND
from .recorded import Recording
from .rerun import Done, Replay
from .showing import did_text, effect_text, event_text, plain, plain_did
from .summary import summary

_REDACTED = {"none": "no", "values": "values", "all": "keys and values"}


def about_plain(recording: Recording, code: str) -> dict[str, Any]:
    """What a recording says of itself. ``code`` names the code that reads it."""
    header, end = recording.header, recording.end
    about = dict(header.about)
    return {
        "id": header.id,
        "life": f"{header.incarnation:016x}",
        "config": dict(header.config),
        "about": about,
        "same_code": about.get("code") == code,
        "same_state_form": recording.same_shape,
        "redacted": header.redaction,
        "segment": header.segment,
        "first": header.first,
        "steps": recording.count,
        "checkpoint_bytes": recording.checkpoint_bytes,
        "left_out_bytes": recording.left_out,
        "damage": recording.damage,
        "end": end.reason if end is not None else None,
    }


def about_lines(recording: Recording, code: str, path: str) -> list[str]:
    """The same in words."""
    header = recording.header
    lines = [f"{path}: node {header.id}, life {header.incarnation:016x}"]
    about = dict(header.about)
    known = about.pop("code", None)
    if about:
        lines.append("  " + ", ".join(f"{name} {text}" for name, text in about.items()))
    if known is not None:
        lines.append(f"  recorded by {'this very code' if known == code else 'other code than this'}")
    if not recording.same_shape:
        lines.append("  the state had another form then: effects are compared, states are not")
    if header.redaction != "none":
        lines.append(f"  redacted: {_REDACTED.get(header.redaction, header.redaction)}")
    if recording.checkpoint_bytes:
        begin = f"begins with the state before step {header.first}, {recording.checkpoint_bytes} bytes"
        lines.append(f"  segment {header.segment}: {begin}")
    lines.append(f"  {recording.count} steps; {_end_text(recording)}")
    return lines


def _end_text(recording: Recording) -> str:
    if recording.end is not None:
        return f"ended: {recording.end.reason}"
    if recording.damage:
        return f"then {recording.damage}"
    torn = (
        f", {recording.left_out} bytes of a step that was cut off are left out" if recording.left_out else ""
    )
    return f"just stops: the node was killed, or still runs{torn}"


def step_plain(done: Done) -> dict[str, Any]:
    """A step, and what the code does in it."""
    step = done.step
    told = {
        "step": step.number,
        "now": step.now,
        "event": plain(step.event),
        "effects": [plain(effect) for effect in done.effects],
        "error": done.error,
    }
    if done.difference:
        told |= {
            "difference": done.difference,
            "failure": step.failure,
            "did": list(map(plain_did, step.did)),
        }
    return told


def step_lines(done: Done, begin: int) -> list[str]:
    """The same in words; times count from ``begin``."""
    step = done.step
    lines = [f"step {step.number}  +{(step.now - begin) / SECOND:.6f} s  {event_text(step.event)}"]
    now = [effect_text(effect) for effect in done.effects]
    now += [f"stops with {done.error}"] * bool(done.error)
    did: list[object] = [*step.did, *[step.failure] * bool(step.failure)]
    does: list[object] = [*map(summary, done.effects), *[done.error] * bool(done.error)]
    if did == does:  # but the state may be another, as is said in the end
        return lines + [f"    {line}" for line in now]
    then = [did_text(each) for each in step.did]
    then += [f"stops with {step.failure}"] * bool(step.failure)
    blocks = SequenceMatcher(None, did, does, autojunk=False).get_matching_blocks()
    lines.append("  the node did:")
    lines += _marked(then, [at for begin, _, size in blocks for at in range(begin, begin + size)])
    lines.append("  the code does:")
    return lines + _marked(now, [at for _, begin, size in blocks for at in range(begin, begin + size)])


def _marked(lines: list[str], same: list[int]) -> list[str]:
    """What is not the same is marked."""
    marked = [f"  {' ' if at in same else '!'} {line}" for at, line in enumerate(lines)]
    return marked or ["  ! nothing"]


def verdict_plain(replay: Replay, gap: str, unreadable: str) -> dict[str, Any]:
    """What came out. ``gap``: why this does not follow the recording before it; ``unreadable``: why the rest
    of it was not executed."""
    different = bool(replay.difference or gap)
    return {
        "verdict": "different" if different else "unreadable" if unreadable else "same",
        "step": replay.number,
        "difference": replay.difference,
        "gap": gap,
        "failure": replay.failure,
        "unreadable": unreadable,
        "states_compared_after": replay.compared,
    }


def verdict_lines(replay: Replay, gap: str, unreadable: str) -> list[str]:
    """The same in words."""
    lines = []
    if gap:
        lines.append(f"it does not follow the recording before it: {gap}")
    if replay.difference:
        lines.append(f"first difference, at step {replay.number}: {replay.difference}")
        return lines
    if unreadable:
        lines.append(f"up to step {replay.number} the code does what the node did; then {unreadable}")
    elif replay.failure:
        lines.append(f"the code stops at step {replay.number} as the node did: {replay.failure}")
    else:
        lines.append("the code does what the node did")
    compared = "never compared" if replay.compared is None else f"last compared after step {replay.compared}"
    lines.append(f"  states were {compared}")
    return lines
