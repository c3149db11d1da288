"""The keys of the messages table and the message ids made of them.

A message id is the hex text of *ce-time second · digest of the connection id · ce-id · digest of the body · check*, so
ids of one room sort oldest first. The row key is the same text with every hex digit complemented, so rows sort newest
first. The digest of the body (32 bits) makes another body another message. The check ties the id to its partition: a
cursor of another room is recognized without a look-up. Ids of older versions have no digest of the body; they are
shorter, so that they can be told apart, and they stay valid.

Behind all messages of a room lie the rows that say which message an idempotency key belongs to.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from functools import lru_cache
from typing import Final

__all__ = [
    "BEHIND_MESSAGES",
    "InvalidCursorError",
    "body_digest",
    "body_part",
    "check_cursor",
    "connection_part",
    "event_key",
    "hub_partition",
    "id_in_partition",
    "idempotency_row_key",
    "idempotency_row_keys",
    "is_of_connection",
    "members_partition",
    "message_id",
    "older_than",
    "oldest_row_key",
    "partition_key",
    "partition_range",
    "room_of",
    "row_key",
    "user_of_row",
    "user_partition",
    "user_row_key",
]

# Messages have row keys of hex digits.
BEHIND_MESSAGES: Final = "g"

_SECONDS_DIGITS: Final = 10
_EVENT_DIGITS: Final = 16
_CONNECTION_DIGITS: Final = 16
_BODY_DIGITS: Final = 8
_CHECK_DIGITS: Final = 8
_ID: Final = re.compile(r"[0-9a-f]{50,74}")
# The event's part has 16 digits or, of an id that is not a counter, 32.
_DIGITS_WITHOUT_BODY: Final = (50, 66)
# Up to 15 digits; "01" is another id than "1".
_COUNTED: Final = re.compile(r"0|[1-9][0-9]{0,14}")
_ESCAPED: Final = re.compile(rb"=([0-9A-F]{2})")
_SAFE: Final = re.compile(rb"[^A-Za-z0-9_.-]")
_COMPLEMENT: Final = str.maketrans("0123456789abcdef", "fedcba9876543210")


class InvalidCursorError(ValueError):
    """Raised when a cursor is not an id of this room."""


@lru_cache(maxsize=1024)
def partition_key(hub: str, room: str) -> str:
    """Return the partition of a room: one room is one partition.

    Bytes that table keys forbid (and some more) are written ``=XX``; ``|`` stands between hub and room.
    """
    return f"{_escape(hub.lower())}|{_escape(room)}"


def hub_partition(hub: str) -> str:
    """Return the partition of what belongs to a hub and to no room."""
    return _escape(hub.lower())


def partition_range(hub: str) -> tuple[str, str]:
    """Return the keys between which the partitions of all rooms of a hub lie, both excluded."""
    escaped = hub_partition(hub)
    return f"{escaped}|", f"{escaped}}}"


def room_of(partition: str) -> str:
    """Return the room of a partition.

    Raises:
        ValueError: It is not the partition of a room.
    """
    _, separator, escaped = partition.partition("|")
    if not separator:
        raise ValueError("the partition is not of a room")
    return _unescape(escaped)


def message_id(partition: str, time: datetime, connection_id: str, event_id: str, digest: str) -> str:
    """Return the id of the message that an event carries; a redelivered event has the same one.

    ``digest`` is the ``body_digest`` of what the event carries.
    """
    seconds = max(0, int(time.timestamp()))
    connection = _digest(connection_id, _CONNECTION_DIGITS)
    order = f"{seconds:0{_SECONDS_DIGITS}x}{connection}{_event_order(event_id)}{digest}"
    return order + _check(partition, order)


def body_digest(data_type: str, body: bytes) -> str:
    """Return the 32 bits of a message id that say what the message holds: its data type and its bytes."""
    digest = hashlib.sha256(data_type.encode() + b"\n")
    digest.update(body)
    return digest.hexdigest()[:_BODY_DIGITS]


def body_part(cursor: str) -> str | None:
    """Return the body's digest that a message id holds; None for an id of an older version, which holds none."""
    if len(cursor) in _DIGITS_WITHOUT_BODY:
        return None
    return cursor[-_CHECK_DIGITS - _BODY_DIGITS : -_CHECK_DIGITS]


def connection_part(cursor: str) -> str:
    """Return what all message ids of one connection have in common."""
    return cursor[_SECONDS_DIGITS : _SECONDS_DIGITS + _CONNECTION_DIGITS]


def is_of_connection(cursor: str, connection_id: str) -> bool:
    """Return whether a message id is of this connection: for MQTT, of the physical one."""
    return connection_part(cursor) == _digest(connection_id, _CONNECTION_DIGITS)


def id_in_partition(partition: str, cursor: str) -> str:
    """Return the id that a message has once it is moved into another partition."""
    order = cursor[:-_CHECK_DIGITS]
    return order + _check(partition, order)


def row_key(cursor: str) -> str:
    """Return the row key of a message id."""
    return cursor.translate(_COMPLEMENT)


def oldest_row_key(cursor: str, reach_back_seconds: int) -> str:
    """Return a row key just behind every message that is at most so many seconds older than the cursor's."""
    seconds = max(0, int(cursor[:_SECONDS_DIGITS], 16) - reach_back_seconds)
    # A shorter key sorts before the longer ones it begins, so the bound lies one second further on.
    return row_key(f"{seconds:0{_SECONDS_DIGITS}x}") + "g"


def older_than(time: datetime) -> str:
    """Return a row key just before every message that was sent before this time, and behind every other one."""
    seconds = max(0, int(time.timestamp()))
    return row_key(f"{seconds:0{_SECONDS_DIGITS}x}") + BEHIND_MESSAGES


def idempotency_row_key(user_id: str | None, connection_id: str, key: str) -> str:
    """Return the row key of an idempotency key, which is its user's own: another user's same key is another row.

    The key of a user without a name is its connection's own. No key holds a line feed, so no two texts are the same.
    """
    return "sent-" + _digest(f"{connection_id}\n{key}\n" if user_id is None else f"{user_id}\n{key}", 32)


def idempotency_row_keys(cursor: str, user_id: str | None, connection_id: str, key: str) -> list[str]:
    """Return the row keys that the idempotency key of a stored message may have.

    Older versions had one row for all users without a name.
    """
    found = [idempotency_row_key(user_id, connection_id, key)]
    if user_id is None and body_part(cursor) is None:
        found.append("sent-" + _digest(f"\n{key}", 32))
    return found


def event_key(connection_id: str, event_id: str, time: datetime, digest: str) -> str:
    """Return what names an event: a redelivered one has the same; ``digest`` is the ``body_digest`` of what it carries.

    It has 32 hex digits, so a room may be named so.
    """
    return _digest(f"{connection_id}\n{event_id}\n{int(time.timestamp())}\n{digest}", 32)


def user_partition(hub: str, user_id: str) -> str:
    """Return the partition of the members table that says which private rooms a person is in."""
    return f"user|{partition_key(hub, user_id)}"


def members_partition(hub: str, room: str) -> str:
    """Return the partition of the members table that holds a private room and the list of its members."""
    return f"room|{partition_key(hub, room)}"


def user_row_key(user_id: str) -> str:
    """Return the row key of a person in the list of a room."""
    return f"member-{_escape(user_id)}"


def user_of_row(row: str) -> str:
    """Return the person of a row of a room's list."""
    return _unescape(row.removeprefix("member-"))


def check_cursor(partition: str, cursor: str) -> None:
    """Refuse a cursor that is not a message id of this partition.

    Raises:
        InvalidCursorError: It is not.
    """
    order, check = cursor[:-_CHECK_DIGITS], cursor[-_CHECK_DIGITS:]
    if not _ID.fullmatch(cursor) or check != _check(partition, order):
        raise InvalidCursorError("the cursor is not an id of this room")


def _escape(text: str) -> str:
    return _SAFE.sub(lambda match: b"=%02X" % match[0][0], text.encode()).decode("ascii")


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), text.encode()).decode()


def _event_order(event_id: str) -> str:
    # The service counts events in decimal. Another sender's ids are kept apart, in no order of their own.
    if _COUNTED.fullmatch(event_id):
        return f"{int(event_id):0{_EVENT_DIGITS}x}"
    return _digest(event_id, 2 * _EVENT_DIGITS)


def _check(partition: str, order: str) -> str:
    return _digest(f"{partition}\n{order}", _CHECK_DIGITS)


def _digest(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:digits]
