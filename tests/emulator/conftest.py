"""An emulator with a recording event handler behind it, and sockets into it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest_asyncio
from yarl import URL

from tests.emulator.fakes import PRIMARY_KEY, SECONDARY_KEY, RecordingHandler, recording_handler, sign
from tests.patience import PATIENCE_SECONDS
from webpubsub_emulator import Emulator, EmulatorSettings, EventHandler
from webpubsub_emulator.pytest_plugin import webpubsub_emulator

__all__ = ["webpubsub_emulator"]

JSON_SUBPROTOCOL = "json.webpubsub.azure.v1"
RELIABLE_SUBPROTOCOL = "json.reliable.webpubsub.azure.v1"


class Socket:
    """A raw WebSocket client with a time limit on every read."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.raw = socket
        self.greeting: dict[str, Any] = {}

    async def send(self, frame: dict[str, Any] | str | bytes) -> None:
        if isinstance(frame, bytes):
            await self.raw.send_bytes(frame)
        else:
            await self.raw.send_str(frame if isinstance(frame, str) else json.dumps(frame))

    async def text(self) -> str:
        return str((await self._receive(aiohttp.WSMsgType.TEXT)).data)

    async def frame(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(await self.text())
        return frame

    async def binary(self) -> bytes:
        return bytes((await self._receive(aiohttp.WSMsgType.BINARY)).data)

    async def close_code(self) -> tuple[int, str]:
        message = await asyncio.wait_for(self.raw.receive(), PATIENCE_SECONDS)
        assert message.type is aiohttp.WSMsgType.CLOSE, message
        return message.data, message.extra or ""

    @property
    def transport(self) -> asyncio.Transport:
        connection = self.raw._response.connection
        assert connection is not None
        assert connection.transport is not None
        return connection.transport

    def cut(self) -> None:
        """Lose the TCP connection."""
        self.transport.abort()

    def write(self, data: bytes) -> None:
        """Send bytes below the WebSocket."""
        self.transport.write(data)

    async def request(self, **fields: Any) -> dict[str, Any]:
        """Send a frame and return its ack, which must be the next frame."""
        await self.send(fields)
        return await self.frame()

    async def assert_alive(self) -> None:
        await self.send({"type": "ping"})
        assert await self.text() == '{"type":"pong"}'

    async def _receive(self, kind: aiohttp.WSMsgType) -> aiohttp.WSMessage:
        message = await asyncio.wait_for(self.raw.receive(), PATIENCE_SECONDS)
        assert message.type is kind, message
        return message


class Service:
    """A running emulator whose hub ``chat`` has the recording handler, and clients for it."""

    def __init__(self, emulator: Emulator, session: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.session = session
        # A socket that nobody holds is collected, and its connection ends.
        self.sockets: list[Socket] = []

    @property
    def url(self) -> str:
        return self.emulator.url

    def token(self, hub: str = "chat", key: str = PRIMARY_KEY, **claims: Any) -> str:
        return sign({"aud": f"{self.url}/client/hubs/{hub}", **claims}, key)

    async def connect(
        self,
        hub: str = "chat",
        *,
        protocols: tuple[str, ...] = (JSON_SUBPROTOCOL,),
        query: str = "",
        token: str | None = None,
        groups: str | list[str] | None = None,
        **claims: Any,
    ) -> Socket:
        """A socket after its greeting; ``groups`` and ``claims`` go into its token."""
        if groups is not None:
            claims["webpubsub.group"] = groups
        token = token or self.token(hub, **claims)
        url = f"{self.url}/client/hubs/{hub}?access_token={token}{query}"
        socket = Socket(await self.session.ws_connect(url, protocols=protocols))
        self.sockets.append(socket)
        if socket.raw.protocol in {JSON_SUBPROTOCOL, RELIABLE_SUBPROTOCOL}:
            socket.greeting = await socket.frame()
            assert socket.greeting["event"] == "connected"
        return socket

    async def reliable(self, **options: Any) -> Socket:
        return await self.connect(protocols=(RELIABLE_SUBPROTOCOL,), **options)

    async def come_back(
        self,
        to: Socket,
        *,
        hub: str = "chat",
        token: str | None = None,
        protocols: tuple[str, ...] = (RELIABLE_SUBPROTOCOL,),
    ) -> Socket:
        """A new socket that asks for the connection of another one, as the SDKs do, and has read nothing yet."""
        query = {
            "awps_connection_id": to.greeting["connectionId"],
            "awps_reconnection_token": token or to.greeting["reconnectionToken"],
        }
        url = f"{self.url}/client/hubs/{hub}?{urlencode(query)}"
        socket = Socket(await self.session.ws_connect(url, protocols=protocols))
        self.sockets.append(socket)
        return socket

    async def simple(self, **options: Any) -> Socket:
        return await self.connect(protocols=(), **options)

    async def refused(self, url: str, **options: Any) -> tuple[int, str]:
        """The status and text that an upgrade request gets."""
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            **options.pop("headers", {}),
        }
        async with self.session.get(f"{self.url}{url}", headers=headers, **options) as response:
            return response.status, await response.text() if response.status != 101 else ""

    async def rest(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        content_type: str | None = "text/plain",
        **options: Any,
    ) -> tuple[int, dict[str, str], Any]:
        """Status, headers and parsed body of a REST call; ``path`` begins after ``/api/hubs/chat``."""
        url = f"{self.url}/api/hubs/chat{path}"
        headers = {"Authorization": f"Bearer {sign({'aud': url})}", **options.pop("headers", {})}
        if body is not None and content_type is not None:
            headers["Content-Type"] = content_type
        skip = ["Content-Type"] if content_type is None else []
        async with self.session.request(
            method, URL(url, encoded=True), headers=headers, data=body, skip_auto_headers=skip, **options
        ) as response:
            text = await response.text()
            return response.status, dict(response.headers), json.loads(text) if text else None


StartService = Callable[..., Awaitable[Service]]


def settings_for(handler: RecordingHandler, **changes: Any) -> EmulatorSettings:
    defaults: dict[str, Any] = {
        "port": 0,
        "access_key": PRIMARY_KEY,
        "secondary_access_key": SECONDARY_KEY,
        "event_handlers": {"chat": [EventHandler(f"{handler.url}/api/eventhandler/{{event}}")]},
        "retry_delays": (0.01, 0.01, 0.01),
    }
    return EmulatorSettings(**{**defaults, **changes})


@pytest_asyncio.fixture
async def handler() -> AsyncIterator[RecordingHandler]:
    async with recording_handler() as running:
        yield running


@asynccontextmanager
async def service_starter(handler: RecordingHandler) -> AsyncIterator[StartService]:
    """Return what starts emulators with changed settings, until the end of the context."""
    async with AsyncExitStack() as stack:

        async def start(**changes: Any) -> Service:
            session = await stack.enter_async_context(aiohttp.ClientSession())
            ids = connection_ids()
            emulator = Emulator(settings_for(handler, **changes), connection_ids=lambda: next(ids))
            return Service(await stack.enter_async_context(emulator), session)

        yield start


@pytest_asyncio.fixture
async def start_service(handler: RecordingHandler) -> AsyncIterator[StartService]:
    """Starts an emulator with changed settings."""
    async with service_starter(handler) as start:
        yield start


@pytest_asyncio.fixture
async def service(start_service: StartService) -> Service:
    return await start_service()


def connection_ids() -> Iterator[str]:
    return (f"conn-{number}" for number in count(1))
