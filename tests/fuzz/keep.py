"""Keep what fuzzing found, where it covers more than the corpus: ``python -m tests.fuzz.keep [TARGET …]``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.places import CORPUS, FOLDER, TARGETS, write_found

__all__ = ["main"]


def main(targets: Sequence[str]) -> None:
    """Let libFuzzer merge the folders of each target, and write what is new."""
    for target in targets:
        with TemporaryDirectory() as merged:
            command = [sys.executable, "-m", "tests.fuzz.fuzzer", target, "-merge=1", merged]
            subprocess.run(command, cwd=FOLDER.parents[1], check=True)
            written = {path.read_bytes() for path in (CORPUS / target).iterdir()}
            write_found(target, {path.read_bytes() for path in Path(merged).iterdir()} - written)


if __name__ == "__main__":
    main(sys.argv[1:] or list(TARGETS))
