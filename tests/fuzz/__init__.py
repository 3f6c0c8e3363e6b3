"""Coverage-guided fuzzing as a command: ``python -m tests.fuzz codec`` and ``python -m tests.fuzz replica``.

The targets are plain functions of bytes, so that they run under any engine, under Hypothesis and from a file.
"""
