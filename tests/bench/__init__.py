"""The benchmark itself: its arithmetic, its tables, and that what it counts is what happened."""
