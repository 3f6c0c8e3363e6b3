"""Whole clusters of real replicas in virtual time, with everything going wrong, from one seed.

``python -m tests.simulation --seed 42``. See ``docs/verification.md``.
"""
