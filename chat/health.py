"""Whether both back ends answer and what waits in the outbox; checked at most once every few seconds."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from chat.backends.service import Service, ServiceUnavailableError
from chat.backends.shared import Shared
from chat.backends.table_store import StoreUnavailableError, TableStore
from chat.messaging.outbox import Outbox
from chat.messaging.outbox_rows import Waiting

__all__ = ["MAX_AGE_SECONDS", "Health", "State"]

# Anyone may ask for the health, and each check costs three calls.
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
        """Return whether messages can be stored and broadcast; waiting messages do not count, as they are not lost."""
        return self.is_storage_ok and self.is_service_ok


class Health:
    """Answers with a check that is at most ``MAX_AGE_SECONDS`` old; concurrent callers share one check."""

    def __init__(
        self, store: TableStore, service: Service, outbox: Outbox, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._service = service
        self._outbox = outbox
        self._clock = clock
        self._shared: Shared[State] | None = None

    async def state(self) -> State:
        """Return what both back ends answered."""
        self._outbox.write_log()
        now = self._clock()
        shared = self._shared
        if shared is None or not shared.is_usable(now - MAX_AGE_SECONDS):
            shared = self._shared = Shared(now, self._ask())
        return await shared.answer()

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
