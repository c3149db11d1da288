"""Frames that presence costs when 500 clients lose their line and come back into one room.

    python benchmarks/presence.py

The Functions host stand-in with the app is a process of its own; the emulator and the clients share this one.
Each client counts what it gets: presence frames, the connections in them, and the 2 KB units that the service would
bill.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from local.azurite import Azurite, free_port
from webpubsub_emulator import Emulator, EmulatorSettings
from webpubsub_emulator.upstream.event_handlers import EventHandler

MAX_FRAMES = 80_000
_ROOT = Path(__file__).resolve().parent.parent
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


@asynccontextmanager
async def running_app(storage: Azurite, emulator: Emulator, port: int) -> AsyncIterator[str]:
    """Run the app in a process of its own until the end of the block; give its URL."""
    settings = {
        "AzureWebJobsStorage": storage.connection_string,
        "WebPubSubConnectionString": emulator.connection_string,
        "CLIENT_AUTH": "anonymous",
    }
    command = [sys.executable, "-m", "local.functions_host", "--port", str(port), "--no-reload"]
    null = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *command, cwd=_ROOT, env={**os.environ, **settings}, stdout=null, stderr=null
    )
    try:
        async with asyncio.timeout(_SECONDS), aiohttp.ClientSession() as http:
            while True:
                with contextlib.suppress(aiohttp.ClientConnectionError):
                    async with http.get(f"http://localhost:{port}/api/health") as answer:
                        if answer.status == 200:
                            break
                await asyncio.sleep(0.1)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        await process.wait()


async def main() -> None:
    """Print the figures and their verdict."""
    app_port = free_port()
    handlers = {"chat": [EventHandler(f"http://localhost:{app_port}/api/eventhandler/{{event}}")]}
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        storage = await stack.enter_async_context(Azurite(Path(folder)))
        emulator = await stack.enter_async_context(Emulator(EmulatorSettings(port=0, event_handlers=handlers)))
        url = await stack.enter_async_context(running_app(storage, emulator, app_port))
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
    print(f"{_CLIENTS} clients went and came back in {seconds:.1f} s")
    print(f"presence frames    {frames:8d} (at most {MAX_FRAMES})")
    print(f"events in them     {events:8d} (frames, if each was sent alone)")
    print(f"units of 2 KB      {units:8d}")
    if frames > MAX_FRAMES:
        raise SystemExit(1)


if __name__ == "__main__":
    asyncio.run(main())
