"""What the library costs for one event, beside an empty function in the same process.

    python benchmarks/handler.py

A signed ``message`` event of 1 KiB is authenticated, decoded, dispatched and answered, without a store. The worker
of Azure Functions takes about 500 µs of CPU for a call; the library may take 50.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from webpubsub_handler import (
    AccessKeyAuthenticator,
    Headers,
    HttpRequest,
    HttpResponse,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
)
from webpubsub_handler.protocol.signature import sign

LIMIT_MICROSECONDS = 50
_EVENTS = 5_000
_ROUNDS = 7

KEYS = ("primary-key-0001", "secondary-key-0002")


def make_handler() -> WebPubSubEventHandler:
    """Make a handler whose only function reads the state and replies nothing."""
    handler = WebPubSubEventHandler("chat", [AccessKeyAuthenticator(KEYS)], allowed_origins=["localhost"])

    @handler.on_user_event("message")
    async def message(request: UserEventRequest) -> UserEventResponse | None:
        return None if request.context.state["room"] == "lobby" and request.data else UserEventResponse("?")

    return handler


def make_request() -> HttpRequest:
    """Make the event as the Functions host hands it over: names lower-cased, both signatures in one value."""
    headers = {
        "host": "localhost:7071",
        "content-type": "text/plain; charset=utf-8",
        "webhook-request-origin": "localhost",
        "ce-specversion": "1.0",
        "ce-awpsversion": "1.0",
        "ce-type": "azure.webpubsub.user.message",
        "ce-source": "/hubs/chat/client/conn-42",
        "ce-id": "7",
        "ce-time": "2026-11-24T09:30:00Z",
        "ce-signature": ",".join(sign(key, "conn-42") for key in KEYS),
        "ce-connectionid": "conn-42",
        "ce-hub": "chat",
        "ce-eventname": "message",
        "ce-userid": "ana",
        "ce-subprotocol": "json.webpubsub.azure.v1",
        "ce-connectionstate": "eyJyb29tIjoibG9iYnkifQ==",
    }
    return HttpRequest("POST", Headers(headers), b"x" * 1024)


async def empty(_: HttpRequest) -> HttpResponse:
    """Answer at once: the floor."""
    return HttpResponse(204)


async def measure(call: Callable[[HttpRequest], Awaitable[HttpResponse]]) -> float:
    """Give the CPU time of one call in microseconds: the median of several rounds."""
    fields = list(make_request().headers)
    rounds = []
    for _ in range(_ROUNDS):
        start = time.process_time()
        for _ in range(_EVENTS):
            # A fresh request each time, as its state is read once.
            response = await call(HttpRequest("POST", Headers(fields), b"x" * 1024))
        rounds.append((time.process_time() - start) / _EVENTS * 1e6)
        if response.status != 204:
            raise SystemExit(f"the event was answered {response.status}: nothing was measured")
    return statistics.median(rounds)


async def main() -> None:
    """Print both figures and their verdict."""
    floor = await measure(empty)
    signed = await measure(make_handler().handle)
    print(f"empty function             {floor:8.1f} µs of CPU an event")
    print(f"signed message event       {signed:8.1f} µs of CPU an event")
    print(f"the library                {signed - floor:8.1f} µs (limit {LIMIT_MICROSECONDS})")
    if signed - floor > LIMIT_MICROSECONDS:
        raise SystemExit(1)


if __name__ == "__main__":
    asyncio.run(main())
