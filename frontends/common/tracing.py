"""Whether this node traces; OpenTelemetry is imported only if it does."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .settings import SettingError, Settings

if TYPE_CHECKING:
    from .otel import Tracing


def start(settings: Settings) -> Tracing | None:
    """The spans of this node, or ``None``. Raises ``SettingError`` if what tracing needs is not there."""
    if settings.tracing == "off":
        return None
    try:
        from . import otel
    except ImportError as error:
        raise SettingError(f"tracing=on needs OpenTelemetry: pip install 'pbproto[otel]' ({error})") from None
    return otel.Tracing(settings, otel.provider())


def check_or_exit(settings: Settings, program: str) -> None:
    """End the process with one line and status 2 if it cannot trace although it is asked to."""
    if settings.tracing == "off":
        return
    try:
        from . import otel

        otel.check()
    except (ImportError, SettingError) as error:
        hint = "" if isinstance(error, SettingError) else "tracing=on needs pip install 'pbproto[otel]': "
        sys.stderr.write(f"{program}: {hint}{error}\n")
        sys.exit(2)
