"""What a page costs that nobody uses: the bytes of each minute, when it is connected and up to date.

The app's own page in a Chromium, with presence, and one other person in the room. Every byte between the browser and
the app, and between the browser and the emulator, passes a relay that counts it, with all headers and frames.
TLS would add some 22 bytes to each packet.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
from playwright.async_api import async_playwright

from benchmarks import backends
from benchmarks.report import Figure
from local.azurite import free_port
from tests.browser import running_chromium
from webpubsub_emulator import DEFAULT_ACCESS_KEY, Emulator, EmulatorSettings
from webpubsub_emulator.upstream.event_handlers import EventHandler

__all__ = ["measure", "running_app"]

_MAX_BYTES: Final = 5 * 1024
_START_SECONDS: Final = 120
_SETTLE_SECONDS: Final = 10
_MINUTES: Final = 2


class Relay:
    """Passes TCP connections on to a port, and counts the bytes of both directions.

    ``first`` is how a connection begins that counts: the app's own calls to the service are not the page's.
    """

    def __init__(self, target: int, first: bytes) -> None:
        self.bytes = 0
        self._target = target
        self._first = first

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on until either side ends it."""
        other_reader, other_writer = await asyncio.open_connection("localhost", self._target)
        begin = await reader.read(65536)
        counts = int(begin.startswith(self._first))
        self._pass(begin, other_writer, counts)
        await asyncio.gather(self._pass_all(reader, other_writer, counts), self._pass_all(other_reader, writer, counts))

    async def _pass_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counts: int) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                self._pass(data, writer, counts)
                await writer.drain()
        writer.close()

    def _pass(self, data: bytes, writer: asyncio.StreamWriter, counts: int) -> None:
        self.bytes += len(data) * counts
        writer.write(data)


@asynccontextmanager
async def _relay(port: int, target: int, first: bytes = b"") -> AsyncIterator[Relay]:
    relay = Relay(target, first)
    server = await asyncio.start_server(relay.accept, "localhost", port)
    try:
        yield relay
    finally:
        server.close()


@asynccontextmanager
async def running_app(storage: str, service: str, port: int) -> AsyncIterator[str]:
    """Run the Functions host with the app until the end of the block; give its URL."""
    settings = backends.environment(storage, service)
    arguments = ("-m", "local.functions_host", "--port", str(port), "--no-reload")
    url = f"http://localhost:{port}"
    async with (
        backends.python(*arguments, settings=settings, stdout=asyncio.subprocess.DEVNULL),
        asyncio.timeout(_START_SECONDS) as starting,
        aiohttp.ClientSession() as http,
    ):
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with http.get(f"{url}/api/health") as answer:
                    if answer.status == 200:
                        break
            await asyncio.sleep(0.1)
        starting.reschedule(None)
        yield url


async def measure() -> list[Figure]:
    """Return the bytes of a minute."""
    app, app_relay, service, service_relay = (free_port() for _ in range(4))
    handlers = {"chat": [EventHandler(f"http://localhost:{app}/api/eventhandler/{{event}}")]}
    endpoint = f"Endpoint=http://localhost:{service_relay};AccessKey={DEFAULT_ACCESS_KEY};Version=1.0;"
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        storage = await stack.enter_async_context(backends.azurite())
        await stack.enter_async_context(Emulator(EmulatorSettings(port=service, event_handlers=handlers)))
        relays = [
            await stack.enter_async_context(_relay(app_relay, app)),
            await stack.enter_async_context(_relay(service_relay, service, b"GET /client")),
        ]
        await stack.enter_async_context(running_app(storage, endpoint, app))
        playwright = await stack.enter_async_context(async_playwright())
        chromium = stack.enter_context(running_chromium(folder))
        browser = await playwright.chromium.connect_over_cdp(chromium.url)
        pages = []
        for name in ("ana", "ben"):
            page = await (await browser.new_context()).new_page()
            await page.goto(f"http://localhost:{app_relay}/api/demo/?user={name}")
            await page.locator("#status").get_by_text("Connected").wait_for(timeout=_START_SECONDS * 1000)
            pages.append(page)
        await asyncio.sleep(_SETTLE_SECONDS)
        before = [relay.bytes for relay in relays]
        await asyncio.sleep(_MINUTES * 60)
        http, frames = (
            (relay.bytes - start) / _MINUTES / len(pages) for relay, start in zip(relays, before, strict=True)
        )
        await browser.close()
    return [
        Figure(
            what="bytes of an idle page each minute",
            ours=f"{http + frames:.0f} bytes: {http:.0f} HTTP, {frames:.0f} WebSocket",
            value=(http + frames) / 1024,
            unit="KiB",
            at_most=_MAX_BYTES / 1024,
        )
    ]
