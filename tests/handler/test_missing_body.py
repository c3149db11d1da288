"""Missing is not empty: a body that was lost on its way is never taken for one that says nothing."""

from __future__ import annotations

import pytest

from tests.wire import event
from webpubsub_handler import ConnectEventRequest, HttpResponse, UserEventRequest, WebPubSubEventHandler


@pytest.mark.parametrize("name", ["connect", "quirks/connect_anonymous", "quirks/group_joined", "quirks/group_left"])
async def test_an_event_that_cannot_be_without_a_body_is_a_400_and_runs_no_function(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    calls: list[object] = []
    handler.on_connect(calls.append)
    handler.on_group_joined(calls.append)
    handler.on_group_left(calls.append)

    response = await handler.handle(event(name, b""))

    assert response == HttpResponse(
        400, {"Content-Type": "text/plain; charset=utf-8"}, b"Not an event of Web PubSub: the body is missing."
    )
    assert calls == []
    assert "the body is missing" in caplog.text


@pytest.mark.parametrize("name", ["connected", "disconnected"])
async def test_a_notification_whose_body_decides_nothing_passes_without_it(
    handler: WebPubSubEventHandler, name: str
) -> None:
    assert await handler.handle(event(name, b"")) == HttpResponse(204)


@pytest.mark.parametrize(
    "name", ["connect", "connected", "disconnected", "user_text", "user_json", "user_binary", "quirks/group_joined"]
)
@pytest.mark.parametrize(
    "header", [{"Transfer-Encoding": "chunked"}, {"transfer-encoding": ""}, {"Content-Length": "12"}], ids=str
)
async def test_a_request_that_says_that_it_has_a_body_and_arrives_empty_is_a_411_with_one_line_in_the_log(
    handler: WebPubSubEventHandler,
    caplog: pytest.LogCaptureFixture,
    name: str,
    header: dict[str, str | list[str] | None],
) -> None:
    calls: list[object] = []
    handler.on_connect(calls.append)
    handler.on_connected(calls.append)
    handler.on_user_event("message")(calls.append)

    response = await handler.handle(event(name, b"", header))

    assert response.status == 411
    assert calls == []
    assert len(caplog.records) == 1
    for part in ("was lost on its way", next(iter(header)).title(), "Azure Functions", "Fix:", "send a Content-Length"):
        assert part in caplog.text


async def test_the_log_does_not_repeat_what_the_header_says(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture
) -> None:
    await handler.handle(event("connect", b"", {"Transfer-Encoding": "chunked\r\nERROR all is lost"}))

    assert "all is lost" not in caplog.text


async def test_a_chunked_request_whose_body_arrives_is_an_event_like_any_other(handler: WebPubSubEventHandler) -> None:
    seen: list[object] = []

    @handler.on_connect
    async def connect(request: ConnectEventRequest) -> None:
        seen.append(request.query)

    response = await handler.handle(event("connect", headers={"Transfer-Encoding": "chunked"}))

    assert response.status == 204
    assert seen == [{"room": ("lobby",)}]


@pytest.mark.parametrize("length", ["0", "00", None])
async def test_a_user_event_that_says_that_it_is_empty_is_empty(
    handler: WebPubSubEventHandler, length: str | None
) -> None:
    seen: list[object] = []

    @handler.on_user_event("message")
    async def message(request: UserEventRequest) -> None:
        seen.append(request.data)

    assert (await handler.handle(event("user_text", b"", {"Content-Length": length}))).status == 204
    assert seen == [""]


async def test_a_validation_has_no_body_however_it_is_sent(handler: WebPubSubEventHandler) -> None:
    request = event("quirks/validation", b"", {"Transfer-Encoding": "chunked", "WebHook-Request-Origin": "localhost"})

    assert (await handler.handle(request)).status == 200
