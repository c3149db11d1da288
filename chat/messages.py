"""A message, its JSON envelope, and a page of history."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from webpubsub_handler import DataType

__all__ = [
    "Announcement",
    "Message",
    "Page",
    "encode_envelope",
    "encode_page",
    "encode_presence",
    "encode_told",
    "format_time",
]


# json.dumps would make one for each message.
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Message:
    """A message as stored: ``time`` is when it was first received (UTC); ``body`` is what the client sent.

    ``key`` is the idempotency key that its sender gave it, None without one.
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


@dataclass(frozen=True, slots=True)
class Page:
    """Envelopes of one room's messages, newest first; ``next`` is the cursor for older ones, None at the end."""

    envelopes: Sequence[bytes]
    next: str | None


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
    return b'%s,"data":%s}' % (_json(head)[:-1], _data(message))


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
    return b'{"messages":[%s],"next":%s}' % (b",".join(page.envelopes), _json(page.next))


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
