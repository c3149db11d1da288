"""The list of who is in a room, across event loops; the rest of it is in tests/e2e/test_presence.py."""

from __future__ import annotations

import asyncio
from typing import Any

from chat.messaging.presence import Presence


def test_a_loop_that_ended_while_it_asked_leaves_the_question_to_the_next_one() -> None:
    is_asked = asyncio.Event()

    class SilentAtFirst:
        async def connections(self, _: str) -> list[Any]:
            if not is_asked.is_set():
                is_asked.set()
                await asyncio.Event().wait()
            return []

    presence = Presence(SilentAtFirst())  # type: ignore[arg-type]

    async def leave() -> None:
        question = asyncio.create_task(presence.of("a"))
        await is_asked.wait()
        question.cancel()

    asyncio.run(leave())
    assert asyncio.run(presence.of("a")).connections == []
