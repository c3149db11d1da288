"""A page of the history: 50 messages of a room that has 100,000, beside a room that has 100.

Both rooms are in one table of Azurite, and the pages take turns: the newest page and one from the middle of the room. A
request is counted where the SDK hands it to its transport.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from azure.core.pipeline.transport import AioHttpTransport

from benchmarks import backends
from benchmarks.report import Figure
from chat.backends.history import History
from chat.backends.table_store import TableStore, make_client
from chat.model.entities import to_entity
from chat.model.keys import body_digest, message_id, partition_key
from chat.model.messages import Message
from webpubsub_handler import DataType

__all__ = ["measure"]

_MAX_RATIO: Final = 1.2
_LARGE: Final = 100_000
_SMALL: Final = 100
_PAGE: Final = 50
_TRANSACTION: Final = 100
_AT_A_TIME: Final = 4
_PAIRS: Final = 41
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_TEXT: Final = b"x" * 200


def _message(hub: str, room: str, number: int) -> Message:
    sent = _START + timedelta(seconds=number)
    digest = body_digest(DataType.TEXT, _TEXT)
    event_id = str(number)
    identity = message_id(partition_key(hub, room), sent, "conn-1", event_id, digest)
    return Message(
        id=identity,
        time=sent,
        room=room,
        user_id="ana",
        connection_id="conn-1",
        event_id=event_id,
        event_name="message",
        data_type=DataType.TEXT,
        content_type="text/plain",
        body=_TEXT,
        key=None,
    )


async def _fill(store: TableStore, room: str, count: int) -> str:
    """Store so many messages; return the id of the one in the middle."""
    partition = partition_key(store.hub, room)
    starts = iter(range(0, count, _TRANSACTION))
    async with make_client(store.account) as client:

        async def worker() -> None:
            for start in starts:
                messages = (_message(store.hub, room, start + number) for number in range(_TRANSACTION))
                rows = [("upsert", to_entity(partition, message)) for message in messages]
                # Azurite ends connections that were quiet for 5 s, also while a request is on its way.
                await client.submit_transaction(rows, retry_on_methods=frozenset({"POST"}))

        await asyncio.gather(*(worker() for _ in range(_AT_A_TIME)))
    return _message(store.hub, room, count // 2 + _PAGE).id


@contextmanager
def _counted() -> Iterator[list[int]]:
    """Count the requests that the transports of azure-core send."""
    count = [0]
    send = AioHttpTransport.send

    async def counting(transport: AioHttpTransport, request: Any, **options: Any) -> Any:
        count[0] += 1
        return await send(transport, request, **options)

    AioHttpTransport.send = counting
    try:
        yield count
    finally:
        AioHttpTransport.send = send


async def measure() -> list[Figure]:
    """Return the seconds of a page of both rooms, and the requests that one takes."""
    figures = []
    async with backends.azurite() as storage:
        settings = backends.settings_of(storage, "Endpoint=http://localhost;AccessKey=k;Version=1.0;")
        store = TableStore(settings.hub, settings.storage)
        await store.check()
        middles = {room: await _fill(store, room, count) for room, count in (("large", _LARGE), ("small", _SMALL))}
        for what, cursors in (("the newest page", dict.fromkeys(middles)), ("a page from the middle", middles)):
            with _counted() as requests:
                pairs = [
                    [await _page(store, room, cursors[room]) for room in ("large", "small")] for _ in range(_PAIRS)
                ]
            figures.append(_figure(what, pairs))
            figures.append(
                Figure(
                    what=f"requests to the table for {what}",
                    ours=f"{requests[0] / _PAIRS / 2:g}",
                    value=requests[0] / _PAIRS / 2,
                    unit="requests",
                    at_most=1,
                )
            )
        await store.aclose()
    return figures


async def _page(store: TableStore, room: str, before: str | None) -> float:
    start = time.perf_counter()
    page = await History(store).page(room, limit=_PAGE, before=before, after=None)
    seconds = time.perf_counter() - start
    if len(page.envelopes) != _PAGE:
        raise SystemExit(f"a page of the room {room!r} has {len(page.envelopes)} messages: nothing was measured")
    return seconds


def _figure(what: str, pairs: list[list[float]]) -> Figure:
    large, small = (statistics.median(pair[side] for pair in pairs) * 1000 for side in (0, 1))
    return Figure(
        what=f"{what}, 50 of {_LARGE:,} messages",
        ours=f"{large:.1f} ms",
        baseline=f"{small:.1f} ms (of {_SMALL} messages)",
        value=statistics.median(large / small for large, small in pairs),
        at_most=_MAX_RATIO,
    )
