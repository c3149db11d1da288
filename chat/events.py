"""What happens when a client connects, sends a message, or leaves; your own events go here too.

Who may do what is in ``chat/policy.py``.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from chat import policy
from chat.delivery import Delivery, sender_error
from chat.incoming import idempotency_key
from chat.limits import RateLimiter
from chat.presence import Announcer
from chat.rooms import admits, is_room_name, joined_rooms, keep_rooms
from chat.service import Service, ServiceUnavailableError
from webpubsub_handler import (
    ConnectedEventRequest,
    ConnectEventRequest,
    ConnectEventResponse,
    ConnectionContext,
    DisconnectedEventRequest,
    EventErrorResponse,
    GroupJoinedEventRequest,
    GroupLeftEventRequest,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
)

__all__ = ["ChatEvents"]

logger = logging.getLogger("chat")

_REPEAT_WARNING_SECONDS: Final = 60.0


class ChatEvents:
    """One method for each event.

    Args:
        delivery: Stores messages and tells rooms.
        service: Takes connections out of rooms.
        announcer: Tells rooms who comes and goes; None tells nobody.
        default_room: The room of a connection that names none.
        max_messages_per_second: What the policy is told about how fast a user may send; 0 means no limit.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        delivery: Delivery,
        service: Service,
        announcer: Announcer | None,
        *,
        default_room: str,
        max_messages_per_second: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._delivery = delivery
        self._service = service
        self._announcer = announcer
        self._default_room = default_room
        self._max_messages_per_second = max_messages_per_second
        self._clock = clock
        self._limiter = RateLimiter(clock)
        self._warned: float | None = None

    def register(self, handler: WebPubSubEventHandler) -> None:
        """Register each method for its event of a hub."""
        handler.on_connect(self.connect)
        handler.on_connected(self.connected)
        handler.on_disconnected(self.disconnected)
        handler.on_group_joined(self.joined)
        handler.on_group_left(self.left)
        handler.on_user_event("message", "send")(self.message)
        handler.on_user_event("typing")(self.typing)

    async def connect(self, request: ConnectEventRequest) -> ConnectEventResponse | EventErrorResponse:
        """Let a client in, put it into its room, and keep the room in the connection state.

        The query of a client's URL is not signed, so its room is checked again here.
        """
        rooms = request.query.get("room") or [self._default_room]
        if len(rooms) > 1 or not admits(rooms[0], request.context.user_id):
            return EventErrorResponse(403, "You may not join this room.")
        keep_rooms(request.context, rooms)
        return ConnectEventResponse(groups=rooms)

    async def connected(self, request: ConnectedEventRequest) -> EventErrorResponse | None:
        """Tell the rooms of a connection that it came."""
        return await self._announce(request.context, joined_rooms(request.context) or ())

    async def disconnected(self, request: DisconnectedEventRequest) -> EventErrorResponse | None:
        """Tell the rooms of a connection that it went."""
        return await self._announce(request.context, joined_rooms(request.context) or ())

    async def joined(self, request: GroupJoinedEventRequest) -> EventErrorResponse | None:
        """Tell a room that a connection was put into its group."""
        return await self._announce(request.context, [request.group])

    async def left(self, request: GroupLeftEventRequest) -> EventErrorResponse | None:
        """Tell a room that a connection was taken out of its group."""
        return await self._announce(request.context, [request.group])

    async def message(self, request: UserEventRequest) -> UserEventResponse | EventErrorResponse | None:
        """Store a message of a member and broadcast it to the room."""
        context = request.context
        key = idempotency_key(request)
        refusal = sender_error("not_a_member", "You are not a member of this room.", key)
        rooms = joined_rooms(context)
        if rooms is None:
            self._warn_of_missing_rooms(context)
            return refusal
        if len(rooms) != 1:  # it was taken out of its room; or it is in several, and the message is for none of them
            return refusal
        room = rooms[0]
        # First, as an expulsion is a call to the service.
        wait = self._wait_of(context, "message")
        if wait:
            refusal = sender_error("rate_limited", "You send too fast.", key, retry_after=math.ceil(wait * 1000) / 1000)
            return await self._delivery.refuse(request, room, refusal)
        if not admits(room, context.user_id):
            await self._expel(context, room)
            return await self._delivery.refuse(request, room, refusal)
        return await self._delivery.publish(request, room)

    async def typing(self, request: UserEventRequest) -> None:
        """Tell the rooms of a member that the user is writing."""
        await self.tell_rooms(request.context, {"type": "typing", "userId": request.context.user_id})

    async def tell_rooms(self, context: ConnectionContext, event: Mapping[str, object]) -> None:
        """Tell every room that a connection is in, and may be in, what is not stored.

        It may do so as often as it may send messages; what comes faster is told to nobody.
        """
        if self._wait_of(context, "tell"):
            return
        for room in joined_rooms(context) or ():
            if admits(room, context.user_id):
                await self._delivery.tell(room, event)

    async def _announce(self, context: ConnectionContext, rooms: Iterable[str]) -> EventErrorResponse | None:
        if self._announcer is None:
            return None
        return await self._announcer.announce(context, filter(is_room_name, rooms))

    def _wait_of(self, context: ConnectionContext, kind: str) -> float:
        """Count an event of a user; return 0.0, or how many seconds too early it came."""
        user_id = context.user_id
        per_second = policy.max_messages_per_second(user_id, self._max_messages_per_second)
        who = ("connection", context.connection_id) if user_id is None else ("user", user_id)
        return self._limiter.take(kind, *who, per_second=per_second)

    async def _expel(self, context: ConnectionContext, room: str) -> None:
        """Take a connection out of a room that its user may not be in any more, so that it hears no more either."""
        try:
            await self._service.leave(context.connection_id, room)
        except ServiceUnavailableError as error:
            # The state still has the room, so the next message of the connection comes here again.
            logger.warning("%s (connection %r): %r", error, context.connection_id, error.__cause__)
            return
        keep_rooms(context, [kept for kept in joined_rooms(context) or () if kept != room])

    def _warn_of_missing_rooms(self, context: ConnectionContext) -> None:
        now = self._clock()
        if self._warned is not None and now - self._warned < _REPEAT_WARNING_SECONDS:
            return
        self._warned = now
        logger.warning(
            "Refused a message of connection %r, whose state names no rooms: the event handler of hub %r must send "
            "the system event connect, which puts a connection into its room.",
            context.connection_id,
            context.hub,
        )
