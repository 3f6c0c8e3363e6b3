"""A node as part of somebody's application, on both frameworks."""
