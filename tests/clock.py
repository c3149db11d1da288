"""A clock that a test sets."""

from __future__ import annotations


class Clock:
    """Seconds since 1970, or since whenever: what is read is what a test put there."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
