"""What a client sent, read as a message.

A ``message`` event is the message itself: any client can send one. A ``send`` event is JSON around it::

    {"key": "3f0c…", "room": "lobby", "dataType": "text|json|binary", "data": "…"}

``key`` is an idempotency key that the client chose: however often it sends the message, over whatever connection, it is
stored once. ``data`` is always a string: the text, the text of the JSON, or base64. ``room`` may be omitted if the
connection is in one room only.

An ``edit`` event is ``{"id": …, "room": …, "dataType": …, "data": …}``, a ``delete`` event ``{"id": …, "room": …}``:
``id`` is the message that is changed.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chat.model.chat_client_protocol import ChatError, Invocation, read_text_message
from chat.model.rooms import is_room_name
from webpubsub_handler import DataType, InvalidDataError, UserEventRequest, parse_json

__all__ = [
    "Incoming",
    "InvalidMessageError",
    "fields_of",
    "named_room",
    "read_edit",
    "read_incoming",
    "read_message_id",
    "subject_of",
]

_MESSAGE: Final = "message"
_SEND: Final = "send"
_CHANGES: Final = ("edit", "delete")
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MESSAGE_ID: Final = re.compile(r"[0-9a-f]{1,74}")
_CONTENT_TYPES: Final = {
    DataType.TEXT: "text/plain",
    DataType.JSON: "application/json",
    DataType.BINARY: "application/octet-stream",
}
_WRONG_DATA: Final = {
    DataType.TEXT: "The text has half of a surrogate pair.",
    DataType.JSON: "This is not JSON, or it has a number too large or brackets too deep for some readers.",
    DataType.BINARY: "The data is not base64.",
}


class InvalidMessageError(ValueError):
    """Raised when the data of an event is not valid; the text says what is wrong."""

    code: Final = "invalid_message"


@dataclass(frozen=True, slots=True)
class Incoming:
    """The content of a message; ``content_type`` is a MIME type without parameters, in lower case."""

    data_type: DataType
    content_type: str
    body: bytes
    key: str | None


def read_incoming(request: UserEventRequest) -> Incoming:
    """Read what a client sent.

    Raises:
        InvalidMessageError: It is not a message.
    """
    data = _data(request)
    if request.context.event_name.lower() == Invocation.SEND_TEXT_MESSAGE.lower():
        return _read_text_message(request, data)
    if not _is_send(request):
        content_type = request.content_type.partition(";")[0].strip().lower()
        return Incoming(request.data_type, content_type, request.body, None)
    key = _key(data)
    if key is None:
        raise InvalidMessageError("A send event must be JSON with a key of 1 to 64 letters, digits, _ or -.")
    return _content(data, key)


def read_edit(request: UserEventRequest) -> Incoming:
    """Read the new content of an ``edit`` event.

    Raises:
        InvalidMessageError: It is not a message.
    """
    return _content(fields_of(request), None)


def read_message_id(request: UserEventRequest) -> str:
    """Return the id of the message that an event is about; the message may not exist.

    Raises:
        InvalidMessageError: It names none.
    """
    message_id = fields_of(request).get("id")
    if not isinstance(message_id, str):
        raise InvalidMessageError("An edit or delete event must be JSON with the id of a message.")
    return message_id


def _read_text_message(request: UserEventRequest, data: Any) -> Incoming:
    try:
        _, text = read_text_message(request)
        body = text.encode()
    except ChatError as error:
        raise InvalidMessageError(str(error)) from None
    except UnicodeEncodeError:
        raise InvalidMessageError(_WRONG_DATA[DataType.TEXT]) from None
    key = _key(data)
    if key is None and data.get("key") is not None:
        raise InvalidMessageError("A key must have 1 to 64 letters, digits, _ or -.")
    return Incoming(DataType.TEXT, _CONTENT_TYPES[DataType.TEXT], body, key)


def fields_of(request: UserEventRequest) -> Mapping[str, Any]:
    """Return the fields of an event that is a JSON object; other events, and ``message``, have none."""
    if request.context.event_name.lower() == _MESSAGE:
        return {}
    try:
        fields: Any = request.data
    except InvalidDataError:
        return {}
    return fields if isinstance(fields, dict) else {}


def named_room(request: UserEventRequest) -> str | None:
    """Return the room that an event names, or None if it names none.

    Raises:
        InvalidMessageError: No room can have this name.
    """
    room = fields_of(request).get("room")
    if room is not None and not (isinstance(room, str) and is_room_name(room)):
        raise InvalidMessageError("room must be the name of a room.")
    return room


def subject_of(request: UserEventRequest) -> Mapping[str, str]:
    """Return the fields that say which event an answer is about: ``key``, ``id`` and ``room``, if it has them."""
    fields, subject = fields_of(request), {}
    key, message_id, room = _key(fields) if _is_send(request) else None, fields.get("id"), fields.get("room")
    if key is not None:
        subject["key"] = key
    if _is_change(request) and isinstance(message_id, str) and _MESSAGE_ID.fullmatch(message_id):
        subject["id"] = message_id
    if isinstance(room, str) and is_room_name(room):
        subject["room"] = room
    return subject


def _key(fields: Any) -> str | None:
    key = fields.get("key") if isinstance(fields, dict) else None
    return key if isinstance(key, str) and _KEY.fullmatch(key) else None


def _data(request: UserEventRequest) -> Any:
    try:
        return request.data
    except InvalidDataError as error:
        raise InvalidMessageError(str(error)) from None


def _is_send(request: UserEventRequest) -> bool:
    return request.context.event_name.lower() == _SEND


def _is_change(request: UserEventRequest) -> bool:
    return request.context.event_name.lower() in _CHANGES


def _content(fields: Mapping[str, Any], key: str | None) -> Incoming:
    kind, data = fields.get("dataType"), fields.get("data")
    if kind not in tuple(_CONTENT_TYPES) or not isinstance(data, str):
        raise InvalidMessageError(
            "dataType must be text, json or binary, and data must be a string: text, JSON or base64."
        )
    data_type = DataType(kind)
    return Incoming(data_type, _CONTENT_TYPES[data_type], _body(data_type, data), key)


def _body(data_type: DataType, data: str) -> bytes:
    try:
        if data_type is DataType.BINARY:
            return base64.b64decode(data, validate=True)
        body = data.encode()
        if data_type is DataType.JSON and body:
            parse_json(body)
    except (ValueError, binascii.Error):
        raise InvalidMessageError(_WRONG_DATA[data_type]) from None
    return body
