"""What browsers ask over HTTP: where to connect, what was said before, and whether all is well."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Awaitable, Mapping
from typing import Any, Final

from chat.backends.history import REDELIVERY_WINDOW_SECONDS, History
from chat.backends.service import Service, ServiceUnavailableError
from chat.backends.table_store import StoreUnavailableError, TableStore
from chat.callers import (
    Query,
    RequestRefusedError,
    identify,
    parameter,
    read_query,
    requested_room,
    requested_rooms,
)
from chat.health import Health
from chat.messaging.checks import admits
from chat.messaging.outbox import Outbox
from chat.messaging.presence import Presence
from chat.messaging.private_rooms import PrivateRooms
from chat.model.keys import InvalidCursorError
from chat.model.messages import encode_page, format_time
from chat.model.private_names import is_private
from chat.settings import ClientAuth, Settings
from webpubsub_handler import HttpResponse

__all__ = ["ChatApi", "json_response"]

logger = logging.getLogger("chat")

_DEFAULT_LIMIT: Final = 50
_MAX_LIMIT: Final = 200


class ChatApi:
    """Answers ``negotiate``, ``messages``, ``presence`` and ``health``.

    An error is ``{"type":"error","code":…,"message":…}``; one of ours has an ``id`` that the log has, too.
    """

    def __init__(
        self,
        settings: Settings,
        store: TableStore,
        service: Service,
        outbox: Outbox,
        private_rooms: PrivateRooms | None,
    ) -> None:
        self._settings = settings
        self._history = History(store)
        self._service = service
        self._private_rooms = private_rooms
        self._health = Health(store, service, outbox)
        self._presence = Presence(service)

    async def negotiate(self, headers: Mapping[str, str], url: str) -> HttpResponse:
        """Answer ``{"url": …, "userId": …, "room": …, "rooms": […], "expires": …}``: where and as whom to connect.

        ``url`` is the request's, with its query; ``room`` is the first of the rooms.
        """
        return await _guarded(self._negotiate(headers, read_query(url)))

    async def messages(self, headers: Mapping[str, str], url: str) -> HttpResponse:
        """Answer ``{"messages": […], "next": …, "newest": …}``: a page of a room's history, newest first."""
        return await _guarded(self._messages(headers, read_query(url)))

    async def presence(self, headers: Mapping[str, str], url: str) -> HttpResponse:
        """Answer ``{"room": …, "time": …, "connections": [{"connectionId": …, "userId": …}]}``: who is in a room."""
        return await _guarded(self._present(headers, read_query(url)))

    async def health(self) -> HttpResponse:
        """Answer 200 if all is well, otherwise 503 with what is not."""
        state = await self._health.state()
        waiting = state.waiting
        parts: dict[str, Any] = {
            "storage": "ok" if state.is_storage_ok else "unavailable",
            "webpubsub": "ok" if state.is_service_ok else "unavailable",
            "outbox": None if waiting is None else {"waiting": waiting.count, "since": waiting.since},
        }
        can_sign_in = self._settings.client_auth is not ClientAuth.APP_SERVICE or self._settings.is_behind_app_service
        if not can_sign_in:
            # Otherwise the app looks well while every user gets 401.
            parts["sign_in"] = "CLIENT_AUTH is app_service, and App Service authentication is off"
        is_healthy = state.is_ok and can_sign_in
        return json_response(200 if is_healthy else 503, {"status": "ok" if is_healthy else "unhealthy"} | parts)

    async def _negotiate(self, headers: Mapping[str, str], query: Query) -> HttpResponse:
        user_id = identify(self._settings, headers, query)
        rooms = requested_rooms(query, self._settings.default_room)
        for room in rooms:
            await self._admit(user_id, room)
        access = await self._service.client_access(user_id, rooms)
        answer = {"url": access.url, "userId": user_id, "room": rooms[0], "rooms": rooms}
        return json_response(200, answer | {"expires": format_time(access.expires)})

    async def _messages(self, headers: Mapping[str, str], query: Query) -> HttpResponse:
        room = await self._room(headers, query)
        page = await self._history.page(
            room,
            limit=_limit(query),
            before=parameter(query, "before") or None,
            after=parameter(query, "after") or None,
            reach_back_seconds=REDELIVERY_WINDOW_SECONDS if _overlap(query) else 0,
        )
        return _json(200, encode_page(page))

    async def _present(self, headers: Mapping[str, str], query: Query) -> HttpResponse:
        room = await self._room(headers, query)
        present = await self._presence.of(room)
        connections = [{"connectionId": one.connection_id, "userId": one.user_id} for one in present.connections]
        return json_response(200, {"room": room, "time": format_time(present.time), "connections": connections})

    async def _room(self, headers: Mapping[str, str], query: Query) -> str:
        user_id = identify(self._settings, headers, query)
        room = requested_room(query, self._settings.default_room)
        await self._admit(user_id, room)
        return room

    async def _admit(self, user_id: str | None, room: str) -> None:
        """Refuse a user who may not be in a room; a private room that does not exist is refused in the same way."""
        is_in = admits(room, user_id)
        if is_private(room) and self._private_rooms is not None:
            is_in = await self._private_rooms.heard(user_id, room) is not None
        if not is_in:
            raise RequestRefusedError(403, "not_a_member", "You may not join this room.", room=room)


async def _guarded(answer: Awaitable[HttpResponse]) -> HttpResponse:
    """Answer what went wrong on the way to an answer: with 4xx what the client can fix, with 503 what it cannot."""
    try:
        return await answer
    except RequestRefusedError as error:
        return _refusal(error)
    except InvalidCursorError:
        return _refusal(RequestRefusedError(400, "invalid_cursor", "The cursor is not an id of this room."))
    except (StoreUnavailableError, ServiceUnavailableError) as error:
        return _unavailable(error)


def json_response(status: int, document: Any) -> HttpResponse:
    """Make a JSON answer that no cache keeps."""
    return _json(status, json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode())


def _json(status: int, body: bytes) -> HttpResponse:
    return HttpResponse(status, {"Content-Type": "application/json", "Cache-Control": "no-store"}, body)


def _limit(query: Query) -> int:
    text = parameter(query, "limit") or str(_DEFAULT_LIMIT)
    if text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= _MAX_LIMIT:
        return int(text)
    raise RequestRefusedError(400, "invalid_limit", f"limit must be a whole number from 1 to {_MAX_LIMIT}.")


def _overlap(query: Query) -> bool:
    text = (parameter(query, "overlap") or "false").lower()
    if text in ("true", "false"):
        return text == "true"
    raise RequestRefusedError(400, "invalid_overlap", "overlap must be true or false.")


def _refusal(error: RequestRefusedError) -> HttpResponse:
    if error.log:
        logger.warning("Refused a client: %s.", error.log)
    document = {"type": "error", "code": error.code, "message": error.message}
    return json_response(error.status, document if error.room is None else document | {"room": error.room})


def _unavailable(error: Exception) -> HttpResponse:
    error_id = uuid.uuid4().hex[:12]
    logger.error("Error %s: %s: %r", error_id, error, error.__cause__)
    return json_response(503, {"type": "error", "code": "unavailable", "message": "Try again.", "id": error_id})
