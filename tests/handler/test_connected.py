from __future__ import annotations

import logging

import pytest

from tests.wire import event
from webpubsub_handler import (
    ConnectedEventRequest,
    ConnectionStateError,
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


async def test_setting_the_state_raises_there_and_then(handler: WebPubSubEventHandler) -> None:
    raised: list[str] = []

    @handler.on_connected
    async def greet(request: ConnectedEventRequest) -> None:
        with pytest.raises(ConnectionStateError) as error:
            request.context.state["greeted"] = True
        raised.append(str(error.value))

    assert await handler.handle(event("connected")) == HttpResponse(204)
    assert "can be set in connect and user events only" in raised[0]


async def test_a_list_in_the_state_that_is_changed_is_a_500_as_the_change_is_lost(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture
) -> None:
    @handler.on_connected
    async def greet(request: ConnectedEventRequest) -> None:
        request.context.state["seen"].append("ana")

    response = await handler.handle(event("connected", headers={"ce-connectionState": "eyJzZWVuIjpbXX0="}))

    assert response.status == 500
    assert "the state changed in 'connected' is lost" in caplog.text


async def test_a_state_that_is_only_read_is_not_a_reason_for_a_warning(
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
    assert "returned UserEventResponse; it may return EventErrorResponse or None" in caplog.text
