"""What happens when a client connects, sends a message, or leaves; your own events go here too.

Who may do what is in ``chat/policy.py``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias

from chat import policy
from chat.backends.service import Service, ServiceUnavailableError
from chat.backends.table_store import StoreUnavailableError
from chat.messaging.changes import Changes
from chat.messaging.checks import admits
from chat.messaging.delivery import Delivery
from chat.messaging.joining import Joining
from chat.messaging.presence import Announcer
from chat.messaging.private_rooms import PrivateRooms
from chat.model.answers import rate_limited, sender_error, unavailable
from chat.model.asked_rooms import asked_rooms, keep_asked_rooms
from chat.model.incoming import InvalidMessageError, named_room, subject_of
from chat.model.limits import RateLimiter
from chat.model.private_names import ALL_PRIVATE_ROOMS, is_private
from chat.model.rooms import TOO_MANY_ROOMS, is_room_name, joined_rooms, keep_rooms, rooms_fit
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

_Answer: TypeAlias = UserEventResponse | EventErrorResponse | None
_Store: TypeAlias = Callable[[UserEventRequest, str], Awaitable[_Answer]]
_Refuse: TypeAlias = Callable[[UserEventRequest, str, UserEventResponse], Awaitable[_Answer]]


class ChatEvents:
    """One method for each event.

    Args:
        delivery: Stores messages and tells rooms.
        changes: Edits and deletes messages.
        service: Puts connections into rooms and takes them out.
        announcer: Tells rooms who comes and goes; None if nobody is told.
        private_rooms: The rooms whose names begin with ``@``; None refuses every such name.
        default_room: The room of a connection that names none.
        max_messages_per_second: What the policy is told about how fast a user may send; 0 means no limit.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        delivery: Delivery,
        changes: Changes,
        service: Service,
        announcer: Announcer | None,
        *,
        private_rooms: PrivateRooms | None = None,
        default_room: str,
        max_messages_per_second: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._delivery = delivery
        self._changes = changes
        self._joining = Joining(service, announcer)
        self._announcer = announcer
        self._private_rooms = private_rooms
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
        handler.on_user_event("join")(self.join)
        handler.on_user_event("leave")(self.leave)
        handler.on_user_event("message", "send")(self.message)
        handler.on_user_event("edit")(self.edit)
        handler.on_user_event("delete")(self.delete)
        handler.on_user_event("typing")(self.typing)

    async def connect(self, request: ConnectEventRequest) -> ConnectEventResponse | EventErrorResponse:
        """Let a client in, put it into its rooms, and keep them in the connection state.

        The query of a client's URL is not signed, so its rooms are checked again here. Groups do not outlive a
        connection, so every answer names them all.
        """
        rooms = list(dict.fromkeys(request.query.get("room") or [self._default_room]))
        if not all(is_room_name(room) or room == ALL_PRIVATE_ROOMS for room in rooms):
            return EventErrorResponse(403, "You may not join this room.")
        context, asked = request.context, [room for room in rooms if is_private(room)]
        since = datetime.now(UTC)
        if asked:
            keep_asked_rooms(context, asked, since)
        if not rooms_fit(rooms, context.state):
            return EventErrorResponse(400, TOO_MANY_ROOMS)
        groups: list[str] = []
        for room in rooms:
            try:
                heard = await self._heard(context.user_id, room)
            except StoreUnavailableError as error:
                return unavailable(error, context)
            if heard is None:
                return EventErrorResponse(403, f"You may not join the room {room}.")
            groups += heard
        keep_rooms(context, [room for room in rooms if not is_private(room)])
        return ConnectEventResponse(groups=list(dict.fromkeys(groups)))

    async def connected(self, request: ConnectedEventRequest) -> EventErrorResponse | None:
        """Tell the rooms of a connection that it came.

        Who is in private rooms may have changed since the answer to ``connect`` named them.
        """
        context, asked = request.context, asked_rooms(request.context)
        if self._private_rooms is not None and asked is not None and context.user_id is not None:
            try:
                await self._private_rooms.correct(context.user_id, context.connection_id, asked.names, asked.since)
            except (StoreUnavailableError, ServiceUnavailableError) as error:
                return unavailable(error, context)
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

    async def join(self, request: UserEventRequest) -> UserEventResponse:
        """Put a connection into one more room."""
        wait = self.wait_of(request.context, "join")
        if wait:
            return rate_limited(wait, subject_of(request))
        if joined_rooms(request.context) is None:
            self._warn_of_missing_rooms(request.context)
        return await self._joining.join(request)

    async def leave(self, request: UserEventRequest) -> UserEventResponse:
        """Take a connection out of a room."""
        wait = self.wait_of(request.context, "join")
        return rate_limited(wait, subject_of(request)) if wait else await self._joining.leave(request)

    async def message(self, request: UserEventRequest) -> _Answer:
        """Store a message of a member and broadcast it to the room."""
        return await self._of_member(request, self._delivery.publish, self._delivery.refuse)

    async def send(self, request: UserEventRequest, room: str) -> _Answer:
        """Store a message of a user and broadcast it to a room, if the user may be there."""
        return await self._in_room(request, room, self._delivery.publish, self._delivery.refuse)

    async def edit(self, request: UserEventRequest) -> _Answer:
        """Replace what a message of a member says, and tell the room."""
        return await self._of_member(request, self._changes.edit, self._changes.refuse)

    async def delete(self, request: UserEventRequest) -> _Answer:
        """Delete a message of a member, and tell the room."""
        return await self._of_member(request, self._changes.delete, self._changes.refuse)

    async def typing(self, request: UserEventRequest) -> UserEventResponse | None:
        """Tell the room of a member that the user is writing."""
        room = self._room_of(request)
        if isinstance(room, UserEventResponse):
            return room
        await self._tell(request.context, [room], {"type": "typing", "userId": request.context.user_id})
        return None

    async def tell_rooms(self, context: ConnectionContext, event: Mapping[str, object]) -> None:
        """Tell every room that a connection is in, and may be in, what is not stored.

        It may do so as often as it may send messages; what comes faster is told to nobody.
        """
        await self._tell(context, joined_rooms(context) or (), event)

    async def _of_member(self, request: UserEventRequest, store: _Store, refuse: _Refuse) -> _Answer:
        """Pass on what is to be stored in a room, if it comes from a member and not too fast."""
        room = self._room_of(request)
        if isinstance(room, str):
            return await self._in_room(request, room, store, refuse)
        subject = subject_of(request)
        if "key" not in subject or "room" not in subject:
            return room
        # Its sender may have been in the room when it came first, and only its sender's own row has this key.
        wait = self.wait_of(request.context, "message")
        return rate_limited(wait, subject) if wait else await refuse(request, subject["room"], room)

    async def _in_room(self, request: UserEventRequest, room: str, store: _Store, refuse: _Refuse) -> _Answer:
        context = request.context
        # First, as an expulsion is a call to the service, and a private room one to the store.
        wait = self.wait_of(context, "message")
        if wait:
            return await refuse(request, room, rate_limited(wait, subject_of(request)))
        try:
            heard = await self._heard(context.user_id, room)
        except StoreUnavailableError as error:
            return unavailable(error, context)
        if heard is None:
            if not is_private(room):
                await self._joining.expel(context, room)
            return await refuse(request, room, _not_a_member(request))
        return await store(request, room)

    async def _tell(self, context: ConnectionContext, rooms: Iterable[str], event: Mapping[str, object]) -> None:
        if self.wait_of(context, "tell"):
            return
        for room in rooms:
            if admits(room, context.user_id):
                await self._delivery.tell(room, event)

    async def _announce(self, context: ConnectionContext, rooms: Iterable[str]) -> EventErrorResponse | None:
        if self._announcer is None:
            return None
        # Private rooms are told who is a member, not who is there.
        open_rooms = (room for room in rooms if is_room_name(room) and not is_private(room))
        return await self._announcer.announce(context, context.event_name, open_rooms)

    async def _heard(self, user_id: str | None, room: str) -> Sequence[str] | None:
        """Return the rooms that a name stands for, None if the user may not be there now."""
        if not is_private(room):
            return [room] if admits(room, user_id) else None
        return None if self._private_rooms is None else await self._private_rooms.heard(user_id, room)

    def _room_of(self, request: UserEventRequest) -> str | UserEventResponse:
        """Return the room that an event is for: the one that it names, or the only one of its connection.

        Where there is none, return what its sender is told.
        """
        try:
            room = named_room(request)
        except InvalidMessageError as error:
            return sender_error("invalid_message", str(error), subject_of(request))
        if room is not None and is_private(room):
            return room
        rooms, asked = joined_rooms(request.context), asked_rooms(request.context)
        if rooms is None:
            self._warn_of_missing_rooms(request.context)
            return _not_a_member(request)
        if room is None and asked is not None:
            rooms = (*rooms, *asked.names)
        if not rooms:
            return _not_a_member(request)
        if room is None and (len(rooms) > 1 or rooms[0] == ALL_PRIVATE_ROOMS):
            return sender_error(
                "room_needed", "You are in several rooms: send an event that names its room.", subject_of(request)
            )
        return _not_a_member(request) if room is not None and room not in rooms else room or rooms[0]

    def wait_of(self, context: ConnectionContext, kind: str) -> float:
        """Count an event of a user; return 0.0, or how many seconds too early it came."""
        user_id = context.user_id
        per_second = policy.max_messages_per_second(user_id, self._max_messages_per_second)
        who = ("connection", context.connection_id) if user_id is None else ("user", user_id)
        return self._limiter.take(kind, *who, per_second=per_second)

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


def _not_a_member(request: UserEventRequest) -> UserEventResponse:
    return sender_error("not_a_member", "You are not a member of this room.", subject_of(request))
