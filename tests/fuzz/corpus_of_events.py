"""The corpus of the fuzz target: every wire fixture as one input.

``python -m tests.fuzz.corpus_of_events`` writes it again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.wire import event, event_names, fixture

__all__ = ["CORPUS", "inputs"]

CORPUS: Final = Path(__file__).parent / "corpus"


def inputs() -> dict[str, bytes]:
    """Return the inputs by the names of their files."""
    return {name.replace("/", "_"): _input(name) for name in event_names()}


def _input(name: str) -> bytes:
    request = fixture(name)["request"]
    head = [request["method"], *[f"{field}: {value}" for field, value in request["headers"]]]
    return "\n".join(head).encode() + b"\n\n" + event(name).body


if __name__ == "__main__":
    for path in CORPUS.iterdir():
        path.unlink()
    for file_name, content in inputs().items():
        (CORPUS / file_name).write_bytes(content)
