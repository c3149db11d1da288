"""Who is in a room, as the service itself says; asked at most once in a few seconds for each room."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from chat.service import RoomConnection, Service

__all__ = ["MAX_AGE_SECONDS", "Presence", "RoomPresence"]

MAX_AGE_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class RoomPresence:
    """The connections of a room, and when the service was asked (UTC): what was announced later is newer."""

    connections: Sequence[RoomConnection]
    time: datetime


class Presence:
    """Answers from what was read at most ``MAX_AGE_SECONDS`` ago; callers who come meanwhile share one call."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._reads: dict[str, tuple[float, asyncio.Task[RoomPresence]]] = {}

    async def of(self, room: str) -> RoomPresence:
        """Return who is in a room.

        Raises:
            ServiceUnavailableError: The service did not answer.
        """
        now = time.monotonic()
        self._reads = {name: read for name, read in self._reads.items() if now - read[0] < MAX_AGE_SECONDS}
        if room not in self._reads:
            self._reads[room] = (now, asyncio.create_task(self._read(room)))
        # One caller who goes away must not take the answer from the others.
        return await asyncio.shield(self._reads[room][1])

    async def _read(self, room: str) -> RoomPresence:
        asked = datetime.now(UTC)
        return RoomPresence(await self._service.connections(room), asked)
