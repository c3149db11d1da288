"""Who is in a room, as the service itself says, and who comes and goes, as the room is told."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from chat.messages import encode_presence
from chat.service import RoomConnection, Service, ServiceUnavailableError
from webpubsub_handler import ConnectionContext, EventErrorResponse

__all__ = ["MAX_AGE_SECONDS", "Announcer", "Presence", "RoomPresence"]

logger = logging.getLogger("chat")

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


class Announcer:
    """Tells rooms which connections come and go."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def announce(self, context: ConnectionContext, rooms: Iterable[str]) -> EventErrorResponse | None:
        """Tell rooms what happened to a connection; 503 asks the service to deliver the event again."""
        try:
            for room in rooms:
                await self._service.broadcast(room, encode_presence(context, room, datetime.now(UTC)))
        except ServiceUnavailableError as error:
            logger.error("%s (event %s of %s): %r", error, context.event_id, context.connection_id, error.__cause__)
            return EventErrorResponse(503, "Try again.")
        return None
