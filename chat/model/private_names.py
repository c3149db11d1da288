"""Private rooms, recognized by their names; their members need user ids that REST paths can carry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["ALL_PRIVATE_ROOMS", "PrivateRoom", "is_private", "is_private_room_name", "is_private_user_id"]

# In a list of rooms: all private rooms of the user.
ALL_PRIVATE_ROOMS: Final = "@"

_PRIVATE_ROOM: Final = re.compile(r"@[A-Za-z0-9_-]{1,64}")
# They would change the path of a REST call, and the managed Chat forbids them, too.
_FORBIDDEN_IN_USER_IDS: Final = frozenset("/\\#?:;")


@dataclass(frozen=True, slots=True)
class PrivateRoom:
    """A private room; ``name`` begins with ``@``; ``time`` is when ``event`` made it (ISO 8601 UTC)."""

    name: str
    title: str
    creator: str
    time: str
    event: str


def is_private(name: str) -> bool:
    """Return whether a name is reserved for private rooms, even if no room can have it."""
    return name.startswith("@")


def is_private_room_name(name: str) -> bool:
    """Return whether a private room may have this name: ``@``, then 1 to 64 letters, digits, ``_`` or ``-``."""
    return _PRIVATE_ROOM.fullmatch(name) is not None


def is_private_user_id(user_id: str) -> bool:
    """Return whether a person with this user id may be in private rooms; it is one that a user may have."""
    return user_id not in (".", "..") and not _FORBIDDEN_IN_USER_IDS & set(user_id)
