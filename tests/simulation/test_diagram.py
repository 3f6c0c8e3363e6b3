"""The space-time diagram shows what happened, all of it, and is a whole SVG document."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from pbproto import Put
from pbproto.events import Receive

from . import broken_cores
from .diagram import MOST, diagram
from .plan import make
from .run import Outcome, run
from .svg import clean, tag
from .trace import Happening, Record, Step
from .violation import Violation

SVG = "{http://www.w3.org/2000/svg}"


def kept(seed: int) -> tuple[list[Record], Outcome]:
    """The records of the run of a seed, and how it ended."""
    outcome = run(make(seed), keep=True)
    assert outcome.world is not None
    return outcome.world.trace.records, outcome


def drawn(records: list[Record], outcome: Outcome, most: int = MOST) -> ElementTree.Element:
    return ElementTree.fromstring(diagram(records, outcome, most=most))


def of(root: ElementTree.Element, style: str) -> list[ElementTree.Element]:
    """The elements with this class."""
    return [element for element in root.iter() if style in element.get("class", "").split()]


def words(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("seed", [3, 10, 31])
@pytest.mark.parametrize("most", [30, 150])
def test_it_shows_all_that_is_in_the_window(seed: int, most: int) -> None:
    """Goal: nothing in the window is missing, nothing outside it is shown.

    Method: count lanes, steps and delivered messages in the records and in the picture.
    """
    records, outcome = kept(seed)
    window = records[-most:]
    root = drawn(records, outcome, most)
    steps = [record for record in window if isinstance(record, Step)]
    delivered = [step for step in steps if isinstance(step.event, Receive)]
    assert len(of(root, "step")) == len(steps)
    assert len(of(root, "arrow")) == len(delivered)
    heads = [word for word in words(root) if word.startswith("node ") and word.split()[1].isdigit()]
    nodes = [f"node {id_}" for id_ in outcome.plan.parameters.ids]
    assert {word for word in heads if len(word.split()) == 2} == set(nodes)
    left_out = [word for word in words(root) if "left out" in word]
    assert left_out == (
        [f"… {len(records) - most} earlier records are left out"] if len(records) > most else []
    )


def test_lost_messages_end_in_a_cross() -> None:
    """Goal: what did not arrive is seen. Method: find each loss of a stormy run in its picture."""
    records, outcome = kept(10)
    lost = [record for record in records if isinstance(record, Happening) and record.what in ("lost", "cut")]
    names = {record.text.partition(" is ")[0].partition(" runs ")[0] for record in lost}
    arrived = {record.mail.name for record in records if isinstance(record, Step) and record.mail is not None}
    root = drawn(records, outcome, len(records))
    titles = [title.text or "" for title in root.iter(f"{SVG}title")]
    answers = {name for name in names if name.startswith("the answer")}
    assert answers
    assert len(names) > len(answers)
    for name in answers:
        assert any(word.startswith(name) for word in words(root))
    for name in names - arrived - answers:
        assert any(title.startswith((f"{name}, lost", f"{name}, cut")) for title in titles), name
    assert of(root, "lost")
    assert of(root, "fault")


def test_copies_are_marked() -> None:
    """Goal: the second arrival of a message is told from the first. Method: count second arrivals."""
    records, outcome = kept(10)
    seen: set[int] = set()
    copies = 0
    for record in records:
        if isinstance(record, Step) and record.mail is not None:
            copies += record.mail.number in seen
            seen.add(record.mail.number)
    root = drawn(records, outcome, len(records))
    assert copies
    assert sum(word in ("copy", "stale copy") for word in words(root)) == copies


def test_the_violating_step_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: the eye finds the failure. Method: a failing run: look for its step and words."""
    broken_cores.commit_on_any_ack(monkeypatch)
    failed = broken_cores.failing()
    records, outcome = kept(failed.plan.seed)
    assert outcome.violation is not None
    root = drawn(records, outcome)
    (marked,) = of(root, "violation")
    title = marked.find(f"{SVG}title")
    assert title is not None
    assert (title.text or "").startswith(f"step {outcome.steps}, ")
    assert any(word.startswith("core: node") for word in words(root))


def test_a_standstill_is_marked_at_the_end() -> None:
    """Goal: a failure that no step has made is shown where it was seen. Method: one that is given by hand."""
    records, outcome = kept(19)
    stuck = replace(outcome, violation=Violation("liveness", "nothing moves"), time=outcome.time + 1)
    root = drawn(records, stuck)
    (marked,) = of(root, "violation")
    assert marked.tag == f"{SVG}line"
    assert not [step for step in of(root, "step") if "violation" in step.get("class", "")]


def test_hostile_text_is_text() -> None:
    """Goal: no value can break the document or add to it. Method: keys and words of markup and controls."""
    records, outcome = kept(19)
    evil = '</text><script>alert("1")</script>&nbsp;\x00\x0b]]>'
    step = next(record for record in records if isinstance(record, Step))
    hostile = replace(step, event=Put(1, evil.encode(), evil.encode()), mail=None)
    happening = Happening(step.time, "fault", f"{evil} of 1 begins", (1,))
    broken = replace(outcome, violation=Violation("value", evil))
    text = diagram([happening, hostile], broken)
    root = ElementTree.fromstring(text)
    assert not list(root.iter(f"{SVG}script"))
    assert any("<script>" in word for word in words(root))
    assert "<script" not in text


def test_nothing_is_loaded_from_elsewhere() -> None:
    """Goal: the file stands alone, on its own background. Method: look for references and the first shape."""
    text = diagram(*kept(3))
    root = ElementTree.fromstring(text)
    references = [value for element in root.iter() for value in element.attrib.values() if "url(" in value]
    assert all(value.startswith("url(#") for value in references)
    assert "href" not in text
    assert "@import" not in text
    background = root.find(f"{SVG}rect")
    assert background is not None
    assert (background.get("fill"), background.get("width")) == ("#ffffff", root.get("width"))


def test_time_runs_down_and_pauses_are_short() -> None:
    """Goal: the order is kept and idle seconds cost little. Method: the heights of all steps, in order."""
    records, outcome = kept(31)
    root = drawn(records, outcome, 200)
    times = [
        (float((title.text or "").split(", ")[1].split(" ")[0]), shape)
        for element in of(root, "step")
        if (title := element.find(f"{SVG}title")) is not None
        for shape in [next(iter(list(element)[1:]))]
    ]
    drops = [(shape.get("d") or " ").split(" ")[1].partition("l")[0] for _, shape in times]
    heights = [float(shape.get("cy") or drop) for (_, shape), drop in zip(times, drops, strict=True)]
    assert [time for time, _ in times] == sorted(time for time, _ in times)
    assert all(later - earlier > -8 for earlier, later in pairwise(heights))
    assert float(root.get("height", "0")) < 120 + 60 * 200


def test_an_empty_run_is_a_picture() -> None:
    """Goal: no run is too short. Method: no records at all."""
    _, outcome = kept(19)
    assert drawn([], outcome).tag == f"{SVG}svg"


def test_markup_is_made_of_text() -> None:
    """Goal: the builder escapes. Method: every place into which text can go."""
    made = tag("g", title="<&>", class_='a"b<', stroke_width=1.50)
    assert made == '<g class=\'a"b&lt;\' stroke-width="1.5"><title>&lt;&amp;&gt;</title></g>'
    assert clean("a\x00b\ud800c") == "a\ufffdb\ufffdc"
