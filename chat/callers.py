"""Who asks over HTTP, and about which room."""

from __future__ import annotations

from collections.abc import Mapping

from chat.rooms import MAX_NAME_BYTES, is_room_name, is_user_id
from chat.settings import ClientAuth, Settings

__all__ = ["RequestRefusedError", "identify", "requested_room"]

_NOT_SIGNED_IN = "Sign in first."


class RequestRefusedError(Exception):
    """Raised when a client's request is refused; ``status``, ``code`` and ``message`` may be answered to it."""

    def __init__(self, status: int, code: str, message: str, *, log: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.log = log


def identify(settings: Settings, headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
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
        user_id = query.get("userId") or None
    if user_id is not None and not is_user_id(user_id):
        raise RequestRefusedError(
            400, "invalid_user_id", f"A user id has 1 to {MAX_NAME_BYTES} bytes of printable text without %XX."
        )
    return user_id


def requested_room(query: Mapping[str, str], default: str) -> str:
    """Return the room that is asked for, ``default`` where the query names none.

    Raises:
        RequestRefusedError: No room can have this name.
    """
    room = query.get("room", default)
    if not is_room_name(room):
        raise RequestRefusedError(
            400, "invalid_room", f"A room's name has 1 to {MAX_NAME_BYTES} bytes of printable text, and is not . or .."
        )
    return room
