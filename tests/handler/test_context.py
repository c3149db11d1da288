"""The context of an event: what the wire tells of the connection, and headers that contradict each other."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.wire import event
from webpubsub_handler import (
    ConnectionContext,
    HttpResponse,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
)


async def context_of(
    handler: WebPubSubEventHandler, name: str, headers: Mapping[str, str | list[str] | None] | None = None
) -> ConnectionContext:
    contexts: list[ConnectionContext] = []

    @handler.on_user_event("*")
    async def user(request: UserEventRequest) -> None:
        contexts.append(request.context)

    assert (await handler.handle(event(name, headers=headers))).status == 204
    return contexts[0]


async def test_a_user_id_is_there_decoded_and_as_received(handler: WebPubSubEventHandler) -> None:
    context = await context_of(handler, "quirks/user_percent_encoded")

    assert context.user_id == '设备 "a"'
    assert context.user_id_raw == "%E8%AE%BE%E5%A4%87%20%22a%22"


@pytest.mark.parametrize("sent", [None, ""])
async def test_a_client_without_a_user_id_has_neither(handler: WebPubSubEventHandler, sent: str | None) -> None:
    context = await context_of(handler, "user_text", {"ce-userId": sent})

    assert (context.user_id, context.user_id_raw) == (None, None)


@pytest.mark.parametrize("lines", ["a.webpubsub.azure.com, chat.example", ["a.webpubsub.azure.com", "chat.example"]])
async def test_the_origins_of_an_event_are_a_list(handler: WebPubSubEventHandler, lines: str | list[str]) -> None:
    context = await context_of(handler, "user_text", {"WebHook-Request-Origin": lines})

    assert context.origins == ["a.webpubsub.azure.com", "chat.example"]


@pytest.mark.parametrize(
    ("headers", "is_mqtt"),
    [
        ({}, False),
        ({"ce-subprotocol": "json.webpubsub.azure.v1"}, False),
        ({"ce-subprotocol": "mqtt"}, True),
        ({"ce-subprotocol": "MQTTv3.1"}, True),
        ({"ce-physicalConnectionId": "phys-7"}, True),
    ],
)
async def test_the_context_tells_an_mqtt_client(
    handler: WebPubSubEventHandler, headers: dict[str, str], is_mqtt: bool
) -> None:
    assert (await context_of(handler, "user_text", headers)).is_mqtt == is_mqtt


async def test_an_invocation_is_answered_as_any_user_event(handler: WebPubSubEventHandler) -> None:
    @handler.on_user_event("price")
    async def price(request: UserEventRequest) -> UserEventResponse:
        return UserEventResponse({"item": request.data["item"], "price": 9.5})

    assert await handler.handle(event("quirks/user_invoke")) == HttpResponse(
        200, {"Content-Type": "application/json"}, b'{"item":7,"price":9.5}'
    )


@pytest.mark.parametrize("name", ["quirks/user_contradicting_name", "quirks/user_contradicting_hub"])
async def test_an_event_that_contradicts_itself_is_a_400_and_runs_no_function(
    handler: WebPubSubEventHandler, name: str
) -> None:
    calls: list[object] = []
    handler.on_user_event("*")(calls.append)

    assert (await handler.handle(event(name))).status == 400
    assert calls == []


@pytest.mark.parametrize("name", ["connect", "connected", "disconnected", "quirks/group_joined", "quirks/group_left"])
async def test_a_system_event_under_another_name_is_a_400(handler: WebPubSubEventHandler, name: str) -> None:
    assert (await handler.handle(event(name, headers={"ce-eventName": "message"}))).status == 400


@pytest.mark.parametrize(
    ("type_name", "event_name"),
    [("Message", "message"), ("message", "MESSAGE"), ("gr%C3%BC%C3%9Fe", "gr%C3%BC%C3%9Fe"), ("a.b", "a.b")],
)
async def test_names_agree_whatever_their_case_and_dots(
    handler: WebPubSubEventHandler, type_name: str, event_name: str
) -> None:
    await context_of(handler, "user_text", {"ce-type": f"azure.webpubsub.user.{type_name}", "ce-eventName": event_name})


@pytest.mark.parametrize(
    "source", [None, "", "/client/conn-42", "/hubs/CHAT/client/conn-42", "/hubs/chat/client/other", "urn:anything"]
)
async def test_a_source_that_names_no_other_hub_is_not_looked_at(
    handler: WebPubSubEventHandler, source: str | None
) -> None:
    await context_of(handler, "user_text", {"ce-source": source})
