"""Who is in a room, according to the service, and announcements to the room of who comes and goes."""

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
from chat.backends.shared import Shared
from chat.model.messages import Announcement, encode_presence
from webpubsub_handler import ConnectionContext, EventErrorResponse

__all__ = ["BATCH_SECONDS", "MAX_AGE_SECONDS", "MAX_BATCH", "MAX_ROOMS", "Announcer", "Presence", "RoomPresence"]

logger = logging.getLogger("chat")

MAX_AGE_SECONDS: Final = 3.0
# Answers are kept for at most this many rooms, whatever names callers ask for.
MAX_ROOMS: Final = 1000
BATCH_SECONDS: Final = 0.2
# Each takes 150 bytes, or more with a long name; the service accepts 1 MiB.
MAX_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class RoomPresence:
    """The connections of a room, and when the service was asked (UTC): what was announced later is newer."""

    connections: Sequence[RoomConnection]
    time: datetime


class Presence:
    """Answers with a list that is at most ``MAX_AGE_SECONDS`` old; concurrent callers share one call."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._reads: OrderedDict[str, Shared[RoomPresence]] = OrderedDict()

    async def of(self, room: str) -> RoomPresence:
        """Return who is in a room.

        Raises:
            ServiceUnavailableError: The service did not answer.
        """
        now = time.monotonic()
        # The oldest come first.
        while self._reads and not next(iter(self._reads.values())).is_usable(now - MAX_AGE_SECONDS):
            self._reads.popitem(last=False)
        shared = self._reads.get(room)
        if shared is None or not shared.is_usable(now - MAX_AGE_SECONDS):
            self._reads.pop(room, None)
            shared = self._reads[room] = Shared(now, self._read(room))
        if len(self._reads) > MAX_ROOMS:
            self._reads.popitem(last=False)
        return await shared.answer()

    async def _read(self, room: str) -> RoomPresence:
        asked = datetime.now(UTC)
        return RoomPresence(await self._service.connections(room), asked)


@dataclass(frozen=True, slots=True)
class _Batch:
    """The announcements of one broadcast to a room, and the task that sends it."""

    announcements: list[Announcement]
    is_full: asyncio.Event
    sending: asyncio.Task[EventErrorResponse | None]


class Announcer:
    """Tells rooms which connections come and go, in one broadcast for all that a room is told in ``BATCH_SECONDS``.

    Without batches, 500 clients that reconnect to one room would cause 500 broadcasts to all of them. An event is
    answered after its batch was sent. So nothing happens outside an invocation, where the host drops log lines and may
    end the worker. A failure is 503, so the service delivers the event again. Only the announcements of events in
    progress can wait here.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._batches: dict[str, _Batch] = {}

    async def announce(self, context: ConnectionContext, event: str, rooms: Iterable[str]) -> EventErrorResponse | None:
        """Tell rooms what happened to a connection; 503 asks the service to deliver the event again.

        ``event`` is connected, disconnected, joined or left.
        """
        announcement = Announcement(event, context.user_id, context.connection_id, datetime.now(UTC))
        # If one event is cancelled, the broadcast for the others must still be sent.
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
