"""Tells connected clients of messages and memberships that are erased."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from chat.backends.service import Service, ServiceUnavailableError
from chat.model.broadcasts import of_deletion
from chat.model.chat_client_answers import encode_member, encode_room
from chat.model.private_names import PrivateRoom
from chat.model.rooms import is_room_name

__all__ = ["Herald"]

_CONCURRENCY: Final = 8


class Herald:
    """Broadcasts that messages are deleted, which are not stored any more, and that a person left private rooms.

    ``untold`` counts what the service did not take.

    Args:
        service: What reaches the clients.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self.untold = 0

    async def tell(self, room: str, message_ids: Sequence[str]) -> None:
        """Tell a room that these messages are deleted."""
        if not is_room_name(room):  # older versions stored messages in rooms that nobody can be in
            return
        slots = asyncio.Semaphore(_CONCURRENCY)

        async def tell_of(message_id: str) -> None:
            async with slots:
                try:
                    await self._service.broadcast(room, of_deletion(message_id, room, datetime.now(UTC)).body)
                except ServiceUnavailableError:
                    self.untold += 1

        await asyncio.gather(*(tell_of(message_id) for message_id in message_ids))

    async def tell_of_leaving(self, room: PrivateRoom, user_id: str) -> None:
        """Take a person's connections out of a private room's group, and tell them and the room so."""
        try:
            await self._service.remove(user_id, room.name)
            await self._service.tell_user(user_id, encode_room("RoomLeft", room))
            await self._service.broadcast(room.name, encode_member("RoomMemberLeft", room, user_id))
        except ServiceUnavailableError:
            self.untold += 1

    async def aclose(self) -> None:
        """Close the connections to the service."""
        await self._service.aclose()
