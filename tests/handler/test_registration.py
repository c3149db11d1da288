"""Wrong registration is an error at once that shows the right line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest

from tests.wire import event
from webpubsub_handler import ConfigurationError, HttpResponse, UserEventRequest, WebPubSubEventHandler


async def no_request() -> None: ...


async def two_requests(request: object, other: object) -> None: ...


def generator(request: object) -> Iterator[None]:
    yield None


async def async_generator(request: object) -> AsyncIterator[None]:
    yield None


def generator_in_between(request: object, call_next: object) -> Iterator[None]:
    yield None


async def async_generator_in_between(request: object, call_next: object) -> AsyncIterator[None]:
    yield None


NOT_FUNCTIONS: list[Any] = ["x", 7, None, ["message"], no_request, two_requests, generator, async_generator]
DECORATORS = ["on_connect", "on_connected", "on_disconnected", "on_group_joined", "on_group_left"]


@pytest.mark.parametrize("wrong", NOT_FUNCTIONS)
@pytest.mark.parametrize("decorator", DECORATORS)
def test_what_cannot_answer_an_event_is_not_registered(
    handler: WebPubSubEventHandler, decorator: str, wrong: Any
) -> None:
    with pytest.raises(ConfigurationError, match=f"Write:\n\n@handler.{decorator}\nasync def"):
        getattr(handler, decorator)(wrong)


@pytest.mark.parametrize("wrong", NOT_FUNCTIONS)
def test_what_cannot_answer_a_user_event_is_not_registered(handler: WebPubSubEventHandler, wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"Write:\n\n@handler.on_user_event\(.typing.\)\nasync def"):
        handler.on_user_event("typing")(wrong)


def test_a_decorator_without_its_brackets_shows_them(handler: WebPubSubEventHandler) -> None:
    with pytest.raises(ConfigurationError, match=r'Write:\n\n@handler.on_user_event\("message"\)\nasync def'):

        @handler.on_user_event  # type: ignore[arg-type]
        async def message(request: UserEventRequest) -> None: ...


@pytest.mark.parametrize("name", ["", None, 7, ["message"], b"message"])
def test_what_is_not_a_name_is_not_registered(handler: WebPubSubEventHandler, name: Any) -> None:
    with pytest.raises(ConfigurationError, match="needs the names of events"):
        handler.on_user_event("message", name)


@pytest.mark.parametrize("wrong", ["x", None, no_request, generator_in_between, async_generator_in_between])
def test_what_cannot_be_called_with_a_request_and_the_next_is_not_middleware(
    handler: WebPubSubEventHandler, wrong: Any
) -> None:
    with pytest.raises(ConfigurationError, match=r"Write:\n\n@handler.middleware\nasync def"):
        handler.middleware(wrong)


async def test_a_function_that_does_not_tell_what_it_takes_is_registered(handler: WebPubSubEventHandler) -> None:
    handler.on_connected(max)  # type: ignore[type-var]  # its signature is in C

    assert (await handler.handle(event("connected"))).status == 500


@pytest.mark.parametrize("name", ["user_text", "connect"])
async def test_a_function_with_more_parameters_than_one_can_have_defaults(
    handler: WebPubSubEventHandler, name: str
) -> None:
    handler.on_connect(partial(two_requests, other=None))
    handler.on_user_event("message")(partial(two_requests, other=None))

    assert await handler.handle(event(name)) == HttpResponse(204)


@pytest.mark.parametrize("limit", [0, -1, 1024 * 1024 + 1])
def test_a_function_takes_at_least_a_byte_and_not_more_than_the_handler(
    handler: WebPubSubEventHandler, limit: int
) -> None:
    with pytest.raises(ConfigurationError, match="raise the handler's first"):
        handler.on_user_event("message", max_body_bytes=limit)
