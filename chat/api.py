"""What browsers ask over HTTP: where to connect, what was said before, and whether all is well."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any, Final

from chat.events import may_join
from chat.keys import InvalidCursorError
from chat.messages import encode_page, format_time
from chat.negotiate import RequestRefusedError, identify, requested_room
from chat.presence import Presence
from chat.service import Service, ServiceUnavailableError
from chat.settings import ClientAuth, Settings
from chat.table_store import StoreUnavailableError, TableStore
from webpubsub_handler import HttpResponse

__all__ = ["ChatApi", "json_response"]

logger = logging.getLogger("chat")

_DEFAULT_LIMIT: Final = 50
_MAX_LIMIT: Final = 200


class ChatApi:
    """Answers ``negotiate``, ``messages``, ``presence`` and ``health``.

    An error is ``{"type":"error","code":…,"message":…}``.
    """

    def __init__(self, settings: Settings, store: TableStore, service: Service) -> None:
        self._settings = settings
        self._store = store
        self._service = service
        self._presence = Presence(service)

    async def negotiate(self, headers: Mapping[str, str], query: Mapping[str, str]) -> HttpResponse:
        """Answer ``{"url": …, "userId": …, "room": …, "expires": …}``: where and as whom to connect."""
        try:
            user_id, room = self._admit(headers, query)
            access = await self._service.client_access(user_id, room)
        except RequestRefusedError as error:
            return _refusal(error)
        except ServiceUnavailableError as error:
            return _unavailable(error)
        return json_response(
            200, {"url": access.url, "userId": user_id, "room": room, "expires": format_time(access.expires)}
        )

    async def messages(self, headers: Mapping[str, str], query: Mapping[str, str]) -> HttpResponse:
        """Answer ``{"messages": […], "next": …}``: a page of a room's history, newest first."""
        try:
            _, room = self._admit(headers, query)
            page = await self._store.history(
                room, limit=_limit(query), before=query.get("before") or None, after=query.get("after") or None
            )
        except RequestRefusedError as error:
            return _refusal(error)
        except InvalidCursorError:
            return _refusal(RequestRefusedError(400, "invalid_cursor", "The cursor is not one of this room's."))
        except StoreUnavailableError as error:
            return _unavailable(error)
        return _json(200, encode_page(page))

    async def presence(self, headers: Mapping[str, str], query: Mapping[str, str]) -> HttpResponse:
        """Answer ``{"room": …, "time": …, "connections": [{"connectionId": …, "userId": …}]}``: who is in a room."""
        try:
            _, room = self._admit(headers, query)
            if room is None:
                raise RequestRefusedError(400, "invalid_room", "Name the room whose presence you want.")
            present = await self._presence.of(room)
        except RequestRefusedError as error:
            return _refusal(error)
        except ServiceUnavailableError as error:
            return _unavailable(error)
        connections = [{"connectionId": one.connection_id, "userId": one.user_id} for one in present.connections]
        return json_response(200, {"room": room, "time": format_time(present.time), "connections": connections})

    async def health(self) -> HttpResponse:
        """Answer 200 when both back ends do, else 503 with the one that does not."""
        store, service = await asyncio.gather(
            _state(self._store.check(), StoreUnavailableError), _state(self._service.check(), ServiceUnavailableError)
        )
        parts = {"storage": store, "webpubsub": service}
        if self._settings.client_auth is ClientAuth.APP_SERVICE and not self._settings.is_behind_app_service:
            # Otherwise the app looks well while every user gets 401.
            parts["sign_in"] = "CLIENT_AUTH is app_service, and App Service authentication is off"
        healthy = all(state == "ok" for state in parts.values())
        return json_response(200 if healthy else 503, {"status": "ok" if healthy else "unhealthy"} | parts)

    def _admit(self, headers: Mapping[str, str], query: Mapping[str, str]) -> tuple[str | None, str | None]:
        user_id = identify(self._settings, headers, query)
        room = requested_room(query)
        if room is not None and not may_join(user_id, room):
            raise RequestRefusedError(403, "not_a_member", "You may not join this room.")
        return user_id, room


def json_response(status: int, document: Any) -> HttpResponse:
    """Make a JSON answer that no cache keeps."""
    return _json(status, json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode())


def _json(status: int, body: bytes) -> HttpResponse:
    return HttpResponse(status, {"Content-Type": "application/json", "Cache-Control": "no-store"}, body)


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit") or str(_DEFAULT_LIMIT)
    if text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= _MAX_LIMIT:
        return int(text)
    raise RequestRefusedError(400, "invalid_limit", f"The limit is a whole number from 1 to {_MAX_LIMIT}.")


def _refusal(error: RequestRefusedError) -> HttpResponse:
    if error.log:
        logger.warning("Refused a client: %s.", error.log)
    return json_response(error.status, {"type": "error", "code": error.code, "message": error.message})


def _unavailable(error: Exception) -> HttpResponse:
    logger.error("%s: %r", error, error.__cause__)
    return json_response(503, {"type": "error", "code": "unavailable", "message": "Try again."})


async def _state(check: Any, unavailable: type[Exception]) -> str:
    try:
        await check
    except unavailable as error:
        logger.warning("Health: %s: %r", error, error.__cause__)
        return "unavailable"
    return "ok"
