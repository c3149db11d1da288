"""Connection strings, and event handlers made from them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire import ACCESS_KEY, SECONDARY_KEY, event
from webpubsub_handler import ConfigurationError, ConnectionString, WebPubSubEventHandler, sign

A, B = "a.webpubsub.azure.com", "b.webpubsub.azure.com"
FIRST = f"Endpoint=https://{A};AccessKey={ACCESS_KEY};Version=1.0;"
SECOND = f"Endpoint=https://{A};AccessKey={SECONDARY_KEY};Version=1.0;"
REPLICA = f"Endpoint=https://{B};AccessKey=key-of-b;Version=1.0;"


async def status(handler: WebPubSubEventHandler, origin: str, key: str) -> int:
    headers = {"WebHook-Request-Origin": origin, "ce-signature": sign(key, "conn-42")}
    return (await handler.handle(event("user_text", headers=headers))).status


async def consent(handler: WebPubSubEventHandler, origin: str) -> int:
    return (await handler.handle(event("quirks/validation", headers={"WebHook-Request-Origin": origin}))).status


@pytest.mark.parametrize(
    "text",
    [
        FIRST,
        f"Endpoint=https://{A};AccessKey={ACCESS_KEY}",
        f" accesskey = {ACCESS_KEY} ; ENDPOINT = https://{A}/ ;;",
        f"Endpoint=https://{A};Version=1.0;AccessKey={ACCESS_KEY};Unknown=1;",
    ],
)
def test_a_connection_string_is_an_endpoint_and_a_key(text: str) -> None:
    service = ConnectionString.parse(text)

    assert (service.endpoint, service.access_key, service.host) == (f"https://{A}", ACCESS_KEY, A)


@pytest.mark.parametrize("text", [None, 7, [FIRST]], ids=repr)
def test_what_is_not_text_is_an_error_at_start(text: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"must be a str, not {type(text).__name__}"):
        WebPubSubEventHandler.from_connection_string(text, hub="chat")


def test_a_key_may_end_in_the_sign_that_separates() -> None:
    assert ConnectionString.parse(f"Endpoint=https://{A};AccessKey=c2VjcmV0==;").access_key == "c2VjcmV0=="


def test_a_local_service_has_a_host_without_its_port() -> None:
    assert ConnectionString.parse("Endpoint=http://localhost:8080;AccessKey=k;").host == "localhost"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        f"https://{A}",
        f"Endpoint=https://{A};",
        f"Endpoint=https://{A};AccessKey=;",
        f"AccessKey={ACCESS_KEY};",
        f"Endpoint={A};AccessKey={ACCESS_KEY};",
        f"Endpoint=ftp://{A};AccessKey={ACCESS_KEY};",
        f"Endpoint=https://;AccessKey={ACCESS_KEY};",
        f"Endpoint=https://[;AccessKey={ACCESS_KEY};",
        f"Endpoint=https://a b;AccessKey={ACCESS_KEY};",
    ],
)
def test_what_is_not_a_connection_string_is_an_error_that_shows_one_and_no_secret(text: str) -> None:
    with pytest.raises(ConfigurationError, match="looks like Endpoint=https://…;AccessKey=…;") as raised:
        ConnectionString.parse(text)

    assert ACCESS_KEY not in str(raised.value)


def test_a_connection_string_does_not_show_its_key() -> None:
    assert ACCESS_KEY not in repr(ConnectionString.parse(FIRST))


async def test_a_handler_takes_the_events_of_its_service_and_of_no_other() -> None:
    handler = WebPubSubEventHandler.from_connection_string(FIRST, hub="chat")

    assert await status(handler, A, ACCESS_KEY) == 204
    assert await status(handler, A, SECONDARY_KEY) == 401
    assert await status(handler, B, ACCESS_KEY) == 401
    assert (await consent(handler, A), await consent(handler, B)) == (200, 400)


async def test_two_connection_strings_of_one_service_are_its_two_keys() -> None:
    handler = WebPubSubEventHandler.from_connection_string(FIRST, SECOND, hub="chat")

    assert await status(handler, A, ACCESS_KEY) == 204
    assert await status(handler, A, SECONDARY_KEY) == 204


async def test_a_replica_signs_with_its_own_key() -> None:
    handler = WebPubSubEventHandler.from_connection_string(FIRST, REPLICA, hub="chat")

    assert await status(handler, B, "key-of-b") == 204
    assert await status(handler, B, ACCESS_KEY) == 401
    assert (await consent(handler, A), await consent(handler, B)) == (200, 200)


async def test_a_custom_domain_is_one_of_the_services() -> None:
    handler = WebPubSubEventHandler.from_connection_string(
        FIRST, REPLICA, hub="chat", allowed_origins=["https://chat.example/", B]
    )

    assert await status(handler, "chat.example", ACCESS_KEY) == 204
    assert await status(handler, "chat.example", "key-of-b") == 204
    assert await status(handler, "chat.example", "another") == 401
    assert await status(handler, B, ACCESS_KEY) == 401
    assert await consent(handler, "chat.example") == 200


async def test_the_limits_are_passed_on() -> None:
    handler = WebPubSubEventHandler.from_connection_string(FIRST, hub="chat", max_event_age=600, max_body_bytes=3)

    assert handler.max_body_bytes == 3
    old = {"ce-time": "2020-01-01T00:00:00Z", "WebHook-Request-Origin": A}
    assert (await handler.handle(event("user_text", b"hi", old))).status == 400


def test_without_a_connection_string_no_handler_starts() -> None:
    with pytest.raises(ConfigurationError, match="at least one connection string"):
        WebPubSubEventHandler.from_connection_string(hub="chat")


def test_one_string_is_not_a_list_of_origins() -> None:
    with pytest.raises(ConfigurationError, match=r"write \['chat.example'\]"):
        WebPubSubEventHandler.from_connection_string(FIRST, hub="chat", allowed_origins="chat.example")
