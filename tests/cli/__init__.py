"""The command line: in this process over nodes of a test's making, and as a process at a real cluster."""
