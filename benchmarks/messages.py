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
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from azure.data.tables.aio import TableClient
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from benchmarks import backends
from benchmarks.report import Figure, NotMeasuredError
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


def through_sdks(table: TableClient, clients: WebPubSubServiceClient) -> Send:
    """Return what makes the two bare calls, for the same row and the same JSON."""
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

    return send


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
    async with backends.azurite() as storage, backends.emulator() as endpoint:
        settings = backends.settings_of(storage, endpoint)
        app = App(settings)
        await app.store.check()
        async with (
            TableClient.from_connection_string(storage, table_store.TABLE_NAME) as table,
            WebPubSubServiceClient.from_connection_string(endpoint, settings.hub) as clients,
        ):
            bare = through_sdks(table, clients)
            pairs = {concurrency: await in_turns(app.send, bare, app.numbers, concurrency) for concurrency in _ROUNDS}
        await app.open_private_room()
        rooms = await in_turns(app.send_in_private, app.send_and_read, app.numbers, 32)
        await app.aclose()
    figures = [_cpu(pairs[32]), _private(rooms)]
    for concurrency, rounds in pairs.items():
        figures += [_rate(concurrency, rounds), _p99(concurrency, rounds)]
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


def _cpu(pairs: list[tuple[Round, Round]]) -> Figure:
    ours, bare = (statistics.median(pair[side].cpu for pair in pairs) * 1000 for side in (0, 1))
    ratio = statistics.median(ours.cpu / bare.cpu for ours, bare in pairs)
    return Figure(
        what="CPU of a message, 32 at a time",
        ours=f"{ours:.2f} ms",
        baseline=f"{bare:.2f} ms (the bare SDK calls)",
        value=ratio,
        at_most=_MAX_CPU,
    )


def _private(pairs: list[tuple[Round, Round]]) -> Figure:
    private, open_room = (statistics.median(pair[side].rate for pair in pairs) for side in (0, 1))
    return Figure(
        what="messages a second into a private room, 32 at a time",
        ours=f"{private:.0f} /s",
        baseline=f"{open_room:.0f} /s (an open room, and one row read)",
        value=statistics.median(private.rate / open_room.rate for private, open_room in pairs),
        at_least=_MIN_PRIVATE,
    )


def _rate(concurrency: int, pairs: list[tuple[Round, Round]]) -> Figure:
    ours, bare = (statistics.median(pair[side].rate for pair in pairs) for side in (0, 1))
    ratio = statistics.median(ours.rate / bare.rate for ours, bare in pairs)
    return Figure(
        what=f"messages a second, {concurrency} at a time",
        ours=f"{ours:.0f} /s",
        baseline=f"{bare:.0f} /s (the bare SDK calls)",
        value=ratio,
        at_least=_MIN_RATE,
    )


def _p99(concurrency: int, pairs: list[tuple[Round, Round]]) -> Figure:
    ours, bare = (statistics.median(pair[side].p99 for pair in pairs) * 1000 for side in (0, 1))
    ratio = statistics.median(ours.p99 / bare.p99 for ours, bare in pairs)
    return Figure(
        what=f"p99 of a message, {concurrency} at a time",
        ours=f"{ours:.0f} ms",
        baseline=f"{bare:.0f} ms (the bare SDK calls)",
        value=ratio,
        at_most=_MAX_P99,
    )
