"""The Python client: its rules by themselves, both executors, and a cluster that fails under it."""
