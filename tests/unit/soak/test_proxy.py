"""The proxy of the soak breaks requests as it is told, and passes on the others."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from tests.patience import PATIENCE_SECONDS
from tests.soak.system.proxy import Breakage, Proxy

pytestmark = pytest.mark.external


class Target:
    """A back end that counts what reaches it, and a proxy in front of it."""

    def __init__(self, proxy: Proxy, http: aiohttp.ClientSession, bodies: list[bytes]) -> None:
        self.proxy, self.http, self.bodies = proxy, http, bodies

    async def post(self, body: bytes = b"hello") -> int:
        async with self.http.post(f"http://127.0.0.1:{self.proxy.port}/", data=body) as answer:
            await answer.read()
            return answer.status


@pytest_asyncio.fixture
async def target() -> AsyncIterator[Target]:
    bodies: list[bytes] = []

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Upgrade"):
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            async for message in socket:
                await socket.send_str(message.data)
            return socket
        bodies.append(await request.read())
        return web.Response(text="done")

    runner = web.ServerRunner(web.Server(serve), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        Proxy(runner.addresses[0][1], random.Random(1)) as proxy,
        aiohttp.ClientSession() as http,
    ):
        yield Target(proxy, http, bodies)
    await runner.cleanup()


async def test_requests_of_one_connection_pass_one_after_the_other(target: Target) -> None:
    assert [await target.post(body) for body in (b"one", b"", b"x" * 100_000)] == [200, 200, 200]
    assert target.bodies == [b"one", b"", b"x" * 100_000]


async def test_a_websocket_passes(target: Target) -> None:
    target.proxy.break_requests(Breakage.RESET, 1.0)
    async with target.http.ws_connect(f"http://127.0.0.1:{target.proxy.port}/") as socket:
        await socket.send_str("hello")
        assert await socket.receive_str() == "hello"


@pytest.mark.parametrize("how", [Breakage.UNAVAILABLE, Breakage.THROTTLED])
async def test_a_refusal_has_its_status_and_no_effect(target: Target, how: Breakage) -> None:
    target.proxy.break_requests(how, 1.0)
    assert await target.post() == int(how)
    target.proxy.mend()
    assert await target.post() == 200
    assert len(target.bodies) == 1


@pytest.mark.parametrize(("how", "effects"), [(Breakage.RESET, 0), (Breakage.CUT, 1)])
async def test_a_lost_answer_has_an_effect_and_a_reset_has_none(target: Target, how: Breakage, effects: int) -> None:
    target.proxy.break_requests(how, 1.0)
    with pytest.raises((aiohttp.ClientConnectionError, ConnectionResetError)):
        await target.post()
    assert len(target.bodies) == effects
    assert target.proxy.broken_requests == 1


async def test_a_hanging_call_ends_without_an_answer_or_an_effect_when_the_proxy_is_repaired(target: Target) -> None:
    target.proxy.break_requests(Breakage.HANG, 1.0)
    hanging = asyncio.create_task(target.post())
    while not target.proxy.broken_requests:  # noqa: ASYNC110 - another task counts
        await asyncio.sleep(0.01)
    assert not hanging.done()
    target.proxy.mend()
    with pytest.raises((aiohttp.ClientConnectionError, ConnectionResetError)):
        await hanging
    assert target.bodies == []


async def test_only_a_part_of_the_requests_is_broken(target: Target) -> None:
    target.proxy.break_requests(Breakage.UNAVAILABLE, 0.5)
    statuses = [await target.post() for _ in range(40)]
    assert set(statuses) == {200, 503}
    assert statuses.count(200) == len(target.bodies)
