"""Many clients at once, and clients that take nothing."""

from __future__ import annotations

import asyncio

import aiohttp

from tests.emulator.conftest import Service, Socket, StartService
from tests.emulator.fakes import RecordingHandler

CLIENTS = 1000


async def test_a_broadcast_reaches_a_thousand_clients(start_service: StartService) -> None:
    service = await start_service(event_handlers={})
    unlimited = aiohttp.TCPConnector(limit=0)
    async with asyncio.timeout(60), aiohttp.ClientSession(connector=unlimited) as session:
        crowd = Service(service.emulator, session)
        sockets = [socket for _ in range(CLIENTS // 50) for socket in await connect_at_once(crowd, 50)]
        for text in ("one", "two"):
            assert (await service.rest("POST", "/:send", body=text.encode()))[0] == 202
        for expected in ("one", "two"):
            frames = await asyncio.gather(*(socket.frame() for socket in sockets))
            assert {frame["data"] for frame in frames} == {expected}
            assert len(frames) == CLIENTS


async def test_a_client_that_does_not_read_is_dropped_and_others_are_not(
    start_service: StartService, handler: RecordingHandler
) -> None:
    service = await start_service(outgoing_buffer_bytes=1_000_000)
    slow, fast = await service.connect(groups="g"), await service.connect(groups="g")
    slow.transport.pause_reading()
    await send_until_one_is_gone(service, handler, fast)
    assert (await handler.wait_for("disconnected")).body == b'{"reason":"SlowClient"}'
    await fast.assert_alive()


async def test_a_client_that_reads_late_gets_all_in_order_and_then_its_close(service: Service) -> None:
    late = await service.connect()
    late.transport.pause_reading()
    for number in range(60):
        assert (await service.rest("POST", "/:send", body=f"{number} ".encode() * 50_000))[0] == 202
    assert (await service.rest("DELETE", "/connections/conn-1"))[0] == 204
    late.transport.resume_reading()
    for number in range(60):
        assert (await late.frame())["data"].startswith(f"{number} {number} ")
    assert (await late.frame())["event"] == "disconnected"
    assert await late.close_code() == (1000, "")


async def test_a_reliable_client_that_does_not_read_cannot_come_back(
    start_service: StartService, handler: RecordingHandler
) -> None:
    service = await start_service(outgoing_buffer_bytes=1_000_000)
    slow, fast = await service.reliable(groups="g"), await service.connect(groups="g")
    slow.transport.pause_reading()
    await send_until_one_is_gone(service, handler, fast)
    assert (await (await service.come_back(slow)).close_code())[0] == 1008


async def test_a_reliable_client_that_reads_but_acknowledges_nothing_is_closed(service: Service) -> None:
    careless, careful = await service.reliable(groups="g"), await service.reliable(groups="g")
    for number in range(1, 1002):
        assert (await service.rest("POST", "/:send", body=b"x"))[0] == 202
        if number <= 1000:
            assert (await careless.frame())["sequenceId"] == number
        assert (await careful.frame())["sequenceId"] == number
        if number % 500 == 0:
            await careful.send({"type": "sequenceAck", "sequenceId": number})
            await careful.assert_alive()
    assert await careless.close_code() == (1008, "SlowClient")
    await careful.assert_alive()


async def connect_at_once(crowd: Service, count: int) -> list[Socket]:
    return await asyncio.gather(*(crowd.connect() for _ in range(count)))


async def send_until_one_is_gone(service: Service, handler: RecordingHandler, fast: Socket) -> None:
    body = b"x" * 900_000
    for _ in range(30):
        assert (await service.rest("POST", "/:send", body=body))[0] == 202
        assert len((await fast.frame())["data"]) == len(body)
        if handler.events("disconnected"):
            break
    await handler.wait_for("disconnected")
