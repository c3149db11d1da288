from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.wire import ACCESS_KEY, event
from webpubsub_handler import (
    MAX_BODY_BYTES,
    AccessKeyAuthenticator,
    CallNext,
    ConfigurationError,
    ConnectEventResponse,
    DataType,
    Event,
    EventErrorResponse,
    EventResponse,
    HttpRequest,
    HttpResponse,
    InvalidDataError,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
)


def named(name: str) -> HttpRequest:
    """A text event of this name."""
    return event("user_text", headers={"ce-eventName": name, "ce-type": f"azure.webpubsub.user.{name}"})


def record_messages(handler: WebPubSubEventHandler) -> list[UserEventRequest]:
    """Register a function for ``message`` that keeps what it gets."""
    messages: list[UserEventRequest] = []

    @handler.on_user_event("message")
    async def keep(request: UserEventRequest) -> None:
        messages.append(request)

    return messages


@pytest.mark.parametrize(
    ("name", "data", "data_type"),
    [
        ("user_json", {"score": 7, "tags": ["a", None]}, DataType.JSON),
        ("user_json_scalar", True, DataType.JSON),
        ("user_binary", b"\x00\x01\x02\xff", DataType.BINARY),
        ("quirks/user_without_content_type", b"\x00\x01\x02\xff", DataType.BINARY),
        ("quirks/user_hub_in_capitals", "hello", DataType.TEXT),
    ],
)
async def test_a_function_gets_the_data_as_its_type_says(
    handler: WebPubSubEventHandler, name: str, data: Any, data_type: DataType
) -> None:
    messages = record_messages(handler)

    assert await handler.handle(event(name)) == HttpResponse(204)
    assert [(message.data, message.data_type) for message in messages] == [(data, data_type)]


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("user_text", "text/plain; charset=utf-8"),
        ("user_json", "application/json"),
        ("user_json_scalar", "application/json"),
        ("user_binary", "application/octet-stream"),
    ],
)
async def test_an_echo_gives_back_what_came(handler: WebPubSubEventHandler, name: str, content_type: str) -> None:
    @handler.on_user_event("message")
    async def echo(request: UserEventRequest) -> UserEventResponse:
        return UserEventResponse(request.data)

    request = event(name)

    assert await handler.handle(request) == HttpResponse(200, {"Content-Type": content_type}, request.body)


async def test_a_reply_can_name_its_data_type(handler: WebPubSubEventHandler) -> None:
    @handler.on_user_event("message")
    async def answer(_: UserEventRequest) -> UserEventResponse:
        return UserEventResponse("text", DataType.JSON)

    response = await handler.handle(event("user_text"))

    assert response == HttpResponse(200, {"Content-Type": "application/json"}, b'"text"')


async def test_an_error_is_answered_with_its_status_and_message_and_without_state(
    handler: WebPubSubEventHandler,
) -> None:
    @handler.on_user_event("message")
    async def refuse(request: UserEventRequest) -> EventErrorResponse:
        request.context.state["n"] = 1
        return EventErrorResponse(503, "later")

    response = await handler.handle(event("user_text"))

    assert (response.status, response.body) == (503, b"later")
    assert "ce-connectionState" not in response.headers


async def test_a_state_that_is_changed_inside_goes_back(handler: WebPubSubEventHandler) -> None:
    @handler.on_user_event("message")
    async def count(request: UserEventRequest) -> UserEventResponse:
        request.context.state.setdefault("seen", []).append(request.data)
        return UserEventResponse(len(request.context.state["seen"]))

    first = await handler.handle(event("user_json_scalar"))
    state = first.headers["ce-connectionState"]
    second = await handler.handle(event("user_json_scalar", headers={"ce-connectionState": state}))

    assert (first.body, second.body) == (b"1", b"2")


@pytest.mark.parametrize("name", ["user_text", "quirks/user_dotnet_state", "quirks/user_foreign_state"])
async def test_a_state_that_is_only_read_is_not_sent(handler: WebPubSubEventHandler, name: str) -> None:
    @handler.on_user_event("message")
    async def read(request: UserEventRequest) -> UserEventResponse:
        return UserEventResponse(sorted(request.context.state))

    response = await handler.handle(event(name))

    assert response.status == 200
    assert "ce-connectionState" not in response.headers


async def test_a_state_is_cleared_on_the_wire(handler: WebPubSubEventHandler) -> None:
    @handler.on_user_event("message")
    async def forget(request: UserEventRequest) -> None:
        request.context.state.clear()

    assert (await handler.handle(event("user_text"))).headers == {"ce-connectionState": "e30="}


async def test_a_state_that_is_too_large_is_a_500_whose_log_says_why(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture
) -> None:
    @handler.on_user_event("message")
    async def hoard(request: UserEventRequest) -> None:
        request.context.state["everything"] = "x" * 10_000

    assert (await handler.handle(event("user_text"))).status == 500
    assert "keep an id in it and the rest in a store" in caplog.text


async def test_events_go_to_the_function_of_their_name_whatever_its_case(handler: WebPubSubEventHandler) -> None:
    @handler.on_user_event("Typing")
    async def typing(_: UserEventRequest) -> UserEventResponse:
        return UserEventResponse("typing")

    @handler.on_user_event("message")
    async def message(_: UserEventRequest) -> UserEventResponse:
        return UserEventResponse("message")

    assert (await handler.handle(named("tYPING"))).body == b"typing"
    assert (await handler.handle(event("user_text"))).body == b"message"


async def test_an_event_name_outside_ascii_finds_its_function(handler: WebPubSubEventHandler) -> None:
    @handler.on_user_event("grüße")
    async def greet(_: UserEventRequest) -> UserEventResponse:
        return UserEventResponse("hi")

    response = await handler.handle(named("gr%C3%BC%C3%9Fe"))

    assert response.body == b"hi"


async def test_an_event_without_a_function_is_answered_204_and_the_log_has_the_code_to_write(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture
) -> None:
    record_messages(handler)

    response = await handler.handle(named("move-piece"))

    assert response == HttpResponse(204)
    assert "@handler.on_user_event('move-piece')\nasync def on_move_piece(" in caplog.text


@pytest.mark.parametrize("name", ["move", "1", "%0Aimport os", "'); x('", "设备", "x²", "%s %d", "x" * 1000, "a\udcff"])
async def test_the_code_to_write_is_python_whatever_the_event_is_called(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    await handler.handle(named(name))

    hint = caplog.records[-1].getMessage()
    compile(hint[hint.index("@handler") :], "hint", "exec")
    hint.encode()


async def test_the_code_to_write_is_logged_once_a_name(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ["a", "b", "a", "a"]:
        await handler.handle(named(name))

    assert re.findall(r"No function handles the user event '(\w)'", caplog.text) == ["a", "b"]


async def test_clients_cannot_fill_the_log_with_names(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(500):
        await handler.handle(named(f"event-{number}"))

    assert caplog.text.count("No function handles") == 100


@pytest.mark.parametrize("answer", ["text", 7, {"type": "ack"}, HttpResponse(200), ConnectEventResponse()])
async def test_another_answer_than_a_response_is_a_500_whose_log_says_what_is_allowed(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture, answer: Any
) -> None:
    @handler.on_user_event("message")
    async def wrong(_: UserEventRequest) -> Any:
        return answer

    assert (await handler.handle(event("user_text"))).status == 500
    assert f"returned {type(answer).__name__}; it may return UserEventResponse" in caplog.text


@pytest.mark.parametrize("name", ["user_text", "user_json", "user_binary"])
async def test_a_message_of_one_mebibyte_passes(handler: WebPubSubEventHandler, name: str) -> None:
    messages = record_messages(handler)
    body = b'"' + b"x" * (MAX_BODY_BYTES - 2) + b'"'

    assert len(body) == 1024 * 1024
    assert (await handler.handle(event(name, body))).status == 204
    assert messages[0].body == body


@pytest.mark.parametrize("headers", [{}, {"ce-signature": None}], ids=["signed", "unsigned"])
async def test_a_body_above_the_limit_is_a_413(
    handler: WebPubSubEventHandler, headers: dict[str, str | list[str] | None]
) -> None:
    messages = record_messages(handler)

    response = await handler.handle(event("user_text", b"x" * (MAX_BODY_BYTES + 1), headers))

    assert response.status == 413
    assert messages == []


@pytest.mark.parametrize(
    "content_type", ["application/xml", "application/jsonx", "text/html", "nonsense", "", ";", "\udcff"]
)
async def test_another_content_type_is_passed_on_as_bytes(handler: WebPubSubEventHandler, content_type: str) -> None:
    messages = record_messages(handler)

    response = await handler.handle(event("user_text", b"{\xff", {"Content-Type": content_type}))

    assert response.status == 204
    assert [(message.data, message.content_type) for message in messages] == [(b"{\xff", content_type)]


BROKEN = {
    "no JSON": b"{",
    "nothing": b"",
    "NaN": b'{"a":NaN}',
    "Infinity": b"-Infinity",
    "a number beyond floats": b"1e999",
    "a huge integer": b"9" * 10_000,
    "deep nesting": b"[" * (MAX_BODY_BYTES // 2) + b"]" * (MAX_BODY_BYTES // 2),
    "no UTF-8": b'"\xff"',
    "UTF-16": '"a"'.encode("utf-16"),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
async def test_a_json_message_that_is_none_reaches_its_function_as_bytes(
    handler: WebPubSubEventHandler, body: bytes
) -> None:
    messages = record_messages(handler)

    assert await handler.handle(event("user_json", body)) == HttpResponse(204)
    assert [message.body for message in messages] == [body]


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
async def test_reading_a_json_message_that_is_none_tells_its_sender_and_is_not_delivered_again(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    @handler.on_user_event("message")
    async def read(request: UserEventRequest) -> UserEventResponse:
        request.context.state["read"] = True
        return UserEventResponse(request.data)

    response = await handler.handle(event("user_json", body))

    assert response.status == 200
    assert response.headers == {"Content-Type": "application/json"}
    assert json.loads(response.body) == {
        "type": "error",
        "code": "invalid_data",
        "message": "The data is not UTF-8."
        if body in (BROKEN["no UTF-8"], BROKEN["UTF-16"])
        else "The data is not JSON of finite numbers and at most 128 levels.",
    }
    assert caplog.records == []


async def test_a_plain_function_may_say_itself_what_is_wrong_with_the_data(handler: WebPubSubEventHandler) -> None:
    @handler.on_user_event("message")
    def move(request: UserEventRequest) -> None:
        raise InvalidDataError("No such square.", code="no_square")

    response = await handler.handle(event("user_text"))

    assert json.loads(response.body) == {"type": "error", "code": "no_square", "message": "No such square."}


async def test_a_function_may_see_that_the_data_is_invalid(handler: WebPubSubEventHandler) -> None:
    @handler.on_user_event("message")
    async def read(request: UserEventRequest) -> UserEventResponse:
        try:
            return UserEventResponse(request.data)
        except InvalidDataError:
            return UserEventResponse("try again")

    assert (await handler.handle(event("user_json", b"{"))).body == b"try again"


async def test_invalid_data_of_an_event_that_has_none_is_a_failure(handler: WebPubSubEventHandler) -> None:
    @handler.on_connect
    async def connect(_: object) -> None:
        raise InvalidDataError("secret")

    response = await handler.handle(event("connect"))

    assert response.status == 500
    assert b"secret" not in response.body


@pytest.mark.parametrize(("size", "status"), [(10, 204), (11, 200)])
async def test_a_function_can_take_less_than_the_handler(
    handler: WebPubSubEventHandler, size: int, status: int
) -> None:
    messages: list[object] = []

    @handler.on_user_event("message", max_body_bytes=10)
    async def keep(request: UserEventRequest) -> None:
        messages.append(request.data)

    @handler.middleware
    async def read(request: Event, call_next: CallNext) -> EventResponse | None:
        if isinstance(request, UserEventRequest):
            messages.append(request.data)
        return await call_next(request)

    response = await handler.handle(event("user_text", b"x" * size))

    assert response.status == status
    assert len(messages) == (2 if status == 204 else 0)
    if status == 200:
        assert json.loads(response.body) == {
            "type": "error",
            "code": "too_large",
            "message": "The data has at most 10 bytes.",
        }


async def test_an_mqtt_client_is_told_by_a_status_that_its_data_is_too_large(handler: WebPubSubEventHandler) -> None:
    @handler.on_user_event("temperature", max_body_bytes=1)
    async def keep(_: UserEventRequest) -> None: ...

    response = await handler.handle(event("quirks/mqtt_user_event", b"xx"))

    assert response.status == 400
    assert json.loads(response.body)["code"] == "too_large"


@pytest.mark.parametrize(("size", "status"), [(100, 204), (101, 413)])
async def test_the_handler_can_take_less_than_the_service_sends(size: int, status: int) -> None:
    handler = WebPubSubEventHandler(
        "chat", [AccessKeyAuthenticator([ACCESS_KEY])], allowed_origins=["*"], max_body_bytes=100
    )

    assert (await handler.handle(event("user_text", b"x" * size))).status == status


def test_a_handler_that_takes_nothing_does_not_start() -> None:
    with pytest.raises(ConfigurationError, match="at least 1"):
        WebPubSubEventHandler("chat", [AccessKeyAuthenticator([ACCESS_KEY])], allowed_origins=["*"], max_body_bytes=0)


async def test_a_reply_repeats_every_json_value_that_a_client_can_send(handler: WebPubSubEventHandler) -> None:
    @handler.on_user_event("message")
    async def echo(request: UserEventRequest) -> UserEventResponse:
        return UserEventResponse(request.data, DataType.JSON)

    for value in ["\ud800", "\x00", "😀", 10**400, -0.0, 1e308, {"": [[], {}]}, [None, True]]:
        response = await handler.handle(event("user_json", json.dumps(value).encode()))
        assert response.status == 200
        assert json.loads(response.body) == value
