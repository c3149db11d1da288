"""What a type checker makes of the library: mypy reads this file, and must find an error at each ``type: ignore``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeAlias, assert_type

import pytest

from webpubsub_handler import (
    AccessKeyAuthenticator,
    CallNext,
    ConfigurationError,
    ConnectedEventRequest,
    ConnectEventRequest,
    ConnectEventResponse,
    DisconnectedEventRequest,
    Event,
    EventErrorResponse,
    EventResponse,
    GroupJoinedEventRequest,
    GroupLeftEventRequest,
    HttpResponse,
    MqttConnectEventErrorResponse,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
    sign,
)
from webpubsub_handler.testing import EventClient, make_user_event


async def connect(request: ConnectEventRequest) -> ConnectEventResponse | EventErrorResponse: ...  # type: ignore[empty-body]


def plain_connect(request: ConnectEventRequest) -> None: ...


async def connected(request: ConnectedEventRequest) -> None: ...


async def disconnected(request: DisconnectedEventRequest) -> EventErrorResponse | None: ...


async def joined(request: GroupJoinedEventRequest) -> None: ...


async def left(request: GroupLeftEventRequest) -> None: ...


async def message(request: UserEventRequest) -> UserEventResponse | None: ...


async def any_event(request: Event) -> None: ...


class Middleware:
    async def __call__(self, request: Event, call_next: CallNext) -> EventResponse | None:
        assert_type(request.context.connection_id, str)
        return await call_next(request)


def make_handler() -> WebPubSubEventHandler:
    return WebPubSubEventHandler("chat", [AccessKeyAuthenticator(["key"])], allowed_origins=["localhost"])


# As variables, whose types can be written down: that of a function holds the names of its parameters.
Told: TypeAlias = Callable[[ConnectedEventRequest], Coroutine[Any, Any, None]]
Asked: TypeAlias = Callable[[ConnectEventRequest], Coroutine[Any, Any, ConnectEventResponse | EventErrorResponse]]
Sent: TypeAlias = Callable[[UserEventRequest], Coroutine[Any, Any, UserEventResponse | None]]
Each: TypeAlias = Callable[[Event], Coroutine[Any, Any, None]]
Gone: TypeAlias = Callable[[DisconnectedEventRequest], Coroutine[Any, Any, EventErrorResponse | None]]
Joined: TypeAlias = Callable[[GroupJoinedEventRequest], Coroutine[Any, Any, None]]
Left: TypeAlias = Callable[[GroupLeftEventRequest], Coroutine[Any, Any, None]]
Plain: TypeAlias = Callable[[ConnectEventRequest], None]


def test_a_decorator_leaves_the_type_of_its_function_alone() -> None:
    handler = make_handler()
    asked: Asked = connect
    told: Told = connected
    gone: Gone = disconnected
    in_group: Joined = joined
    out_of_group: Left = left
    sent: Sent = message
    plain: Plain = plain_connect

    assert_type(handler.on_connect(asked), Asked)
    assert_type(handler.on_connected(told), Told)
    assert_type(handler.on_disconnected(gone), Gone)
    assert_type(handler.on_group_joined(in_group), Joined)
    assert_type(handler.on_group_left(out_of_group), Left)
    assert_type(handler.on_user_event("message", "typing")(sent), Sent)
    assert_type(make_handler().on_connect(plain), Plain)
    assert_type(handler.middleware(Middleware()), Middleware)


def test_a_function_of_every_event_can_have_each() -> None:
    handler = make_handler()
    each: Each = any_event

    assert_type(handler.on_connected(each), Each)
    assert_type(handler.on_user_event("message")(each), Each)


def test_a_function_of_another_event_is_an_error_for_the_type_checker() -> None:
    handler = make_handler()

    handler.on_connect(message)  # type: ignore[type-var]
    handler.on_connected(connect)  # type: ignore[type-var]
    handler.on_disconnected(connected)  # type: ignore[type-var]
    handler.on_group_joined(left)  # type: ignore[type-var]
    handler.on_user_event("message")(connect)  # type: ignore[type-var]
    with pytest.raises(ConfigurationError):
        handler.middleware(connected)  # type: ignore[type-var]


def test_an_answer_of_another_event_is_an_error_for_the_type_checker() -> None:
    handler = make_handler()

    @handler.on_connected  # type: ignore[type-var]
    async def reply(request: ConnectedEventRequest) -> UserEventResponse: ...  # type: ignore[empty-body]

    @handler.on_user_event("message")  # type: ignore[type-var]
    async def accept(request: UserEventRequest) -> ConnectEventResponse: ...  # type: ignore[empty-body]

    @handler.on_user_event("typing")  # type: ignore[type-var]
    async def text(request: UserEventRequest) -> str: ...  # type: ignore[empty-body]


def test_every_argument_has_a_type() -> None:
    event = make_user_event("hi")

    assert_type(event, UserEventRequest)
    assert_type(event.body, bytes)
    assert_type(event.context.user_id, str | None)
    assert_type(sign("key", "conn-1"), str)


async def test_a_client_returns_typed_responses() -> None:
    client = EventClient(make_handler())

    assert_type(await client.connect(), ConnectEventResponse | EventErrorResponse)
    assert_type(await client.connected(), EventErrorResponse | None)
    assert_type(await client.user_event("message", "hi"), UserEventResponse | EventErrorResponse | None)
    assert_type(await client.validate(), HttpResponse)


async def test_what_call_next_returns_is_an_answer_or_none() -> None:
    async def call_next(event: Event) -> EventResponse | None:
        return None

    answer: Awaitable[
        ConnectEventResponse | UserEventResponse | EventErrorResponse | MqttConnectEventErrorResponse | None
    ] = call_next(make_user_event("hi"))

    assert await answer is None
