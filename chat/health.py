"""Whether both back ends answer and what waits in the outbox; asked at most once in a few seconds."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from chat.backends.service import Service, ServiceUnavailableError
from chat.backends.table_store import StoreUnavailableError, TableStore
from chat.messaging.outbox import Outbox
from chat.messaging.outbox_rows import Waiting

__all__ = ["MAX_AGE_SECONDS", "Health", "State"]

# Anyone may ask for the health, and each question would cost three calls.
MAX_AGE_SECONDS: Final = 3.0

logger = logging.getLogger("chat")


@dataclass(frozen=True, slots=True)
class State:
    """Which back ends answer; ``waiting`` is None when the outbox does not."""

    is_storage_ok: bool
    is_service_ok: bool
    waiting: Waiting | None

    @property
    def is_ok(self) -> bool:
        """Return whether messages can be stored and broadcast; one that waits is not lost."""
        return self.is_storage_ok and self.is_service_ok


class Health:
    """Answers from what was asked at most ``MAX_AGE_SECONDS`` ago; callers who come meanwhile share one question."""

    def __init__(
        self, store: TableStore, service: Service, outbox: Outbox, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._service = service
        self._outbox = outbox
        self._clock = clock
        self._asked = float("-inf")
        self._question: asyncio.Task[State] | None = None

    async def state(self) -> State:
        """Return what both back ends answered."""
        self._outbox.write_log()
        now = self._clock()
        question = self._question
        # What another loop asked, it may not have heard before it ended.
        is_of_this_loop = question is not None and question.get_loop() is asyncio.get_running_loop()
        if question is None or not is_of_this_loop or now - self._asked >= MAX_AGE_SECONDS:
            self._asked = now
            question = self._question = asyncio.create_task(self._ask())
        # One caller who goes away must not take the answer from the others.
        return await asyncio.shield(question)

    async def _ask(self) -> State:
        is_storage_ok, is_service_ok, waiting = await asyncio.gather(
            _answers(self._store.check()), _answers(self._service.check()), self._waiting()
        )
        if waiting is not None and waiting.count:
            self._outbox.start_drain()
        return State(is_storage_ok, is_service_ok, waiting)

    async def _waiting(self) -> Waiting | None:
        try:
            return await self._outbox.waiting()
        except StoreUnavailableError as error:
            logger.warning("Health: %s: %r", error, error.__cause__)
            return None


async def _answers(check: Awaitable[None]) -> bool:
    try:
        await check
    except (StoreUnavailableError, ServiceUnavailableError) as error:
        logger.warning("Health: %s: %r", error, error.__cause__)
        return False
    return True
