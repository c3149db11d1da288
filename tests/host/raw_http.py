"""HTTP as it is on the wire: what is sent is what was written, and nothing of the answer is smoothed over."""

from __future__ import annotations

import asyncio
import http.client
import io
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

from tests.patience import PATIENCE_SECONDS


class Listening(Protocol):
    """Whatever listens on a port of this machine."""

    @property
    def url(self) -> str:
        """Where it is, without a path."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response; the header names are as they were written."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def every(self, name: str) -> list[str]:
        """All values of a header, a line each."""
        return [value for field, value in self.headers if field.lower() == name.lower()]

    def __getitem__(self, name: str) -> str:
        """The one value of a header."""
        (value,) = self.every(name)
        return value


class _Received:
    """What ``http.client`` takes for a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: object) -> io.BytesIO:
        """The bytes, to read from."""
        return io.BytesIO(self._data)


async def exchange(host: Listening, sent: bytes) -> bytes:
    """Send bytes and give everything that comes back until the host closes."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(host.url).port)
        try:
            writer.write(sent)
            await writer.drain()
            return await reader.read()
        finally:
            writer.close()


async def ask(
    host: Listening,
    method: str,
    target: str,
    headers: Iterable[tuple[str, str | bytes]] = (),
    body: bytes | None = None,
) -> Answer:
    """Send one request, with a Content-Length when there is a body, and read the response."""
    lines = [f"{method} {target} HTTP/1.1".encode(), b"Host: localhost:7071", b"Connection: close"]
    lines += [
        name.encode() + b": " + (value if isinstance(value, bytes) else value.encode()) for name, value in headers
    ]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}".encode())
    return parse(method, await exchange(host, b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")))


def parse(method: str, received: bytes) -> Answer:
    """Read a response."""
    response = http.client.HTTPResponse(cast(socket.socket, cast(Any, _Received(received))), method=method)
    response.begin()
    return Answer(response.status, response.getheaders(), response.read())
