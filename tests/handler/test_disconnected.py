from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.wire import event
from webpubsub_handler import (
    ConnectionState,
    ConnectionStateError,
    DisconnectedEventRequest,
    EventErrorResponse,
    HttpResponse,
    WebPubSubEventHandler,
)


async def test_a_disconnected_event_is_answered_204_without_a_function(handler: WebPubSubEventHandler) -> None:
    assert await handler.handle(event("disconnected")) == HttpResponse(204)


@pytest.mark.parametrize(
    ("name", "reason"), [("disconnected", None), ("quirks/disconnected_with_reason", "PingTimeout")]
)
async def test_a_function_is_told_who_is_gone_and_why(
    handler: WebPubSubEventHandler, name: str, reason: str | None
) -> None:
    told = []

    @handler.on_disconnected
    async def part(request: DisconnectedEventRequest) -> None:
        told.append((request.context.user_id, request.reason))

    assert await handler.handle(event(name)) == HttpResponse(204)
    assert told == [("ana", reason)]


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.clear(),
        lambda state: state.pop("room"),
        lambda state: state.update(room="games"),
        lambda state: state.setdefault("left", True),
    ],
    ids=["clear", "pop", "update", "setdefault"],
)
async def test_the_state_cannot_be_changed_in_any_way(
    handler: WebPubSubEventHandler, change: Callable[[ConnectionState], object]
) -> None:
    raised: list[Exception] = []

    @handler.on_disconnected
    async def part(request: DisconnectedEventRequest) -> None:
        with pytest.raises(ConnectionStateError) as error:
            change(request.context.state)
        raised.append(error.value)
        assert request.context.state == {"room": "lobby"}

    assert await handler.handle(event("disconnected")) == HttpResponse(204)
    assert len(raised) == 1


async def test_a_function_can_ask_for_redelivery_with_an_error(handler: WebPubSubEventHandler) -> None:
    @handler.on_disconnected
    async def fail(_: DisconnectedEventRequest) -> EventErrorResponse:
        return EventErrorResponse(503)

    assert (await handler.handle(event("disconnected"))).status == 503


async def test_a_disconnected_event_does_not_reach_the_connected_function(handler: WebPubSubEventHandler) -> None:
    calls: list[object] = []
    handler.on_connected(calls.append)

    await handler.handle(event("disconnected"))

    assert calls == []


@pytest.mark.parametrize("body", [b"{", b"null", b"[]", b"\xff", b'{"reason":7}'])
async def test_a_broken_body_is_a_400(handler: WebPubSubEventHandler, body: bytes) -> None:
    assert (await handler.handle(event("disconnected", body))).status == 400
