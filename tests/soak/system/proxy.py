"""A proxy in front of a back end that breaks a part of the requests: refuses, hangs, resets, or loses the answer."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Final, Self

__all__ = ["Breakage", "Proxy"]

_LENGTH: Final = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_UPGRADE: Final = re.compile(rb"\r\nupgrade:\s*websocket", re.IGNORECASE)
_MAX_HEAD: Final = 64 * 1024
_PIECE: Final = 1 << 16


class Breakage(StrEnum):
    """What becomes of a request."""

    UNAVAILABLE = "503"
    THROTTLED = "429"
    HANG = "hang"
    RESET = "reset"
    CUT = "cut"
    """The back end does what it is asked, and the answer is lost."""


@dataclass(frozen=True, slots=True)
class _Broken:
    how: Breakage
    share: float


class Proxy:
    """Listens on a free port of 127.0.0.1 and passes requests on, one after the other on each connection.

    WebSockets pass through untouched: lines are cut by the service itself.
    """

    def __init__(self, target_port: int, rng: random.Random) -> None:
        self._target_port = target_port
        self._rng = rng
        self._broken: _Broken | None = None
        self._mended = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.broken_requests = 0

    @property
    def port(self) -> int:
        """The port that it listens on."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def break_requests(self, how: Breakage, share: float) -> None:
        """Break this part of the requests from now on."""
        self._mended = asyncio.Event()
        self._broken = _Broken(how, share)

    def mend(self) -> None:
        """Pass everything on; what hangs is reset."""
        self._broken = None
        self._mended.set()

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_MAX_HEAD)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End every connection."""
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # the connection is over; this task is nobody's but its own
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, target = await asyncio.open_connection("127.0.0.1", self._target_port)
        back = asyncio.create_task(_copy(answers, writer))
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if _UPGRADE.search(head):
                    target.write(head)
                    await _copy(reader, target)
                    return
                length = _LENGTH.search(head)
                body = await reader.readexactly(int(length[1])) if length else b""
                how = self._fate()
                if how is not None:
                    self.broken_requests += 1
                if how is Breakage.CUT:
                    # No answer of the one before is on its way: requests of a connection wait for each other.
                    back.cancel()
                    await asyncio.wait([back])
                    target.write(head + body)
                    await answers.read(_PIECE)
                    return
                if how is not None:
                    await self._refuse(how, writer)
                    return
                target.write(head + body)
                await target.drain()
        finally:
            back.cancel()
            target.transport.abort()

    def _fate(self) -> Breakage | None:
        broken = self._broken
        return broken.how if broken is not None and self._rng.random() < broken.share else None

    async def _refuse(self, how: Breakage, writer: asyncio.StreamWriter) -> None:
        if how is Breakage.HANG:
            await self._mended.wait()
        elif how is not Breakage.RESET:
            head = f"HTTP/1.1 {how} Broken\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
            writer.write(head.encode())
            await writer.drain()
            writer.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await writer.wait_closed()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(_PIECE):
            target.write(data)
            await target.drain()
    target.close()
