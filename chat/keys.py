"""The keys of the messages table and the message ids made of them.

A message id is the hex text of *ce-time second · digest of the connection id · ce-id · check*, so ids of one room
sort oldest first. The row key is the same text with every hex digit complemented, so rows sort newest first. The
check ties the id to its partition: a cursor of another room is recognised without a look-up.

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
    "check_cursor",
    "idempotency_row_key",
    "message_id",
    "oldest_row_key",
    "partition_key",
    "row_key",
]

# Messages have row keys of hex digits.
BEHIND_MESSAGES: Final = "g"

_SECONDS_DIGITS: Final = 10
_EVENT_DIGITS: Final = 16
_CHECK_DIGITS: Final = 8
_ID: Final = re.compile(r"[0-9a-f]{50,66}")
_SAFE: Final = re.compile(rb"[^A-Za-z0-9_.-]")
_COMPLEMENT: Final = str.maketrans("0123456789abcdef", "fedcba9876543210")


class InvalidCursorError(ValueError):
    """Raised when a cursor is none of this room's."""


@lru_cache(maxsize=1024)
def partition_key(hub: str, room: str) -> str:
    """Return the partition of a room: one room is one partition.

    Bytes that table keys forbid (and some more) are written ``=XX``; ``|`` stands between hub and room.
    """
    return f"{_escape(hub.lower())}|{_escape(room)}"


def message_id(partition: str, time: datetime, connection_id: str, event_id: str) -> str:
    """Return the id of the message that an event carries; a redelivered event has the same one."""
    seconds = max(0, int(time.timestamp()))
    order = f"{seconds:0{_SECONDS_DIGITS}x}{_digest(connection_id, 16)}{_event_order(event_id)}"
    return order + _check(partition, order)


def row_key(cursor: str) -> str:
    """Return the row key of a message id."""
    return cursor.translate(_COMPLEMENT)


def oldest_row_key(cursor: str, reach_back_seconds: int) -> str:
    """Return a row key just behind every message that is at most so many seconds older than the cursor's."""
    seconds = max(0, int(cursor[:_SECONDS_DIGITS], 16) - reach_back_seconds)
    # A shorter key sorts before the longer ones it begins, so the bound lies one second further on.
    return row_key(f"{seconds:0{_SECONDS_DIGITS}x}") + "g"


def idempotency_row_key(user_id: str | None, key: str) -> str:
    """Return the row key of an idempotency key, which is its user's own: another user's same key is another row."""
    return "sent-" + _digest(f"{user_id or ''}\n{key}", 32)


def check_cursor(partition: str, cursor: str) -> None:
    """Refuse a cursor that is no message id of this partition.

    Raises:
        InvalidCursorError: It is not.
    """
    order, check = cursor[:-_CHECK_DIGITS], cursor[-_CHECK_DIGITS:]
    if not _ID.fullmatch(cursor) or check != _check(partition, order):
        raise InvalidCursorError("the cursor is not one of this room's")


def _escape(text: str) -> str:
    return _SAFE.sub(lambda match: b"=%02X" % match[0][0], text.encode()).decode("ascii")


def _event_order(event_id: str) -> str:
    # The service counts events in decimal. Another sender's ids are kept apart, in no order of their own.
    if event_id.isascii() and event_id.isdigit() and len(event_id) < _EVENT_DIGITS:
        return f"{int(event_id):0{_EVENT_DIGITS}x}"
    return _digest(event_id, 2 * _EVENT_DIGITS)


def _check(partition: str, order: str) -> str:
    return _digest(f"{partition}\n{order}", _CHECK_DIGITS)


def _digest(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:digits]
