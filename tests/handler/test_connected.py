from __future__ import annotations

import logging

import pytest

from tests.wire import event
from webpubsub_handler import (
    ConnectedEventRequest,
    EventErrorResponse,
    HttpResponse,
    UserEventResponse,
    WebPubSubEventHandler,
)


async def test_a_connected_event_is_answered_204_without_a_function(handler: WebPubSubEventHandler) -> None:
    assert await handler.handle(event("connected")) == HttpResponse(204)


async def test_a_function_is_told_who_is_connected(handler: WebPubSubEventHandler) -> None:
    told = []

    @handler.on_connected
    async def greet(request: ConnectedEventRequest) -> None:
        told.append((request.context.user_id, request.context.connection_id, request.context.state["room"]))

    assert await handler.handle(event("connected")) == HttpResponse(204)
    assert told == [("ana", "conn-42", "lobby")]


async def test_a_state_that_is_set_is_not_sent_and_the_log_says_that_it_is_lost(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture
) -> None:
    @handler.on_connected
    async def greet(request: ConnectedEventRequest) -> None:
        request.context.state["greeted"] = True

    assert await handler.handle(event("connected")) == HttpResponse(204)
    assert "is lost: only connect and user events can set it" in caplog.text


async def test_a_state_that_is_only_read_is_no_reason_for_a_warning(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture
) -> None:
    @handler.on_connected
    async def greet(request: ConnectedEventRequest) -> None:
        assert request.context.state["room"]

    await handler.handle(event("connected"))

    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_function_can_ask_for_redelivery_with_an_error(handler: WebPubSubEventHandler) -> None:
    @handler.on_connected
    async def fail(_: ConnectedEventRequest) -> EventErrorResponse:
        return EventErrorResponse(503, "later")

    assert (await handler.handle(event("connected"))).status == 503


async def test_a_reply_to_a_notification_is_a_500_as_nobody_would_get_it(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture
) -> None:
    @handler.on_connected  # type: ignore[type-var]
    async def reply(_: ConnectedEventRequest) -> UserEventResponse:
        return UserEventResponse("hi")

    assert (await handler.handle(event("connected"))).status == 500
    assert "returns None, not UserEventResponse" in caplog.text
