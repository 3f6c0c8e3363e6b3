"""The command line ``pbkv``."""

from .app import cli, run

__all__ = ["cli", "run"]
