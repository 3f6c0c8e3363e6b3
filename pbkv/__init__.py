"""What users of the store import: clients, the command line, and clusters for their tests."""
