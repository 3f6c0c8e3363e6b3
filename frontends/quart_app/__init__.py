"""A node as a Quart application: ``create_app()`` for stock servers, ``python -m frontends.quart_app`` for all else."""

from .app import create_app

__all__ = ["create_app"]
