"""What is fuzzed, and the inputs that are kept for it.

``corpus`` has those that somebody wrote, and the smallest ones that failed, in a folder for each target. ``found`` has
those that fuzzing found and that cover more, in a file for each target, a line of base64 for each input.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

__all__ = ["CORPUS", "FOUND", "TARGETS", "found", "write_found"]

FOLDER: Final = Path(__file__).parent
CORPUS: Final = FOLDER / "corpus"
FOUND: Final = FOLDER / "found"
TARGETS: Final[Mapping[str, str]] = {
    "handler": "webpubsub_handler",
    "rest": "webpubsub_emulator",
    "upgrades": "webpubsub_emulator",
    "frames": "webpubsub_emulator",
    "odata": "webpubsub_emulator",
}
"""Which package each target covers, by the name that it has in every folder here."""


def found(target: str) -> list[bytes]:
    """Return the inputs that fuzzing found."""
    return [base64.b64decode(line) for line in (FOUND / f"{target}.base64").read_text("ascii").splitlines()]


def write_found(target: str, inputs: Iterable[bytes]) -> None:
    """Keep inputs that fuzzing found, and no others of the target."""
    lines = [base64.b64encode(data).decode() for data in sorted(inputs, key=lambda data: (len(data), data))]
    (FOUND / f"{target}.base64").write_text("".join(f"{line}\n" for line in lines), "ascii")
