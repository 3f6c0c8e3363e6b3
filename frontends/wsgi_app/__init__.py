"""A node as a WSGI application, ``create_app()``, or as part of one, ``PbProto``.

``python -m frontends.wsgi_app`` runs the first.
"""

from .app import create_app
from .extension import PbProto

__all__ = ["PbProto", "create_app"]
