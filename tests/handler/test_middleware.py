"""Several names, a function for all the rest, middleware, and refusing by raising."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire import event
from webpubsub_handler import (
    ConfigurationError,
    ConnectEventResponse,
    EventErrorResponse,
    EventRefusedError,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
)
from webpubsub_handler.dispatch import CallNext


def named(name: str) -> Any:
    return event("user_text", headers={"ce-eventName": name, "ce-type": f"azure.webpubsub.user.{name}"})


async def test_one_function_can_take_several_events(handler: WebPubSubEventHandler) -> None:
    @handler.on_user_event("typing", "read")
    async def echo(request: UserEventRequest) -> UserEventResponse:
        return UserEventResponse(request.context.event_name)

    assert (await handler.handle(named("typing"))).body == b"typing"
    assert (await handler.handle(named("read"))).body == b"read"


async def test_the_star_takes_what_no_other_function_takes(handler: WebPubSubEventHandler) -> None:
    @handler.on_user_event("*")
    async def rest(_: UserEventRequest) -> UserEventResponse:
        return UserEventResponse("rest")

    @handler.on_user_event("message")
    async def message(_: UserEventRequest) -> UserEventResponse:
        return UserEventResponse("message")

    assert (await handler.handle(named("anything"))).body == b"rest"
    assert (await handler.handle(named("message"))).body == b"message"


async def test_the_star_does_not_take_system_events(handler: WebPubSubEventHandler) -> None:
    @handler.on_user_event("*")
    async def rest(_: UserEventRequest) -> UserEventResponse:
        raise AssertionError

    assert (await handler.handle(event("connect"))).status == 204


def test_an_event_without_a_name_is_an_error_at_start(handler: WebPubSubEventHandler) -> None:
    with pytest.raises(ConfigurationError, match="names of events"):
        handler.on_user_event()


def test_a_name_among_several_that_is_taken_is_an_error_at_start(handler: WebPubSubEventHandler) -> None:
    def function(_: UserEventRequest) -> None: ...

    handler.on_user_event("a")(function)
    with pytest.raises(ConfigurationError, match="the user event 'a'"):
        handler.on_user_event("b", "A")(function)


async def test_middleware_wraps_functions_in_the_order_of_registration(handler: WebPubSubEventHandler) -> None:
    steps: list[str] = []

    @handler.middleware
    async def outer(request: Any, call_next: CallNext) -> Any:
        steps.append("outer in")
        response = await call_next(request)
        steps.append("outer out")
        return response

    @handler.middleware
    async def inner(request: Any, call_next: CallNext) -> Any:
        steps.append("inner in")
        return await call_next(request)

    @handler.on_user_event("message")
    async def message(_: UserEventRequest) -> UserEventResponse:
        steps.append("function")
        return UserEventResponse("done")

    assert (await handler.handle(event("user_text"))).body == b"done"
    assert steps == ["outer in", "inner in", "function", "outer out"]


async def test_middleware_can_answer_instead_of_the_function(handler: WebPubSubEventHandler) -> None:
    @handler.middleware
    async def limit(request: Any, call_next: CallNext) -> Any:
        return EventErrorResponse(429, "Too fast.")

    @handler.on_user_event("message")
    async def message(_: UserEventRequest) -> UserEventResponse:
        raise AssertionError

    response = await handler.handle(event("user_text"))
    assert (response.status, response.body) == (429, b"Too fast.")


async def test_middleware_sees_events_that_have_no_function(handler: WebPubSubEventHandler) -> None:
    seen: list[str] = []

    @handler.middleware
    async def log(request: Any, call_next: CallNext) -> Any:
        seen.append(request.context.event_name)
        return await call_next(request)

    await handler.handle(event("connected"))
    assert seen == ["connected"]


async def test_middleware_does_not_see_unauthenticated_events(handler: WebPubSubEventHandler) -> None:
    @handler.middleware
    async def fail(request: Any, call_next: CallNext) -> Any:
        raise AssertionError

    assert (await handler.handle(event("user_text", headers={"ce-signature": None}))).status == 401


def test_middleware_that_is_not_async_is_an_error_at_start(handler: WebPubSubEventHandler) -> None:
    def plain(request: Any, call_next: CallNext) -> Any: ...

    with pytest.raises(ConfigurationError, match="async"):
        handler.middleware(plain)


@pytest.mark.parametrize("fixture", ["connect", "user_text", "connected"])
async def test_raising_a_refusal_answers_its_status_and_message(handler: WebPubSubEventHandler, fixture: str) -> None:
    @handler.middleware
    async def guard(request: Any, call_next: CallNext) -> Any:
        raise EventRefusedError(403, "Not here.")

    response = await handler.handle(event(fixture))
    assert (response.status, response.body) == (403, b"Not here.")


async def test_a_plain_function_can_refuse_too(handler: WebPubSubEventHandler) -> None:
    @handler.on_connect
    def connect(_: object) -> ConnectEventResponse:
        raise EventRefusedError(401)

    assert (await handler.handle(event("connect"))).status == 401


async def test_a_refusal_with_a_status_that_is_none_is_an_error_of_ours(handler: WebPubSubEventHandler) -> None:
    @handler.on_user_event("message")
    async def message(_: UserEventRequest) -> None:
        raise EventRefusedError(200, "secret")

    response = await handler.handle(event("user_text"))
    assert response.status == 500
    assert b"secret" not in response.body
