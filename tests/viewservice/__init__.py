"""Tests of the view service."""
