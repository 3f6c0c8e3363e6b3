"""All planted faults."""

from __future__ import annotations

from .bugs import BUGS
from .learners import LEARNERS
from .leases import LEASES
from .quota import QUOTA
from .subtle import SUBTLE

ALL = (*BUGS, *SUBTLE, *LEASES, *LEARNERS, *QUOTA)
