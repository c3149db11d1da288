"""The rows of the table ``members``, as they are read and written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any

from chat.model.messages import format_time
from chat.model.private_names import PrivateRoom

__all__ = [
    "Change",
    "Listed",
    "Membership",
    "changes_of",
    "keyed",
    "made_by",
    "own_properties",
    "timestamp",
    "to_room",
]


class Change(Enum):
    """What an event changed: the last change that there was is its own, one before others is, or none is."""

    MADE = auto()
    MADE_BEFORE = auto()
    NOT_MADE = auto()


@dataclass(frozen=True, slots=True)
class Membership:
    """Whether a person is in a private room, and whether that person created it."""

    room: str
    is_member: bool
    is_made: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of a room's list; one that is not sure may be of a change that did not come to its end."""

    user_id: str
    joined: str
    is_sure: bool
    changed: str
    etag: str


def made_by(truth: Mapping[str, Any] | None, event: str) -> Change:
    """Return whether an event changed the truth of a person and a room before."""
    changes = changes_of(truth)
    if event not in changes:
        return Change.NOT_MADE
    return Change.MADE if changes[-1] == event else Change.MADE_BEFORE


def changes_of(truth: Mapping[str, Any] | None) -> list[str]:
    """Return the last events that changed the truth of a person and a room, oldest first."""
    return [] if truth is None else [str(event) for event in json.loads(str(truth.get("changes") or "[]"))]


def to_room(name: str, row: Mapping[str, Any]) -> PrivateRoom:
    """Read the row of a room."""
    text = {field: str(row.get(field, "")) for field in ("title", "creator", "time", "event")}
    return PrivateRoom(name, **text)


def keyed(partition: str, row: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with its keys."""
    return {"PartitionKey": partition, "RowKey": row, **properties}


def own_properties(entity: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row without its keys."""
    return {name: value for name, value in entity.items() if name not in ("PartitionKey", "RowKey")}


def timestamp() -> str:
    """Return the time as rows have it."""
    return format_time(datetime.now(UTC))
