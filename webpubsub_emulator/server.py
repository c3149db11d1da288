"""HTTP with a time limit for requests, like Kestrel's: silent clients must not block others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

__all__ = ["BoundedServer"]

_REQUEST_SECONDS: Final = 30.0


class BoundedServer(web.Server):
    """A server that closes a connection whose first request, or whose body, has not arrived in time."""

    def __init__(
        self,
        handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        request_seconds: float = _REQUEST_SECONDS,
        **options: Any,
    ) -> None:
        """``request_seconds`` is the limit for the first request of a connection, and again for each body."""
        super().__init__(self._begin, **options)
        self._handle = handle
        self._request_seconds = request_seconds
        self._silent: dict[web.RequestHandler, asyncio.TimerHandle] = {}

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Start to wait for the first request."""
        super().connection_made(handler, transport)
        self._silent[handler] = self._later(handler.force_close)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """Stop waiting."""
        self._has_spoken(handler)
        super().connection_lost(handler, exc)

    async def _begin(self, request: web.BaseRequest) -> web.StreamResponse:
        self._has_spoken(request.protocol)
        if request.content.is_eof():
            return await self._handle(request)
        body = self._later(_close_unless_whole, request)
        try:
            return await self._handle(request)
        finally:
            body.cancel()

    def _has_spoken(self, handler: web.RequestHandler) -> None:
        timer = self._silent.pop(handler, None)
        if timer is not None:
            timer.cancel()

    def _later(self, call: Callable[..., None], *arguments: object) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._request_seconds, call, *arguments)


def _close_unless_whole(request: web.BaseRequest) -> None:
    if not request.content.is_eof():
        request.protocol.force_close()
