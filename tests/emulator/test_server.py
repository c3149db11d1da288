"""How long a server waits for a request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from aiohttp import web

from tests.patience import PATIENCE_SECONDS
from webpubsub_emulator.server import BoundedServer

pytestmark = pytest.mark.external
HEAD = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"
SHORT_SECONDS = 0.1
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Echo:
    """A server that answers with the body once its gate is open; ``begun`` is set by each request."""

    port: int
    begun: asyncio.Event
    gate: asyncio.Event

    async def connect(self) -> Streams:
        return await asyncio.open_connection("127.0.0.1", self.port)


@asynccontextmanager
async def echo(request_seconds: float) -> AsyncIterator[Echo]:
    begun, gate = asyncio.Event(), asyncio.Event()
    gate.set()

    async def answer(request: web.BaseRequest) -> web.Response:
        begun.set()
        body = await request.read()
        await gate.wait()
        return web.Response(body=body)

    runner = web.ServerRunner(BoundedServer(answer, request_seconds=request_seconds), shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield Echo(runner.addresses[0][1], begun, gate)
    finally:
        await runner.cleanup()


async def is_answered(streams: Streams) -> bool:
    return (await streams[0].readuntil(b"hello")).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("sent", [b"", b"GET / HT", HEAD[:-2], HEAD, HEAD + b"hell"])
async def test_a_client_that_takes_too_long_for_its_request_is_closed_without_an_answer(sent: bytes) -> None:
    async with echo(SHORT_SECONDS) as server:
        reader, writer = await server.connect()
        writer.write(sent)
        assert await reader.read() == b""


async def test_a_body_that_comes_in_pieces_is_answered() -> None:
    async with echo(PATIENCE_SECONDS) as server:
        client = await server.connect()
        for part in (HEAD[:5], HEAD[5:], b"he", b"llo"):
            client[1].write(part)
            await client[1].drain()
        assert await is_answered(client)


async def test_an_answer_may_take_longer_than_its_request_and_so_may_the_next_request() -> None:
    async with echo(SHORT_SECONDS) as server:
        client = await server.connect()
        for _ in range(2):
            server.gate.clear()
            server.begun.clear()
            client[1].write(HEAD)
            await server.begun.wait()
            client[1].write(b"hello")
            # One that came later has been closed meanwhile. Its writer is kept: without one, it would close itself.
            reader, writer = await server.connect()
            assert await reader.read() == b""
            writer.close()
            server.gate.set()
            assert await is_answered(client)
