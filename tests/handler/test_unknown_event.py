from __future__ import annotations

import pytest

from tests.wire import event
from webpubsub_handler import HttpResponse, WebPubSubEventHandler


def recorded_calls(handler: WebPubSubEventHandler) -> list[object]:
    """Register the same recording function for everything."""
    calls: list[object] = []
    handler.on_connect(calls.append)
    handler.on_connected(calls.append)
    handler.on_disconnected(calls.append)
    for name in ["message", "joined", "left", "resumed"]:
        handler.on_user_event(name)(calls.append)
    return calls


@pytest.mark.parametrize(
    "event_type",
    [
        "azure.webpubsub.gp.closed",
        "azure.webpubsub.gp.message",
        "azure.webpubsub.sys.resumed",
        "azure.webpubsub.new.message",
        "azure.webpubsub.userx.message",
        "azure.webpubsub.user",
        "azure.webpubsub.USER.message",
        "com.example.message",
        "message",
        "\udcff",
    ],
)
@pytest.mark.parametrize("body", [b"{}", b"{", b"\xff"])
async def test_a_type_of_the_future_is_answered_2xx_and_runs_nothing(
    handler: WebPubSubEventHandler, event_type: str, body: bytes
) -> None:
    calls = recorded_calls(handler)

    assert await handler.handle(event("user_json", body, {"ce-type": event_type})) == HttpResponse(204)
    assert calls == []


async def test_an_unknown_event_must_be_authenticated_too(handler: WebPubSubEventHandler) -> None:
    unknown = {"ce-type": "azure.webpubsub.sys.resumed", "ce-signature": None}

    assert (await handler.handle(event("user_text", headers=unknown))).status == 401


async def test_an_ignored_type_is_logged_in_one_short_line(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "webpubsub_handler")

    await handler.handle(event("user_text", headers={"ce-type": "\n" + "x" * 1000}))

    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith("Ignored an event of type")
    assert len(message) < 300
    assert message.isprintable()
