"""A node as a WSGI application: ``create_app()`` for stock servers, ``python -m frontends.wsgi_app`` for all else."""

from .app import create_app

__all__ = ["create_app"]
