"""Many connections: idle ones, many that come back at once, and one that does not read."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from tests.soak.clients.lines import Access, LineLostError
from tests.soak.clients.sockets import JsonLine
from tests.soak.load.senders import Sender
from tests.soak.load.system import System

__all__ = ["Idle", "Return", "SlowReader", "come_back", "hold_idle", "read_nothing"]

_AT_ONCE: Final = 25
_PATIENCE_SECONDS: Final = 120
# More than the service keeps for one client and the kernel for one socket.
_BYTES: Final = 40 * 1024 * 1024
_FRAME: Final = 60_000


@dataclass(frozen=True, slots=True)
class Idle:
    """So many connections that do nothing: what they cost, in KiB each, and what a message takes beside them, in ms."""

    connections: int
    seconds: float
    emulator_kib: float
    host_kib: float
    before: float
    beside: float


@dataclass(slots=True)
class Return:
    """Clients whose lines were cut all at once: how many were back, by tenth of a second since the cut."""

    connections: int
    back: list[int] = field(default_factory=list)
    failures: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SlowReader:
    """A client that takes nothing while its room is sent so many MiB: what became of it, and of the others."""

    sent: float
    emulator_mib: float
    is_dropped: bool
    heard_by_others: int
    sent_messages: int
    read_afterwards: int


class _Guest:
    """A client that is there, counts the messages that it hears, and comes back when its line is lost."""

    def __init__(self, system: System, room: str, number: int) -> None:
        self.heard = self.failures = 0
        self.access = Access(system.http, system.api, f"guest-{number}", (room,))
        self.line = JsonLine(self.access, self._hear)

    async def come(self) -> None:
        """Connect, as often as it takes."""
        while True:
            self.line = JsonLine(self.access, self._hear)
            try:
                return await self.line.open()
            except LineLostError:
                self.failures += 1
                await asyncio.sleep(0.2)

    def _hear(self, data: Any) -> None:
        self.heard += isinstance(data, dict) and data.get("type") == "message"


async def hold_idle(system: System, sender: Sender, count: int, then: Callable[[], Awaitable[None]]) -> Idle:
    """Connect so many, ten to a room, and send messages in another one; ``then`` is called while they are there."""
    await _latency(sender)  # the first ones are slower
    before = await _latency(sender)
    memory = [(await process.usage()).memory for process in (system.emulator, system.host)]
    guests = [_Guest(system, f"idle-{number // 10}", number) for number in range(count)]
    start = time.perf_counter()
    await _all_come(guests)
    seconds = time.perf_counter() - start
    after = [(await process.usage()).memory for process in (system.emulator, system.host)]
    beside = await _latency(sender)
    await then()
    await asyncio.gather(*(guest.line.close() for guest in guests))
    emulator, host = ((end - begin) * 1024 / count for begin, end in zip(memory, after, strict=True))
    return Idle(count, seconds, emulator, host, before, beside)


async def come_back(system: System, count: int) -> Return:
    """Connect so many in one room, cut every line, and let all come back as fast as they can."""
    guests = [_Guest(system, "returning", number) for number in range(count)]
    await _all_come(guests)
    result = Return(count)
    url = f"{system.service}/emulator/faults"
    async with system.http.post(url, json={"fault": "cut_connections"}) as answer:
        assert answer.status < 300
    start = time.perf_counter()
    for guest in guests:
        guest.failures = 0
    async with asyncio.timeout(_PATIENCE_SECONDS):
        await asyncio.gather(*(guest.line.lost.wait() for guest in guests))
    back = [asyncio.create_task(guest.come()) for guest in guests]
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not all(task.done() for task in back):
            result.back.append(sum(task.done() for task in back))
            await asyncio.sleep(0.1)
    result.back.append(count)
    result.seconds = time.perf_counter() - start
    result.failures = sum(guest.failures for guest in guests)
    await asyncio.gather(*(guest.line.close() for guest in guests))
    return result


async def read_nothing(system: System) -> SlowReader:
    """Let one client of a room stop reading, send much into the room, and let it come back."""
    room = "slow"
    writer, other = _Guest(system, room, 1), _Guest(system, room, 2)
    await _all_come([writer, other])
    slow = _Guest(system, room, 3)
    url = await slow.access.url()
    socket = await system.http.ws_connect(url, protocols=[JsonLine.subprotocol])
    await socket.receive()
    connection: Any = socket._response.connection  # aiohttp has no public way to stop reading
    connection.transport.pause_reading()
    count, memory = _BYTES // _FRAME, 0.0
    for number in range(count):
        data = {"key": f"slow-{number}", "dataType": "text", "data": "x" * _FRAME}
        answer = await writer.line.ask("send", data)
        assert answer.error is None, answer
        if number % 20 == 0:
            memory = max(memory, (await system.emulator.usage()).memory)
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while other.heard < count:  # noqa: ASYNC110 - another task hears
            await asyncio.sleep(0.05)
    connection.transport.resume_reading()
    is_dropped = await _is_dropped(socket)
    read = await _count_history(slow.access, room)
    await asyncio.gather(writer.line.close(), other.line.close(), socket.close())
    return SlowReader(count * _FRAME / 1024**2, memory, is_dropped, other.heard, count, read)


async def _is_dropped(socket: aiohttp.ClientWebSocketResponse) -> bool:
    try:
        async with asyncio.timeout(10):
            async for _ in socket:
                pass
    except TimeoutError:
        return False
    return True


async def _count_history(access: Access, room: str) -> int:
    count, before = 0, None
    while True:
        query = [("room", room), ("limit", "200"), *([("before", before)] if before else [])]
        status, page = await access.get("messages", query)
        assert status == 200, json.dumps(page)
        count += len(page["messages"])
        before = page["next"]
        if before is None:
            return count


async def _all_come(guests: Sequence[_Guest]) -> None:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def come(guest: _Guest) -> None:
        async with slots:
            await guest.come()

    await asyncio.gather(*map(come, guests))


async def _latency(sender: Sender) -> float:
    """Return the median of twenty messages, in milliseconds."""
    times = sorted([(await sender.send())[0] for _ in range(20)])
    return times[len(times) // 2] * 1000
