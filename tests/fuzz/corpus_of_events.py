"""What fuzzing the handler begins with: every wire fixture as one input.

``python -m tests.fuzz.corpus_of_events`` writes them again.
"""

from __future__ import annotations

from typing import Final

from tests.fuzz.places import CORPUS
from tests.wire import event, event_names, fixture

__all__ = ["CORPUS_OF_EVENTS", "inputs"]

CORPUS_OF_EVENTS: Final = CORPUS / "handler"


def inputs() -> dict[str, bytes]:
    """Return the inputs by the names of their files."""
    return {name.replace("/", "_"): _input(name) for name in event_names()}


def _input(name: str) -> bytes:
    request = fixture(name)["request"]
    head = [request["method"], *[f"{field}: {value}" for field, value in request["headers"]]]
    return "\n".join(head).encode() + b"\n\n" + event(name).body


if __name__ == "__main__":
    for file_name, content in inputs().items():
        (CORPUS_OF_EVENTS / file_name).write_bytes(content)
