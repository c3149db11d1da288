"""An answer of a back end that concurrent callers share."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

__all__ = ["Shared"]

T = TypeVar("T")


class Shared(Generic[T]):
    """One question to a back end; create it in the event loop that is to ask.

    Args:
        asked: When it is asked, in seconds of the caller's clock.
        question: The question; it is asked now.
    """

    def __init__(self, asked: float, question: Coroutine[Any, Any, T]) -> None:
        self.asked = asked
        self._task = asyncio.create_task(question)

    def is_usable(self, since: float) -> bool:
        """Return whether it was asked after a time, and in the running loop: another loop may have ended before it."""
        return self.asked > since and self._task.get_loop() is asyncio.get_running_loop()

    async def answer(self) -> T:
        """Return the answer; if one caller is cancelled, the others still get it."""
        return await asyncio.shield(self._task)
