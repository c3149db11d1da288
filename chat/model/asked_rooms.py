"""The private rooms that a connection asked for, as its state keeps them.

Who is a member is not there: others change it. It is what the connection named, ``@`` for all rooms of its user, and
when it was read which groups that means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from chat.model.messages import format_time
from chat.model.private_names import ALL_PRIVATE_ROOMS, is_private_room_name
from webpubsub_handler import ConnectionContext

__all__ = ["AskedRooms", "asked_rooms", "keep_asked_rooms"]

_STATE: Final = "private"


@dataclass(frozen=True, slots=True)
class AskedRooms:
    """What a connection asked for, and when (UTC) it was read who is a member."""

    names: Sequence[str]
    since: datetime


def asked_rooms(context: ConnectionContext) -> AskedRooms | None:
    """Return the private rooms that a connection asked for; None without any, or if somebody else wrote the state."""
    kept = context.state.get(_STATE)
    if not isinstance(kept, dict):
        return None
    names, since = kept.get("rooms"), kept.get("since")
    if not isinstance(names, list) or not all(isinstance(name, str) and _can_be_asked(name) for name in names):
        return None
    try:
        return AskedRooms(names, datetime.fromisoformat(str(since)).astimezone(UTC))
    except ValueError:
        return None


def keep_asked_rooms(context: ConnectionContext, names: Sequence[str], since: datetime) -> None:
    """Keep what a connection asked for; the answer to a blocking event carries it."""
    context.state[_STATE] = {"rooms": list(names), "since": format_time(since)}


def _can_be_asked(name: str) -> bool:
    return name == ALL_PRIVATE_ROOMS or is_private_room_name(name)
