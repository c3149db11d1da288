"""Messages and their changes as entities of Table Storage, and back; pure."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from chat.model.keys import body_digest, body_part, check_cursor, idempotency_row_key, row_key
from chat.model.messages import Change, ChangeKind, DeletedMessage, Message, format_time
from webpubsub_handler import DataType, parse_json

__all__ = [
    "first_digest",
    "read_entity",
    "read_key_entity",
    "to_change_entity",
    "to_entity",
    "to_key_entity",
    "to_revised_entity",
    "to_row",
]

logger = logging.getLogger("chat")

# Readable in the portal, but XML could not carry them: such text goes into binary properties.
_UNREADABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_MAX_TEXT_UNITS: Final = 32 * 1024
_CHUNK_BYTES: Final = 64 * 1024


def to_entity(partition: str, message: Message) -> dict[str, Any]:
    """Return the row of a message; what is None has no property."""
    entity = _head(partition, message) | {
        "eventId": message.event_id,
        "eventName": message.event_name,
        "dataType": message.data_type.value,
        "contentType": message.content_type,
    }
    if message.edited_at is not None:
        entity["editedAt"] = format_time(message.edited_at)
    return entity | _body_properties(message)


def to_revised_entity(
    partition: str, message: Message | DeletedMessage, stored: Mapping[str, Any], body: bytes
) -> dict[str, Any]:
    """Return the row that takes the place of a stored message, whose first or last body was this.

    A key stands for its first body forever. Where the id is of an older version and holds no digest of it, the row
    keeps that.
    """
    if isinstance(message, Message):
        entity = to_entity(partition, message)
    else:
        entity = _head(partition, message) | {"deletedAt": format_time(message.deleted_at)}
    if body_part(message.id) is None:
        entity["firstDigest"] = first_digest(stored) or body_digest(_text(stored, "dataType"), body)
    return entity


def first_digest(entity: Mapping[str, Any]) -> str | None:
    """Return the digest of a message's first body that its row keeps for an id of an older version."""
    return _optional_text(entity, "firstDigest")


def to_change_entity(partition: str, change: Change) -> dict[str, Any]:
    """Return the row of a change: no text, and nothing of who made it."""
    entity = {
        "PartitionKey": partition,
        "RowKey": row_key(change.id),
        "kind": change.kind.value,
        "messageId": change.message_id,
        "time": format_time(change.time),
    }
    if change.user_id is not None:
        entity["userId"] = change.user_id
    return entity


def to_key_entity(partition: str, message: Message, key: str) -> dict[str, Any]:
    """Return the row that says which message an idempotency key belongs to."""
    return {
        "PartitionKey": partition,
        "RowKey": idempotency_row_key(message.user_id, message.connection_id, key),
        "messageId": message.id,
    }


def to_row(entity: Mapping[str, Any], room: str) -> Message | DeletedMessage | Change:
    """Read a row.

    Raises:
        ValueError: It is not one that was stored here: somebody edited it.
    """
    cursor = row_key(_text(entity, "RowKey"))
    check_cursor(_text(entity, "PartitionKey"), cursor)
    time, user_id = _time(entity, "time"), _optional_text(entity, "userId")
    if "kind" in entity:
        message_id = _text(entity, "messageId")
        check_cursor(_text(entity, "PartitionKey"), message_id)
        return Change(cursor, room, ChangeKind(_text(entity, "kind")), message_id, time, user_id)
    connection_id, key = _text(entity, "connectionId"), _optional_text(entity, "key")
    if "deletedAt" in entity:
        return DeletedMessage(cursor, time, room, user_id, connection_id, key, _time(entity, "deletedAt"))
    data_type = DataType(_text(entity, "dataType"))
    body = _body(entity)
    if data_type is DataType.TEXT:
        body.decode()
    elif data_type is DataType.JSON:
        # It stands in the answer as it is: what is not JSON would break the whole page.
        parse_json(body)
    return Message(
        id=cursor,
        time=time,
        room=room,
        user_id=user_id,
        connection_id=connection_id,
        event_id=_text(entity, "eventId"),
        event_name=_text(entity, "eventName"),
        data_type=data_type,
        content_type=_text(entity, "contentType"),
        body=body,
        key=key,
        edited_at=_time(entity, "editedAt") if "editedAt" in entity else None,
    )


def read_entity(entity: Mapping[str, Any], room: str) -> Message | DeletedMessage | Change | None:
    """Read a row, None for one that somebody edited by hand: the log says which one, without what is in it."""
    try:
        return to_row(entity, room)
    except (ValueError, OverflowError) as error:
        logger.warning(
            "Skipped a row of the messages table that is not as it was stored (PartitionKey %r, RowKey %r): %s.",
            entity.get("PartitionKey"),
            entity.get("RowKey"),
            type(error).__name__,
        )
        return None


def read_key_entity(entity: Mapping[str, Any]) -> str | None:
    """Return which message an idempotency key belongs to, None for a row that somebody edited by hand."""
    try:
        cursor = _text(entity, "messageId")
        check_cursor(_text(entity, "PartitionKey"), cursor)
    except ValueError:
        logger.warning(
            "The row of a key does not name a message (PartitionKey %r, RowKey %r).",
            entity.get("PartitionKey"),
            entity.get("RowKey"),
        )
        return None
    return cursor


def _head(partition: str, message: Message | DeletedMessage) -> dict[str, Any]:
    entity = {
        "PartitionKey": partition,
        "RowKey": row_key(message.id),
        "connectionId": message.connection_id,
        "time": format_time(message.time),
    }
    if message.user_id is not None:
        entity["userId"] = message.user_id
    if message.key is not None:
        entity["key"] = message.key
    return entity


def _time(entity: Mapping[str, Any], name: str) -> datetime:
    return datetime.fromisoformat(_text(entity, name)).astimezone(UTC)


def _text(entity: Mapping[str, Any], name: str) -> str:
    if isinstance(value := entity.get(name), str):
        return value
    raise ValueError(f"{name} is not a text")


def _optional_text(entity: Mapping[str, Any], name: str) -> str | None:
    return None if entity.get(name) is None else _text(entity, name)


def _body(entity: Mapping[str, Any]) -> bytes:
    text = entity.get("text")
    if text is not None:
        return _text(entity, "text").encode()
    chunks: list[bytes] = []
    while (chunk := entity.get(f"data{len(chunks)}")) is not None:
        chunks.append(chunk)
    if chunks and all(isinstance(chunk, bytes) for chunk in chunks):
        return b"".join(chunks)
    raise ValueError("there is no body")


def _body_properties(message: Message) -> dict[str, Any]:
    if message.data_type is not DataType.BINARY:
        text = message.body.decode()
        if _fits_one_property(text) and not _UNREADABLE.search(text):
            return {"text": text}
    chunks = range(0, len(message.body), _CHUNK_BYTES)
    return {f"data{number}": message.body[start : start + _CHUNK_BYTES] for number, start in enumerate(chunks)}


def _fits_one_property(text: str) -> bool:
    return len(text) <= _MAX_TEXT_UNITS // 2 or len(text.encode("utf-16-le")) // 2 <= _MAX_TEXT_UNITS
