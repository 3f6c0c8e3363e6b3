"""Whether this node traces; OpenTelemetry is imported only if it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .settings import SettingError, Settings

if TYPE_CHECKING:
    from .otel import Tracing


def start(settings: Settings) -> Tracing | None:
    """The spans of this node, or ``None``. Raises ``SettingError`` if what tracing needs is not there."""
    if settings.tracing == "off":
        return None
    _check_installed()
    from . import otel

    return otel.Tracing(settings, otel.provider())


def check(settings: Settings) -> None:
    """Raises ``SettingError`` if what tracing needs is not there; makes nothing that might send."""
    if settings.tracing == "off":
        return
    _check_installed()
    from . import otel

    otel.check()


def _check_installed() -> None:
    try:
        from . import otel  # noqa: F401
    except ImportError as error:
        raise SettingError(f"tracing=on needs OpenTelemetry: pip install 'pbproto[otel]' ({error})") from None
