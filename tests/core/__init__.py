"""Tests of the protocol core: one file per source file, on an in-memory cluster of real replicas."""
