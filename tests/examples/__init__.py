"""The examples: what they promise."""
