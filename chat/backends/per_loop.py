"""A client for each event loop, made when first asked for.

The Azure SDKs' async clients belong to the loop that made them. The worker's loop runs when it imports the app; that of
a test or of another host may start later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["PerLoop"]

T = TypeVar("T")


class PerLoop(Generic[T]):
    """Makes one ``T`` for each event loop and forgets it when that is closed."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[asyncio.AbstractEventLoop, T] = {}

    def get(self) -> T:
        """Return the running loop's own."""
        loop = asyncio.get_running_loop()
        made = self._made.get(loop)
        if made is None:
            # A client keeps its loop alive, so references that are weak would forget nothing.
            for closed in [known for known in tuple(self._made) if known.is_closed()]:
                self._made.pop(closed, None)
            made = self._made[loop] = self._make()
        return made

    def pop(self) -> T | None:
        """Take the running loop's own away, to close it."""
        return self._made.pop(asyncio.get_running_loop(), None)
