"""The service SDK for Python against the emulator, over both of its HTTP clients: ``requests`` and aiohttp."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient as AsyncServiceClient

from tests.emulator.conftest import Service, StartService
from tests.emulator.fakes import SECONDARY_KEY, sign
from tests.patience import PATIENCE_SECONDS
from webpubsub_emulator import Emulator

HUB = "Chat"
Client = WebPubSubServiceClient | AsyncServiceClient
Arguments = Mapping[str, Any]
CLIENTS: tuple[type[Client], ...] = (WebPubSubServiceClient, AsyncServiceClient)
NOBODY_S_PERMISSION = {"permission": "sendToGroup", "connection_id": "none", "target_name": "g"}
each_client = pytest.mark.parametrize("kind", CLIENTS, ids=["requests", "aiohttp"])


async def ask(client: Client, operation: str, *arguments: Any, **options: Any) -> Any:
    """Call the SDK, off the loop that serves the emulator where the SDK blocks."""
    method = getattr(client, operation)
    if inspect.iscoroutinefunction(method):
        return await method(*arguments, **options)
    return await asyncio.to_thread(method, *arguments, **options)


def client_of(kind: type[Client], emulator: Emulator, **options: Any) -> Client:
    return kind.from_connection_string(emulator.connection_string, hub=HUB, **options)


@asynccontextmanager
async def closing(client: Client) -> AsyncIterator[Client]:
    try:
        yield client
    finally:
        await ask(client, "close")


@each_client
async def test_messages_arrive_as_they_were_sent(service: Service, kind: type[Client]) -> None:
    socket = await service.connect(sub="a/b c", groups="g/1")
    async with closing(client_of(kind, service.emulator)) as client:
        await ask(client, "send_to_all", {"n": 1})
        await ask(client, "send_to_all", "a text", content_type="text/plain")
        await ask(client, "send_to_all", BytesIO(b"\x01"), content_type="application/octet-stream")
        await ask(client, "send_to_group", "g/1", "to the group", content_type="text/plain")
        await ask(client, "send_to_user", "a/b c", {"n": 2})
        await ask(client, "send_to_connection", "conn-1", {"n": 3}, params={"messageTtlSeconds": 60})
    assert [await socket.text() for _ in range(6)] == [
        '{"type":"message","from":"server","dataType":"json","data":{"n": 1}}',
        '{"type":"message","from":"server","dataType":"text","data":"a text"}',
        '{"type":"message","from":"server","dataType":"binary","data":"AQ=="}',
        '{"type":"message","from":"group","fromUserId":null,"group":"g/1","dataType":"text","data":"to the group"}',
        '{"type":"message","from":"server","dataType":"json","data":{"n": 2}}',
        '{"type":"message","from":"server","dataType":"json","data":{"n": 3}}',
    ]


@each_client
@pytest.mark.parametrize(
    ("operation", "arguments", "answer"),
    [
        ("send_to_group", {"group": "none", "message": "x"}, None),
        ("send_to_user", {"user_id": "nobody", "message": "x"}, None),
        ("send_to_connection", {"connection_id": "none", "message": "x"}, None),
        ("user_exists", {"user_id": "nobody"}, False),
        ("group_exists", {"group": "none"}, False),
        ("connection_exists", {"connection_id": "none"}, False),
        ("has_permission", NOBODY_S_PERMISSION, False),
        ("revoke_permission", NOBODY_S_PERMISSION, None),
        ("remove_connection_from_all_groups", {"connection_id": "none"}, None),
        ("remove_connection_from_group", {"group": "g", "connection_id": "none"}, None),
        ("remove_user_from_all_groups", {"user_id": "nobody"}, None),
        ("remove_user_from_group", {"group": "g", "user_id": "nobody"}, None),
        ("close_connection", {"connection_id": "none"}, None),
        ("close_user_connections", {"user_id": "nobody"}, None),
        ("close_group_connections", {"group": "none"}, None),
        ("close_all_connections", {}, None),
    ],
)
async def test_an_absent_receiver_is_not_an_error(
    service: Service, kind: type[Client], operation: str, arguments: Arguments, answer: Any
) -> None:
    async with closing(client_of(kind, service.emulator)) as client:
        assert await ask(client, operation, **arguments) is answer


@each_client
@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("add_connection_to_group", {"group": "g", "connection_id": "none"}),
        ("add_user_to_group", {"group": "g", "user_id": "nobody"}),
        ("grant_permission", NOBODY_S_PERMISSION),
    ],
)
async def test_nothing_is_given_to_an_absent_receiver(
    service: Service, kind: type[Client], operation: str, arguments: Arguments
) -> None:
    async with closing(client_of(kind, service.emulator)) as client:
        with pytest.raises(ResourceNotFoundError) as refused:
            await ask(client, operation, **arguments)
    assert "NotExisted" in str(refused.value)


@each_client
async def test_groups_and_permissions_are_managed(service: Service, kind: type[Client]) -> None:
    await service.connect(sub="ana")
    async with closing(client_of(kind, service.emulator)) as client:
        assert await ask(client, "user_exists", "ana")
        assert await ask(client, "connection_exists", "conn-1")
        await ask(client, "add_connection_to_group", "g", "conn-1")
        await ask(client, "add_user_to_group", "h", "ana")
        assert await ask(client, "group_exists", "g")
        assert await ask(client, "group_exists", "h")
        await ask(client, "remove_connection_from_group", "g", "conn-1")
        await ask(client, "remove_user_from_group", "h", "ana")
        assert not await ask(client, "group_exists", "g")
        assert not await ask(client, "group_exists", "h")
        await ask(client, "grant_permission", "sendToGroup", "conn-1", target_name="g")
        assert await ask(client, "has_permission", "sendToGroup", "conn-1", target_name="g")
        assert not await ask(client, "has_permission", "joinLeaveGroup", "conn-1", target_name="g")
        await ask(client, "revoke_permission", "sendToGroup", "conn-1", target_name="g")
        assert not await ask(client, "has_permission", "sendToGroup", "conn-1", target_name="g")


@each_client
async def test_connections_are_closed(service: Service, kind: type[Client]) -> None:
    first, second = await service.connect(sub="ana"), await service.connect(groups="g")
    async with closing(client_of(kind, service.emulator)) as client:
        await ask(client, "close_user_connections", "ana", reason="enough of it")
        await ask(client, "close_group_connections", "g", excluded=["conn-2"])
        await ask(client, "close_all_connections", excluded=["conn-2"])
        assert (await first.frame())["message"].endswith("Reason: enough of it")
        await second.assert_alive()
        await ask(client, "close_connection", "conn-2")
    assert (await second.frame())["event"] == "disconnected"


@each_client
@pytest.mark.parametrize(
    ("user", "condition"),
    [
        ("ana", "userId ne 'user1'"),
        ("ana", "userId eq 'ana' and 'g' in groups"),
        ("O'Brien", "userId eq 'O''Brien'"),
        ("a b+c", "userId eq 'a b+c'"),
        ("100%", "userId eq '100%'"),
        ("%41", "userId eq '%41' and not (userId eq 'A')"),
        ("a/b?c#d&e=f", "userId eq 'a/b?c#d&e=f'"),
        ("世界", "userId in ('世界', 'x')"),
    ],
)
async def test_filters_survive_the_way_through_urls_and_tokens(
    service: Service, kind: type[Client], user: str, condition: str
) -> None:
    wanted = await service.connect(sub=user, groups="g")
    other = await service.connect(sub="user1", groups="g")
    async with closing(client_of(kind, service.emulator)) as client:
        await ask(client, "send_to_all", "1", content_type="text/plain", filter=condition)
        await ask(client, "send_to_group", "g", "2", content_type="text/plain", filter=condition, excluded=["conn-2"])
        await ask(client, "send_to_user", user, "3", content_type="text/plain", filter=condition)
    assert [(await wanted.frame())["data"] for _ in range(3)] == ["1", "2", "3"]
    await other.assert_alive()


@each_client
async def test_a_wrong_filter_is_an_error_that_says_why(service: Service, kind: type[Client]) -> None:
    async with closing(client_of(kind, service.emulator)) as client:
        with pytest.raises(HttpResponseError) as refused:
            await ask(client, "send_to_all", "x", content_type="text/plain", filter="invalid filter")
    assert refused.value.status_code == 400
    assert "Syntax error at position 14 in 'invalid filter'. (Parameter 'filter')" in str(refused.value)


@each_client
async def test_members_are_listed_over_pages(service: Service, kind: type[Client]) -> None:
    sockets = [await service.connect(groups="a/g", sub=f"user{number}") for number in range(6)]

    async with closing(client_of(kind, service.emulator)) as client:

        async def members(**options: Any) -> list[str]:
            listed = client.list_connections(group="a/g", **options)
            if hasattr(listed, "__aiter__"):
                return [f"{member.connection_id} {member.user_id}" async for member in listed]
            return await asyncio.to_thread(lambda: [f"{member.connection_id} {member.user_id}" for member in listed])

        everyone = [f"conn-{number + 1} user{number}" for number in range(6)]
        for top in (6, 3, None, 5, 7):
            assert await members(top=top) == everyone[:top]
            assert await members(top=top, maxpagesize=2) == everyone[:top]
    assert len(sockets) == 6


async def test_the_sdk_sees_as_many_pages_as_there_are(service: Service) -> None:
    for _ in range(5):
        await service.connect(groups="g")
    async with AsyncServiceClient.from_connection_string(service.emulator.connection_string, hub=HUB) as client:
        pages = client.list_connections(group="g", top=5, maxpagesize=2).by_page()
        assert [len([member async for member in page]) async for page in pages] == [2, 2, 1]


@each_client
async def test_a_reverse_proxy_keeps_the_audience_of_the_endpoint(service: Service, kind: type[Client]) -> None:
    socket = await service.connect(groups="g")
    proxy = f"http://127.0.0.1:{service.url.rpartition(':')[2]}"
    async with closing(client_of(kind, service.emulator, reverse_proxy_endpoint=proxy)) as client:
        await ask(client, "send_to_all", "x", content_type="text/plain", filter="'g' in groups")
        assert await ask(client, "group_exists", "g")
    assert (await socket.frame())["data"] == "x"


@each_client
async def test_either_key_will_do(service: Service, kind: type[Client]) -> None:
    key = service.emulator.connection_string.partition("AccessKey=")[2].partition(";")[0]
    for text, status in ((SECONDARY_KEY, None), ("another key of thirty-two letters", 401)):
        connection_string = service.emulator.connection_string.replace(key, text)
        async with closing(kind.from_connection_string(connection_string, hub=HUB)) as client:
            if status is None:
                assert not await ask(client, "user_exists", "ana")
            else:
                with pytest.raises(HttpResponseError) as refused:
                    await ask(client, "user_exists", "ana")
                assert refused.value.status_code == status


async def connected_to(service: Service, url: str) -> dict[str, Any]:
    async with service.session.ws_connect(url, protocols=["json.webpubsub.azure.v1"]) as socket:
        frame: dict[str, Any] = await socket.receive_json(timeout=PATIENCE_SECONDS)
        return frame


@each_client
@pytest.mark.parametrize(
    ("options", "user"),
    [({}, None), ({"user_id": "a/b"}, "a/b"), ({"user_id": "ana", "roles": ["r"], "groups": ["g"]}, "ana")],
)
async def test_tokens_of_the_sdk_let_clients_in(
    service: Service, kind: type[Client], options: dict[str, Any], user: str | None
) -> None:
    async with closing(client_of(kind, service.emulator)) as client:
        token = await ask(client, "get_client_access_token", minutes_to_expire=5, **options)
    assert set(token) == {"baseUrl", "token", "url"}
    assert token["url"] == f"{token['baseUrl']}?access_token={token['token']}"
    assert (await connected_to(service, token["url"]))["userId"] == user


class EntraCredential:
    """A credential as the one of Azure Identity, with a token that nobody here can validate."""

    def __init__(self) -> None:
        claims = {"aud": "https://webpubsub.azure.com", "exp": time.time() + 3600}
        self.token = sign(claims, "a-key-that-only-entra-id-knows-xx")

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        assert scopes == ("https://webpubsub.azure.com/.default",)
        return AccessToken(self.token, int(time.time()) + 3600)


class AsyncEntraCredential:
    """The same for the asynchronous client."""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return EntraCredential().get_token(*scopes, **options)

    async def close(self) -> None:
        """Nothing is open."""


CREDENTIALS: dict[type[Client], Callable[[], Any]] = {
    WebPubSubServiceClient: EntraCredential,
    AsyncServiceClient: AsyncEntraCredential,
}


@each_client
async def test_a_credential_of_entra_id_works_where_it_is_allowed(
    start_service: StartService, kind: type[Client]
) -> None:
    service = await start_service(allow_unvalidated_entra_tokens=True)
    socket = await service.connect()
    async with closing(kind(service.url, HUB, CREDENTIALS[kind]())) as client:
        # The SDK sends no bearer token over http, unless it is told to at each call.
        await ask(client, "send_to_all", {"n": 1}, enforce_https=False)
        token = await ask(
            client, "get_client_access_token", user_id="ana", groups=["g"], roles=["r"], enforce_https=False
        )
    assert (await socket.frame())["data"] == {"n": 1}
    assert (await connected_to(service, token["url"]))["userId"] == "ana"


@each_client
async def test_a_credential_of_entra_id_is_refused_by_default(service: Service, kind: type[Client]) -> None:
    async with closing(kind(service.url, HUB, CREDENTIALS[kind]())) as client:
        with pytest.raises(HttpResponseError) as refused:
            await ask(client, "send_to_all", {"n": 1}, enforce_https=False)
    assert refused.value.status_code == 401
    assert "--allow-unvalidated-entra-tokens" in str(refused.value)


async def test_a_caller_who_is_refused_can_go_on_calling(service: Service) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        url = f"{service.url}/api/hubs/chat/:send"
        for _ in range(3):
            async with session.post(url, data=b"x" * 2_000_000, headers={"Authorization": "Bearer x"}) as refused:
                assert refused.status == 401
        headers = {"Authorization": f"Bearer {sign({'aud': url})}", "Content-Type": "text/plain"}
        async with session.post(url, data=b"x", headers=headers) as accepted:
            assert accepted.status == 202
