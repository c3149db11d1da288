"""Every fixture, with each header dropped or garbled and the body cut or replaced: a clear answer, never a failure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

import pytest

from tests.wire import ACCESS_KEY, event, event_names
from webpubsub_handler import (
    AccessKeyAuthenticator,
    Authenticator,
    ConnectEventRequest,
    ConnectEventResponse,
    DataType,
    Headers,
    HttpRequest,
    UnauthenticatedEventsAllowed,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
)

ANSWERS: Final = {200, 204, 400, 401, 404, 413}
GARBLED: Final = [
    "",
    " ",
    ",",
    "%",
    "%00%0D%0A",
    "%ff",
    "\x00",
    "\udcff\ud800",
    "ÿ",
    "设",
    "-1",
    "[]",
    "bm8=",
    "bnVsbA==",
    "a, " * 5000,
    "x" * 100_000,
    "9" * 5000,
    "text/plain; charset=utf-16",
    "application/json; charset=\udcff",
    "azure.webpubsub.user.",
    "azure.webpubsub.sys.disconnected",
    "0001-01-01T00:00:00+23:59",
    "Mon, 1 Jan 2020 00:00:00 +99999999999999999999",
]
BODIES: Final = [
    b"",
    b"\x00",
    b"\xff\xfe",
    b"null",
    b"[]",
    b"NaN",
    b"-1e999",
    b"9" * 5000,
    b'"\\ud800"',
    b"[" * 100_000,
    b'{"claims":{"a":{"b":[]}},"reason":[]}',
    b'{"claims":{"\\ud800":["\\ud800"]},"reason":"\\ud800"}',
    b'{"clientCertificates":[[]],"subprotocols":[[]]}',
    b"x" * (1024 * 1024),
    b"x" * (1024 * 1024 + 1),
]


def mutants(request: HttpRequest) -> Iterator[HttpRequest]:
    lines = list(request.headers)
    for index, (name, value) in enumerate(lines):
        others = [*lines[:index], *lines[index + 1 :]]
        yield HttpRequest(request.method, Headers(others), request.body)
        yield HttpRequest(request.method, Headers([*lines, (name, value)]), request.body)
        yield HttpRequest(request.method, Headers([*lines, *[(name, value)] * 5000]), request.body)
        for garbled in [*GARBLED, value[:-1], value.upper(), value + "\udcff"]:
            yield HttpRequest(request.method, Headers([*others, (name, garbled)]), request.body)
    for body in [*BODIES, *(request.body[:length] for length in range(len(request.body)))]:
        yield HttpRequest(request.method, request.headers, body)
    yield HttpRequest(request.method, Headers(), request.body)


def using_handler(authenticator: Authenticator) -> WebPubSubEventHandler:
    """A handler whose functions use all that they get."""
    handler = WebPubSubEventHandler("chat", [authenticator], allowed_origins=["*"])

    @handler.on_connect
    async def connect(request: ConnectEventRequest) -> ConnectEventResponse:
        request.context.state["name"] = request.context.event_name
        return ConnectEventResponse(user_id=request.context.user_id, groups=sorted(request.claims))

    @handler.on_user_event("message")
    async def message(request: UserEventRequest) -> UserEventResponse:
        request.context.state["id"] = request.context.event_id
        is_binary = request.data_type is DataType.BINARY
        return UserEventResponse(request.data, DataType.BINARY if is_binary else DataType.JSON)

    return handler


@pytest.mark.parametrize(
    "authenticator",
    [AccessKeyAuthenticator([ACCESS_KEY]), UnauthenticatedEventsAllowed()],
    ids=["signed", "unauthenticated"],
)
@pytest.mark.parametrize("name", event_names())
async def test_no_mutant_of_an_event_makes_the_handler_fail(
    caplog: pytest.LogCaptureFixture, name: str, authenticator: Authenticator
) -> None:
    handler = using_handler(authenticator)

    for mutant in mutants(event(name)):
        response = await handler.handle(mutant)
        assert response.status in ANSWERS, mutant
        assert all(f"{name}{value}".isascii() for name, value in response.headers.items()), mutant
        if response.headers.get("Content-Type") == "application/json":
            json.loads(response.body)

    for record in caplog.records:
        record.getMessage().encode()


async def test_a_400_names_all_headers_at_fault_and_neither_it_nor_the_log_repeats_a_value(
    caplog: pytest.LogCaptureFixture,
) -> None:
    handler = using_handler(AccessKeyAuthenticator([ACCESS_KEY]))
    headers = {"ce-id": None, "ce-hub": "", "ce-time": "half past <b>9</b>", "ce-eventName": "<b>" * 1000}

    response = await handler.handle(event("user_text", b"private words", headers))

    assert response.status == 400
    assert response.body == (
        b"Not an event of Web PubSub: the ce-id header is missing; the ce-hub header is missing; "
        b"the ce-eventName header is too long; the ce-time header is not a time."
    )
    for value in ["<b>", "private", "conn-42"]:
        assert value not in caplog.text
