"""What the words of the schedule and of the report mean, for ``--help``."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from .nemesis import KINDS

OPERATIONS = {
    "operations": "what clients asked while things went wrong, one for each attempt. ok: answered; "
    "not_applied: certainly without effect; unknown: it may take effect once, at any time, or never. Behind "
    "the +: what was asked at recovery, after the last fault. The history has both.",
    "answers": "within which time answers that were ok came",
    "unknown": "attempts to write of which nobody was told what became. later: an operation of which no "
    "attempt was answered ok may have taken effect all the same, as a number in the order shows that nobody "
    "was told; late: certainly after all who had asked for it had given up",
    "reads": "answered ok, GET of a key or of all. Which role the node had is certain while one view was "
    "active for the whole call, and open otherwise",
    "silence": "time without any answer that is ok",
    "refusals": "why attempts came to nothing: the reasons of the nodes, and not connected (nothing was "
    "sent), no answer, the answer was lost (the client hung up, on purpose)",
    "withheld": "faults that did not happen: a kill of the last node that carries the data, what was to "
    "befall a dead node, or something between two nodes where there is one",
    "wires": "what passed between nodes; late: what stood on a wire that was held, and was delivered",
    "recovery": "how long after the last fault the view of all was active, and every node took a write and "
    "listed the same data",
}
OUTSIDE = {
    "PUTs": "views told, and answered; late PUTs: of one that was not the latest any more",
    "PUTs without an answer": "the node may have heard it or not",
    "killed for a PUT that hung": "a node at which an unnumbered view stood for long: none may come late",
    "restarts": "killed nodes started again",
    "service killed": "an instance of the view service, and started again; paused: stood still for a while",
    "nobody proven": "how often the view service was seen to wait for a person",
    "words": "how often a member said that its view is active, and had been told it since the last death",
    "whims": "changes of view for no reason",
    "views that had to wait": "for a PUT that may not come late, or for the first view to be active",
    "nobody to carry the data over": "no view was possible: nobody in sight was in every view since the last "
    "active one",
    "dropped": "how many joins with a loss of unacknowledged operations one node told of at most",
}
SHAPED = {
    "lossy": "a node's cable loses, doubles and reorders packets (netns, where the kernel has netem)",
    "narrow": "a node's cable carries 256 kbit a second (netns)",
}


def legend() -> str:
    """All words, in sections."""
    parts = [
        _section("Faults, and what they do to the node (or to the two) beside them:", {**KINDS, **SHAPED}),
        _section("The report:", OPERATIONS),
        _section("What the outside did, after the number of views that it sent:", OUTSIDE),
    ]
    return "\n\n".join(parts)


def _section(title: str, words: Mapping[str, str]) -> str:
    lines = [title]
    for word, meaning in words.items():
        head = f"  {word:<12}  "
        if len(word) > 12:
            lines.append(f"  {word}")
            head = " " * 16
        lines.append(textwrap.fill(meaning, 100, initial_indent=head, subsequent_indent=" " * 16))
    return "\n".join(lines)
