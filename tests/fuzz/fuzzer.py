"""Fuzz one target in this process: ``python -m tests.fuzz.fuzzer TARGET [flags of libFuzzer]``."""

from __future__ import annotations

import asyncio
import importlib
import logging
import sys
from pathlib import Path
from typing import Final

import atheris

from tests.fuzz.places import CORPUS, TARGETS

FOLDER: Final = Path(__file__).parent
FOUND: Final = FOLDER.parents[1] / ".local" / "fuzz"


def main(name: str, flags: list[str]) -> None:
    """Fuzz until the flags say that it is enough, or until an input fails."""
    logging.disable()
    with atheris.instrument_imports(include=[TARGETS[name]]):
        target = importlib.import_module(f"tests.fuzz.targets.{name}")
    loop = asyncio.new_event_loop()
    found = FOUND / name
    found.mkdir(parents=True, exist_ok=True)
    options = [f"-dict={FOLDER / 'dictionaries' / name}.dict", f"-artifact_prefix={found}/failure-", "-timeout=60"]
    atheris.Setup(
        [sys.argv[0], *options, *flags, str(found), str(CORPUS / name)],
        lambda data: loop.run_until_complete(target.fuzz_one(data)),
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
