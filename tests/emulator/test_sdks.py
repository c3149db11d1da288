"""The official SDKs against the emulator: what they need is what must work."""

import asyncio
import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.messaging.webpubsubclient import WebPubSubClient as SyncClient
from azure.messaging.webpubsubclient.aio import WebPubSubClient
from azure.messaging.webpubsubclient.models import (
    CallbackType,
    SendMessageError,
    WebPubSubDataType,
    WebPubSubProtocolType,
)
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from local.webpubsub import Emulator, EmulatorSettings
from local.webpubsub.pytest_plugin import StartEmulator
from tests.emulator.conftest import Service
from tests.emulator.fakes import Answer, RecordingHandler

ROLES = ["webpubsub.sendToGroup", "webpubsub.joinLeaveGroup"]


class Inbox:
    """Collects what an SDK client calls back with."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[Any] = asyncio.Queue()

    async def take(self, message: Any) -> None:
        self.messages.put_nowait(message)

    async def next(self) -> Any:
        return await asyncio.wait_for(self.messages.get(), 5)


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


async def test_the_sync_client_does_not_miss_its_acks(service: Service) -> None:
    url = await client_url(service.emulator)

    def send_many() -> None:
        client = SyncClient(url, protocol_type=WebPubSubProtocolType.JSON)
        with client:
            for number in range(100):
                client.send_event("ask", str(number), WebPubSubDataType.TEXT, ack_timeout=3)

    # A missed ack costs the SDK its ack_timeout and a retry or a pause; none of the 100 may need that.
    await asyncio.wait_for(asyncio.to_thread(send_many), 10)


async def test_the_service_client_sends_to_all_groups_users_and_connections(service: Service) -> None:
    socket = await service.connect(sub="a/b c", groups="g/1")
    async with service_client(service.emulator) as client:
        await client.send_to_all({"n": 1})
        await client.send_to_group("g/1", "text", content_type="text/plain")
        await client.send_to_user("a/b c", BytesIO(b"\x01"), content_type="application/octet-stream")
        await client.send_to_connection("conn-1", {"n": 2})
    frames = [await socket.frame() for _ in range(4)]
    assert [(frame["dataType"], frame["data"]) for frame in frames] == [
        ("json", {"n": 1}),
        ("text", "text"),
        ("binary", "AQ=="),
        ("json", {"n": 2}),
    ]


async def test_the_service_client_manages_groups_and_permissions(service: Service) -> None:
    await service.connect(sub="ana")
    async with service_client(service.emulator) as client:
        assert await client.user_exists("ana")
        assert not await client.user_exists("nobody")
        assert await client.connection_exists("conn-1")
        await client.add_connection_to_group("g", "conn-1")
        await client.add_user_to_group("h", "ana")
        assert await client.group_exists("g")
        await client.remove_connection_from_group("g", "conn-1")
        assert not await client.group_exists("g")
        await client.remove_user_from_group("h", "ana")
        await client.remove_user_from_all_groups("ana")
        await client.remove_connection_from_all_groups("none")
        await client.grant_permission("sendToGroup", "conn-1", target_name="g")
        assert await client.has_permission("sendToGroup", "conn-1", target_name="g")
        await client.revoke_permission("sendToGroup", "conn-1", target_name="g")
        assert not await client.has_permission("sendToGroup", "conn-1", target_name="g")
        with pytest.raises(ResourceNotFoundError):
            await client.grant_permission("sendToGroup", "none")


async def test_the_service_client_lists_members_over_pages(service: Service) -> None:
    for _ in range(6):
        await service.connect(groups="g")
    async with service_client(service.emulator) as client:

        async def count(**options: int) -> int:
            return len([member async for member in client.list_connections(group="g", **options)])

        assert [await count(top=6), await count(top=3), await count(), await count(top=5)] == [6, 3, 6, 5]
        pages = client.list_connections(group="g", top=5).by_page()
        assert [len([m async for m in page]) async for page in pages] == [5]


async def test_the_service_client_closes_connections(service: Service) -> None:
    first, second = await service.connect(sub="ana"), await service.connect(groups="g")
    async with service_client(service.emulator) as client:
        await client.close_user_connections("ana", reason="r")
        await client.close_group_connections("g", excluded=["conn-2"])
        await client.close_all_connections(excluded=["conn-2"])
    assert (await first.frame())["message"].endswith("Reason: r")
    await second.assert_alive()


async def test_a_filter_is_an_error_that_says_why(service: Service) -> None:
    async with service_client(service.emulator) as client:
        with pytest.raises(HttpResponseError) as refused:
            await client.send_to_all("x", content_type="text/plain", filter="userId eq 'a'")
    assert refused.value.status_code == 400
    assert "not supported yet" in str(refused.value)


async def test_a_reverse_proxy_keeps_the_audience_of_the_endpoint(service: Service) -> None:
    socket = await service.connect()
    port = service.url.rpartition(":")[2]
    client = WebPubSubServiceClient.from_connection_string(
        service.emulator.connection_string, hub="chat", reverse_proxy_endpoint=f"http://127.0.0.1:{port}"
    )
    async with client:
        await client.send_to_all("x", content_type="text/plain")
    assert (await socket.frame())["data"] == "x"


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
