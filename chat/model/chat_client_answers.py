"""What Microsoft's Chat client SDK is answered and told: the shapes of results and notifications.

The source is that of ``chat_client_protocol``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from chat.model.chat_client_protocol import HistoryQuery, Invocation
from chat.model.messages import DeletedMessage, Message, format_time
from chat.model.private_names import PrivateRoom
from webpubsub_handler import DataType

__all__ = [
    "encode_created",
    "encode_deleted",
    "encode_member",
    "encode_revised",
    "encode_room",
    "room_id",
    "unheard_by",
    "write_history",
    "write_profile",
    "write_room",
]


def write_profile(user_id: str, rooms: Sequence[str]) -> Mapping[str, Any]:
    """Return the result of ``chat.login``."""
    ids = [room_id(room) for room in rooms]
    return {"userId": user_id, "roomIds": ids, "conversationIds": ids}


def write_room(room: PrivateRoom, members: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the result of ``chat.getRoom`` and ``chat.createRoom``, with the members where they are given."""
    found: dict[str, Any] = {
        "roomId": room_id(room.name),
        "title": room.title,
        "defaultConversationId": room_id(room.name),
    }
    return found if members is None else found | {"members": list(members)}


def write_history(query: HistoryQuery, messages: Sequence[Message], last: str | None) -> Mapping[str, Any]:
    """Return the result of ``chat.queryMessageHistory``; ``last`` is the cursor for older messages, None at the end."""
    following = {
        "conversation": {"conversationId": room_id(query.room)},
        "start": query.start,
        "end": query.end,
        "before": last,
        "maxCount": query.max_count,
    }
    return {"messages": [_message(message) for message in messages], "nextQuery": None if last is None else following}


def encode_created(message: Message) -> bytes:
    """Write the notification of a message in a private room."""
    return _notification(
        "MessageCreated", {"conversation": _conversation_of(message.room), "message": _message(message)}
    )


def encode_revised(message: Message | DeletedMessage) -> bytes:
    """Write the notification of a message in a private room that was edited or deleted."""
    if isinstance(message, DeletedMessage):
        return encode_deleted(message.room, message.id)
    return _notification(
        "MessageUpdated", {"conversation": _conversation_of(message.room), "message": _message(message)}
    )


def encode_deleted(room: str, message_id: str) -> bytes:
    """Write the notification of a message in a private room that is deleted."""
    return _notification("MessageDeleted", {"conversation": _conversation_of(room), "messageId": message_id})


def encode_room(kind: str, room: PrivateRoom) -> bytes:
    """Write what a user is told about being in a room now, or no longer: ``RoomJoined`` or ``RoomLeft``."""
    body = write_room(room)
    return _notification(kind, body if kind == "RoomJoined" else {name: body[name] for name in ("roomId", "title")})


def encode_member(kind: str, room: PrivateRoom, user_id: str) -> bytes:
    """Write what a room is told of another member: ``RoomMemberJoined`` or ``RoomMemberLeft``."""
    return _notification(kind, {"roomId": room_id(room.name), "title": room.title, "userId": user_id})


def unheard_by(message: Message) -> str | None:
    """Return the connection that does not get a message: the SDK shows what it sent itself."""
    return message.connection_id if message.event_name.lower() == Invocation.SEND_TEXT_MESSAGE.lower() else None


def room_id(room: str) -> str:
    """Return the id that a room has outside: its name without ``@``."""
    return room.removeprefix("@")


def _conversation_of(room: str) -> Mapping[str, str | None]:
    return {"roomId": room_id(room), "conversationId": room_id(room), "topicId": None}


def _message(message: Message) -> dict[str, Any]:
    is_binary = message.data_type is DataType.BINARY
    found: dict[str, Any] = {
        "messageId": message.id,
        "createdAt": format_time(message.time),
        "bodyType": message.content_type,
        "messageBodyType": "Inline",
        "content": {
            "text": None if is_binary else message.body.decode(),
            "binary": base64.b64encode(message.body).decode() if is_binary else None,
        },
        "refMessageId": None,
    }
    return found if message.user_id is None else found | {"createdBy": message.user_id}


def _notification(kind: str, body: Mapping[str, Any]) -> bytes:
    notification = {"notificationType": kind, "body": body}
    return json.dumps(notification, separators=(",", ":"), ensure_ascii=False).encode()
