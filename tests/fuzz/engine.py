"""The process in which Atheris runs a target: ``python -m tests.fuzz.engine TARGET LIBFUZZER_ARGUMENTS``."""

from __future__ import annotations

import importlib
import sys


def main(arguments: list[str]) -> None:
    """Never returns: libFuzzer ends the process."""
    atheris = importlib.import_module("atheris")  # untyped, and not there for everybody
    target, *rest = arguments
    # The package has to be read by way of the engine, which counts its branches: before anything imports it.
    with atheris.instrument_imports(include=["pbproto"]):
        run = importlib.import_module(f"{__package__}.{target}").run

    def once(data: bytes) -> None:
        run(data)

    atheris.Setup([sys.argv[0], *rest], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
