"""What an instance says on standard error: one line for each thing, whoever says it."""

from __future__ import annotations

import logging
import sys
import time

LOGGER = logging.getLogger("viewservice")


def set_up() -> None:
    """Send lines of our own from level info on to standard error, of others from warning on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    LOGGER.setLevel(logging.INFO)


class _Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        level = {"CRITICAL": "ALARM"}.get(record.levelname, record.levelname).lower()
        text = f"{stamp}.{int(record.msecs):03d}Z {level} {record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text
