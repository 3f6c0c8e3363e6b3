"""All planted faults."""

from __future__ import annotations

from .bugs import BUGS
from .leases import LEASES
from .subtle import SUBTLE

ALL = (*BUGS, *SUBTLE, *LEASES)
