"""Where the record is written down, and who of several instances acts."""

from .base import Store, StoreError

__all__ = ["Store", "StoreError"]
