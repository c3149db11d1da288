"""What is fuzzed, and where its inputs are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

__all__ = ["CORPUS", "TARGETS"]

CORPUS: Final = Path(__file__).parent / "corpus"
TARGETS: Final[Mapping[str, str]] = {
    "handler": "webpubsub_handler",
    "rest": "webpubsub_emulator",
    "frames": "webpubsub_emulator",
    "odata": "webpubsub_emulator",
}
"""Which package each target covers, by the name that it has in ``targets``, ``corpus`` and ``dictionaries``."""
