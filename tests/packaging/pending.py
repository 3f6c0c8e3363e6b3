"""What the package and the files of deploy/ name although it is not in this checkout yet.

To be emptied: a name that is here although it is there by now fails a test, and so does one that is missing
without being here.
"""

MODULES: tuple[str, ...] = ("pbkv.__main__", "pbkv.testing.plugin")
"""Modules that entry points lead to."""
FLAGS: tuple[str, ...] = ("viewservice --token-file", "viewservice --tls-ca")
"""Flags of ``python -m``, behind the name of the module."""
VARIABLES: tuple[str, ...] = (
    "PBPROTO_INSECURE",
    "PBPROTO_TLS_CA",
    "PBPROTO_TLS_CERT",
    "PBPROTO_TLS_KEY",
    "PBPROTO_TOKENS",
)
"""Settings of a node."""
