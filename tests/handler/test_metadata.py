"""Metadata of a message, in and out."""

from __future__ import annotations

import pytest

from tests.wire import event
from webpubsub_handler import HttpResponse, UserEventRequest, UserEventResponse, WebPubSubEventHandler


async def metadata_of(handler: WebPubSubEventHandler, headers: dict[str, str | list[str] | None]) -> dict[str, str]:
    seen: list[dict[str, str]] = []

    @handler.on_user_event("message")
    async def message(request: UserEventRequest) -> None:
        seen.append(dict(request.metadata))

    await handler.handle(event("quirks/user_metadata", headers=headers))
    return seen[0]


async def reply_with(handler: WebPubSubEventHandler, metadata: dict[str, str], data: str = "hi") -> HttpResponse:
    @handler.on_user_event("message")
    async def message(_: UserEventRequest) -> UserEventResponse:
        return UserEventResponse(data, metadata=metadata)

    return await handler.handle(event("user_text"))


async def test_a_function_sees_the_metadata_of_a_message(handler: WebPubSubEventHandler) -> None:
    assert await metadata_of(handler, {}) == {"trace": "00-ab, cd", "lang": "de"}


async def test_a_message_without_metadata_has_none(handler: WebPubSubEventHandler) -> None:
    nothing = {"X-WebPubSub-Metadata-Trace": None, "x-webpubsub-metadata-lang": None, "x-webpubsub-metadata-": "v"}

    assert await metadata_of(handler, dict(nothing)) == {}


async def test_of_a_repeated_key_the_last_value_counts(handler: WebPubSubEventHandler) -> None:
    seen = await metadata_of(handler, {"x-webpubsub-metadata-trace": ["1", "2"]})

    assert seen["trace"] == "2"


async def test_raw_utf_8_in_metadata_is_mended(handler: WebPubSubEventHandler) -> None:
    seen = await metadata_of(handler, {"x-webpubsub-metadata-lang": "Köln".encode().decode("latin-1")})

    assert seen["lang"] == "Köln"


async def test_a_reply_carries_metadata(handler: WebPubSubEventHandler) -> None:
    response = await reply_with(handler, {"Trace": "00-ab", "empty": ""})

    assert response.status == 200
    assert response.headers["x-webpubsub-metadata-trace"] == "00-ab"
    assert response.headers["x-webpubsub-metadata-empty"] == ""


async def test_a_reply_without_a_body_keeps_its_metadata(handler: WebPubSubEventHandler) -> None:
    assert await reply_with(handler, {"a": "b"}, "") == HttpResponse(204, {"x-webpubsub-metadata-a": "b"})


@pytest.mark.parametrize(
    "metadata",
    [{"k" * 256: "v"}, {"k": "v" * 1024}, {f"k{number}": "v" * 1000 for number in range(8)}],
    ids=["key", "value", "total"],
)
async def test_metadata_may_be_as_large_as_the_service_takes(
    handler: WebPubSubEventHandler, metadata: dict[str, str]
) -> None:
    assert (await reply_with(handler, metadata)).status == 200


@pytest.mark.parametrize(
    "metadata",
    [
        {"k" * 257: "v"},
        {"k": "v" * 1025},
        {f"k{number}": "v" * 1000 for number in range(9)},
        {"": "v"},
        {"a:b": "v"},
        {"ü": "v"},
        {"a": "ü"},
        {"a": "b\r\nc: d"},
        {"a": "b", "A": "c"},
    ],
)
async def test_metadata_that_the_service_would_not_take_is_our_failure(
    handler: WebPubSubEventHandler, metadata: dict[str, str]
) -> None:
    response = await reply_with(handler, metadata)

    assert response.status == 500
    assert set(response.headers) == {"Content-Type"}
