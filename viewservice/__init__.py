"""The view service: decides which nodes are in the view, so that nobody has to be woken for a failover.

A pure core (``core.Service``: events in, effects out, as in ``pbproto``) with a driver that does its I/O and
stores that write its decisions down. See docs/viewservice.md for the rules and what they rest on.
"""

from .config import PRESETS, Config
from .core import Service
from .effects import Answer, Ask, Effect, Level, Note, Say, Write
from .events import Event, Lead, Order, Said, Saw, Stored, Tick
from .record import EMPTY, Record
from .report import Report, Trouble

__all__ = [
    "EMPTY",
    "PRESETS",
    "Answer",
    "Ask",
    "Config",
    "Effect",
    "Event",
    "Lead",
    "Level",
    "Note",
    "Order",
    "Record",
    "Report",
    "Said",
    "Saw",
    "Say",
    "Service",
    "Stored",
    "Tick",
    "Trouble",
    "Write",
]
