"""A node as a Quart application, ``create_app()``, or as part of one, ``PbProto``.

``python -m frontends.quart_app`` runs the first.
"""

from .app import create_app
from .extension import PbProto

__all__ = ["PbProto", "create_app"]
