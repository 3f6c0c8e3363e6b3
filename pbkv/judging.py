"""What an answer means. One table, for both clients.

| what came | a write | a read | then |
|---|---|---|---|
| the result, with ``Msg-Num`` | done | done | |
| no connection: nothing was sent | no effect | | the next node |
| a certificate that is not trusted | no effect | | a stranger: the next node |
| sent, and no answer, or a broken one | may take effect | | the next node |
| 503 ``not_applied`` | no effect | | the next node |
| 507 ``not_applied`` | no effect | | full |
| 408, 425, 429 | no effect | | the next node |
| any other 5xx, 504 ``unknown`` and a proxy's 502 among them | may take effect | | the next node |
| 401, 403 | no effect | | denied |
| 404, 405, 410 that is not the store's | no effect | | a stranger: the next node |
| any other 4xx | no effect | | refused |
| anything else: a redirect, a 200 without ``Msg-Num`` | may take effect | | a stranger: the next node |

A status 4xx says that the request was not carried out, whoever says it (RFC 9110, 15.5). A 5xx says so only
in the store's own words: a proxy answers 502 to a request that it passed on and lost sight of, and 503 as
well. A redirect is not followed: the token belongs to the nodes that were named, and to members of their
view.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from .requests import Answer, Request

T = TypeVar("T")

_TRY_ELSEWHERE = (408, 425, 429)
_NOT_HERE = (404, 405, 410)
_MAX_TEXT = 300


class Fate(Enum):
    """Where a call goes on after an attempt."""

    DONE = "done"
    ELSEWHERE = "elsewhere"
    STRANGER = "stranger"
    """As ``ELSEWHERE``, but what lives there is no node of a store: to ask it again is of no use."""
    FULL = "full"
    """The store is as full at the next node: all hold the same, and the primary decides."""
    REFUSED = "refused"
    DENIED = "denied"


_CERTAIN = {503: Fate.ELSEWHERE, 507: Fate.FULL}
"""What a node says of an attempt that was not applied, and will not be."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt without an answer."""

    sent: bool
    """Whether any of it may have reached a node."""
    detail: str
    hopeless: bool = False
    """Whether the same would happen the next time."""


@dataclass(frozen=True, slots=True)
class Verdict(Generic[T]):
    """What an attempt came to."""

    fate: Fate
    detail: str = ""
    may_take_effect: bool = False
    status: int | None = None
    retry_after: float = 0.0
    """Seconds for which the node does not want to be asked again."""
    result: T | None = None
    own_words: bool = True
    """Of a refusal: whether it is a node's. Whatever lives at an address may say 401 or 400."""


def judge(request: Request[T], heard: Answer | Failure) -> Verdict[T]:
    """What became of one attempt, by itself: earlier attempts are the call's business."""
    if isinstance(heard, Failure):
        fate = Fate.STRANGER if heard.hopeless else Fate.ELSEWHERE
        return Verdict(fate, heard.detail, request.writes and heard.sent)
    result = request.parse(heard)
    if result is not None:
        return Verdict(Fate.DONE, status=heard.status, result=result)
    fate, effect = _fate(heard)
    wait = _retry_after(heard) if fate is Fate.ELSEWHERE else 0.0
    own_words = bool(_problem(heard).get("reason"))
    return Verdict(fate, _in_words(heard), request.writes and effect, heard.status, wait, None, own_words)


def _fate(answer: Answer) -> tuple[Fate, bool]:
    """Where to go on, and whether a write may have taken effect."""
    status = answer.status
    if answer.cut and status < 400:
        return Fate.ELSEWHERE, True
    if status in (401, 403):
        return Fate.DENIED, False
    if status in _TRY_ELSEWHERE:
        return Fate.ELSEWHERE, False
    if status in _NOT_HERE:
        return Fate.STRANGER, False
    if 400 <= status < 500:
        return Fate.REFUSED, False
    if status in _CERTAIN and _problem(answer).get("outcome") == "not_applied":
        return _CERTAIN[status], False
    if status >= 500:
        return Fate.ELSEWHERE, True
    return Fate.STRANGER, True


def _problem(answer: Answer) -> dict[str, object]:
    if not answer.headers.get("content-type", "").lower().startswith("application/problem+json"):
        return {}
    found = answer.document()
    return found if isinstance(found, dict) else {}


def _retry_after(answer: Answer) -> float:
    """Seconds. The other form, a date, needs the clocks of both to agree: it counts as none."""
    text = answer.headers.get("retry-after", "").strip()
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 0.0


def _in_words(answer: Answer) -> str:
    if answer.cut:
        return f"{answer.status}, and then {answer.cut}"
    problem = _problem(answer)
    if problem:
        reason, detail = (_tidy(problem.get(name, "")) for name in ("reason", "detail"))
        return f"{answer.status} {reason or _tidy(problem.get('title', ''))}" + (
            f": {detail}" if detail else ""
        )
    location = answer.headers.get("location")
    if location is not None and 300 <= answer.status < 400:
        return f"{answer.status}, a redirect to {_tidy(location)}, which is not followed"
    kind = _tidy(answer.headers.get("content-type", "no type")).partition(";")[0]
    return f"{answer.status}, and not in the words of a node ({kind})"


def _tidy(text: object) -> str:
    """A line that no terminal takes for orders."""
    line = "".join(character if character.isprintable() else " " for character in str(text)[:_MAX_TEXT])
    return " ".join(line.split())
