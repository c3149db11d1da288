from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.patience import PATIENCE_SECONDS
from tests.wire import ACCESS_KEY, event, event_names, fixture
from webpubsub_handler import (
    AccessKeyAuthenticator,
    ConfigurationError,
    HttpRequest,
    HttpResponse,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
)

QUIRKS = [name for name in event_names() if name.startswith("quirks/")]


@pytest.mark.parametrize("name", QUIRKS)
async def test_every_quirk_of_the_wire_gets_the_status_that_its_fixture_records(name: str) -> None:
    handler = WebPubSubEventHandler(
        "chat", [AccessKeyAuthenticator([ACCESS_KEY])], allowed_origins=["contoso.webpubsub.azure.com"]
    )

    assert (await handler.handle(event(name))).status == fixture(name)["response"]["status"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "post", "", "\udcff"])
async def test_another_method_is_a_405_that_names_the_right_ones(handler: WebPubSubEventHandler, method: str) -> None:
    response = await handler.handle(HttpRequest(method, event("user_text").headers, b"hello"))

    assert response == HttpResponse(405, {"Allow": "POST, OPTIONS"})


@pytest.mark.parametrize("hub", ["other", "chat2", "cha", "chat/", "\udcff"])
async def test_an_event_of_another_hub_is_a_404_and_runs_no_function(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture, hub: str
) -> None:
    calls: list[object] = []
    handler.on_user_event("message")(calls.append)

    assert (await handler.handle(event("user_text", headers={"ce-hub": hub, "ce-source": None}))).status == 404
    assert calls == []
    assert "of a hub other than 'chat'" in caplog.text


@pytest.mark.parametrize("configured", ["chat", "Chat", "CHAT"])
@pytest.mark.parametrize("sent", ["chat", "Chat"])
async def test_the_case_of_the_hub_does_not_matter(configured: str, sent: str) -> None:
    handler = WebPubSubEventHandler(configured, [AccessKeyAuthenticator([ACCESS_KEY])], allowed_origins=["*"])

    assert (await handler.handle(event("user_text", headers={"ce-hub": sent}))).status == 204


def test_a_handler_without_a_hub_does_not_start() -> None:
    with pytest.raises(ConfigurationError, match="hub"):
        WebPubSubEventHandler("", [AccessKeyAuthenticator([ACCESS_KEY])], allowed_origins=["*"])


async def test_a_decorator_gives_the_function_back_so_that_it_can_be_called(handler: WebPubSubEventHandler) -> None:
    def function(_: object) -> None: ...

    assert handler.on_connect(function) is function
    assert handler.on_connected(function) is function
    assert handler.on_disconnected(function) is function
    assert handler.on_user_event("message")(function) is function


@pytest.mark.parametrize(
    ("register", "named"),
    [
        (lambda handler: handler.on_connect, "with on_connect;"),
        (lambda handler: handler.on_connected, "with on_connected;"),
        (lambda handler: handler.on_disconnected, "with on_disconnected;"),
        (lambda handler: handler.on_user_event("message"), "for the user event 'message'"),
        (lambda handler: handler.on_user_event("MESSAGE"), "for the user event 'message'"),
    ],
)
def test_a_second_function_for_an_event_is_an_error_at_start(
    handler: WebPubSubEventHandler,
    register: Callable[[WebPubSubEventHandler], Callable[[Callable[[Any], None]], object]],
    named: str,
) -> None:
    def function(_: object) -> None: ...

    handler.on_connect(function)
    handler.on_connected(function)
    handler.on_disconnected(function)
    handler.on_user_event("message")(function)

    with pytest.raises(ConfigurationError, match=f"two functions are registered {named}"):
        register(handler)(function)


async def test_an_async_function_runs_in_the_loop(handler: WebPubSubEventHandler) -> None:
    threads = []

    @handler.on_user_event("message")
    async def remember(_: UserEventRequest) -> None:
        threads.append(threading.get_ident())

    await handler.handle(event("user_text"))

    assert threads == [threading.get_ident()]


async def test_a_plain_function_runs_outside_the_thread_of_the_loop(handler: WebPubSubEventHandler) -> None:
    threads = []

    @handler.on_user_event("message")
    def remember(_: UserEventRequest) -> None:
        threads.append(threading.get_ident())

    await handler.handle(event("user_text"))

    assert len(threads) == 1
    assert threads != [threading.get_ident()]


async def test_the_loop_goes_on_while_a_plain_function_waits(handler: WebPubSubEventHandler) -> None:
    is_free = threading.Event()

    @handler.on_user_event("message")
    def wait(_: UserEventRequest) -> UserEventResponse:
        return UserEventResponse("free" if is_free.wait(5) else "blocked")

    @handler.on_user_event("free")
    async def free(_: UserEventRequest) -> None:
        is_free.set()

    named = {"ce-eventName": "free", "ce-type": "azure.webpubsub.user.free"}
    waiting, _ = await asyncio.gather(
        handler.handle(event("user_text")), handler.handle(event("user_text", headers=named))
    )

    assert waiting.body == b"free"


class Greeter:
    """A callable whose call is a coroutine, which inspection does not see."""

    def __init__(self, greeting: str) -> None:
        self._greeting = greeting

    async def __call__(self, _: UserEventRequest) -> UserEventResponse:
        return UserEventResponse(self._greeting)


async def greet(greeting: str, _: UserEventRequest) -> UserEventResponse:
    return UserEventResponse(greeting)


@pytest.mark.parametrize(
    "function", [Greeter("hi"), Greeter("hi").__call__, partial(greet, "hi"), lambda request: greet("hi", request)]
)
async def test_whatever_is_called_and_awaited_can_be_a_function(
    handler: WebPubSubEventHandler, function: Callable[[UserEventRequest], Any]
) -> None:
    handler.on_user_event("message")(function)

    assert (await handler.handle(event("user_text"))).body == b"hi"


async def fail_async(_: object) -> None:
    raise RuntimeError("password=5ec4e7")


def fail_plain(_: object) -> None:
    raise RuntimeError("password=5ec4e7")


@pytest.mark.parametrize("name", ["connect", "connected", "disconnected", "user_text"])
@pytest.mark.parametrize("function", [fail_async, fail_plain])
async def test_an_exception_is_a_500_with_an_id_that_the_log_has_too_and_without_its_text(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture, name: str, function: Callable[[object], None]
) -> None:
    handler.on_connect(function)
    handler.on_connected(function)
    handler.on_disconnected(function)
    handler.on_user_event("message")(function)

    response = await handler.handle(event(name))

    found = re.fullmatch(r"The event handler failed \(error ([0-9a-f]{12})\)\.", response.body.decode())
    assert response.status == 500
    assert found
    assert f"Error {found[1]} in the function for" in caplog.text
    assert "password=5ec4e7" in caplog.text


async def test_every_failure_has_its_own_id(handler: WebPubSubEventHandler) -> None:
    handler.on_user_event("message")(fail_async)

    first, second = [await handler.handle(event("user_text")) for _ in range(2)]

    assert first.body != second.body


async def test_a_state_does_not_change_when_the_function_fails(handler: WebPubSubEventHandler) -> None:
    @handler.on_user_event("message")
    async def fail(request: UserEventRequest) -> None:
        request.context.state["n"] = 1
        raise RuntimeError

    assert "ce-connectionState" not in (await handler.handle(event("user_text"))).headers


async def test_a_plain_function_that_runs_out_of_an_iterator_fails_like_any_other(
    handler: WebPubSubEventHandler,
) -> None:
    @handler.on_user_event("message")
    def take(_: UserEventRequest) -> UserEventResponse:
        return UserEventResponse(next(iter("")))

    async with asyncio.timeout(PATIENCE_SECONDS):
        assert (await handler.handle(event("user_text"))).status == 500


async def test_an_error_of_the_library_that_a_function_raises_is_not_taken_for_the_callers(
    handler: WebPubSubEventHandler,
) -> None:
    @handler.on_user_event("message")
    async def fail(_: UserEventRequest) -> None:
        raise ConfigurationError("a table is missing")

    assert (await handler.handle(event("user_text"))).status == 500


async def test_a_cancelled_request_stays_cancelled(handler: WebPubSubEventHandler) -> None:
    started = asyncio.Event()

    @handler.on_user_event("message")
    async def wait(_: UserEventRequest) -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(handler.handle(event("user_text")))
    await started.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
