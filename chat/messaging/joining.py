"""The ``join`` and ``leave`` events: one connection goes into a room, or out of it, while it stays connected.

The service sends one event of a connection at a time. So no message of the connection comes between the call that
changes the group and the answer that changes the connection state.
"""

from __future__ import annotations

import logging

from chat.backends.service import Service, ServiceUnavailableError
from chat.messaging.checks import admits
from chat.messaging.presence import Announcer
from chat.model.answers import sender_error
from chat.model.incoming import fields_of, subject_of
from chat.model.rooms import TOO_MANY_ROOMS, is_room_name, joined_rooms, keep_rooms, rooms_fit
from webpubsub_handler import ConnectionContext, UserEventRequest, UserEventResponse

__all__ = ["Joining"]

logger = logging.getLogger("chat")


class Joining:
    """Puts connections into rooms and takes them out.

    Both can be repeated. Where the service does not do it, the state stays as it was, and the sender is told so.

    Args:
        service: Changes the groups.
        announcer: Tells a room who joined or left; None tells nobody.
    """

    def __init__(self, service: Service, announcer: Announcer | None) -> None:
        self._service = service
        self._announcer = announcer

    async def join(self, request: UserEventRequest) -> UserEventResponse:
        """Put a connection into the room that its event names, if its user may be there."""
        context, subject = request.context, subject_of(request)
        room, rooms = fields_of(request).get("room"), joined_rooms(context)
        if not isinstance(room, str) or not is_room_name(room):
            return _invalid_room()
        if rooms is None:
            return sender_error("not_a_member", "This connection cannot be in a room.", subject)
        if not admits(room, context.user_id):
            if room in rooms:
                await self.expel(context, room)
            return sender_error("not_a_member", "You may not join this room.", subject)
        joined = [*rooms, *({room} - set(rooms))]
        if not rooms_fit(joined, context.state):
            return sender_error("too_many_rooms", TOO_MANY_ROOMS, subject)
        try:
            # Again where it is in the state: a call that timed out may have been done or not.
            if not await self._service.join(context.connection_id, room):
                raise ServiceUnavailableError("the service does not know the connection")
        except ServiceUnavailableError as error:
            return _unavailable(error, context, room)
        if room not in rooms:
            keep_rooms(context, joined)
            await self._announce(context, "joined", room)
        return UserEventResponse({"type": "joined", "room": room})

    async def leave(self, request: UserEventRequest) -> UserEventResponse:
        """Take a connection out of the room that its event names."""
        context = request.context
        room, rooms = fields_of(request).get("room"), joined_rooms(context) or ()
        if not isinstance(room, str) or not is_room_name(room):
            return _invalid_room()
        try:
            await self._service.leave(context.connection_id, room)
        except ServiceUnavailableError as error:
            return _unavailable(error, context, room)
        if room in rooms:
            keep_rooms(context, [kept for kept in rooms if kept != room])
            await self._announce(context, "left", room)
        return UserEventResponse({"type": "left", "room": room})

    async def expel(self, context: ConnectionContext, room: str) -> None:
        """Take a connection out of a room that its user may not be in any more."""
        try:
            await self._service.leave(context.connection_id, room)
        except ServiceUnavailableError as error:
            # The state still has the room, so the next message of the connection comes here again.
            logger.warning("%s (connection %r): %r", error, context.connection_id, error.__cause__)
            return
        keep_rooms(context, [kept for kept in joined_rooms(context) or () if kept != room])

    async def _announce(self, context: ConnectionContext, event: str, room: str) -> None:
        # What is not told is logged there, and corrected by the service's own list.
        if self._announcer is not None:
            await self._announcer.announce(context, event, [room])


def _invalid_room() -> UserEventResponse:
    return sender_error("invalid_room", 'The event must be JSON with the name of a room: {"room":"lobby"}.')


def _unavailable(error: Exception, context: ConnectionContext, room: str) -> UserEventResponse:
    logger.warning("%s (connection %r): %r", error, context.connection_id, error.__cause__)
    return sender_error("unavailable", "Try again.", {"room": room})
