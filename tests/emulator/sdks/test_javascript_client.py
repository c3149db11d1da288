"""The released JavaScript client SDK with its default, reliable protocol, over the network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from local.node_tools import ensure_node, ensure_packages
from tests.emulator.conftest import Service
from tests.emulator.fakes import Answer, RecordingHandler
from tests.node_packages import TEST_PACKAGES
from webpubsub_emulator import Fault, FaultKind

ROLES = ["webpubsub.sendToGroup", "webpubsub.joinLeaveGroup"]
SCRIPT = Path(__file__).with_name("javascript_client.mjs")
PATIENCE = 30


class Client:
    """The client in its own process, started and connected."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._lines: dict[str, asyncio.Queue[Any]] = {}
        self._reading = asyncio.create_task(self._read())
        self.connection_id = ""

    async def start(self) -> None:
        await self.call("start")
        self.connection_id = (await self.next("connected"))["connectionId"]

    async def call(self, name: str, *args: Any) -> Any:
        """The result of a call; one at a time."""
        answer = await self.try_call(name, *args)
        assert "result" in answer, answer
        return answer["result"]

    async def try_call(self, name: str, *args: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"call": name, "args": args}).encode() + b"\n")
        return await self.next("answer")

    async def next(self, event: str) -> Any:
        async with asyncio.timeout(PATIENCE):
            return await self._lines.setdefault(event, asyncio.Queue()).get()

    def has(self, event: str) -> bool:
        return event in self._lines and not self._lines[event].empty()

    async def close(self) -> None:
        self._reading.cancel()
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for text in self._process.stdout:
            line = json.loads(text)
            self._lines.setdefault(line.get("event", "answer"), asyncio.Queue()).put_nowait(line)


StartClient = Callable[..., Awaitable[Client]]


@pytest_asyncio.fixture
async def start_client(service: Service, tmp_path: Path) -> AsyncIterator[StartClient]:
    """Starts clients of the hub ``chat`` for a user."""
    (tmp_path / "node_modules").symlink_to(ensure_packages(TEST_PACKAGES) / "node_modules", target_is_directory=True)
    script = tmp_path / SCRIPT.name
    script.write_bytes(SCRIPT.read_bytes())
    async with AsyncExitStack() as stack:

        async def start(user_id: str, *protocol: str) -> Client:
            url = f"ws{service.url.removeprefix('http')}/client/hubs/chat?access_token="
            process = await asyncio.create_subprocess_exec(
                *(str(ensure_node().node), str(script), url + service.token(sub=user_id, role=ROLES), *protocol),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            client = Client(process)
            stack.push_async_callback(client.close)
            await client.start()
            return client

        yield start


async def test_clients_talk_in_a_group(start_client: StartClient) -> None:
    ana, ben = await start_client("ana"), await start_client("ben")
    for client in (ana, ben):
        await client.call("joinGroup", "g")
    await ana.call("sendToGroup", "g", "hi", "text")
    for client in (ana, ben):
        message = (await client.next("group-message"))["message"]
        assert (message["fromUserId"], message["group"], message["data"]) == ("ana", "g", "hi")
    # Its own message without an echo: the next one that it hears is another.
    await ana.call("sendToGroup", "g", {"n": [1, None]}, "json", {"noEcho": True})
    await ben.call("sendToGroup", "g", {"bytes": [0, 1, 255]}, "binary")
    assert (await ben.next("group-message"))["message"]["data"] == {"n": [1, None]}
    for client in (ana, ben):
        message = (await client.next("group-message"))["message"]
        assert (message["fromUserId"], message["data"]) == ("ben", {"bytes": [0, 1, 255]})
    await ben.call("leaveGroup", "g")
    await ana.call("sendToGroup", "g", "without ben", "text")
    await ana.next("group-message")
    await ben.call("joinGroup", "g")
    await ana.call("sendToGroup", "g", "with ben", "text")
    assert (await ben.next("group-message"))["message"]["data"] == "with ben"


@pytest.mark.parametrize("protocol", ["json", "json.reliable"])
async def test_a_broadcast_arrives_as_a_server_message(
    service: Service, start_client: StartClient, protocol: str
) -> None:
    client = await start_client("ana", protocol)
    assert (await service.rest("POST", "/:send", body=b'{"n":1}', content_type="application/json"))[0] == 202
    message = (await client.next("server-message"))["message"]
    assert (message["dataType"], message["data"]) == ("json", {"n": 1})


async def test_an_event_is_answered_with_a_server_message(handler: RecordingHandler, start_client: StartClient) -> None:
    handler.script["ask"] = [Answer(200, b"reply", {"Content-Type": "text/plain"})]
    client = await start_client("ana")
    await client.call("sendEvent", "ask", "question", "text")
    assert (await client.next("server-message"))["message"]["data"] == "reply"
    assert handler.events("ask")[0].body == b"question"


async def test_an_invocation_returns_what_the_handler_answers(
    handler: RecordingHandler, start_client: StartClient
) -> None:
    handler.script["price"] = [Answer(200, b'{"euro":1}', {"Content-Type": "application/json"}), Answer(204)]
    client = await start_client("ana")
    result = await client.call("invokeEvent", "price", {"of": "tea"}, "json")
    assert (result["dataType"], result["data"]) == ("json", {"euro": 1})
    assert "data" not in await client.call("invokeEvent", "price", "tea", "text")
    assert [event.body for event in handler.events("price")] == [b'{"of":"tea"}', b"tea"]


async def test_an_invocation_that_fails_names_the_error(handler: RecordingHandler, start_client: StartClient) -> None:
    handler.script["price"] = [Answer(400, b"a secret")]
    client = await start_client("ana")
    failed = await client.try_call("invokeEvent", "price", "tea", "text")
    assert failed["error"] == "InvocationError"
    assert failed["detail"] == {"name": "InternalServerError", "message": "Internal server error"}


async def test_a_stream_is_refused_with_a_reason_and_the_client_lives_on(start_client: StartClient) -> None:
    client = await start_client("ana")
    failed = await client.try_call("openGroupStream", "g")
    assert failed["message"] == "Streams are not implemented by this emulator."
    await client.call("joinGroup", "g")


async def test_a_client_comes_back_to_its_connection_and_misses_nothing(
    service: Service, handler: RecordingHandler, start_client: StartClient
) -> None:
    client = await start_client("ana")
    await client.call("joinGroup", "g")
    service.emulator.inject(Fault(FaultKind.CUT_CONNECTIONS, connection_id=client.connection_id))
    for text in (b"one", b"two"):
        assert (await service.rest("POST", "/:send", body=text))[0] == 202
    assert [(await client.next("server-message"))["message"]["data"] for _ in range(2)] == ["one", "two"]
    await client.call("sendToGroup", "g", "three", "text")
    assert (await client.next("group-message"))["message"]["sequenceId"] == 3
    assert not client.has("connected")
    assert not client.has("disconnected")
    assert len(handler.events("connect")) == 1


async def test_a_client_that_was_closed_hears_why_and_starts_again(service: Service, start_client: StartClient) -> None:
    client = await start_client("ana")
    await client.call("joinGroup", "g")
    assert (await service.rest("DELETE", f"/connections/{client.connection_id}?reason=spam"))[0] == 204
    told = (await client.next("disconnected"))["message"]["message"]
    assert told == "Application server closed the connection. Reason: spam"
    assert (await client.next("connected"))["connectionId"] != client.connection_id
    await client.call("sendToGroup", "g", "back in the group", "text")
    assert (await client.next("group-message"))["message"]["data"] == "back in the group"


async def test_a_client_that_stops_is_gone_at_once(handler: RecordingHandler, start_client: StartClient) -> None:
    client = await start_client("ana")
    await client.call("stop")
    await client.next("stopped")
    await handler.wait_for("disconnected")
