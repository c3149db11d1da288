"""What happens when a client connects, sends a message, or leaves. Edit this file."""

from __future__ import annotations

from chat.delivery import Delivery, sender_error
from chat.incoming import idempotency_key
from chat.messages import Message
from chat.rooms import is_room_name, joined_room
from webpubsub_handler import (
    ConnectedEventRequest,
    ConnectEventRequest,
    ConnectEventResponse,
    DisconnectedEventRequest,
    EventErrorResponse,
    GroupJoinedEventRequest,
    GroupLeftEventRequest,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
)

__all__ = ["may_join", "may_send", "register"]


def may_join(user_id: str | None, room: str) -> bool:
    """Say whether this user may be in this room: asked at negotiate, at connect and for each message."""
    return True


def may_send(message: Message) -> bool:
    """Say whether this message may pass: asked before it is stored, of what is small enough and not empty."""
    return True


def register(handler: WebPubSubEventHandler, delivery: Delivery) -> None:
    """Register the chat's functions for the events of a hub."""

    @handler.on_connect
    async def connect(request: ConnectEventRequest) -> ConnectEventResponse | EventErrorResponse | None:
        rooms = [room for room in request.query.get("room", ()) if room]
        if not rooms:
            return None  # without a room: what it sends and gets is for the whole hub
        if len(rooms) > 1 or not is_room_name(rooms[0]) or not may_join(request.context.user_id, rooms[0]):
            return EventErrorResponse(403, "You may not join this room.")
        request.context.state["room"] = rooms[0]
        return ConnectEventResponse(groups=rooms)

    @handler.on_connected
    async def connected(request: ConnectedEventRequest) -> EventErrorResponse | None:
        return await delivery.announce(request.context, joined_room(request.context))

    @handler.on_disconnected
    async def disconnected(request: DisconnectedEventRequest) -> EventErrorResponse | None:
        return await delivery.announce(request.context, joined_room(request.context))

    @handler.on_group_joined
    async def joined(request: GroupJoinedEventRequest) -> EventErrorResponse | None:
        return await delivery.announce(request.context, request.group)

    @handler.on_group_left
    async def left(request: GroupLeftEventRequest) -> EventErrorResponse | None:
        return await delivery.announce(request.context, request.group)

    @handler.on_user_event("message", "send")
    async def message(request: UserEventRequest) -> UserEventResponse | EventErrorResponse | None:
        room = joined_room(request.context)
        if room is not None and not may_join(request.context.user_id, room):
            return sender_error("not_a_member", "You are not a member of this room.", idempotency_key(request))
        return await delivery.publish(request, room, may_send)

    @handler.on_user_event("typing")
    async def typing(request: UserEventRequest) -> None:
        room = joined_room(request.context)
        if room and may_join(request.context.user_id, room):
            await delivery.tell_typing(request.context, room)
