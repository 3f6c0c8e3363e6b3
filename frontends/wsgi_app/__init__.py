"""A node as a WSGI application: ``create_app()``, or ``python -m frontends.wsgi_app``."""

from .app import create_app

__all__ = ["create_app"]
