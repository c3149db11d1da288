"""A broadcast to 1,000 clients through the emulator, beside a bare aiohttp loop in the same run.

Each server has a process and 1,000 clients of its own; one REST call sends 1 KiB of text to all of them, the next one
when all have it. The servers take turns. Reliable clients acknowledge nothing, so that all is kept for them. A latency
is the time from the call to the last byte at one client. Memory is what an idle connection adds to the server's
resident set.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import jwt
from aiohttp import web

from benchmarks.backends import ROOT
from benchmarks.report import Figure, NotMeasuredError
from webpubsub_emulator import DEFAULT_ACCESS_KEY, Emulator, EmulatorSettings
from webpubsub_emulator.open_files import allow_many_files

__all__ = ["measure"]

MIN_RATIO = 0.6
MAX_KIB_PER_CONNECTION = 50
_CLIENTS = 1000
_BROADCASTS = 20
_ROUNDS = 7
_TEXT = "x" * 1024
# The clients answer no ping, and on a busy machine they are here for longer than one interval of the service.
_PING_SECONDS = 3600
_HANDSHAKE = (
    "GET /{path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
)


async def serve_emulator() -> None:
    """Run the emulator until standard input ends."""
    async with Emulator(EmulatorSettings(port=0, ping_interval=_PING_SECONDS)) as emulator:
        print(emulator.url.rpartition(":")[2], flush=True)
        await asyncio.to_thread(sys.stdin.read)


async def serve_bare() -> None:
    """Run the least that delivers to all: a list of sockets and a loop over it."""
    sockets: list[web.WebSocketResponse] = []

    async def connect(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=_PING_SECONDS, compress=False)
        await socket.prepare(request)
        sockets.append(socket)
        async for _ in socket:
            pass
        return socket

    async def send(request: web.Request) -> web.Response:
        data = json.dumps(await request.text())
        message = f'{{"type":"message","from":"server","dataType":"text","data":{data}}}'
        for socket in sockets:
            await socket.send_str(message)
        return web.Response(status=202)

    app = web.Application()
    app.add_routes([web.get("/", connect), web.post("/", send)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


class Server:
    """A server in a process of its own, its clients, and how to broadcast to them."""

    def __init__(self, process: subprocess.Popen[str], http: aiohttp.ClientSession, subprotocol: str | None) -> None:
        """``subprotocol`` is that of the emulator's clients; the bare loop has none."""
        self._process = process
        self._http = http
        self._port = int(process.stdout.readline()) if process.stdout else 0
        self._url = f"http://localhost:{self._port}"
        self._headers = {"Content-Type": "text/plain"}
        path = more = ""
        if subprotocol is not None:
            path = f"client/hubs/bench?access_token={_token(f'{self._url}/client/hubs/bench')}"
            more = f"Sec-WebSocket-Protocol: {subprotocol}\r\n"
            self._url += "/api/hubs/bench/:send"
            self._headers["Authorization"] = f"Bearer {_token(self._url)}"
        self._handshake = _HANDSHAKE.format(path=path, port=self._port, more=more).encode()
        self._clients: list[Client] = []
        self.latencies: list[float] = []
        self.rates: list[float] = []
        self.connection_kib = 0.0

    async def connect(self) -> None:
        """Connect all clients and see what they cost."""
        before = self._memory()
        for _ in range(_CLIENTS):
            loop = asyncio.get_running_loop()
            transport, client = await loop.create_connection(Client, "127.0.0.1", self._port)
            transport.write(self._handshake)
            self._clients.append(client)
        async with asyncio.timeout(60):
            await asyncio.gather(*(client.ready.wait() for client in self._clients))
        self.connection_kib = (self._memory() - before) / _CLIENTS

    async def measure(self) -> None:
        """Keep the deliveries a second of one round, and the latency of each."""
        start = time.perf_counter()
        for _ in range(_BROADCASTS):
            sent_at = time.perf_counter()
            receipts = [client.expect() for client in self._clients]
            async with self._http.post(self._url, data=_TEXT.encode(), headers=self._headers) as response:
                if response.status != 202:
                    raise NotMeasuredError(f"a broadcast was answered {response.status}: nothing was measured")
            async with asyncio.timeout(60):
                self.latencies += [received_at - sent_at for received_at in await asyncio.gather(*receipts)]
        self.rates.append(_BROADCASTS * _CLIENTS / (time.perf_counter() - start))

    def _memory(self) -> float:
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1024


class Client(asyncio.Protocol):
    """A WebSocket client that does as little as one can: it knows when it has a whole message."""

    def __init__(self) -> None:
        """Start before the handshake."""
        self.ready = asyncio.Event()
        self._buffer = b""
        self._receipt: asyncio.Future[float] | None = None

    def expect(self) -> asyncio.Future[float]:
        """Return the time at which the next message is there."""
        self._receipt = asyncio.get_running_loop().create_future()
        return self._receipt

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._buffer += data
        if not self.ready.is_set():
            head, end, self._buffer = self._buffer.partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 101"):
                raise NotMeasuredError(f"a client was refused: {head!r}")
            if end:
                self.ready.set()
        while len(self._buffer) >= 4:
            length = self._buffer[1]
            whole = 2 + length if length < 126 else 4 + int.from_bytes(self._buffer[2:4])
            if len(self._buffer) < whole:
                return
            self._buffer = self._buffer[whole:]
            # The greeting and pings are short.
            if length == 126 and self._receipt is not None:
                self._receipt.set_result(time.perf_counter())
                self._receipt = None


def _token(audience: str) -> str:
    return jwt.encode({"aud": audience, "exp": time.time() + 3600}, DEFAULT_ACCESS_KEY, "HS256")


@contextmanager
def _process(kind: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.fanout", kind]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


async def measure() -> list[Figure]:
    """Return the deliveries a second and the memory of a connection."""
    allow_many_files()
    emulator, bare = serve_emulator.__name__, serve_bare.__name__
    async with aiohttp.ClientSession() as http:
        with _process(emulator) as plain, _process(emulator) as reliable, _process(bare) as loop:
            servers = {
                "JSON": Server(plain, http, "json.webpubsub.azure.v1"),
                "reliable JSON": Server(reliable, http, "json.reliable.webpubsub.azure.v1"),
                "bare aiohttp loop": Server(loop, http, None),
            }
            for server in servers.values():
                await server.connect()
            for _ in range(_ROUNDS):
                for server in servers.values():
                    await server.measure()
    bare_rates = servers["bare aiohttp loop"].rates
    figures = []
    for name, server in servers.items():
        if server.rates is bare_rates:
            continue
        figures += [
            Figure(
                what=f"messages delivered a second by the emulator, {name}",
                ours=f"{_rate(server)}, p99 {_p99(server):.0f} ms",
                baseline=f"{_rate(servers['bare aiohttp loop'])} (a bare aiohttp loop)",
                value=statistics.median(ours / bare for ours, bare in zip(server.rates, bare_rates, strict=True)),
                at_least=MIN_RATIO,
            ),
            Figure(
                what=f"memory of an idle connection, {name}",
                ours=f"{server.connection_kib:.0f} KiB",
                baseline=f"{servers['bare aiohttp loop'].connection_kib:.0f} KiB (a bare aiohttp loop)",
                value=server.connection_kib,
                unit="KiB",
                at_most=MAX_KIB_PER_CONNECTION,
            ),
        ]
    return figures


def _rate(server: Server) -> str:
    return f"{statistics.median(server.rates):,.0f} /s"


def _p99(server: Server) -> float:
    return statistics.quantiles(server.latencies, n=100)[98] * 1000


if __name__ == "__main__":
    asyncio.run({server.__name__: server for server in (serve_emulator, serve_bare)}[sys.argv[-1]]())
