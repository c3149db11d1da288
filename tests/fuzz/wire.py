"""HTTP to a server of aiohttp without a socket: what one request is answered."""

from __future__ import annotations

import asyncio
import http.client
from typing import Final

from aiohttp import web

from tests.host.raw_http import Answer, parse

__all__ = ["exchange", "read"]

# No request waits for anything but its body, so it is answered after so many steps of the loop, or never.
_MAX_STEPS: Final = 50


class _Wire(asyncio.Transport):
    """What the server takes for a TCP connection."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep what the server sends."""
        self.written += data

    def close(self) -> None:
        """Remember that the server has closed."""
        self.is_closed = True

    def abort(self) -> None:
        """Remember that the server has closed."""
        self.is_closed = True

    def is_closing(self) -> bool:
        """Return whether the server has closed."""
        return self.is_closed

    def pause_reading(self) -> None:
        """All is there already."""

    def resume_reading(self) -> None:
        """All is there already."""


async def exchange(server: web.Server, sent: bytes) -> bytes:
    """Return what is answered to one request; then the client is gone."""
    protocol, wire = server(), _Wire()
    protocol.connection_made(wire)
    protocol.data_received(sent)
    for _ in range(_MAX_STEPS):
        if wire.is_closed:
            break
        await asyncio.sleep(0)
    protocol.connection_lost(None)
    await server.shutdown(0)
    return bytes(wire.written)


def read(method: str, received: bytes) -> Answer:
    """Read an answer.

    Raises:
        AssertionError: It is not one.
    """
    try:
        return parse(method, received)
    except http.client.HTTPException as error:
        raise AssertionError(f"not an answer: {received!r}") from error
