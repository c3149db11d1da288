"""Rooms and user ids: which names can exist, and which rooms a connection is in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeGuard

from chat.model.private_names import is_private, is_private_room_name, is_private_user_id
from webpubsub_handler import ConnectionContext, ConnectionState, ConnectionStateError, decode_text

__all__ = [
    "MAX_NAME_BYTES",
    "MAX_ROOMS",
    "MAX_TITLE_BYTES",
    "TOO_MANY_ROOMS",
    "can_be_member",
    "is_room_name",
    "is_title",
    "is_user_id",
    "joined_rooms",
    "keep_rooms",
    "rooms_fit",
]

# A room's name is part of a table key (1,024 characters, three for an escaped byte) and a group's name.
MAX_NAME_BYTES: Final = 128
MAX_TITLE_BYTES: Final = 256
# Of one connection; each is a broadcast when it comes and when it goes.
MAX_ROOMS: Final = 20
TOO_MANY_ROOMS: Final = f"A connection is in at most {MAX_ROOMS} rooms, and in fewer if their names are long."
_PERCENT_ENCODED: Final = re.compile(r"%[0-9A-Fa-f]{2}")


def is_room_name(name: str) -> bool:
    """Return whether a room may have this name: 1 to 128 bytes of UTF-8, no control characters, not only white space.

    ``.`` and ``..`` are refused: in the URL of a broadcast they are steps, and ``groups/../:send`` is the whole hub.
    A name that begins with ``@`` is that of a private room, or of none.
    """
    return is_private_room_name(name) if is_private(name) else _is_name(name) and name not in (".", "..")


def is_user_id(user_id: str) -> bool:
    """Return whether a user may have this id: as a room's name, and nothing in it looks encoded.

    An id with ``%41`` in it, or with UTF-8 read as Latin-1, would be another user's id once decoded, and whether the
    service encodes is not known.
    """
    return _is_name(user_id) and not _PERCENT_ENCODED.search(user_id) and decode_text(user_id) == user_id


def is_title(title: str) -> bool:
    """Return whether a private room may have this title: 1 to 256 bytes of printable text."""
    return _is_name(title, MAX_TITLE_BYTES)


def can_be_member(user_id: str | None) -> TypeGuard[str]:
    """Return whether a user may be in private rooms at all: one with a name that can be part of a path."""
    return user_id is not None and is_user_id(user_id) and is_private_user_id(user_id)


def joined_rooms(context: ConnectionContext) -> tuple[str, ...] | None:
    """Return the rooms that a connection is in; None when nothing says so.

    That is the case where no ``connect`` event came before, or where somebody else wrote the connection state: such a
    connection is in no room. Older versions kept one room, as ``room``.
    """
    rooms = context.state.get("rooms")
    if rooms is None and "room" in context.state:
        rooms = [context.state["room"]]
    if not isinstance(rooms, list) or not all(isinstance(room, str) and is_room_name(room) for room in rooms):
        return None
    return tuple(rooms)


def rooms_fit(rooms: Sequence[str], state: Mapping[str, Any]) -> bool:
    """Return whether a connection can be in so many rooms at once, and whether their names fit its state."""
    if len(rooms) > MAX_ROOMS:
        return False
    kept = ConnectionState()
    kept.update({**state, "rooms": list(rooms)})
    try:
        kept.encode()
    except ConnectionStateError:
        return False
    return True


def keep_rooms(context: ConnectionContext, rooms: Sequence[str]) -> None:
    """Keep in the connection state which rooms a connection is in; the answer to a blocking event carries it."""
    context.state.pop("room", None)
    context.state["rooms"] = list(rooms)


def _is_name(name: str, max_bytes: int = MAX_NAME_BYTES) -> bool:
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return False
    printable = not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name)
    return 0 < size <= max_bytes and printable and name.strip() == name
