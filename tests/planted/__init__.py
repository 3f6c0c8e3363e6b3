"""Faults planted in the core, each one rule of ``docs/protocol.md`` switched off: the checks must find them
all.
"""
