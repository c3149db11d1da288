"""The invocations of Microsoft's Chat client SDK: user events whose answer is the result."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from chat.backends.history import History
from chat.backends.service import ServiceUnavailableError
from chat.backends.table_store import StoreUnavailableError
from chat.messaging.private_rooms import PrivateRooms
from chat.model.asked_rooms import asked_rooms, keep_asked_rooms
from chat.model.chat_client_answers import write_history, write_profile, write_room
from chat.model.chat_client_protocol import (
    ChatError,
    Code,
    Invocation,
    read_history_query,
    read_member_operation,
    read_new_room,
    read_room_query,
    read_text_message,
)
from chat.model.keys import InvalidCursorError, body_digest, event_key
from chat.model.private_names import ALL_PRIVATE_ROOMS
from chat.model.rooms import can_be_member
from webpubsub_handler import ConnectionContext, EventErrorResponse, UserEventRequest, UserEventResponse
from webpubsub_handler import WebPubSubEventHandler as Handler

__all__ = ["ChatClientEvents"]

logger = logging.getLogger("chat")

# Below what the service waits for an answer.
_INVOCATION_SECONDS: Final = 9.0
# A user id has 128 bytes, six times as many where each is escaped.
_MAX_ROOM_BYTES: Final = 128 * 1024
_MAX_SMALL_BYTES: Final = 8 * 1024
_UNAVAILABLE: Final = EventErrorResponse(503, "Try again.")
# What a message is refused with elsewhere, as the SDK reads it.
_CODES: Final = {
    "not_a_member": Code.ROOM_NOT_FOUND,
    "refused": Code.NO_PERMISSION_IN_ROOM,
    "rate_limited": Code.TOO_MANY_REQUESTS,
}

Answer = UserEventResponse | EventErrorResponse | None


class ChatClientEvents:
    """One method for each invocation.

    Args:
        rooms: The private rooms.
        history: What was said.
        send: Stores a message of a user in a room if that may be, and broadcasts it.
        wait_of: Counts an event of a user; returns 0.0, or how many seconds too early it came.
    """

    def __init__(
        self,
        rooms: PrivateRooms,
        history: History,
        *,
        send: Callable[[UserEventRequest, str], Awaitable[Answer]],
        wait_of: Callable[[ConnectionContext, str], float],
    ) -> None:
        self._rooms = rooms
        self._history = history
        self._send = send
        self._wait_of = wait_of

    def register(self, handler: Handler) -> None:
        """Register each method for its event."""
        small = {"max_body_bytes": _MAX_SMALL_BYTES}
        handler.on_user_event(Invocation.LOGIN, **small)(self.login)
        handler.on_user_event(Invocation.CREATE_ROOM, max_body_bytes=_MAX_ROOM_BYTES)(self.create_room)
        handler.on_user_event(Invocation.GET_ROOM, **small)(self.get_room)
        handler.on_user_event(Invocation.MANAGE_ROOM_MEMBER, **small)(self.manage_room_member)
        handler.on_user_event(Invocation.SEND_TEXT_MESSAGE)(self.send_text_message)
        handler.on_user_event(Invocation.QUERY_MESSAGE_HISTORY, **small)(self.query_message_history)

    async def login(self, request: UserEventRequest) -> Answer:
        """Tell a client its rooms, and let its connection hear them all."""
        return await _answered(request, self._login(request))

    async def create_room(self, request: UserEventRequest) -> Answer:
        """Create a room with its first members."""
        return await _answered(request, self._create_room(request))

    async def get_room(self, request: UserEventRequest) -> Answer:
        """Tell a member about a room."""
        return await _answered(request, self._get_room(request))

    async def manage_room_member(self, request: UserEventRequest) -> Answer:
        """Add a member, remove one, or leave."""
        return await _answered(request, self._manage_room_member(request))

    async def query_message_history(self, request: UserEventRequest) -> Answer:
        """Answer a page of a room's messages, newest first."""
        return await _answered(request, self._query_message_history(request))

    async def send_text_message(self, request: UserEventRequest) -> Answer:
        """Store a text and broadcast it to everyone in the room but the connection that sent it."""
        try:
            _user(request)
            room, _ = read_text_message(request)
        except ChatError as error:
            return UserEventResponse(error.result)
        answer = await self._send(request, room)
        if isinstance(answer, UserEventResponse) and answer.data.get("type") == "error":
            code = _CODES.get(answer.data["code"], Code.INVALID_REQUEST)
            return UserEventResponse(ChatError(code, answer.data["message"]).result)
        return answer

    async def _login(self, request: UserEventRequest) -> Mapping[str, Any]:
        user_id, since = _user(request), datetime.now(UTC)
        rooms = await self._rooms.hear(user_id, request.context.connection_id)
        asked = asked_rooms(request.context)
        if asked is None or ALL_PRIVATE_ROOMS not in asked.names:
            keep_asked_rooms(request.context, [ALL_PRIVATE_ROOMS], since)
        return write_profile(user_id, rooms)

    async def _create_room(self, request: UserEventRequest) -> Mapping[str, Any]:
        user_id, wanted, event = _user(request), read_new_room(request), _event(request)
        if self._wait_of(request.context, "message") and not await self._rooms.is_created_by(
            event, wanted.name or f"@{event}"
        ):
            raise _too_fast()
        room = await self._rooms.create(user_id, wanted, event, request.context.connection_id)
        return write_room(room, await self._rooms.members(room))

    async def _get_room(self, request: UserEventRequest) -> Mapping[str, Any]:
        user_id = _user(request)
        name, with_members = read_room_query(request)
        room = await self._rooms.room(user_id, name)
        return write_room(room, await self._rooms.members(room) if with_members else None)

    async def _manage_room_member(self, request: UserEventRequest) -> Mapping[str, Any]:
        user_id, wanted, event = _user(request), read_member_operation(request), _event(request)
        if self._wait_of(request.context, "message") and not await self._rooms.is_done_by(event, wanted):
            raise _too_fast()
        await self._rooms.manage(user_id, wanted, event)
        return {}

    async def _query_message_history(self, request: UserEventRequest) -> Mapping[str, Any]:
        user_id, query = _user(request), read_history_query(request)
        await self._rooms.room(user_id, query.room)
        try:
            messages, last = await self._history.between(
                query.room, limit=query.max_count, start=query.start, end=query.end, before=query.before
            )
        except InvalidCursorError:
            raise ChatError(Code.INVALID_REQUEST, "start and end must be ids of messages in this room.") from None
        return write_history(query, messages, last)


async def _answered(request: UserEventRequest, work: Awaitable[Mapping[str, Any]]) -> Answer:
    """Answer a result, or what was wrong with the invocation; 503 asks the service to deliver it again."""
    try:
        async with asyncio.timeout(_INVOCATION_SECONDS):
            return UserEventResponse(await work)
    except ChatError as error:
        return UserEventResponse(error.result)
    except (StoreUnavailableError, ServiceUnavailableError, TimeoutError) as error:
        context = request.context
        logger.error("%s (event %s of %s): %r", error, context.event_id, context.connection_id, error.__cause__)
        return _UNAVAILABLE


def _user(request: UserEventRequest) -> str:
    user_id = request.context.user_id
    if user_id is None:
        raise ChatError(Code.NO_ANONYMOUS, "Private rooms are for users with a name.")
    if not can_be_member(user_id):
        raise ChatError(Code.INVALID_USER_ID, "Your user id has a character that private rooms do not allow.")
    return user_id


def _event(request: UserEventRequest) -> str:
    context = request.context
    # An MQTT client keeps its connection id when it comes back, and its events may be counted from one again.
    counted = context.physical_connection_id or context.connection_id
    return event_key(counted, context.event_id, context.time, body_digest(request.data_type, request.body))


def _too_fast() -> ChatError:
    return ChatError(Code.TOO_MANY_REQUESTS, "You do this too fast.")
