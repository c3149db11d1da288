"""How many messages a second pass, and what happens when four times as many come."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tests.soak.clients.lines import Access, LineLostError
from tests.soak.clients.sockets import JsonLine
from tests.soak.load.system import System

__all__ = ["Overload", "Pace", "Sender", "connected_senders", "flood", "measure_pace"]

_ROOMS: Final = 8
_TEXT: Final = "x" * 200
_DRAIN_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class Pace:
    """What so many senders reach who each wait for the acknowledgement before they send again."""

    senders: int
    per_second: float
    p50: float
    p99: float


@dataclass(slots=True)
class Overload:
    """What became of more than passes: ``sent`` and ``acknowledged`` are counts by second since the start."""

    offered: float
    seconds: float
    sent: list[int] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)
    again: int = 0
    drained: float | None = None
    shares: list[int] = field(default_factory=list)
    """By sender: how many were acknowledged while all of them still sent."""

    @property
    def unfairness(self) -> float:
        """How many times as many the most served sender had as the least served."""
        return max(self.shares) / max(1, min(self.shares))


class _PatientLine(JsonLine):
    """A connection whose events may stand in a long queue."""

    patience = _DRAIN_SECONDS


class Sender:
    """A client that sends numbered messages with keys, each into its room, and notes when each was acknowledged."""

    def __init__(self, system: System, number: int) -> None:
        self.user = f"load-{number}"
        self.room = f"load-{number % _ROOMS}"
        self.heard = 0
        self._line = _PatientLine(Access(system.http, system.api, self.user, (self.room,)), self._hear)
        self._keys = itertools.count(1)

    async def open(self) -> None:
        """Connect."""
        await self._line.open()

    async def send(self) -> tuple[float, int]:
        """Send a message until it is acknowledged; return how many seconds that took, and how often it was sent."""
        data = {"key": f"k{next(self._keys)}", "dataType": "text", "data": _TEXT}
        start = time.perf_counter()
        for tries in itertools.count(1):
            try:
                answer = await self._line.ask("send", data)
            except LineLostError:
                raise RuntimeError("a line was lost that nobody cut") from None
            if answer.error is None:
                return time.perf_counter() - start, tries
        raise AssertionError

    async def close(self) -> None:
        """Disconnect."""
        await self._line.close()

    def _hear(self, data: Any) -> None:
        self.heard += isinstance(data, dict) and data.get("type") == "message"


@asynccontextmanager
async def connected_senders(system: System, count: int) -> AsyncIterator[list[Sender]]:
    """So many senders that are connected."""
    senders = [Sender(system, number) for number in range(count)]
    try:
        await asyncio.gather(*(sender.open() for sender in senders))
        yield senders
    finally:
        await asyncio.gather(*(sender.close() for sender in senders))


async def measure_pace(senders: Sequence[Sender], seconds: float) -> Pace:
    """Let each send as fast as it is acknowledged."""
    times: list[float] = []
    clock = time.perf_counter
    start = clock()

    async def work(sender: Sender) -> None:
        while clock() - start < seconds:
            took, _ = await sender.send()
            times.append(took)

    await asyncio.gather(*map(work, senders))
    ordered = statistics.quantiles(times, n=100)
    return Pace(len(senders), len(times) / (clock() - start), ordered[49] * 1000, ordered[98] * 1000)


async def flood(senders: Sequence[Sender], per_second: float, seconds: float) -> Overload:
    """Send at a rate, whatever is acknowledged; then wait until all is."""
    result = Overload(per_second, seconds)
    counts = dict.fromkeys(senders, 0)
    clock = time.perf_counter
    start, sent, acknowledged = clock(), 0, 0

    async def one(sender: Sender) -> None:
        nonlocal acknowledged
        _, tries = await sender.send()
        result.again += tries - 1
        acknowledged += 1
        counts[sender] += 1

    turns, tasks = itertools.cycle(senders), []
    next_second = 0.0
    async with asyncio.timeout(seconds + _DRAIN_SECONDS):
        while sent < per_second * seconds or acknowledged < sent:
            elapsed = clock() - start
            while sent < min(elapsed, seconds) * per_second:
                tasks.append(asyncio.create_task(one(next(turns))))
                sent += 1
            if elapsed >= next_second:
                result.sent.append(sent)
                result.acknowledged.append(acknowledged)
                next_second += 1
            if elapsed >= seconds and not result.shares:
                result.shares = list(counts.values())
            await asyncio.sleep(0.01)
        await asyncio.gather(*tasks)
    result.sent.append(sent)
    result.acknowledged.append(acknowledged)
    result.drained = clock() - start - seconds
    return result
