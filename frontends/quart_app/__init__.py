"""A node as a Quart application: ``create_app()``, or ``python -m frontends.quart_app``."""

from .app import create_app

__all__ = ["create_app"]
