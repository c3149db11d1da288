"""No header can write a line of its own into the log."""

from __future__ import annotations

import logging

import pytest

from tests.wire import event, event_names, fixture
from webpubsub_handler import (
    AccessKeyAuthenticator,
    AuthenticationError,
    Authenticator,
    HttpRequest,
    MalformedEventError,
    UnauthenticatedEventsAllowed,
    UserEventRequest,
    WebPubSubEventHandler,
)

# As bytes of a header that a lenient server lets through, and as what percent-decoding makes of it.
BREAKS = ["\nERROR forged", "\r\nERROR forged", "%0AERROR forged", "%0D%0AERROR forged", "\u2028ERROR forged"]


class Quoting:
    """Somebody's own proof, whose reason repeats a header."""

    def __init__(self, error: type[AuthenticationError | MalformedEventError]) -> None:
        self._error = error

    async def authenticate(self, request: HttpRequest) -> None:
        raise self._error(f"unknown user {request.headers.get('ce-userId')}")


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line for record in caplog.records for line in record.getMessage().splitlines()]


@pytest.mark.parametrize("broken", BREAKS)
@pytest.mark.parametrize("name", event_names())
@pytest.mark.parametrize("proof", [UnauthenticatedEventsAllowed(), AccessKeyAuthenticator(["key"])], ids=["any", "key"])
async def test_no_header_of_an_event_starts_a_line(
    caplog: pytest.LogCaptureFixture, name: str, broken: str, proof: Authenticator
) -> None:
    caplog.set_level(logging.DEBUG, "webpubsub_handler")
    handler = WebPubSubEventHandler("chat", [proof], allowed_origins=["localhost"])

    @handler.on_user_event("fail\nERROR forged")
    async def fail(request: UserEventRequest) -> None:
        raise RuntimeError

    for header, value in fixture(name)["request"]["headers"]:
        await handler.handle(event(name, headers={header: value + broken}))
        await handler.handle(event(name, headers={header: broken}))
    await handler.handle(
        event(name, headers={"ce-type": f"azure.webpubsub.user.fail{broken}", "ce-eventName": f"fail{broken}"})
    )

    assert [line for line in lines(caplog) if line.startswith("ERROR forged")] == []


@pytest.mark.parametrize("error", [AuthenticationError, MalformedEventError])
async def test_a_reason_that_repeats_a_header_starts_no_line(
    caplog: pytest.LogCaptureFixture, error: type[AuthenticationError | MalformedEventError]
) -> None:
    handler = WebPubSubEventHandler("chat", [Quoting(error)], allowed_origins=["localhost"])

    await handler.handle(event("user_text", headers={"ce-userId": "ana\nERROR forged"}))

    assert len(lines(caplog)) == 1
    assert "unknown user ana" in caplog.text
