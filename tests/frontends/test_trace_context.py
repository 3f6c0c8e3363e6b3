"""The headers of a trace: what is taken on, what is ignored, and that it survives the way to the primary."""

from __future__ import annotations

import pytest

from frontends.common import trace_context, wanted
from frontends.common.trace_context import Context

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"


def test_a_context_is_read() -> None:
    """Goal: a trace goes on. Method: the example of the specification."""
    found = trace_context.parse(GOOD, "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")
    assert found == Context(TRACE, SPAN, 1, "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")
    assert found.sampled
    assert found.parent == GOOD
    unsampled = trace_context.parse(f"00-{TRACE}-{SPAN}-00")
    assert unsampled is not None
    assert not unsampled.sampled
    assert unsampled.parent.endswith("-00")


@pytest.mark.parametrize(
    "parent",
    [
        None,
        "",
        "00",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-011",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN.upper()}-01",
        f"00-{TRACE}-{SPAN}-0A",
        f"0-{TRACE}-{SPAN}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}x-{SPAN}-01",
        f"00_{TRACE}_{SPAN}_01",
        f"{GOOD},{GOOD}",
        f"{GOOD}\n",
        f"01-{TRACE}-{SPAN}-01.more",
        "٠٠" + GOOD[2:],
    ],
)
def test_what_is_malformed_is_ignored(parent: str | None) -> None:
    """Goal: a bad trace does no harm. Method: each way in which one can be malformed."""
    assert trace_context.parse(parent, "a=b") is None


def test_later_versions_are_read_as_far_as_they_are_known() -> None:
    """Goal: newer callers are understood, as the specification asks. Method: a version with more to say."""
    for text in (f"01-{TRACE}-{SPAN}-03", f"cc-{TRACE}-{SPAN}-01-what-the-future-brings"):
        found = trace_context.parse(text)
        assert found is not None
        assert found.parent == GOOD


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        (None, ""),
        ("", ""),
        ("a=b", "a=b"),
        ("a=b, c=d\t,", "a=b,c=d"),
        ("tenant@system=value", "tenant@system=value"),
        ("0tenant@system=a b", "0tenant@system=a b"),
        ("A=b", ""),
        ("a=", ""),
        ("a", ""),
        ("a=b=c", ""),
        ("a=b\x7f", ""),
        ("a=é", ""),
        ("a=1,a=2", ""),
        (",", ""),
        ("a=" + "x" * 256, "a=" + "x" * 256),
        ("a=" + "x" * 257, ""),
        (",".join(f"k{n}=v" for n in range(32)), ",".join(f"k{n}=v" for n in range(32))),
        (",".join(f"k{n}=v" for n in range(33)), ""),
        (",".join(f"k{n}={'v' * 100}" for n in range(6)), ""),
    ],
)
def test_the_state_is_kept_whole_or_not_at_all(state: str | None, kept: str) -> None:
    """Goal: what others wrote is handed on as it is, if it is anything. Method: good and bad members."""
    found = trace_context.parse(GOOD, state)
    assert found is not None
    assert found.state == kept


def test_it_survives_the_way_to_the_primary() -> None:
    """Goal: one trace, two nodes. Method: pack and unpack; what another node may have sent instead."""
    for state in ("", "a=b,tenant@system=c d"):
        context = Context(TRACE, SPAN, 1, state)
        assert trace_context.unpack(trace_context.pack(context)) == context
    assert trace_context.pack(None) == b""
    for packed in (b"", b"\xff", b"nonsense", GOOD.encode() + b"x"):
        assert trace_context.unpack(packed) is None
    assert trace_context.unpack(f"{GOOD} A=b".encode()) == Context(TRACE, SPAN, 1)


def test_headers_in_several_lines_are_joined() -> None:
    """Goal: two parents are none, two lines of state are one. Method: pairs as a server has them."""
    lines = [(b"traceparent", GOOD.encode()), (b"tracestate", b"a=b"), (b"tracestate", b"c=d")]
    found = trace_context.of(wanted.of_pairs(lines))
    assert found is not None
    assert found.state == "a=b,c=d"
    assert trace_context.of(wanted.of_pairs([*lines, lines[0]])) is None
    assert trace_context.of(wanted.of_pairs(lines[1:])) is None
