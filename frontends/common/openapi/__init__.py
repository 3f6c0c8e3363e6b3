"""The REST interface as an OpenAPI 3.1 document and as a page to read, from the tables that the code runs by.

``python -m frontends.common.openapi`` prints the document. A node serves it at ``/openapi.json``, with the
limits that its own settings give.
"""

from .document import build
from .page import render

__all__ = ["build", "render"]
