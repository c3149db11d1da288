"""Rooms and user ids: which names can exist, and which room a connection is in."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from webpubsub_handler import ConnectionContext, decode_text

__all__ = ["MAX_NAME_BYTES", "is_room_name", "is_user_id", "joined_room"]

# A room's name is part of a table key (1,024 characters, three for an escaped byte) and a group's name.
MAX_NAME_BYTES: Final = 128
_PERCENT_ENCODED: Final = re.compile(r"%[0-9A-Fa-f]{2}")


def is_room_name(name: str) -> bool:
    """Return whether a room may have this name: 1 to 128 bytes of UTF-8, no control characters, not only white space.

    ``.`` and ``..`` are none: in the URL of a broadcast they are steps, and ``groups/../:send`` is the whole hub.
    """
    return _is_name(name) and name not in (".", "..")


def is_user_id(user_id: str) -> bool:
    """Return whether a user may have this id: as a room's name, and nothing in it looks encoded.

    An id with ``%41`` in it, or with UTF-8 read as Latin-1, would be another user's id once decoded, and whether the
    service encodes is not known.
    """
    return _is_name(user_id) and not _PERCENT_ENCODED.search(user_id) and decode_text(user_id) == user_id


def joined_room(context: ConnectionContext) -> str | None:
    """Return the room that a connection joined, None when it is in none, "" (no room's name) when that is unknown.

    A state that somebody else wrote may hide a room: its messages must not go to the whole hub.
    """
    if context.state.is_foreign:
        return ""
    room = context.state.get("room")
    return room if isinstance(room, str | None) else ""


def _is_name(name: str) -> bool:
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return False
    printable = not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name)
    return 0 < size <= MAX_NAME_BYTES and printable and name.strip() == name
