"""Messages through handler, store and broadcast, beside the bare SDK calls with the pipelines that they come with.

The baseline is ``create_entity`` and ``send_to_group`` with ready-made arguments, against the same Azurite and
emulator, which are processes of their own. A message has 1 KiB of text. Rounds of 1, 32 and 128 messages at a time
take turns with the baseline's. CPU is what the operating system charges this process for. A message into a private room
costs one point read more, so its baseline is an open room and one read.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from azure.data.tables.aio import TableClient
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from benchmarks import backends
from benchmarks.report import Figure, NotMeasuredError, compare
from chat.backends import service, table_store
from chat.event_handler import make_event_handler
from chat.messaging import outbox
from chat.messaging.checks import Checks
from chat.messaging.delivery import Delivery
from chat.messaging.private_rooms import PrivateRooms
from chat.settings import Settings
from webpubsub_handler import Headers, HttpRequest, sign

__all__ = ["App", "measure"]

_MAX_CPU: Final = 0.75
_MIN_RATE: Final = 1.2
_MAX_P99: Final = 1.0
# How many at a time, and how many a round: a round takes about a second.
_ROUNDS: Final = {1: 150, 32: 480, 128: 768}
_PAIRS: Final = 7
# The service delivers again, after so many seconds, what a busy machine did not store in time.
_PAUSES: Final = (1, 3, 5)
_ROOM: Final = "lobby"
_PRIVATE_ROOM: Final = "@team"
_SINCE: Final = "2026-11-24T09:30:00.000Z"
# A message into a private room may cost one point read more than one into an open room.
_MIN_PRIVATE: Final = 0.9
_TEXT: Final = "x" * 1024
_BARE_CALLS: Final = "the bare SDK calls"

Send = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Round:
    """A round: messages a second, CPU seconds of a message, and the 99th percentile of its seconds."""

    rate: float
    cpu: float
    p99: float


class App:
    """All of the app that a message passes, with the clients of a service and a table.

    Args:
        settings: Where both are.
    """

    def __init__(self, settings: Settings) -> None:
        self.store = table_store.TableStore(settings.hub, settings.storage)
        self.service = service.Service(settings.hub, settings.endpoints[0])
        self._outbox = outbox.Outbox(self.store, self.service)
        delivery = Delivery(self.store, self.service, self._outbox, Checks(settings.max_message_bytes))
        private_rooms = PrivateRooms(self._outbox, self.service)
        self._handler = make_event_handler(settings, self.store, self.service, self._outbox, delivery, private_rooms)
        endpoint = settings.endpoints[0]
        self._fields = {
            "content-type": "text/plain; charset=utf-8",
            "ce-specversion": "1.0",
            "ce-type": "azure.webpubsub.user.message",
            "webhook-request-origin": urlsplit(endpoint.url).hostname or "",
            "ce-signature": sign(endpoint.access_key or "", "conn-42"),
            "ce-connectionid": "conn-42",
            "ce-hub": settings.hub,
            "ce-eventname": "message",
        }
        self.numbers = itertools.count(1)

    async def send(self, number: int, room: str = _ROOM, user: str = "ana") -> None:
        """Let one signed event through everything."""
        await self._send(number, user, {"rooms": [room]})

    async def send_in_private(self, number: int) -> None:
        """Let one signed event through everything, into a private room."""
        await self._send(number, "ana", {"rooms": [], "private": {"rooms": [_PRIVATE_ROOM], "since": _SINCE}})

    async def send_and_read(self, number: int) -> None:
        """Let one signed event through everything, into an open room, and read one row beside it."""
        await self.send(number)
        await self.store.table.get("=none", "none")

    async def open_private_room(self) -> None:
        """Make the sender a member of the private room."""
        await self._outbox.members.add("ana", _PRIVATE_ROOM, "event", joined="0")

    async def _send(self, number: int, user: str, kept: Mapping[str, object]) -> None:
        state = base64.b64encode(json.dumps(kept).encode()).decode()
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        own = {"ce-id": str(number), "ce-time": now, "ce-userid": user, "ce-connectionstate": state}
        headers = {**self._fields, **own}
        response = await self._handler.handle(HttpRequest("POST", Headers(headers), _TEXT.encode()))
        for pause in _PAUSES:
            if response.status != 503:
                break
            await asyncio.sleep(pause)
            response = await self._handler.handle(HttpRequest("POST", Headers(headers), _TEXT.encode()))
        if response.status != 204 and not response.body.startswith(b'{"id":'):
            raise NotMeasuredError(f"a message was answered {response.status}: {response.body!r}")

    async def aclose(self) -> None:
        """Close the clients."""
        await self._outbox.aclose()
        await self.store.aclose()
        await self.service.aclose()


@asynccontextmanager
async def running_app(endpoint: str) -> AsyncIterator[tuple[App, str]]:
    """Run Azurite and make the app's clients for it; give the app, and the connection string of the table.

    Azurite goes through all rows for each one that it inserts, so every part has an empty table.
    """
    async with backends.azurite() as storage:
        app = App(backends.settings_of(storage, endpoint))
        await app.store.check()
        try:
            yield app, storage
        finally:
            await app.aclose()


@asynccontextmanager
async def bare_calls(storage: str, endpoint: str) -> AsyncIterator[Send]:
    """Yield what makes the two bare calls, for the same row and the same JSON."""
    row = {
        "PartitionKey": "bare",
        "connectionId": "conn-42",
        "eventId": "7",
        "eventName": "message",
        "time": "2026-11-24T09:30:00.005Z",
        "dataType": "text",
        "contentType": "text/plain",
        "userId": "ana",
        "text": _TEXT,
    }
    envelope = {
        "type": "message",
        "id": "0" * 50,
        "time": row["time"],
        "from": "ana",
        "room": _ROOM,
        "event": "message",
        "dataType": "text",
        "data": _TEXT,
    }

    async def send(number: int) -> None:
        await table.create_entity({**row, "RowKey": f"{number:050d}"})
        await clients.send_to_group(_ROOM, envelope, content_type="application/json")

    async with (
        TableClient.from_connection_string(storage, table_store.TABLE_NAME) as table,
        WebPubSubServiceClient.from_connection_string(endpoint, "chat") as clients,
    ):
        yield send


async def one_round(send: Send, numbers: itertools.count[int], concurrency: int) -> Round:
    """Send the messages of a round, so many at a time."""
    count = _ROUNDS[concurrency]
    pending = iter(range(count))
    seconds = []

    async def worker() -> None:
        for _ in pending:
            sent = time.perf_counter()
            await send(next(numbers))
            seconds.append(time.perf_counter() - sent)

    start, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(concurrency)))
    p99 = statistics.quantiles(seconds, n=100)[98]
    return Round(count / (time.perf_counter() - start), (time.process_time() - cpu) / count, p99)


async def measure() -> list[Figure]:
    """Return CPU and rates beside those of the bare calls."""
    pairs = {}
    async with backends.emulator() as endpoint:
        for concurrency in _ROUNDS:
            async with running_app(endpoint) as (app, storage), bare_calls(storage, endpoint) as bare:
                pairs[concurrency] = await in_turns(app.send, bare, app.numbers, concurrency)
        async with running_app(endpoint) as (app, _):
            await app.open_private_room()
            rooms = await in_turns(app.send_in_private, app.send_and_read, app.numbers, 32)
    figures = [
        compare(
            "CPU of a message, 32 at a time", _of(pairs[32], "cpu", 1000), "{:.2f} ms", _BARE_CALLS, at_most=_MAX_CPU
        ),
        compare(
            "messages a second into a private room, 32 at a time",
            _of(rooms, "rate"),
            "{:.0f} /s",
            "an open room, and one row read",
            at_least=_MIN_PRIVATE,
        ),
    ]
    for concurrency, rounds in pairs.items():
        at_a_time = f"{concurrency} at a time"
        rate, p99 = _of(rounds, "rate"), _of(rounds, "p99", 1000)
        figures += [
            compare(f"messages a second, {at_a_time}", rate, "{:.0f} /s", _BARE_CALLS, at_least=_MIN_RATE),
            compare(f"p99 of a message, {at_a_time}", p99, "{:.0f} ms", _BARE_CALLS, at_most=_MAX_P99),
        ]
    return figures


async def in_turns(
    ours: Send, baseline: Send, numbers: itertools.count[int], concurrency: int
) -> list[tuple[Round, Round]]:
    """Return pairs of rounds, ours first; they take turns in who begins."""
    pairs = []
    for number in range(_PAIRS + 1):
        sends = (ours, baseline) if number % 2 else (baseline, ours)
        first, second = [await one_round(send, numbers, concurrency) for send in sends]
        # The first pair warms up.
        if number:
            pairs.append((first, second) if number % 2 else (second, first))
    return pairs


def _of(pairs: list[tuple[Round, Round]], name: str, factor: float = 1) -> list[tuple[float, float]]:
    return [(getattr(ours, name) * factor, getattr(other, name) * factor) for ours, other in pairs]
