"""What one check found, as lines for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Verdict"]


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    SKIPPED = "skipped"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; ``sent``, ``came_back`` and ``fix`` are there when it failed."""

    check: str
    verdict: Verdict
    text: str
    sent: str = ""
    came_back: str = ""
    fix: str = ""

    def __str__(self) -> str:
        """Return a line, and one for each detail."""
        details = (("sent:", self.sent), ("came back:", self.came_back), ("fix:", self.fix))
        lines = [f"  {name:<10} {text}" for name, text in details if text]
        return "\n".join([f"{self.verdict:<8}{self.check}: {self.text}", *lines])
