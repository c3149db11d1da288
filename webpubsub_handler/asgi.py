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
    """What takes routes: a ``Starlette``, a ``FastAPI``, or a router of theirs."""

    def add_route(self, path: str, route: Any, /) -> Any:
        """Let an ASGI application answer every request to a path."""


def mount(app: Routes, path: str, handler: WebPubSubEventHandler) -> None:
    """Let a handler answer ``path``, ``path/`` and everything below, such as ``path/validate`` and ``path/message``.

        mount(app, "/eventhandler", handler)

    ``app.mount(path, AsgiEventHandler(handler))`` does so too, except for ``path`` itself: Starlette sends that away to
    ``path/`` with a 307, which drops the client, as the service follows no redirect.

    Args:
        app: A Starlette or FastAPI application or router.
        path: Where the hub's URL template leads, such as ``/eventhandler``.
        handler: The event handler.

    Raises:
        ConfigurationError: The path does not begin with a slash, or names ``{event}``.
    """
    # The hub's URL template ends in {event}, and is easily taken for the path.
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

    It is what ``mount`` adds. Added by hand, it is one route, or two in a list of routes:

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
            ValueError: The scope is another one, such as a WebSocket's.
        """
        if scope["type"] != "http":
            raise ValueError(f"an event handler answers HTTP, not {scope['type']}")
        # Servers hand over bytes; Latin-1 keeps them all, and UTF-8 in them is mended when it is read.
        fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        body = await self._read(receive)
        if body is None:
            return
        response = await self._handler.handle(HttpRequest(scope["method"], Headers(fields), body))
        # A 204 has no body, and must not say how long it is (RFC 9110 8.6).
        length = [(b"content-length", str(len(response.body)).encode())] if response.status != 204 else []
        headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()
        ]
        await send({"type": "http.response.start", "status": response.status, "headers": headers + length})
        await send({"type": "http.response.body", "body": response.body})

    async def _read(self, receive: Callable[[], Awaitable[_Message]]) -> bytes | None:
        """Return the body, None when the caller is gone before its end: half an event is none."""
        body = bytearray()
        # A little too much is enough for the handler to refuse it.
        while len(body) <= self._handler.max_body_bytes:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        return bytes(body)
