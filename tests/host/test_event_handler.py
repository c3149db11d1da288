"""An event handler of the library behind the Functions host stand-in, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import aiohttp
import azure.functions as func
import pytest

from local.functions_host import FunctionsHost
from tests.wire import ACCESS_KEY
from webpubsub_handler import (
    ConnectEventRequest,
    ConnectEventResponse,
    EventErrorResponse,
    HttpRequest,
    HttpResponse,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
)
from webpubsub_handler.azure_functions import blueprint
from webpubsub_handler.testing import EventClient, Sender


def make_handler() -> WebPubSubEventHandler:
    handler = WebPubSubEventHandler.from_connection_string(
        f"Endpoint=http://localhost:8080;AccessKey={ACCESS_KEY};", hub="chat"
    )

    @handler.on_connect
    async def connect(request: ConnectEventRequest) -> ConnectEventResponse | EventErrorResponse:
        rooms = request.query.get("room", ())
        if "secret" in rooms:
            return EventErrorResponse(403, "Not here.")
        request.context.state["rooms"] = list(rooms)
        return ConnectEventResponse(groups=rooms)

    @handler.on_user_event("message")
    async def message(request: UserEventRequest) -> UserEventResponse:
        return UserEventResponse([request.context.state["rooms"], request.data], metadata={"lang": "en"})

    return handler


@pytest.fixture
async def host() -> AsyncIterator[FunctionsHost]:
    app = func.FunctionApp()
    app.register_functions(blueprint(make_handler()))
    async with FunctionsHost(app) as host:
        yield host


def sending(host: FunctionsHost, path: str, *, in_chunks: bool = False) -> Sender:
    """Send as the service does, or as a proxy that sends bodies on in chunks."""

    async def chunks(body: bytes) -> AsyncIterator[bytes]:
        yield body

    async def send(request: HttpRequest) -> HttpResponse:
        sized = [(name, value) for name, value in request.headers if not in_chunks or name != "content-length"]
        data = chunks(request.body) if in_chunks else request.body
        async with (
            aiohttp.ClientSession() as session,
            session.request(request.method, f"{host.url}{path}", headers=sized, data=data) as response,
        ):
            return HttpResponse(response.status, dict(response.headers), await response.read())

    return send


def client_of(sender: Sender) -> EventClient:
    return EventClient(sender, user_id="ana", access_key=ACCESS_KEY, origin="localhost")


@pytest.mark.parametrize("path", ["/api/eventhandler", "/api/eventhandler/connect"])
async def test_a_connection_lives_over_http(host: FunctionsHost, path: str) -> None:
    client = client_of(sending(host, path))

    assert (await client.validate()).headers["WebHook-Allowed-Origin"] == "localhost"
    assert await client.connect(query={"room": "lobby"}) == ConnectEventResponse(groups=["lobby"])
    assert client.state == {"rooms": ["lobby"]}
    assert await client.connected() is None
    assert await client.user_event("message", "hi") == UserEventResponse([["lobby"], "hi"], metadata={"lang": "en"})
    assert await client.disconnected() is None


async def test_a_refusal_reaches_the_client(host: FunctionsHost) -> None:
    client = client_of(sending(host, "/api/eventhandler"))

    assert await client.connect(query={"room": "secret"}) == EventErrorResponse(403, "Not here.")


def statuses(responses: Iterable[object]) -> list[int]:
    return [response.status for response in responses if isinstance(response, EventErrorResponse)]


async def test_what_the_host_loses_of_chunked_events_is_never_taken_for_empty(
    host: FunctionsHost, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_of(sending(host, "/api/eventhandler", in_chunks=True))

    responses = [
        await client.connect(query={"room": "secret"}),
        await client.user_event("message", "hi"),
        await client.connected(),
        await client.joined("lobby"),
    ]

    assert statuses(responses) == [411] * 4
    assert caplog.text.count("was lost on its way") == 4
