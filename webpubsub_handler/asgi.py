"""The adapter to ASGI: mounts an event handler in Starlette, FastAPI or any other ASGI framework."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from webpubsub_handler.handler import MAX_BODY_BYTES, WebPubSubEventHandler
from webpubsub_handler.protocol.http import Headers, HttpRequest

__all__ = ["AsgiEventHandler"]

_Message: TypeAlias = MutableMapping[str, Any]


class AsgiEventHandler:
    """An ASGI application for every path below its mount: ``Mount("/eventhandler", AsgiEventHandler(handler))``."""

    def __init__(self, handler: WebPubSubEventHandler) -> None:
        self._handler = handler

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
    ) -> None:
        """Answer one HTTP request (ASGI 3, HTTP connection scope)."""
        if scope["type"] != "http":
            raise ValueError(f"an event handler answers HTTP, not {scope['type']}")
        # Servers hand over bytes; Latin-1 keeps them all, and UTF-8 in them is mended when it is read.
        fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        body = await _read(receive)
        if body is None:
            return
        response = await self._handler.handle(HttpRequest(scope["method"], Headers(fields), body))
        length = [(b"content-length", str(len(response.body)).encode())] if response.status != 204 else []
        headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()
        ]
        await send({"type": "http.response.start", "status": response.status, "headers": headers + length})
        await send({"type": "http.response.body", "body": response.body})


async def _read(receive: Callable[[], Awaitable[_Message]]) -> bytes | None:
    """Return the body, None when the caller is gone before its end: half an event is none."""
    body = bytearray()
    # A little too much is enough for the handler to refuse it.
    while len(body) <= MAX_BODY_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return bytes(body)
