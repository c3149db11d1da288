"""The released Python client SDK with its default, reliable protocol, over the network."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import pytest
from azure.messaging.webpubsubclient import WebPubSubClient
from azure.messaging.webpubsubclient.aio import WebPubSubClient as AsyncWebPubSubClient
from azure.messaging.webpubsubclient.models import (
    CallbackType,
    OpenClientError,
    SendMessageError,
    WebPubSubDataType,
    WebPubSubProtocolType,
)

from tests.emulator.conftest import Service, Socket
from tests.emulator.fakes import RecordingHandler

ROLES = ["webpubsub.sendToGroup", "webpubsub.joinLeaveGroup"]
PATIENCE = 30
# The client can miss the wake-up of an open or an ack on a busy machine; it then waits for as long as this.
OPTIONS: dict[str, Any] = {"start_timeout": 3, "ack_timeout": 3, "reconnect_retry_backoff_factor": 0.1}


def url_of(service: Service, hub: str = "chat") -> str:
    token = service.token(hub, sub="ana", role=ROLES)
    return f"ws{service.url.removeprefix('http')}/client/hubs/{hub}?access_token={token}"


class Client:
    """The synchronous client, with all that it calls back in queues."""

    def __init__(self, url: str, **options: Any) -> None:
        self.sdk = WebPubSubClient(url, **{**OPTIONS, **options})
        self.heard: dict[CallbackType, queue.Queue[Any]] = {kind: queue.Queue() for kind in CallbackType}
        subscribe: Any = self.sdk.subscribe
        for kind, heard in self.heard.items():
            subscribe(kind, lambda *args, heard=heard: heard.put(args[0] if args else None))

    def next(self, kind: CallbackType) -> Any:
        return self.heard[kind].get(timeout=PATIENCE)

    def connection_id(self) -> str:
        return str(self.next(CallbackType.CONNECTED).connection_id)

    def lose_socket(self) -> None:
        """Close the socket as a client that is moved away, and wait for the next one."""
        assert self.sdk._ws is not None
        old = self.sdk._ws
        assert old.sock is not None
        # Not `close`: it would read the answer too, and sometimes take it from the thread that waits for it.
        old.sock.send_close(1001)
        wait_until(lambda: self.sdk._ws is not old and self.sdk.is_connected())

    def __enter__(self) -> Self:
        self.sdk.open()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.sdk.close()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


async def in_thread(scenario: Callable[[], None]) -> None:
    async with asyncio.timeout(2 * PATIENCE):
        await asyncio.to_thread(scenario)


class FromThread:
    """Calls the REST API from a client's thread."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._loop = asyncio.get_running_loop()

    def __call__(self, method: str, path: str) -> int:
        call = self._service.rest(method, path)
        return asyncio.run_coroutine_threadsafe(call, self._loop).result(PATIENCE)[0]


async def test_a_client_comes_back_to_its_connection_and_its_groups(
    service: Service, handler: RecordingHandler
) -> None:
    def scenario() -> None:
        with Client(url_of(service)) as client:
            connection_id = client.connection_id()
            client.sdk.join_group("g")
            client.lose_socket()
            client.sdk.send_to_group("g", "hi", WebPubSubDataType.TEXT)
            assert client.next(CallbackType.GROUP_MESSAGE).data == "hi"
            assert client.sdk._connection_id == connection_id

    await in_thread(scenario)
    await handler.wait_for("disconnected")
    assert [len(handler.events(name)) for name in ("connect", "connected", "disconnected")] == [1, 1, 1]


async def test_the_asynchronous_client_comes_back_too(service: Service, handler: RecordingHandler) -> None:
    messages: asyncio.Queue[Any] = asyncio.Queue()
    client = AsyncWebPubSubClient(url_of(service), **OPTIONS)
    await client.subscribe(CallbackType.GROUP_MESSAGE, messages.put)
    async with asyncio.timeout(PATIENCE), client:
        await client.join_group("g")
        connection_id, old = client._connection_id, client._ws
        assert old is not None
        assert old.sock is not None
        Socket(old.sock).cut()
        await asyncio.to_thread(wait_until, lambda: client._ws is not old and client.is_connected())
        await client.send_to_group("g", "hi", WebPubSubDataType.TEXT)
        assert (await messages.get()).data == "hi"
        assert client._connection_id == connection_id
    assert len(handler.events("connect")) == 1


@pytest.mark.parametrize("is_rejoining", [True, False])
async def test_a_client_that_starts_again_rejoins_its_groups_only_if_it_shall(
    service: Service, is_rejoining: bool
) -> None:
    rest = FromThread(service)

    def scenario() -> None:
        with Client(url_of(service), auto_rejoin_groups=is_rejoining) as client:
            first = client.connection_id()
            client.sdk.join_group("g")
            assert rest("DELETE", f"/connections/{first}") == 204
            assert client.connection_id() != first
            client.sdk.join_group("h")
            if is_rejoining:
                wait_until(lambda: rest("HEAD", "/groups/g") == 200)
                client.sdk.send_to_group("g", "hi", WebPubSubDataType.TEXT)
                assert client.next(CallbackType.GROUP_MESSAGE).data == "hi"
            else:
                assert (rest("HEAD", "/groups/g"), rest("HEAD", "/groups/h")) == (404, 200)

    await in_thread(scenario)


async def test_with_the_plain_protocol_a_client_reconnects_with_a_new_id(service: Service) -> None:
    def scenario() -> None:
        with Client(url_of(service), protocol_type=WebPubSubProtocolType.JSON) as client:
            first = client.connection_id()
            client.lose_socket()
            assert client.connection_id() != first

    await in_thread(scenario)


async def test_a_client_that_shall_not_reconnect_stops(service: Service, handler: RecordingHandler) -> None:
    rest = FromThread(service)

    def scenario() -> None:
        with Client(url_of(service), reconnect_retry_total=0) as client:
            assert rest("DELETE", f"/connections/{client.connection_id()}") == 204
            closed = client.next(CallbackType.DISCONNECTED)
            assert closed.message == "Application server closed the connection."
            client.next(CallbackType.STOPPED)
            assert client.heard[CallbackType.CONNECTED].empty()

    await in_thread(scenario)
    assert len(handler.events("connect")) == 1


async def test_a_hundred_threads_send_at_once(service: Service) -> None:
    def scenario() -> None:
        with Client(url_of(service)) as client, ThreadPoolExecutor(100) as threads:
            client.sdk.join_group("g")
            start = threading.Barrier(100)

            def send(number: int) -> None:
                start.wait(PATIENCE)
                client.sdk.send_to_group("g", {"n": number}, WebPubSubDataType.JSON)

            list(threads.map(send, range(100), timeout=PATIENCE))
            received = sorted(client.next(CallbackType.GROUP_MESSAGE).data["n"] for _ in range(100))
            assert received == list(range(100))

    await in_thread(scenario)


async def test_an_event_that_nobody_handles_is_an_internal_server_error(service: Service) -> None:
    def scenario() -> None:
        with (
            Client(url_of(service, "other"), message_retry_total=0) as client,
            pytest.raises(SendMessageError) as failed,
        ):
            client.sdk.send_event("event", "hi", WebPubSubDataType.TEXT)
        assert failed.value.error_detail is not None
        assert failed.value.error_detail.name == "InternalServerError"

    await in_thread(scenario)


async def test_a_group_without_the_role_is_forbidden(service: Service) -> None:
    url = f"{service.url}/client/hubs/chat?access_token={service.token()}".replace("http", "ws", 1)

    def scenario() -> None:
        with Client(url, message_retry_total=0) as client, pytest.raises(SendMessageError) as failed:
            client.sdk.join_group("g")
        assert failed.value.error_detail is not None
        assert failed.value.error_detail.name == "Forbidden"

    await in_thread(scenario)


async def test_a_stopped_client_can_be_opened_from_its_callback(service: Service) -> None:
    def scenario() -> None:
        client = Client(url_of(service))
        reopen = client.sdk.open
        with client:
            first = client.connection_id()
            client.sdk.subscribe(CallbackType.STOPPED, reopen)
        assert client.connection_id() != first
        client.sdk.unsubscribe(CallbackType.STOPPED, reopen)
        wait_until(client.sdk.is_connected)
        client.sdk.close()

    await in_thread(scenario)


async def test_callbacks_may_use_the_client(service: Service) -> None:
    rest = FromThread(service)

    def scenario() -> None:
        client = Client(url_of(service))
        answered = threading.Event()

        def answer(message: Any) -> None:
            if message.data == "one":
                client.sdk.send_to_group("g", "two", WebPubSubDataType.TEXT)
                answered.set()

        client.sdk.subscribe(CallbackType.CONNECTED, lambda _: client.sdk.join_group("g"))
        client.sdk.subscribe(CallbackType.GROUP_MESSAGE, answer)
        with client:
            wait_until(lambda: rest("HEAD", "/groups/g") == 200)
            client.sdk.send_to_group("g", "one", WebPubSubDataType.TEXT)
            assert [client.next(CallbackType.GROUP_MESSAGE).data for _ in range(2)] == ["one", "two"]
            assert answered.wait(PATIENCE)

    await in_thread(scenario)


async def test_messages_are_numbered_and_the_client_acknowledges_them(service: Service) -> None:
    def scenario() -> None:
        with Client(url_of(service)) as client:
            client.sdk.join_group("g")
            for _ in range(2):
                client.sdk.send_to_group("g", "hi", WebPubSubDataType.TEXT)
            assert [client.next(CallbackType.GROUP_MESSAGE).sequence_id for _ in range(2)] == [1, 2]

    await in_thread(scenario)


async def test_a_client_cannot_be_opened_twice_but_closed(service: Service) -> None:
    def scenario() -> None:
        with Client(url_of(service)) as client:
            with pytest.raises(OpenClientError):
                client.sdk.open()
            client.sdk.close()

    await in_thread(scenario)


async def test_a_client_with_a_bad_token_cannot_be_opened(service: Service) -> None:
    def scenario() -> None:
        url = f"ws{service.url.removeprefix('http')}/client/hubs/chat?access_token=nonsense"
        with pytest.raises(OpenClientError, match="401"):
            Client(url).sdk.open()

    await in_thread(scenario)
