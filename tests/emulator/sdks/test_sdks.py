"""The official SDKs against the emulator: what they need is what must work."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from azure.messaging.webpubsubclient.aio import WebPubSubClient
from azure.messaging.webpubsubclient.models import (
    CallbackType,
    SendMessageError,
    WebPubSubDataType,
    WebPubSubProtocolType,
)
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from tests.emulator.conftest import Service
from tests.emulator.fakes import Answer, RecordingHandler
from tests.patience import PATIENCE_SECONDS
from webpubsub_emulator import Emulator, EmulatorSettings
from webpubsub_emulator.pytest_plugin import StartEmulator

ROLES = ["webpubsub.sendToGroup", "webpubsub.joinLeaveGroup"]


class Inbox:
    """Collects what an SDK client calls back with."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[Any] = asyncio.Queue()

    async def take(self, message: Any) -> None:
        self.messages.put_nowait(message)

    async def next(self) -> Any:
        return await asyncio.wait_for(self.messages.get(), PATIENCE_SECONDS)


def service_client(emulator: Emulator, hub: str = "Chat") -> WebPubSubServiceClient:
    return WebPubSubServiceClient.from_connection_string(emulator.connection_string, hub=hub)


async def client_url(emulator: Emulator, **options: Any) -> str:
    async with service_client(emulator) as client:
        token = await client.get_client_access_token(**options)
        return str(token["url"])


async def test_a_client_joins_sends_and_receives(service: Service) -> None:
    inbox = Inbox()
    client = WebPubSubClient(
        await client_url(service.emulator, user_id="ana", roles=ROLES), protocol_type=WebPubSubProtocolType.JSON
    )
    await client.subscribe(CallbackType.GROUP_MESSAGE, inbox.take)
    async with client:
        await client.join_group("g")
        await client.send_to_group("g", "hi", WebPubSubDataType.TEXT)
        message = await inbox.next()
        assert (message.data, message.group, message.from_user_id) == ("hi", "g", "ana")
        await client.send_to_group("g", {"a": 1}, WebPubSubDataType.JSON)
        assert (await inbox.next()).data == {"a": 1}
        await client.send_to_group("g", memoryview(b"\x01\x02"), WebPubSubDataType.BINARY)
        assert bytes((await inbox.next()).data) == b"\x01\x02"


async def test_an_event_reaches_the_handler_and_its_reply_the_client(
    service: Service, handler: RecordingHandler
) -> None:
    handler.script["ask"] = [Answer(200, b"reply", {"Content-Type": "text/plain"})]
    inbox = Inbox()
    client = WebPubSubClient(await client_url(service.emulator), protocol_type=WebPubSubProtocolType.JSON)
    await client.subscribe(CallbackType.SERVER_MESSAGE, inbox.take)
    async with client:
        await client.send_event("ask", "question", WebPubSubDataType.TEXT)
        assert (await inbox.next()).data == "reply"
    assert handler.events("ask")[0].body == b"question"


async def test_a_failed_event_is_an_internal_server_error(service: Service, handler: RecordingHandler) -> None:
    handler.script["ask"] = [Answer(400)]
    client = WebPubSubClient(
        await client_url(service.emulator), protocol_type=WebPubSubProtocolType.JSON, message_retry_total=0
    )
    async with client:
        with pytest.raises(SendMessageError) as failed:
            await client.send_event("ask", "question", WebPubSubDataType.TEXT)
    assert failed.value.error_detail is not None
    assert failed.value.error_detail.name == "InternalServerError"


async def test_a_client_that_was_closed_comes_back_with_a_new_id(service: Service) -> None:
    inbox = Inbox()
    client = WebPubSubClient(
        await client_url(service.emulator), protocol_type=WebPubSubProtocolType.JSON, reconnect_retry_backoff_factor=0.1
    )
    await client.subscribe(CallbackType.CONNECTED, inbox.take)
    async with client:
        assert (await inbox.next()).connection_id == "conn-1"
        async with service_client(service.emulator) as rest:
            await rest.close_connection("conn-1", reason="test")
        assert (await inbox.next()).connection_id == "conn-2"


async def test_the_fixture_starts_emulators_side_by_side(webpubsub_emulator: StartEmulator) -> None:
    first = await webpubsub_emulator()
    second = await webpubsub_emulator(EmulatorSettings(port=0))
    assert first.url != second.url
    async with service_client(first) as client:
        await client.send_to_all(json.dumps("x"))


def test_outside_of_its_context_an_emulator_has_no_address() -> None:
    url: Callable[[], str] = lambda: Emulator().url  # noqa: E731
    with pytest.raises(RuntimeError, match="not running"):
        url()
