"""Measurements: this store beside others, its parts, its behaviour under load. No test asserts a figure."""
