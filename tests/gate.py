"""A TCP proxy in front of a back end that a test can make misbehave."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self

__all__ = ["Gate"]


class Gate:
    """Passes everything on until a test sets how it fails; a free port.

    ``answer`` is written instead of passing a request on; ``is_silent`` accepts and never answers; ``reset_idle`` makes
    every connection that exists now end with a reset at its next request.
    """

    def __init__(self, target_port: int = 0) -> None:
        self.target_port = target_port
        self._server: asyncio.Server | None = None
        self._generation = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self.answer: bytes | None = None
        self.is_silent = False
        self.requests = 0
        self.resets = 0

    @property
    def port(self) -> int:
        """The port that the gate listens on."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def refuse(self, status: int) -> None:
        """Answer every request with a status and no body."""
        self.answer = b"HTTP/1.1 %d Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status

    def open(self) -> None:
        """Pass everything on again."""
        self.answer = None
        self.is_silent = False

    def reset_idle(self) -> None:
        """End every connection of now with a reset as soon as it is used again."""
        self._generation += 1

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop, and end every connection."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        generation = self._generation
        upstream: asyncio.StreamWriter | None = None
        back: asyncio.Task[None] | None = None
        self._writers.add(writer)
        try:
            while data := await reader.read(1 << 16):
                self.requests += 1
                if generation != self._generation:
                    self.resets += 1
                    writer.transport.abort()
                    return
                if self.answer is not None:
                    writer.write(self.answer)
                    await writer.drain()
                    return
                if self.is_silent:
                    continue
                if upstream is None:
                    source, upstream = await asyncio.open_connection("127.0.0.1", self.target_port)
                    back = asyncio.create_task(_copy(source, writer))
                upstream.write(data)
                await upstream.drain()
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            for open_writer in filter(None, (writer, upstream)):
                open_writer.close()
            if back is not None:
                back.cancel()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()
    target.close()
