"""Clients of Socket.IO in serverless mode: the same events with a namespace and a socket."""

from __future__ import annotations

from tests.wire import event
from webpubsub_handler import (
    ConnectEventRequest,
    HttpResponse,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
)


async def test_a_function_sees_the_namespace_and_the_socket(handler: WebPubSubEventHandler) -> None:
    seen: list[tuple[str | None, str | None]] = []

    @handler.on_connect
    async def connect(request: ConnectEventRequest) -> None:
        seen.append((request.context.namespace, request.context.socket_id))

    assert await handler.handle(event("quirks/socketio_connect")) == HttpResponse(204)
    assert seen == [("/admin", "Ae-7")]


async def test_an_event_has_its_name_and_its_packet_and_is_answered_with_one(handler: WebPubSubEventHandler) -> None:
    @handler.on_user_event("greet")
    async def greet(request: UserEventRequest) -> UserEventResponse:
        assert request.data == '42/admin,13["greet","world"]'
        return UserEventResponse('43/admin,13["ok"]')

    response = await handler.handle(event("quirks/socketio_user_event"))

    assert (response.status, response.body) == (200, b'43/admin,13["ok"]')


async def test_a_namespace_outside_ascii_is_decoded(handler: WebPubSubEventHandler) -> None:
    seen: list[str | None] = []

    @handler.on_connect
    async def connect(request: ConnectEventRequest) -> None:
        seen.append(request.context.namespace)

    await handler.handle(event("quirks/socketio_connect", headers={"ce-namespace": "/%E8%AE%BE"}))

    assert seen == ["/设"]


async def test_other_clients_have_neither(handler: WebPubSubEventHandler) -> None:
    seen: list[tuple[str | None, str | None]] = []

    @handler.on_connect
    async def connect(request: ConnectEventRequest) -> None:
        seen.append((request.context.namespace, request.context.socket_id))

    await handler.handle(event("connect"))

    assert seen == [(None, None)]
