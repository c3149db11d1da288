"""Who is in a room, as the service itself says, and who comes and goes, as the room is told."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from chat.backends.service import RoomConnection, Service, ServiceUnavailableError
from chat.model.messages import Announcement, encode_presence
from webpubsub_handler import ConnectionContext, EventErrorResponse

__all__ = ["BATCH_SECONDS", "MAX_AGE_SECONDS", "MAX_BATCH", "MAX_ROOMS", "Announcer", "Presence", "RoomPresence"]

logger = logging.getLogger("chat")

MAX_AGE_SECONDS: Final = 3.0
# Answers are kept for so many rooms at most, whatever names callers ask for.
MAX_ROOMS: Final = 1000
BATCH_SECONDS: Final = 0.2
# Each takes 150 bytes, and some more with a long name; the service takes 1 MiB.
MAX_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class RoomPresence:
    """The connections of a room, and when the service was asked (UTC): what was announced later is newer."""

    connections: Sequence[RoomConnection]
    time: datetime


class Presence:
    """Answers from what was read at most ``MAX_AGE_SECONDS`` ago; callers who come meanwhile share one call."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._reads: OrderedDict[str, tuple[float, asyncio.Task[RoomPresence]]] = OrderedDict()

    async def of(self, room: str) -> RoomPresence:
        """Return who is in a room.

        Raises:
            ServiceUnavailableError: The service did not answer.
        """
        now = time.monotonic()
        # The oldest come first.
        while self._reads and now - next(iter(self._reads.values()))[0] >= MAX_AGE_SECONDS:
            self._reads.popitem(last=False)
        if room not in self._reads:
            self._reads[room] = (now, asyncio.create_task(self._read(room)))
        reading = self._reads[room][1]
        if len(self._reads) > MAX_ROOMS:
            self._reads.popitem(last=False)
        # One caller who goes away must not take the answer from the others.
        return await asyncio.shield(reading)

    async def _read(self, room: str) -> RoomPresence:
        asked = datetime.now(UTC)
        return RoomPresence(await self._service.connections(room), asked)


@dataclass(frozen=True, slots=True)
class _Batch:
    """What one room is told at once, and the task that does so."""

    announcements: list[Announcement]
    is_full: asyncio.Event
    sending: asyncio.Task[EventErrorResponse | None]


class Announcer:
    """Tells rooms which connections come and go: what happens in one room within ``BATCH_SECONDS`` is one broadcast.

    Without that, each of 500 clients that come back into one room is told to all the others.

    An event is answered when its batch was sent. So nothing happens outside an invocation, where the host drops what is
    logged and may end the worker; a failure is 503, and the service delivers the event again; and what waits here is
    never more than the events that the host has in hand.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._batches: dict[str, _Batch] = {}

    async def announce(self, context: ConnectionContext, event: str, rooms: Iterable[str]) -> EventErrorResponse | None:
        """Tell rooms what happened to a connection; 503 asks the service to deliver the event again.

        ``event`` is connected, disconnected, joined or left.
        """
        announcement = Announcement(event, context.user_id, context.connection_id, datetime.now(UTC))
        # One event that is cancelled must not take the broadcast from the others.
        answers = await asyncio.gather(*(asyncio.shield(self._add(room, announcement)) for room in rooms))
        return next(filter(None, answers), None)

    def _add(self, room: str, announcement: Announcement) -> asyncio.Task[EventErrorResponse | None]:
        batch = self._batches.get(room) or self._open(room)
        batch.announcements.append(announcement)
        if len(batch.announcements) == MAX_BATCH:
            del self._batches[room]
            batch.is_full.set()
        return batch.sending

    def _open(self, room: str) -> _Batch:
        announcements: list[Announcement] = []
        is_full = asyncio.Event()
        batch = _Batch(announcements, is_full, asyncio.create_task(self._send(room, announcements, is_full)))
        self._batches[room] = batch
        return batch

    async def _send(
        self, room: str, announcements: list[Announcement], is_full: asyncio.Event
    ) -> EventErrorResponse | None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(is_full.wait(), BATCH_SECONDS)
        if not is_full.is_set():
            del self._batches[room]
        try:
            await self._service.broadcast(room, encode_presence(room, announcements))
        except ServiceUnavailableError as error:
            logger.error("%s (presence of %d connections): %r", error, len(announcements), error.__cause__)
            return EventErrorResponse(503, "Try again.")
        return None
