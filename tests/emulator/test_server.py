"""How long a server waits for a request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from tests.patience import PATIENCE_SECONDS
from webpubsub_emulator.server import BoundedServer

pytestmark = pytest.mark.external
HEAD = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"


@asynccontextmanager
async def connected(
    *, request_seconds: float, answer_seconds: float = 0
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client of a server that answers with the body."""

    async def echo(request: web.BaseRequest) -> web.Response:
        body = await request.read()
        await asyncio.sleep(answer_seconds)
        return web.Response(body=body)

    runner = web.ServerRunner(BoundedServer(echo, request_seconds=request_seconds))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    reader, writer = await asyncio.open_connection(*runner.addresses[0][:2])
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield reader, writer
    finally:
        writer.close()
        await runner.cleanup()


@pytest.mark.parametrize("sent", [b"", b"GET / HT", HEAD[:-2], HEAD, HEAD + b"hell"])
async def test_a_client_that_takes_too_long_for_its_request_is_closed_without_an_answer(sent: bytes) -> None:
    async with connected(request_seconds=0.1) as (reader, writer):
        writer.write(sent)
        assert await reader.read() == b""


async def test_a_body_that_comes_later_in_pieces_is_answered() -> None:
    async with connected(request_seconds=PATIENCE_SECONDS) as (reader, writer):
        for part in (HEAD[:5], HEAD[5:], b"he", b"llo"):
            writer.write(part)
            await writer.drain()
        assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200 OK")


async def test_an_answer_may_take_longer_than_its_request_and_the_next_request_may_come_later() -> None:
    async with connected(request_seconds=0.1, answer_seconds=0.3) as (reader, writer):
        for _ in range(2):
            writer.write(HEAD + b"hello")
            assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200 OK")
