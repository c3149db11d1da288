from __future__ import annotations

import pytest

from tests.wire import event
from webpubsub_handler import DisconnectedEventRequest, EventErrorResponse, HttpResponse, WebPubSubEventHandler


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


async def test_a_state_that_is_set_at_the_end_is_not_sent(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture
) -> None:
    @handler.on_disconnected
    async def part(request: DisconnectedEventRequest) -> None:
        request.context.state.clear()

    assert await handler.handle(event("disconnected")) == HttpResponse(204)
    assert "is lost" in caplog.text


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
