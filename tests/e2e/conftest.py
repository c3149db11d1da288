"""The whole system in one process, except for Azurite: emulator, Functions host, our app."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

import function_app
from chat.backends.service import Service
from chat.backends.table_store import TableStore
from chat.messaging import presence
from chat.messaging.outbox import Outbox
from chat.settings import Settings
from local.azurite import Azurite, free_port
from local.functions_host import FunctionsHost
from tests.chat_client import ChatClient
from tests.e2e import outbox_rows
from tests.gate import Gate
from tests.patience import PATIENCE_SECONDS
from webpubsub_emulator import Emulator, EmulatorSettings
from webpubsub_emulator.upstream.event_handlers import SYSTEM_EVENTS, EventHandler
from webpubsub_handler import HttpRequest, HttpResponse
from webpubsub_handler.testing import EventClient

ACCESS_KEY = "a-key-of-the-tests-long-enough-for-HS256"


class Client:
    """A client of the JSON subprotocol that shows every frame."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ack_ids = itertools.count(1)
        self._messages: deque[Any] = deque()

    async def next(self) -> Any:
        """Return the next frame; a chat message is kept for ``message``, too."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            frame = json.loads(await self._socket.receive_str())
        if kind_of(frame) == "message":
            self._messages.append(frame["data"])
        return frame

    async def until(self, wanted: Callable[[Any], bool]) -> Any:
        """Return the next frame of a kind and pass over others."""
        while not wanted(frame := await self.next()):
            pass
        return frame

    async def message(self) -> Any:
        """Return the next chat message, also one that came while something else was awaited."""
        while not self._messages:
            await self.next()
        return self._messages.popleft()

    async def send(self, data: Any, data_type: str = "text") -> Any:
        """Send a message and give its ack and what was replied before it."""
        ack_id = next(self._ack_ids)
        frame = {"type": "event", "event": "message", "ackId": ack_id, "dataType": data_type, "data": data}
        await self._socket.send_json(frame)
        replies = []
        while (received := await self.next()).get("ackId") != ack_id:
            if kind_of(received) == "error":
                replies.append(received["data"])
        return received, replies

    async def event(self, name: str, data: Any) -> None:
        """Send an event that wants no ack."""
        await self._socket.send_json({"type": "event", "event": name, "dataType": "json", "data": data})

    async def close(self) -> None:
        await self._socket.close()


def presence_events(frame: Any) -> list[Any]:
    """Return what a frame tells of who came and went, in its order; nothing for other frames."""
    return list(frame["data"]["events"]) if kind_of(frame) == "presence" else []


def kind_of(frame: Any) -> Any:
    data = frame.get("data")
    return data.get("type") if isinstance(data, dict) else None


@dataclass
class System:
    """What a user has after ``python dev.py run``."""

    url: str
    emulator: Emulator
    http: aiohttp.ClientSession
    # From the port that the app sends to, to the one that clients connect to.
    ports: dict[int, int]
    _clients: list[Client] = field(default_factory=list)

    async def get(self, route: str, **query: object) -> tuple[int, Any]:
        """GET a route; give the status and the JSON."""
        async with self.http.get(f"{self.url}/api/{route}", params=[(k, str(v)) for k, v in query.items()]) as answer:
            return answer.status, await answer.json()

    async def history(self, room: str, **query: object) -> list[Any]:
        """Return one page of a room's messages, newest first."""
        status, page = await self.get("messages", room=room, **query)
        assert status == 200, page
        return list(page["messages"])

    async def connect(self, room: str, user: str) -> Client:
        """Negotiate and connect; returns when the room knows of it."""
        client = await self.open(room, user)
        await client.until(lambda frame: any(told["userId"] == user for told in presence_events(frame)))
        return client

    async def open(self, room: str, user: str) -> Client:
        """Negotiate and connect; returns when the client is connected, whatever the room knows."""
        _, access = await self.get("negotiate", userId=user, room=room)
        sending_port, port = next(iter(self.ports.items()))
        return await self.open_url(access["url"].replace(f":{sending_port}/", f":{port}/"))

    async def open_url(self, url: str) -> Client:
        """Connect to a client access URL."""
        client = Client(await self.http.ws_connect(url, protocols=["json.webpubsub.azure.v1"]))
        self._clients.append(client)
        await client.until(lambda frame: frame.get("event") == "connected")
        return client

    async def chat(self, user: str, room: str = "@") -> ChatClient:
        """Negotiate and connect a client of the Chat client SDK's wire; it did not log in."""
        status, access = await self.get("negotiate", userId=user, room=room)
        assert status == 200, access
        return await self.chat_url(access["url"], user)

    async def chat_url(self, url: str, user: str | None) -> ChatClient:
        """Connect such a client to a client access URL."""
        sending_port, port = next(iter(self.ports.items()))
        url = url.replace(f":{sending_port}/", f":{port}/")
        client = ChatClient(await self.http.ws_connect(url, protocols=["json.webpubsub.azure.v1"]), user)
        await client.started()
        return client

    async def upgrade_status(self, url: str) -> int:
        """Return the status that a client gets who connects to a client access URL."""
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        async with self.http.get(url.replace("ws:", "http:", 1), headers=headers) as answer:
            return int(answer.status)

    async def post_event(
        self,
        body: bytes = b"hello",
        /,
        *,
        room: str | None = "lobby",
        connection_id: str = "conn-42",
        event_id: str = "7",
        drop: Iterable[str] = (),
        **changes: str,
    ) -> tuple[int, bytes]:
        """Post a message event as the service does; ``changes`` set headers (``_`` is ``-``), ``drop`` removes some."""
        headers: dict[str, str | None] = {"Content-Type": "text/plain", "ce-id": event_id}
        if room is not None:
            headers["ce-connectionState"] = base64.b64encode(json.dumps({"rooms": [room]}).encode()).decode()
        headers |= {name.replace("_", "-"): value for name, value in changes.items()}
        client = EventClient(self._send, user_id="ana", connection_id=connection_id, access_key=ACCESS_KEY)
        response = await client.send("azure.webpubsub.user.message", body, headers | dict.fromkeys(drop))
        return response.status, response.body

    async def _send(self, request: HttpRequest) -> HttpResponse:
        url = f"{self.url}/api/eventhandler/message"
        async with self.http.post(url, data=request.body, headers=list(request.headers)) as answer:
            return HttpResponse(answer.status, dict(answer.headers), await answer.read())


StartSystem = Callable[..., Awaitable[System]]


@pytest.fixture(autouse=True)
def told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test wait for others who come or go, as it does twice for each client; what is batched is tested alone."""
    monkeypatch.setattr(presence, "BATCH_SECONDS", 0.01)


@asynccontextmanager
async def running_system(
    storage: Azurite,
    retry_delays: Sequence[float] = (0.05, 0.1, 0.2),
    group_events: frozenset[str] = frozenset(),
    system_events: frozenset[str] = SYSTEM_EVENTS,
    gate: Gate | None = None,
    allow_unvalidated_entra_tokens: bool = False,
    **changes: str,
) -> AsyncIterator[System]:
    """Run the system on a storage; the events are what the app is told of; ``changes`` are settings.

    The app sends its broadcasts through the ``gate``, if there is one; clients do not pass it.
    """
    app_port, port = free_port(), free_port()
    sending_port = port
    if gate is not None:
        gate.target_port, sending_port = port, gate.port
    template = f"http://localhost:{app_port}/api/eventhandler/{{event}}"
    settings = Settings.from_env(
        {
            "AzureWebJobsStorage": storage.connection_string,
            "WebPubSubConnectionString": f"Endpoint=http://localhost:{sending_port};AccessKey={ACCESS_KEY};Version=1.0;",
            "CLIENT_AUTH": "anonymous",
        }
        | changes
    )
    emulator = Emulator(
        EmulatorSettings(
            port=port,
            access_key=ACCESS_KEY,
            allow_unvalidated_entra_tokens=allow_unvalidated_entra_tokens,
            event_handlers={"chat": [EventHandler(template, system_events=system_events, group_events=group_events)]},
            retry_delays=retry_delays,
            known_endpoints=[f"http://localhost:{sending_port}"],
        )
    )
    store, service = TableStore("chat", settings.storage), Service("chat", settings.endpoints[0])
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.aclose)
        stack.push_async_callback(service.aclose)
        outbox = Outbox(store, service)
        stack.push_async_callback(outbox.aclose)
        app = function_app.build(settings, store, service, outbox)
        host = await stack.enter_async_context(FunctionsHost(app, port=app_port))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        await stack.enter_async_context(emulator)
        yield System(host.url, emulator, http, {sending_port: port})


@pytest_asyncio.fixture
async def start_system(azurite: Azurite) -> AsyncIterator[StartSystem]:
    """A function that starts the system; its arguments are settings, ``storage`` takes another one."""
    async with AsyncExitStack() as stack:

        async def start(storage: Azurite = azurite, **changes: Any) -> System:
            return await stack.enter_async_context(running_system(storage, **changes))

        yield start


@pytest_asyncio.fixture
async def system(start_system: StartSystem) -> System:
    return await start_system()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def own_azurite(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Azurite]:
    """A storage of one module's tests alone: nobody else drains its outbox or deletes its messages."""
    async with Azurite(tmp_path_factory.mktemp("azurite")) as service:
        yield service


@pytest_asyncio.fixture
async def storage(own_azurite: Azurite) -> Azurite:
    """That storage with an empty outbox."""
    await outbox_rows.empty(own_azurite)
    return own_azurite


@pytest_asyncio.fixture
async def gate() -> AsyncIterator[Gate]:
    async with Gate() as opened:
        yield opened


@pytest_asyncio.fixture
async def gated(storage: Azurite, gate: Gate) -> AsyncIterator[System]:
    """The system on that storage, with a gate before the service's REST API."""
    async with running_system(storage, gate=gate) as system:
        yield system
