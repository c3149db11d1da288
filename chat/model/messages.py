"""A message, what becomes of it, the JSON envelopes of both, and a page of history."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from webpubsub_handler import DataType

__all__ = [
    "Announcement",
    "Broadcastable",
    "Change",
    "ChangeKind",
    "DeletedMessage",
    "Message",
    "Page",
    "change_time",
    "encode_change",
    "encode_deletion",
    "encode_envelope",
    "encode_page",
    "encode_presence",
    "encode_told",
    "format_time",
]


# json.dumps would make one for each message.
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


class Broadcastable(Protocol):
    """A row that a room must be told of; its id sorts it among those of its connection."""

    @property
    def id(self) -> str:
        """Return the id that its row key is made of."""

    @property
    def room(self) -> str:
        """Return the room."""


class ChangeKind(StrEnum):
    """What was done to a message; the ``type`` of the envelope that tells of it."""

    EDITED = "edited"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Message:
    """A message as stored: ``time`` is when it was first received (UTC); ``body`` is what the client sent.

    ``key`` is the idempotency key that its sender gave it, None without one. ``edited_at`` is when its data was last
    replaced (UTC), None if never.
    """

    id: str
    time: datetime
    room: str
    user_id: str | None
    connection_id: str
    event_id: str
    event_name: str
    data_type: DataType
    content_type: str
    body: bytes
    key: str | None = None
    edited_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeletedMessage:
    """What is left of a message that was deleted: nothing of what it said."""

    id: str
    time: datetime
    room: str
    user_id: str | None
    connection_id: str
    key: str | None
    deleted_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """A row that says that a message was changed, without what it says now.

    Args:
        id: Of the event that changed it, made as a message id is.
        room: Where.
        kind: What was done.
        message_id: The message that was changed.
        time: When (UTC).
        user_id: The author of that message, so that both are erased together; not who changed it.
    """

    id: str
    room: str
    kind: ChangeKind
    message_id: str
    time: datetime
    user_id: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Envelopes of one room's messages and changes, newest first.

    ``next`` is the cursor for older ones, None at the end. ``newest`` is the cursor for what comes later, None for an
    empty page; it can be the id of a change.
    """

    envelopes: Sequence[bytes]
    next: str | None
    newest: str | None


@dataclass(frozen=True, slots=True)
class Announcement:
    """What happened to a connection: ``event`` is connected, disconnected, joined or left; ``time`` is when (UTC)."""

    event: str
    user_id: str | None
    connection_id: str
    time: datetime


def encode_envelope(message: Message) -> bytes:
    """Write the JSON that clients get, live and in history alike.

    JSON data stands in it as the client wrote it, so no number loses digits on the way.
    """
    head = {
        "type": "message",
        "id": message.id,
        "time": format_time(message.time),
        "from": message.user_id,
        "room": message.room,
        "event": message.event_name,
        "dataType": message.data_type,
    }
    if message.key is not None:
        head["key"] = message.key
    if message.edited_at is not None:
        head["editedAt"] = format_time(message.edited_at)
    return b'%s,"data":%s}' % (_json(head)[:-1], _data(message))


def encode_change(message: Message | DeletedMessage) -> bytes:
    """Write the JSON that tells what a message was changed to; of two, the one with the later time is true."""
    if isinstance(message, DeletedMessage):
        return encode_deletion(message.id, message.room, message.deleted_at)
    time = format_time(message.edited_at or message.time)
    head = {"type": ChangeKind.EDITED, "id": message.id, "room": message.room, "time": time}
    return b'%s,"data":%s}' % (_json({**head, "dataType": message.data_type})[:-1], _data(message))


def encode_deletion(message_id: str, room: str, time: datetime) -> bytes:
    """Write the JSON that tells that a message is deleted, and since when."""
    return _json({"type": ChangeKind.DELETED, "id": message_id, "room": room, "time": format_time(time)})


def change_time(message: Message, now: datetime) -> datetime:
    """Return when a change of this message is made: now, and later than the last one, whatever the clock says.

    So the changes of a message have an order that everybody sees, also where they come from several processes.
    """
    last = message.edited_at or message.time
    return max(now, last + timedelta(milliseconds=1))


def encode_presence(room: str, announcements: Sequence[Announcement]) -> bytes:
    """Write the JSON that tells a room which connections came and went, in this order; a user may have several."""
    events = [
        {
            "event": one.event,
            "userId": one.user_id,
            "connectionId": one.connection_id,
            "time": format_time(one.time),
        }
        for one in announcements
    ]
    return _json({"type": "presence", "room": room, "events": events})


def encode_told(event: Mapping[str, object], room: str) -> bytes:
    """Write the JSON that tells a room what is not stored."""
    return _json({**event, "room": room})


def encode_page(page: Page) -> bytes:
    """Write the JSON answer to a request for history."""
    ends = _json(page.next), _json(page.newest)
    return b'{"messages":[%s],"next":%s,"newest":%s}' % (b",".join(page.envelopes), *ends)


def format_time(time: datetime) -> str:
    """Write a time as ISO 8601 UTC with milliseconds."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _data(message: Message) -> bytes:
    if message.data_type is DataType.JSON:
        return message.body
    if message.data_type is DataType.TEXT:
        return _json(message.body.decode())
    return b'"%s"' % base64.b64encode(message.body)


def _json(value: object) -> bytes:
    return _ENCODER.encode(value).encode()
