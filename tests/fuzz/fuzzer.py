"""Fuzz one target in this process: ``python -m tests.fuzz.fuzzer TARGET [flags of libFuzzer]``."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import logging
import sys
from pathlib import Path
from typing import Final

import atheris

from tests.fuzz.places import CORPUS, FOLDER, TARGETS, found

__all__ = ["WORK", "main"]

WORK: Final = Path(__file__).resolve().parents[2] / ".local" / "fuzz"


def main(name: str, flags: list[str]) -> None:
    """Fuzz until the flags say that it is enough, or until an input fails."""
    logging.disable()
    with atheris.instrument_imports(include=[TARGETS[name]]):
        target = importlib.import_module(f"tests.fuzz.targets.{name}")
    loop = asyncio.new_event_loop()
    work = WORK / name
    work.mkdir(parents=True, exist_ok=True)
    for data in found(name):
        (work / hashlib.sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)
    options = [f"-dict={FOLDER / 'dictionaries' / name}.dict", f"-artifact_prefix={work}/failure-", "-timeout=60"]
    # What libFuzzer starts itself again with, when it merges.
    command = f"{sys.executable} -m tests.fuzz.fuzzer {name}"
    atheris.Setup(
        [command, *options, *flags, str(work), str(CORPUS / name)],
        lambda data: loop.run_until_complete(target.fuzz_one(data)),
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
