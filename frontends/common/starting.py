"""What a node is looked at for before it starts, and what it says when it has."""

from __future__ import annotations

import sys
from collections.abc import Callable

from . import access, recorder, tls, tracing
from .history import STARTED
from .logs import LOGGER, logfmt
from .place import Place
from .recording_file import RecordingFileError
from .settings import SettingError, Settings, split_address

CHECKS: tuple[Callable[[Settings], None], ...] = (
    recorder.check,
    access.check,
    tls.check,
    tracing.check,
)
"""Each raises an error for what can only be seen by trying. In the order in which they are made."""
_EVERYWHERE = ("0.0.0.0", "::")


def check_or_exit(settings: Settings, program: str) -> None:
    """End the process with one line and status 2 if the node would not start with these settings."""
    try:
        for check in CHECKS:
            check(settings)
    except (RecordingFileError, SettingError) as error:
        sys.stderr.write(f"{program}: {error}\n")
        sys.exit(2)


def say_started(settings: Settings, incarnation: int, frontend: str, place: Place | None) -> None:
    """One line that the node lives, where it listens if that is known, and that it waits for a view.

    ``place``: where it is within an application, if that is more than a node.
    """
    fields: dict[str, object] = {}
    if settings.place_known:
        fields["url"] = _url(settings)
    fields["frontend"] = frontend
    if settings.server:
        fields["server"] = settings.server
    fields["incarnation"] = f"{incarnation:016x}"
    fields["view"] = "none"
    how = _outside(settings) if place is None else _inside(place)
    fields["hint"] = f"it serves no data before {how}"
    LOGGER.info("%s", logfmt(settings.id, STARTED, **fields))


def _url(settings: Settings) -> str:
    return f"{'https' if settings.tls_cert else 'http'}://{settings.bind}"


def _inside(place: Place) -> str:
    return f"{'' if place.prefix is None else f'PUT {place.prefix}/view or '}tell_view() tells it a view"


def _outside(settings: Settings) -> str:
    # Not a view of this node alone: of three nodes that are each told such a one none is a copy of another.
    host, port = split_address(settings.bind)
    if not settings.place_known:
        address = "HOST:PORT"
    elif host in _EVERYWHERE:
        address = f"HOST:{port}"
    else:
        address = settings.bind
    node = f" --node https://{address}" if settings.tls_cert else ""
    command = f"pbkv view set {settings.id}={address} ID=HOST:PORT...{node}"
    return f"PUT /view tells it a view: the view service does that, or {command} with all members"
