"""Several names, a function for all the rest, middleware, and refusing by raising."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tests.wire import event
from webpubsub_handler import (
    CallNext,
    ConfigurationError,
    ConnectEventResponse,
    Event,
    EventErrorResponse,
    EventRefusedError,
    EventResponse,
    HttpRequest,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
)


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


class Counting:
    """Middleware that is an object."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self, request: Event, call_next: CallNext) -> EventResponse | None:
        self.count += 1
        return await call_next(request)


async def test_middleware_can_be_anything_that_returns_an_awaitable(handler: WebPubSubEventHandler) -> None:
    counting, bound = Counting(), Counting()
    handler.middleware(counting)
    handler.middleware(bound.__call__)
    handler.middleware(partial(Counting.__call__, Counting()))
    handler.middleware(lambda request, call_next: call_next(request))

    assert (await handler.handle(event("connected"))).status == 204
    assert (counting.count, bound.count) == (1, 1)


async def test_middleware_that_returns_no_awaitable_is_a_500_whose_log_names_it(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture
) -> None:
    @handler.middleware  # type: ignore[type-var]
    def plain(request: Event, call_next: CallNext) -> None: ...

    assert (await handler.handle(event("user_text"))).status == 500
    assert "plain" in caplog.text
    assert "returned NoneType: make it an async def" in caplog.text


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


@pytest.mark.parametrize("status", [0, 200, 204, 302, 399, 600])
def test_a_refusal_has_the_status_of_an_error(status: int) -> None:
    with pytest.raises(ValueError, match="400 to 599"):
        EventRefusedError(status)


@pytest.mark.parametrize("name", ["connect", "user_text", "connected"])
async def test_a_function_that_refuses_with_the_status_of_a_success_fails(
    handler: WebPubSubEventHandler, name: str
) -> None:
    @handler.middleware
    async def refuse(request: Event, call_next: CallNext) -> EventResponse | None:
        raise EventRefusedError(200, "secret")

    response = await handler.handle(event(name))
    assert response.status == 500
    assert b"secret" not in response.body


async def test_an_authenticator_that_refuses_with_the_status_of_a_success_fails() -> None:
    class Confused:
        async def authenticate(self, _: HttpRequest) -> None:
            raise EventRefusedError(200, "secret")

    handler = WebPubSubEventHandler("chat", [Confused()], allowed_origins=["*"])

    response = await handler.handle(event("user_text"))
    assert response.status == 500
    assert b"secret" not in response.body


@pytest.mark.parametrize("name", ["connect", "user_text", "connected"])
async def test_middleware_that_forgets_to_return_a_refusal_does_not_let_the_event_pass(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    @handler.middleware
    async def log(request: Event, call_next: CallNext) -> EventResponse | None:  # type: ignore[return]
        await call_next(request)

    @handler.middleware
    async def guard(request: Event, call_next: CallNext) -> EventResponse | None:
        return EventErrorResponse(401, "Who are you?")

    assert (await handler.handle(event(name))).status == 500
    assert "write: return await call_next(request)" in caplog.text


async def test_middleware_that_forgets_to_return_a_reply_says_so(handler: WebPubSubEventHandler) -> None:
    @handler.middleware
    async def log(request: Event, call_next: CallNext) -> EventResponse | None:  # type: ignore[return]
        await call_next(request)

    @handler.on_user_event("message")
    async def message(_: UserEventRequest) -> UserEventResponse:
        return UserEventResponse("lost")

    assert (await handler.handle(event("user_text"))).status == 500


async def test_middleware_can_return_nothing_where_there_was_nothing(handler: WebPubSubEventHandler) -> None:
    @handler.middleware
    async def log(request: Event, call_next: CallNext) -> EventResponse | None:  # type: ignore[return]
        await call_next(request)

    assert (await handler.handle(event("connected"))).status == 204
    assert (await handler.handle(event("connect"))).status == 204


async def test_middleware_can_answer_otherwise_than_the_function(handler: WebPubSubEventHandler) -> None:
    @handler.middleware
    async def silence(request: Event, call_next: CallNext) -> EventResponse | None:
        await call_next(request)
        return UserEventResponse("")

    @handler.on_user_event("message")
    async def message(_: UserEventRequest) -> UserEventResponse:
        return UserEventResponse("not for you")

    assert (await handler.handle(event("user_text"))).status == 204


@pytest.mark.parametrize("status", [403.5, "403", None, [403]], ids=repr)
@pytest.mark.parametrize("refusal", [EventRefusedError, EventErrorResponse])
def test_a_refusal_s_status_is_a_whole_number(refusal: Any, status: Any) -> None:
    with pytest.raises(ValueError, match="400 to 599"):
        refusal(status)


async def test_middleware_that_asks_nobody_about_a_connection_must_say_that_it_is_accepted(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture
) -> None:
    @handler.middleware
    async def guard(request: Event, call_next: CallNext) -> EventResponse | None:
        return ConnectEventResponse() if request.context.user_id == "ana" else None

    @handler.on_connect
    async def connect(_: object) -> EventErrorResponse:
        return EventErrorResponse(401, "Who are you?")

    assert (await handler.handle(event("connect", headers={"ce-userId": "ana"}))).status == 204
    assert (await handler.handle(event("connect", headers={"ce-userId": "bob"}))).status == 500
    assert "guard" in caplog.text
    assert "neither called the next nor answered" in caplog.text
    # A message can be dropped without a word: nobody gets in by that.
    assert (await handler.handle(event("user_text", headers={"ce-userId": "bob"}))).status == 204
