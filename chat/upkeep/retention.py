"""Deletes messages that are older than ``MESSAGE_RETENTION_DAYS``, a little at a time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from chat.backends.maintenance import Maintenance, count_messages
from chat.backends.table_store import StoreUnavailableError, TableStore

__all__ = ["SCHEDULE", "Retention"]

# Every ten minutes at night (UTC).
SCHEDULE: Final = "0 */10 0-5 * * *"

# The function's time ends the whole worker, with every event that is on its way.
_MAX_SECONDS: Final = 40.0
_WORK_SECONDS: Final = 28.0

logger = logging.getLogger("chat")


class Retention:
    """Deletes what is too old, room by room, and continues next time where it stopped.

    Args:
        store: Where the messages are.
        days: How long a message is kept, by the time of its event.
        clock: Seconds that only grow.
    """

    def __init__(self, store: TableStore, days: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._maintenance = Maintenance(store)
        self._days = days
        self._clock = clock

    async def run(self) -> int:
        """Delete for at most 40 seconds; return how many messages were deleted.

        What storage refuses is logged, and the next run continues.
        """
        deleted = 0
        start = self._clock()
        before = datetime.now(UTC) - timedelta(days=self._days)
        partition = ""
        try:
            async with asyncio.timeout(_MAX_SECONDS):
                begin = await self._maintenance.bookmark()
                async for partition in self._maintenance.partitions(begin):
                    async for page in self._maintenance.messages(partition, before=before):
                        await self._maintenance.delete(partition, page)
                        deleted += count_messages(page)
                        if self._is_over(start):
                            break
                    if self._is_over(start):
                        break
                else:
                    partition = ""
                if partition != begin:
                    await self._maintenance.set_bookmark(partition)
        except (StoreUnavailableError, TimeoutError) as error:
            logger.warning("The retention continues next time: %s: %r", error, error.__cause__)
        logger.info(
            "The retention deleted %d messages older than %d days%s.",
            deleted,
            self._days,
            "" if not partition else ", and continues next time",
        )
        return deleted

    def _is_over(self, start: float) -> bool:
        return self._clock() - start >= _WORK_SECONDS
