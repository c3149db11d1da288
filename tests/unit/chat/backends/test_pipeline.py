"""What the clients of storage and service send: signed as the SDKs sign it, tried again, and led nowhere else."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
from aiohttp import web
from azure.core.credentials import AccessToken, AzureKeyCredential, AzureNamedKeyCredential, AzureSasCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import HttpRequest
from azure.data.tables.aio import TableClient
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from chat.backends.azure_clients import MAX_TOKENS, TOKEN_SECONDS, TokenPolicy, make_pipeline
from chat.backends.service import Service, ServiceUnavailableError
from chat.backends.table_store import TableStore
from chat.model.messages import Message
from chat.settings import StorageAccount, WebPubSubEndpoint
from tests.clock import Clock
from webpubsub_handler import DataType

pytestmark = pytest.mark.external

KEY = "a-key-of-the-tests-long-enough-for-HS256"
ACCOUNT_KEY = "YS1rZXktb2YtdGhlLXRlc3Rz"


class Server:
    """Answers with the statuses it was told, then with 204, and keeps what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.requests: list[web.Request] = []

    async def answer(self, request: web.Request) -> web.Response:
        await request.read()
        self.requests.append(request)
        return web.Response(status=self.statuses.pop(0) if self.statuses else 204, headers=self.headers)

    @property
    def connection_string(self) -> str:
        return f"AccountName=acc;AccountKey={ACCOUNT_KEY};TableEndpoint={self.url}/acc;"


@pytest.fixture
async def server() -> Any:
    server = Server()
    runner = web.ServerRunner(web.Server(server.answer))  # type: ignore[arg-type]
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


class Identity(AsyncTokenCredential):
    """A credential that keeps what it was asked for."""

    def __init__(self) -> None:
        self.scopes: list[str] = []

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes += scopes
        return AccessToken("the-token", int(time.time()) + 3600)

    async def close(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


def message() -> Message:
    now = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
    return Message(
        id="0" * 16,
        time=now,
        room="lobby",
        user_id="ana",
        connection_id="c",
        event_id="1",
        event_name="message",
        data_type=DataType.TEXT,
        content_type="text/plain",
        body=b"hello",
        key=None,
    )


@pytest.mark.parametrize("row", ["plain", "it's", "a b", "a%2Fb", "a+b", "世界", "(1)"])
async def test_a_request_to_the_table_has_the_signature_of_the_sdk(
    server: Server, row: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_795_516_200.0)
    server.statuses = [404] * 2
    credential = AzureNamedKeyCredential("acc", ACCOUNT_KEY)
    for options in ({}, make_pipeline(credential, "unused")):
        async with TableClient(f"{server.url}/acc", "messages", credential=credential, **options) as client:
            with pytest.raises(HttpResponseError):
                await client.get_entity("lobby", row)
    sdk, ours = server.requests
    assert ours.raw_path == sdk.raw_path
    assert ours.headers["Authorization"] == sdk.headers["Authorization"]
    assert ours.headers["x-ms-date"] == sdk.headers["x-ms-date"]


async def test_a_row_is_not_sent_back(server: Server) -> None:
    store = TableStore("chat", StorageAccount(server.connection_string))
    await store.append(message())
    await store.aclose()
    assert [request.headers.get("Prefer") for request in server.requests] == ["return-no-content"]


async def test_a_row_is_tried_again_and_signed_again(server: Server) -> None:
    server.statuses = [503, 503]
    store = TableStore("chat", StorageAccount(server.connection_string))
    assert await store.append(message()) is not None
    await store.aclose()
    assert len(server.requests) == 3
    assert all(request.headers["Authorization"].startswith("SharedKey acc:") for request in server.requests)


async def test_a_signed_request_follows_no_redirect(server: Server) -> None:
    server.statuses = [307]
    server.headers = {"Location": f"{server.url}/elsewhere"}
    service = Service("chat", WebPubSubEndpoint(server.url, KEY))
    with pytest.raises(ServiceUnavailableError):
        await service.broadcast("lobby", b"{}")
    await service.aclose()
    assert len(server.requests) == 1


async def test_a_shared_access_signature_goes_into_the_query(server: Server) -> None:
    credential = AzureSasCredential("sv=2019&sig=abc")
    options = make_pipeline(credential, "unused")
    async with TableClient(f"{server.url}/acc", "messages", credential=credential, **options) as client:
        await client.delete_entity("lobby", "1")
    (request,) = server.requests
    assert request.query["sig"] == "abc"
    assert "Authorization" not in request.headers


async def test_an_identity_is_asked_for_a_token_once_for_many_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    class Wire(AioHttpTransport):  # type: ignore[misc]  # azure-core resolves it lazily
        async def send(self, request: Any, **_: Any) -> Any:
            sent.append(request)
            raise ConnectionError

    identity = Identity()
    options = make_pipeline(identity, "https://storage.azure.com/.default") | {"transport": Wire()}
    client = TableClient("https://acc.table.core.windows.net", "messages", credential=identity, **options)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await client.get_entity("lobby", "1")
    assert identity.scopes == ["https://storage.azure.com/.default"]
    assert [request.headers["Authorization"] for request in sent] == ["Bearer the-token"] * 2
    assert all(request.headers["x-ms-date"] for request in sent)


async def test_a_proxy_of_the_environment_is_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    server.statuses = [202]
    url = "http://service.invalid"
    service = Service("chat", WebPubSubEndpoint(url, KEY))
    await service.broadcast("lobby", b"{}")
    await service.aclose()
    assert [request.host for request in server.requests] == ["service.invalid"]


async def test_every_call_of_the_service_client_has_a_token_for_its_url(server: Server) -> None:
    credential = AzureKeyCredential(KEY)
    options = make_pipeline(credential, "unused")
    async with WebPubSubServiceClient(server.url, "chat", credential, **options) as client:
        await client.close_connection("c")
        await client.remove_user_from_group("lobby", "ana")
    for request in server.requests:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        jwt.decode(token, KEY, ["HS256"], audience=f"{server.url}{request.raw_path}")
    assert len({request.headers["Authorization"] for request in server.requests}) == 2


class Tokens:
    """A policy, and the tokens that it gives requests."""

    def __init__(self) -> None:
        self.clock = Clock(1_000_000.0)
        self._policy = TokenPolicy(AzureKeyCredential(KEY), self.clock)

    def of(self, url: str) -> str:
        request = PipelineRequest(HttpRequest("POST", url), PipelineContext(None))
        self._policy.on_request(request)
        token: str = request.http_request.headers["Authorization"]
        return token.removeprefix("Bearer ")


@pytest.fixture
def tokens() -> Tokens:
    return Tokens()


def test_a_token_is_for_its_url_and_no_other(tokens: Tokens) -> None:
    assert tokens.of("https://x/a") != tokens.of("https://x/b")


def test_a_token_is_made_once_a_minute(tokens: Tokens) -> None:
    first = tokens.of("https://x/a")
    tokens.clock.now += TOKEN_SECONDS - 1
    assert tokens.of("https://x/a") == first
    tokens.clock.now += 1
    assert tokens.of("https://x/a") != first


def test_a_token_is_valid_for_a_minute_when_it_is_sent_for_the_last_time(tokens: Tokens) -> None:
    claims = jwt.decode(tokens.of("https://x/a"), options={"verify_signature": False})
    assert claims["exp"] - (tokens.clock.now + TOKEN_SECONDS) == TOKEN_SECONDS


def test_a_clock_that_is_set_back_keeps_no_token(tokens: Tokens) -> None:
    first = tokens.of("https://x/a")
    tokens.clock.now -= 3600
    claims = jwt.decode(tokens.of("https://x/a"), options={"verify_signature": False})
    assert tokens.of("https://x/a") != first
    assert claims["exp"] == tokens.clock.now + 2 * TOKEN_SECONDS


def test_the_tokens_that_were_not_used_for_longest_are_forgotten(tokens: Tokens) -> None:
    kept, lost = tokens.of("https://x/kept"), tokens.of("https://x/lost")
    tokens.clock.now += 1
    for number in range(MAX_TOKENS - 1):
        tokens.of(f"https://x/{number}")
        assert tokens.of("https://x/kept") == kept
    assert tokens.of("https://x/lost") != lost


def test_the_host_that_a_token_is_for_is_part_of_its_audience(tokens: Tokens) -> None:
    claims = jwt.decode(tokens.of("https://x/api/hubs/chat"), options={"verify_signature": False})
    assert urlsplit(claims["aud"]).hostname == "x"
