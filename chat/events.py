"""What happens when a client connects, sends a message, or leaves. Edit this file."""

from __future__ import annotations

from chat.delivery import Delivery, sender_error
from chat.rooms import is_room_name, joined_room
from webpubsub_handler import (
    ConnectedEventRequest,
    ConnectEventRequest,
    ConnectEventResponse,
    DisconnectedEventRequest,
    EventErrorResponse,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
)

__all__ = ["may_join", "register"]


def may_join(user_id: str | None, room: str) -> bool:
    """Say whether this user may be in this room: asked at negotiate, at connect and for each message."""
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
        return await delivery.announce(request.context)

    @handler.on_disconnected
    async def disconnected(request: DisconnectedEventRequest) -> EventErrorResponse | None:
        return await delivery.announce(request.context)

    @handler.on_user_event("message")
    async def message(request: UserEventRequest) -> UserEventResponse | EventErrorResponse | None:
        room = joined_room(request.context)
        if room is not None and not may_join(request.context.user_id, room):
            return sender_error("not_a_member", "You are not a member of this room.")
        return await delivery.publish(request, room)
