"""Frames that presence costs when 500 clients lose their line and come back into one room.

The Functions host stand-in with the app is a process of its own; the emulator and the clients share this one.
Each client counts what it gets: presence frames, the connections in them, and the 2 KB units that the service would
bill.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack

import aiohttp

from benchmarks import backends
from benchmarks.idle_page import running_app
from benchmarks.report import Figure
from local.azurite import free_port
from webpubsub_emulator import Emulator, EmulatorSettings
from webpubsub_emulator.open_files import allow_many_files
from webpubsub_emulator.upstream.event_handlers import EventHandler

__all__ = ["measure"]

MAX_FRAMES = 80_000
_CLIENTS = 500
_SECONDS = 120
_UNIT_BYTES = 2 * 1024


class Crowd:
    """The clients of one room, and what they were told of each other."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url
        self._readers: list[asyncio.Task[None]] = []
        self._sockets: list[aiohttp.ClientWebSocketResponse] = []
        self._complete = asyncio.Event()
        self.frames = self.events = self.units = 0

    async def come(self) -> None:
        """Connect everybody, and wait until the last one was announced to somebody."""
        announced: set[str] = set()
        self._complete.clear()

        async def connect(number: int) -> None:
            query = {"room": "crowd", "userId": f"user-{number}"}
            async with self._http.get(f"{self._url}/api/negotiate", params=query) as answer:
                url = (await answer.json())["url"]
            socket = await self._http.ws_connect(url, protocols=["json.webpubsub.azure.v1"])
            self._sockets.append(socket)
            self._readers.append(asyncio.create_task(self._read(socket, announced)))

        await asyncio.gather(*(connect(number) for number in range(_CLIENTS)))
        async with asyncio.timeout(_SECONDS):
            await self._complete.wait()

    async def go(self) -> None:
        """End every connection."""
        await asyncio.gather(*(socket.close() for socket in self._sockets))
        await asyncio.gather(*self._readers)
        self._sockets, self._readers = [], []

    async def _read(self, socket: aiohttp.ClientWebSocketResponse, announced: set[str]) -> None:
        async for message in socket:
            data = json.loads(message.data).get("data")
            if not isinstance(data, dict) or data.get("type") != "presence":
                continue
            self.frames += 1
            self.events += len(data["events"])
            self.units += -(-len(message.data) // _UNIT_BYTES)
            announced |= {event["userId"] for event in data["events"] if event["event"] == "connected"}
            if len(announced) == _CLIENTS:
                self._complete.set()


async def measure() -> list[Figure]:
    """Return what all clients together were sent."""
    allow_many_files()
    app_port = free_port()
    handlers = {"chat": [EventHandler(f"http://localhost:{app_port}/api/eventhandler/{{event}}")]}
    async with AsyncExitStack() as stack:
        storage = await stack.enter_async_context(backends.azurite())
        emulator = await stack.enter_async_context(Emulator(EmulatorSettings(port=0, event_handlers=handlers)))
        url = await stack.enter_async_context(running_app(storage, emulator.connection_string, app_port))
        connector = aiohttp.TCPConnector(limit=0)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        crowd = Crowd(http, url)
        await crowd.come()
        crowd.frames = crowd.events = crowd.units = 0
        start = time.perf_counter()
        await crowd.go()
        await crowd.come()
        seconds = time.perf_counter() - start
        frames, events, units = crowd.frames, crowd.events, crowd.units
        await crowd.go()
    return [
        Figure(
            what=f"presence frames when {_CLIENTS} clients come back",
            ours=f"{frames:,}, in {seconds:.1f} s",
            baseline=f"{events:,} (a frame for each event and client)",
            value=frames,
            unit="frames",
            at_most=MAX_FRAMES,
        ),
        Figure(what="units of 2 KB that the service would bill for them", ours=f"{units:,}", baseline=f"{events:,}"),
    ]
