from __future__ import annotations

import json

import pytest

from tests.wire import event
from webpubsub_handler import (
    ConnectEventRequest,
    ConnectEventResponse,
    EventErrorResponse,
    HttpResponse,
    WebPubSubEventHandler,
)


async def test_every_connection_is_accepted_without_a_function(handler: WebPubSubEventHandler) -> None:
    assert await handler.handle(event("connect")) == HttpResponse(204)


async def test_a_function_that_returns_none_accepts(handler: WebPubSubEventHandler) -> None:
    @handler.on_connect
    async def accept(_: ConnectEventRequest) -> None:
        return None

    assert await handler.handle(event("connect")) == HttpResponse(204)


async def test_a_function_gives_user_groups_roles_and_subprotocol(handler: WebPubSubEventHandler) -> None:
    @handler.on_connect
    async def accept(request: ConnectEventRequest) -> ConnectEventResponse:
        return ConnectEventResponse(
            user_id=f"{request.claims['sub'][0]}-1",
            groups=request.query["room"],
            roles=["webpubsub.joinLeaveGroup"],
            subprotocol=request.subprotocols[0],
        )

    response = await handler.handle(event("connect"))

    assert response.status == 200
    assert response.headers == {"Content-Type": "application/json"}
    assert json.loads(response.body) == {
        "userId": "ana-1",
        "groups": ["lobby"],
        "roles": ["webpubsub.joinLeaveGroup"],
        "subprotocol": "json.webpubsub.azure.v1",
    }


async def test_a_function_sets_the_first_state_of_a_connection(handler: WebPubSubEventHandler) -> None:
    @handler.on_connect
    async def accept(request: ConnectEventRequest) -> None:
        request.context.state["room"] = "lobby"

    response = await handler.handle(event("connect"))

    assert response == HttpResponse(204, {"ce-connectionState": "eyJyb29tIjoibG9iYnkifQ=="})


async def test_a_function_refuses_with_its_status_and_message_and_without_state(
    handler: WebPubSubEventHandler,
) -> None:
    @handler.on_connect
    async def refuse(request: ConnectEventRequest) -> EventErrorResponse:
        request.context.state["room"] = "lobby"
        return EventErrorResponse(403, "members only")

    response = await handler.handle(event("connect"))

    assert (response.status, response.body) == (403, b"members only")
    assert "ce-connectionState" not in response.headers


async def test_an_anonymous_client_connects_without_a_user_id(handler: WebPubSubEventHandler) -> None:
    users = []

    @handler.on_connect
    async def accept(request: ConnectEventRequest) -> None:
        users.append(request.context.user_id)

    await handler.handle(event("quirks/connect_anonymous"))

    assert users == [None]


async def test_a_connect_event_with_null_collections_reaches_the_function(handler: WebPubSubEventHandler) -> None:
    requests = []

    @handler.on_connect
    async def accept(request: ConnectEventRequest) -> None:
        requests.append(request)

    await handler.handle(event("quirks/connect_null_collections"))

    assert [dict(request.claims) for request in requests] == [{}]


async def test_a_subprotocol_that_was_not_offered_is_our_failure_and_not_the_clients(
    handler: WebPubSubEventHandler,
) -> None:
    @handler.on_connect
    async def accept(_: ConnectEventRequest) -> ConnectEventResponse:
        return ConnectEventResponse(subprotocol="chat.v9")

    response = await handler.handle(event("connect"))

    assert response.status == 500
    assert b"chat.v9" not in response.body


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/octet-stream"])
async def test_the_body_is_json_whatever_its_content_type_says(
    handler: WebPubSubEventHandler, content_type: str | None
) -> None:
    @handler.on_connect
    async def accept(request: ConnectEventRequest) -> ConnectEventResponse:
        return ConnectEventResponse(groups=request.query["room"])

    response = await handler.handle(event("connect", headers={"Content-Type": content_type}))

    assert json.loads(response.body) == {"groups": ["lobby"]}


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"[" * 100_000, b'{"claims":[1]}', b'{"query":{"a":NaN}}'])
async def test_a_broken_body_is_a_400_and_runs_no_function(handler: WebPubSubEventHandler, body: bytes) -> None:
    calls = []

    @handler.on_connect
    async def accept(request: ConnectEventRequest) -> None:
        calls.append(request)

    assert (await handler.handle(event("connect", body))).status == 400
    assert calls == []
