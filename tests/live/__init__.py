"""Tests that talk HTTP to real node processes."""
