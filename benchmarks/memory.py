"""What a process keeps: its resident memory after 100,000 messages in 10,000 rooms, beside that after 1,000 messages.

A process of its own lets signed events through the handler, the store and the service, with the clients of both SDKs;
10,000 users send them, and each is under the rate limit. A server that accepts everything stands for both back ends.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from benchmarks import backends
from benchmarks.messages import App
from benchmarks.report import Figure, NotMeasuredError
from chat.settings import Settings

__all__ = ["measure"]

_LEAST: Final = 0.95
_MOST: Final = 1.05
_FEW: Final = 1_000
_MANY: Final = 100_000
_ROOMS: Final = 10_000
_AT_A_TIME: Final = 32
_ACCOUNT: Final = "AccountName=devstoreaccount1;AccountKey=a2V5;TableEndpoint=http://127.0.0.1:{}/devstoreaccount1;"


class _Sink(asyncio.Protocol):
    """Answers each request as if it had been done; reads no more of it than where it ends."""

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what answers go to."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer what is complete."""
        self._buffer += data
        while True:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            length = next(
                (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
            )
            if not end or len(rest) < length:
                return
            self._buffer = rest[length:]
            if head.startswith(b"GET"):
                answer = b"200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n" + b'{"value":[]}'
            else:
                answer = b"202 Accepted\r\nContent-Length: 0\r\n\r\n"
                answer = b"204 No Content\r\n\r\n" if b"/messages " in head[:200] else answer
            self._transport.write(b"HTTP/1.1 " + answer)


async def measure() -> list[Figure]:
    """Return both sizes."""
    async with _sink() as port:
        settings = {
            "AzureWebJobsStorage": _ACCOUNT.format(port),
            "WebPubSubConnectionString": f"Endpoint=http://localhost:{port};AccessKey=k;Version=1.0;",
            "CLIENT_AUTH": "anonymous",
        }
        stderr = asyncio.subprocess.PIPE
        async with backends.python("-m", "benchmarks.memory", settings=settings, stderr=stderr) as process:
            output, errors = await process.communicate()
    if process.returncode:
        raise NotMeasuredError(f"the process that was to be measured failed:\n{errors.decode()}")
    few, many = json.loads(output)
    return [
        Figure(
            what=f"memory after {_MANY:,} messages in {_ROOMS:,} rooms",
            ours=f"{many:.1f} MiB",
            baseline=f"{few:.1f} MiB (after {_FEW:,} messages in one room)",
            value=many / few,
            at_least=_LEAST,
            at_most=_MOST,
        )
    ]


@asynccontextmanager
async def _sink() -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(_Sink, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def _mebibytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024**2


async def _send_and_weigh() -> None:
    app = App(Settings.from_env(os.environ))
    pending = itertools.count(1)
    sizes = []
    for last, rooms in ((_FEW, 1), (_MANY, _ROOMS)):

        async def worker(last: int = last, rooms: int = rooms) -> None:
            while (number := next(pending)) <= last:
                await app.send(number, f"room-{number % rooms}", f"user-{number % _ROOMS}")

        await asyncio.gather(*(worker() for _ in range(_AT_A_TIME)))
        sizes.append(_mebibytes())
    print(json.dumps(sizes))
    await app.aclose()


if __name__ == "__main__":
    sys.exit(asyncio.run(_send_and_weigh()))
