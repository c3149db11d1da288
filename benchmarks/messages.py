"""Messages a second through handler, store and broadcast, beside the bare SDK calls in the same run.

    python benchmarks/messages.py

32 messages at a time. The floor is ``create_entity`` and ``send_to_group`` of the Azure SDKs with ready-made arguments,
against the same Azurite and emulator. Rounds alternate, and the ratio is taken pair by pair. A
message into a private room costs one point read more.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from azure.data.tables.aio import TableClient
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from chat import outbox, service, table_store
from chat.authenticators import make_authenticators
from chat.changes import Changes
from chat.checks import Checks
from chat.delivery import Delivery
from chat.events import ChatEvents
from chat.private_rooms import PrivateRooms
from chat.settings import Settings
from local.azurite import Azurite
from webpubsub_emulator import Emulator, EmulatorSettings
from webpubsub_handler import Headers, HttpRequest, WebPubSubEventHandler, sign

MIN_RATIO = 0.9
_CONCURRENCY = 32
_MESSAGES = 640
_PAIRS = 7

_numbers = itertools.count(1)
_ROOM = "lobby"
_PRIVATE_ROOM = "@team"
_TEXT = "x" * 1024


async def rate(send: Callable[[int], Awaitable[None]]) -> float:
    """Return the messages a second of one round."""
    pending = iter(range(_MESSAGES))

    async def worker() -> None:
        for _ in pending:
            await send(next(_numbers))

    start = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(_CONCURRENCY)))
    return _MESSAGES / (time.perf_counter() - start)


def through_handler(
    settings: Settings,
    delivery: Delivery,
    changes: Changes,
    broadcaster: service.Service,
    waiting: outbox.Outbox,
    state: Mapping[str, object],
) -> Callable[[int], Awaitable[None]]:
    """Return what sends one signed event through everything that is ours."""
    handler = WebPubSubEventHandler(
        settings.hub, make_authenticators(settings), allowed_origins=settings.allowed_origins
    )
    handler.middleware(waiting.note_event)
    ChatEvents(
        delivery,
        changes,
        broadcaster,
        None,
        private_rooms=PrivateRooms(waiting, broadcaster),
        default_room=_ROOM,
        max_messages_per_second=0,
    ).register(handler)
    endpoint = settings.endpoints[0]
    fields = {
        "content-type": "text/plain; charset=utf-8",
        "ce-specversion": "1.0",
        "ce-type": "azure.webpubsub.user.message",
        "webhook-request-origin": urlsplit(endpoint.url).hostname or "",
        "ce-signature": sign(endpoint.access_key or "", "conn-42"),
        "ce-connectionid": "conn-42",
        "ce-hub": settings.hub,
        "ce-eventname": "message",
        "ce-userid": "ana",
        "ce-connectionstate": base64.b64encode(json.dumps(state).encode()).decode(),
    }

    async def send(number: int) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        headers = Headers({**fields, "ce-id": str(number), "ce-time": now})
        response = await handler.handle(HttpRequest("POST", headers, _TEXT.encode()))
        if response.status not in (200, 204) or b"error" in response.body:
            raise SystemExit(f"a message was answered {response.status}: {response.body!r}")

    return send


def through_sdks(table: TableClient, clients: WebPubSubServiceClient) -> Callable[[int], Awaitable[None]]:
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


async def main() -> None:
    """Print the figures and their verdict."""
    with tempfile.TemporaryDirectory() as folder:
        async with Azurite(Path(folder)) as azurite, Emulator(EmulatorSettings(port=0)) as emulator:
            settings = Settings.from_env(
                {
                    "AzureWebJobsStorage": azurite.connection_string,
                    "WebPubSubConnectionString": emulator.connection_string,
                }
            )
            store = table_store.TableStore(settings.hub, settings.storage)
            broadcaster = service.Service(settings.hub, settings.endpoints[0])
            await store.check()
            waiting = outbox.Outbox(store, broadcaster)
            checks = Checks(settings.max_message_bytes)
            delivery = Delivery(store, broadcaster, waiting, checks)
            await waiting.members.add("ana", _PRIVATE_ROOM, "event", joined="0")
            asked = {"rooms": [], "private": {"rooms": [_PRIVATE_ROOM], "since": "2026-11-24T09:30:00.000Z"}}
            ours, private = (
                through_handler(settings, delivery, Changes(store, delivery, checks), broadcaster, waiting, state)
                for state in ({"rooms": [_ROOM]}, asked)
            )
            async with (
                table_store.make_client(settings.storage) as table,
                service.make_client(settings.hub, settings.endpoints[0]) as clients,
            ):
                bare = through_sdks(table, clients)
                rounds = [(await rate(ours), await rate(private), await rate(bare)) for _ in range(_PAIRS + 1)][1:]
            await waiting.aclose()
            await store.aclose()
            await broadcaster.aclose()
    ratio = statistics.median(our / sdk for our, _, sdk in rounds)
    print(f"handler + store + broadcast  {statistics.median(our for our, _, _ in rounds):8.0f} messages/s")
    print(f"the same in a private room   {statistics.median(one for _, one, _ in rounds):8.0f} messages/s")
    print(f"bare SDK calls               {statistics.median(sdk for _, _, sdk in rounds):8.0f} messages/s")
    print(f"ratio, median of {_PAIRS} pairs     {ratio:8.2f} (at least {MIN_RATIO})")
    if ratio < MIN_RATIO:
        raise SystemExit(1)


if __name__ == "__main__":
    asyncio.run(main())
