"""Measurements: how much the parts of a node cost. Nothing here is a test; no figure is asserted."""
