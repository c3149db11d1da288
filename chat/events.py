"""What happens when a client connects, sends a message, or leaves. Edit this file."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Final

from chat.keys import message_id, partition_key
from chat.messages import Message, encode_envelope, encode_presence
from chat.rooms import is_room_name
from chat.service import MAX_BROADCAST_BYTES, Service, ServiceUnavailableError
from chat.table_store import StoreUnavailableError, TableStore
from webpubsub_handler import (
    ConnectedEventRequest,
    ConnectEventRequest,
    ConnectEventResponse,
    ConnectionContext,
    DisconnectedEventRequest,
    EventErrorResponse,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
)

__all__ = ["may_join", "register"]

logger = logging.getLogger("chat")

_CONTENT_TYPES: Final = ("text/plain", "application/json", "application/octet-stream")
_UNAVAILABLE: Final = EventErrorResponse(503, "Try again.")


def may_join(user_id: str | None, room: str) -> bool:
    """Say whether this user may be in this room: asked at negotiate, at connect and for each message."""
    return is_room_name(room)


def register(handler: WebPubSubEventHandler, store: TableStore, service: Service, *, max_message_bytes: int) -> None:
    """Register the chat's functions for the events of a hub."""

    @handler.on_connect
    async def connect(request: ConnectEventRequest) -> ConnectEventResponse | EventErrorResponse | None:
        rooms = [room for room in request.query.get("room", ()) if room]
        if not rooms:
            return None
        if len(rooms) > 1 or not may_join(request.context.user_id, rooms[0]):
            return EventErrorResponse(403, "You may not join this room.")
        request.context.state["room"] = rooms[0]
        return ConnectEventResponse(groups=rooms)

    @handler.on_connected
    async def connected(request: ConnectedEventRequest) -> EventErrorResponse | None:
        return await announce(request.context)

    @handler.on_disconnected
    async def disconnected(request: DisconnectedEventRequest) -> EventErrorResponse | None:
        return await announce(request.context)

    @handler.on_user_event("message")
    async def message(request: UserEventRequest) -> UserEventResponse | EventErrorResponse | None:
        context = request.context
        content_type = request.content_type.partition(";")[0].strip().lower()
        if content_type not in _CONTENT_TYPES:
            return _mistake("unsupported_type", "A message is text, JSON or binary.")
        if not request.body:
            return _mistake("empty", "The message is empty.")
        if len(request.body) > max_message_bytes:
            return _mistake("too_large", f"A message has at most {max_message_bytes} bytes.")
        if not _is_member(context):
            return _mistake("not_a_member", "You are not a member of this room.")
        room = _room(context)
        received = Message(
            id=message_id(partition_key(context.hub, room), context.time, context.connection_id, context.event_id),
            time=datetime.now(UTC),
            room=room,
            user_id=context.user_id,
            connection_id=context.connection_id,
            event_id=context.event_id,
            event_name=context.event_name,
            data_type=request.data_type,
            content_type=content_type,
            body=request.body,
        )
        envelope = encode_envelope(received)
        if len(envelope) > MAX_BROADCAST_BYTES:
            return _mistake("too_large", "The message is too large once it is encoded as JSON.")
        try:
            # The row first: what was broadcast is in the history, and a redelivered event finds its own row.
            stored = await store.append(received)
            await service.broadcast(room, envelope if stored is received else encode_envelope(stored))
        except (StoreUnavailableError, ServiceUnavailableError) as error:
            return _unavailable(error, context)
        return None

    async def announce(context: ConnectionContext) -> EventErrorResponse | None:
        room = _room(context)
        if room is None:
            return None
        try:
            presence = encode_presence(context.event_name, context.user_id, room, datetime.now(UTC))
            await service.broadcast(room, presence)
        except ServiceUnavailableError as error:
            return _unavailable(error, context)
        return None


def _room(context: ConnectionContext) -> str | None:
    room = context.state.get("room")
    return room if isinstance(room, str) else None


def _is_member(context: ConnectionContext) -> bool:
    if context.state.is_foreign:
        return False  # somebody else's state may hide a room; to the whole hub it must not go
    room = _room(context)
    # Without a room the message goes to the whole hub.
    return may_join(context.user_id, room) if room is not None else "room" not in context.state


def _mistake(code: str, message: str) -> UserEventResponse:
    # Not an error status: that would close a plain WebSocket client.
    return UserEventResponse({"type": "error", "code": code, "message": message})


def _unavailable(error: Exception, context: ConnectionContext) -> EventErrorResponse:
    logger.error("%s: event %s of %s: %r", error, context.event_id, context.connection_id, error.__cause__)
    return _UNAVAILABLE
