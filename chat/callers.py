"""The caller of an HTTP route, and the room that it asks about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias
from urllib.parse import parse_qs

from chat.model.private_names import ALL_PRIVATE_ROOMS
from chat.model.rooms import MAX_NAME_BYTES, TOO_MANY_ROOMS, is_room_name, is_user_id, rooms_fit
from chat.settings import ClientAuth, Settings

__all__ = ["Query", "RequestRefusedError", "identify", "parameter", "read_query", "requested_room", "requested_rooms"]

Query: TypeAlias = Mapping[str, Sequence[str]]

_NOT_SIGNED_IN = "Sign in first."


class RequestRefusedError(Exception):
    """Raised when a client's request is refused.

    ``status``, ``code``, ``message`` and ``room`` (of several, the one that is refused) may be answered to it.
    """

    def __init__(
        self, status: int, code: str, message: str, *, room: str | None = None, log: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.room = room
        self.log = log


def read_query(url: str) -> Query:
    """Return the parameters of a URL and the values of each.

    The host's own parameters will not do: it joins repeated ones by a comma, which a value may hold too, and drops
    empty ones. The URL holds the caller's function key: it is in no log and in no answer.
    """
    return parse_qs(url.partition("?")[2].partition("#")[0], keep_blank_values=True)


def parameter(query: Query, name: str) -> str | None:
    """Return the one value of a parameter, None when it is missing.

    Raises:
        RequestRefusedError: It has several.
    """
    values = query.get(name, ())
    if len(values) > 1:
        raise RequestRefusedError(400, "repeated_parameter", f"{name} must not be repeated.")
    return values[0] if values else None


def identify(settings: Settings, headers: Mapping[str, str], query: Query) -> str | None:
    """Return the caller's user id, None for a client without a name.

    With App Service authentication it is the principal's id, which nobody can choose, and never what the query says.

    Raises:
        RequestRefusedError: The caller is nobody, or the id cannot be one.
    """
    if settings.client_auth is ClientAuth.APP_SERVICE:
        user_id = headers.get("X-MS-CLIENT-PRINCIPAL-ID")
        if not settings.is_behind_app_service:
            raise RequestRefusedError(
                401,
                "unauthorized",
                _NOT_SIGNED_IN,
                log="CLIENT_AUTH is app_service, but App Service authentication is off (WEBSITE_AUTH_ENABLED is not "
                "true): turn it on, or set CLIENT_AUTH to anonymous or function_key",
            )
        if not user_id:
            raise RequestRefusedError(401, "unauthorized", _NOT_SIGNED_IN)
    else:
        user_id = parameter(query, "userId") or None
    if user_id is not None and not is_user_id(user_id):
        raise RequestRefusedError(
            400, "invalid_user_id", f"A user id has 1 to {MAX_NAME_BYTES} bytes of printable text without %XX."
        )
    return user_id


def requested_room(query: Query, default: str) -> str:
    """Return the room that is asked for, ``default`` where the query names none.

    Raises:
        RequestRefusedError: No room can have this name, or there are several.
    """
    room = parameter(query, "room")
    return _checked(default if room is None else room)


def requested_rooms(query: Query, default: str) -> Sequence[str]:
    """Return the rooms that are asked for, each once and in their order, ``default`` where the query names none.

    Raises:
        RequestRefusedError: No room can have one of these names, or they are too many.
    """
    rooms = [
        room if room == ALL_PRIVATE_ROOMS else _checked(room) for room in dict.fromkeys(query.get("room") or [default])
    ]
    if not rooms_fit(rooms, {}):
        raise RequestRefusedError(400, "too_many_rooms", TOO_MANY_ROOMS)
    return rooms


def _checked(room: str) -> str:
    if not is_room_name(room):
        raise RequestRefusedError(
            400,
            "invalid_room",
            f"A room's name has 1 to {MAX_NAME_BYTES} bytes of printable text, and is not . or ..; a private room's is "
            "@ and 1 to 64 letters, digits, _ or -.",
        )
    return room
