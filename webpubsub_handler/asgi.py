"""The adapter to ASGI: mounts an event handler in Starlette, FastAPI or any other ASGI framework."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol, TypeAlias

from webpubsub_handler.exceptions import ConfigurationError
from webpubsub_handler.handler import WebPubSubEventHandler
from webpubsub_handler.protocol.http import Headers, HttpRequest

__all__ = ["AsgiEventHandler", "Routes", "mount"]

_Message: TypeAlias = MutableMapping[str, Any]


class Routes(Protocol):
    """What routes can be added to: a ``Starlette``, a ``FastAPI``, or one of their routers."""

    def add_route(self, path: str, route: Any, /) -> Any:
        """Route every request to a path to an ASGI application."""


def mount(app: Routes, path: str, handler: WebPubSubEventHandler) -> None:
    """Route ``path``, ``path/`` and everything below to a handler, such as ``path/validate`` and ``path/message``.

        mount(app, "/eventhandler", handler)

    ``app.mount(path, AsgiEventHandler(handler))`` does the same, except for ``path`` itself: Starlette redirects it to
    ``path/`` with a 307. The service follows no redirect, so it drops the client.

    Args:
        app: A Starlette or FastAPI application or router.
        path: Where the hub's URL template leads, such as ``/eventhandler``.
        handler: The event handler.

    Raises:
        ConfigurationError: The path does not begin with a slash, or names ``{event}``.
    """
    # The hub's URL template ends in {event}, and is easily mistaken for the path.
    if not path.startswith("/") or "{event" in path:
        raise ConfigurationError(
            f"{path!r} is not a path to mount at: it begins with a slash and omits {{event}}, because everything below "
            'the path is answered. Write:\n\nmount(app, "/eventhandler", handler)'
        )
    events = AsgiEventHandler(handler)
    path = path.rstrip("/")
    if path:
        app.add_route(path, events)
    app.add_route(f"{path}/{{event:path}}", events)


class AsgiEventHandler:
    """An ASGI application that answers the service, whatever the path.

    ``mount`` adds it. To add it yourself, use one route, or two in a list of routes:

        app.add_route("/eventhandler{event:path}", AsgiEventHandler(handler))

        Route("/eventhandler", AsgiEventHandler(handler)), Mount("/eventhandler", AsgiEventHandler(handler))
    """

    def __init__(self, handler: WebPubSubEventHandler) -> None:
        self._handler = handler

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
    ) -> None:
        """Answer one HTTP request (ASGI 3, HTTP connection scope).

        Raises:
            ValueError: The scope is not HTTP, but for example a WebSocket.
        """
        if scope["type"] != "http":
            raise ValueError(f"an event handler answers HTTP, not {scope['type']}")
        # Servers pass bytes. Latin-1 keeps them all, and UTF-8 in them is repaired when it is read.
        fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        body = await self._read(receive)
        if body is None:
            return
        response = await self._handler.handle(HttpRequest(scope["method"], Headers(fields), body))
        # A 204 must not have a Content-Length (RFC 9110 8.6).
        length = [(b"content-length", str(len(response.body)).encode())] if response.status != 204 else []
        headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()
        ]
        await send({"type": "http.response.start", "status": response.status, "headers": headers + length})
        await send({"type": "http.response.body", "body": response.body})

    async def _read(self, receive: Callable[[], Awaitable[_Message]]) -> bytes | None:
        """Return the body, or None if the caller disconnects before its end."""
        body = bytearray()
        # The handler refuses a body beyond its limit, so the rest need not be read.
        while len(body) <= self._handler.max_body_bytes:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        return bytes(body)
