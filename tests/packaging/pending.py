"""What the package and the files of deploy/ name although it is not in this checkout yet.

To be emptied: a name that is here although it is there by now fails a test, and so does one that is missing
without being here.
"""

MODULES: tuple[str, ...] = ()
"""Modules that entry points lead to."""
FLAGS: tuple[str, ...] = ()
"""Flags of ``python -m``, behind the name of the module."""
VARIABLES: tuple[str, ...] = ()
"""Settings of a node."""
