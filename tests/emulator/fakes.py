"""What the emulator's tests put on the other end: an event handler, an outbox, tokens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import web
from multidict import CIMultiDictProxy

from tests.patience import PATIENCE_SECONDS
from webpubsub_emulator.clients.limits import ClientLimits
from webpubsub_emulator.core.connection import ConnectionContext
from webpubsub_emulator.core.frames import Frame
from webpubsub_emulator.core.messages import Payload
from webpubsub_emulator.upstream.cloud_events import Event
from webpubsub_emulator.upstream.dispatcher import EventFailedError

PRIMARY_KEY = "primary-key-0001-long-enough-for-hs256"
SECONDARY_KEY = "secondary-key-0002-long-enough-for-hs256"


def sign(claims: Mapping[str, Any], key: str = PRIMARY_KEY) -> str:
    return jwt.encode({"exp": time.time() + 60, **claims}, key, algorithm="HS256")


def from_now(claims: Mapping[str, Any]) -> dict[str, Any]:
    """The claims with ``exp`` and ``nbf`` as times; where they are numbers, they are given in seconds from now."""
    times = {name: time.time() + claims[name] for name in ("exp", "nbf") if isinstance(claims.get(name), int)}
    return {**claims, **times}


@dataclass
class Received:
    method: str
    path: str
    headers: CIMultiDictProxy[str]
    raw_header_names: list[str]
    body: bytes


@dataclass
class Answer:
    status: int = 204
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    gate: asyncio.Event | None = None


class RecordingHandler:
    """An event handler on a real socket; it answers by script, event by event, and 204 at the script's end."""

    def __init__(self) -> None:
        self.url = ""
        self.received: list[Received] = []
        self.script: dict[str, list[Answer]] = {}
        self.consent: Mapping[str, str] = {"WebHook-Allowed-Origin": "*"}
        self.consent_status: dict[str, int] = {"OPTIONS": 200}
        self._changed = asyncio.Condition()

    def events(self, name: str) -> list[Received]:
        return [r for r in self.received if r.method == "POST" and r.headers["ce-eventName"] == name]

    def validations(self) -> list[Received]:
        return [r for r in self.received if r.method != "POST"]

    async def wait_for(self, name: str, count: int = 1) -> Received:
        async with asyncio.timeout(PATIENCE_SECONDS), self._changed:
            await self._changed.wait_for(lambda: len(self.events(name)) >= count)
        return self.events(name)[count - 1]

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        names = [name.decode() for name, _ in request._message.raw_headers]
        body = await request.read()
        self.received.append(Received(request.method, request.raw_path, request.headers, names, body))
        async with self._changed:
            self._changed.notify_all()
        if request.method != "POST":
            return web.Response(status=self.consent_status.get(request.method, 404), headers=self.consent)
        script = self.script.get(request.headers["ce-eventName"], [])
        answer = script.pop(0) if script else Answer()
        if answer.gate is not None:
            await answer.gate.wait()
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)


def _large_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=4 * 1024 * 1024)


@asynccontextmanager
async def recording_handler() -> AsyncIterator[RecordingHandler]:
    handler = RecordingHandler()
    server = web.Server(handler.handle, request_factory=_large_request)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    handler.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield handler
    finally:
        await runner.cleanup()


def limits(recovery_timeout: float = 30, ack_delay: float = 0) -> ClientLimits:
    """What bounds a client; it gets its acks at once unless the test says otherwise."""
    return ClientLimits(ack_delay, recovery_timeout, ping_interval=20, outgoing_buffer_bytes=0)


class FakeOutbox:
    """Keeps what would have gone to a client."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.closed: tuple[int, str] | None = None
        self.was_cut = False

    @property
    def is_closing(self) -> bool:
        return self.closed is not None

    def send(self, frame: Frame) -> None:
        self.frames.append(frame)

    def close(self, code: int, reason: str) -> None:
        self.closed = self.closed or (code, reason)

    def cut(self) -> None:
        self.was_cut = True

    @property
    def texts(self) -> Sequence[str]:
        return [frame.data.decode() for frame in self.frames]


class FakeUpstream:
    """Takes events in, answers user events with what the test has put there, and waits at its gate."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.answer: Payload | EventFailedError | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.events]

    async def user_event(self, _: ConnectionContext, event: Event) -> Payload | None:
        self.events.append(event)
        await self.gate.wait()
        if isinstance(self.answer, EventFailedError):
            raise self.answer
        return self.answer

    def notify(self, _: ConnectionContext, event: Event) -> None:
        self.events.append(event)

    async def keep_pace(self, _: ConnectionContext) -> None:
        """Nobody waits for this one."""
