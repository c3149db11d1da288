"""Who may call the REST data plane, and the tokens that it makes for clients."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web

from tests.emulator.conftest import Service, StartService
from tests.emulator.fakes import PRIMARY_KEY, SECONDARY_KEY, from_now, sign
from webpubsub_emulator.core.tokens import ENTRA_AUDIENCE

HOUR = 3600


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def entra_token(**claims: Any) -> str:
    """A token as Entra ID makes it, signed with a key that nobody here knows."""
    return sign({"aud": ENTRA_AUDIENCE, **claims}, "a-key-that-only-microsoft-entra-id-knows")


@asynccontextmanager
async def reverse_proxy(target: str, host: str) -> AsyncIterator[str]:
    """A proxy on the way to ``target`` that puts ``host`` into the Host header; gives its URL."""

    async def forward(request: web.BaseRequest) -> web.StreamResponse:
        headers = {"Authorization": request.headers["Authorization"], "Host": host}
        url = f"{target}{request.raw_path}"
        async with aiohttp.ClientSession() as session, session.request(request.method, url, headers=headers) as answer:
            return web.Response(status=answer.status)

    runner = web.ServerRunner(web.Server(forward), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "audience",
    [
        "{url}/api/hubs/chat/users/a%20b?api-version=2024-12-01",
        "{url}/api/hubs/chat/users/a%20b",
        "{url}/api/hubs/chat/users/a%20b/",
        "{url}/api/hubs/chat/users/a b",
        "{url}/api/hubs/chat/users/a b?api-version=2024-12-01",
        "{upper}/API/HUBS/CHAT/USERS/A%20B",
        "https://{host}/api/hubs/chat/users/a%20b",
        "wss://{host}/api/hubs/chat/users/a%20b",
    ],
)
@pytest.mark.parametrize("key", [PRIMARY_KEY, SECONDARY_KEY])
async def test_every_spelling_of_the_audience_is_accepted(service: Service, audience: str, key: str) -> None:
    await service.connect(sub="a b")
    host = service.url.partition("://")[2]
    token = sign({"aud": audience.format(url=service.url, upper=service.url.upper(), host=host)}, key)
    path = "/users/a%20b?api-version=2024-12-01"
    assert (await service.rest("HEAD", path, headers=bearer(token)))[0] == 200


@pytest.mark.parametrize(("seconds", "status"), [(-240, 200), (-360, 401)])
async def test_clocks_may_differ_by_five_minutes(service: Service, seconds: int, status: int) -> None:
    await service.connect(sub="ana")
    audience = f"{service.url}/api/hubs/chat/users/ana"
    for claims in ({"exp": seconds}, {"nbf": -seconds, "exp": HOUR}):
        token = sign({"aud": audience, **from_now(claims)})
        assert (await service.rest("HEAD", "/users/ana", headers=bearer(token)))[0] == status


def with_payload(payload: bytes) -> str:
    head, _, signature = entra_token().split(".")
    return f"{head}.{base64.urlsafe_b64encode(payload).rstrip(b'=').decode()}.{signature}"


@pytest.mark.parametrize(
    "make_token",
    [
        *(lambda token=token: token for token in ("", "x", "a.b.c", "\udce9.b.c")),
        entra_token,
        lambda: with_payload(b"[" * 20_000),
        lambda: with_payload(b'{"aud":' + b"[" * 20_000),
        lambda: with_payload(b'{"aud":' + b"9" * 20_000),
    ],
)
async def test_what_is_not_a_token_of_this_service_is_401(
    service: Service, caplog: pytest.LogCaptureFixture, make_token: Callable[[], str]
) -> None:
    status, headers, problem = await service.rest("POST", "/:send", body=b"x", headers=bearer(make_token()))
    assert (status, headers["x-ms-error-code"]) == (401, problem["code"])
    assert "defect" not in caplog.text


@pytest.mark.parametrize(
    ("audience", "claims", "key"),
    [
        ("http://localhost/api/hubs/chat/:send", {}, PRIMARY_KEY),
        ("{url}/api/hubs/chat/:closeConnections", {}, PRIMARY_KEY),
        ("{url}/api/hubs/chat/:sendmore", {}, PRIMARY_KEY),
        ("{url}/api/hubs/chat/:send?api-version=2024-12-01", {}, PRIMARY_KEY),
        ("ftp{url}/api/hubs/chat/:send", {}, PRIMARY_KEY),
        ("/api/hubs/chat/:send", {}, PRIMARY_KEY),
        (1, {}, PRIMARY_KEY),
        ([None, ["x"]], {}, PRIMARY_KEY),
        ("{url}/api/hubs/chat/:send", {"exp": -400}, PRIMARY_KEY),
        ("{url}/api/hubs/chat/:send", {"exp": []}, PRIMARY_KEY),
        ("{url}/api/hubs/chat/:send", {"nbf": "soon"}, PRIMARY_KEY),
        ("{url}/api/hubs/chat/:send", {}, "another-key-of-somebody-else-entirely"),
    ],
)
async def test_a_token_for_something_else_or_of_somebody_else_is_401(
    service: Service, audience: Any, claims: dict[str, Any], key: str
) -> None:
    socket = await service.connect()
    if isinstance(audience, str):
        audience = audience.format(url=service.url)
    token = sign({"aud": audience, **from_now(claims)}, key)
    assert (await service.rest("POST", "/:send", body=b"x", headers=bearer(token)))[0] == 401
    await socket.assert_alive()


async def test_a_token_without_a_signature_is_401(service: Service) -> None:
    claims = {"aud": f"{service.url}/api/hubs/chat/:send", "exp": HOUR}
    token = jwt.encode(from_now(claims), "", algorithm="none")
    assert (await service.rest("POST", "/:send", body=b"x", headers=bearer(token)))[0] == 401


async def test_an_endpoint_behind_a_proxy_that_hides_the_host_must_be_known(start_service: StartService) -> None:
    public = "https://pubsub.example/base"
    unknowing, knowing = await start_service(), await start_service(known_endpoints=(public,))
    for service, status in ((unknowing, 401), (knowing, 404)):
        token = sign({"aud": f"{public}/api/hubs/chat/users/ana"})
        async with (
            reverse_proxy(service.url, "internal.example") as proxy,
            service.session.head(f"{proxy}/api/hubs/chat/users/ana", headers=bearer(token)) as answer,
        ):
            assert answer.status == status


async def test_clients_may_come_by_a_known_endpoint_too(start_service: StartService) -> None:
    service = await start_service(known_endpoints=("https://pubsub.example",))
    socket = await service.connect(token=sign({"aud": "https://pubsub.example/client/hubs/chat"}))
    await socket.assert_alive()


async def test_a_host_that_a_proxy_keeps_needs_no_setting(service: Service) -> None:
    token = sign({"aud": "https://pubsub.example/api/hubs/chat/users/ana"})
    async with (
        reverse_proxy(service.url, "pubsub.example") as proxy,
        service.session.head(f"{proxy}/api/hubs/chat/users/ana", headers=bearer(token)) as answer,
    ):
        assert answer.status == 404


async def test_tokens_of_entra_id_are_refused_with_the_fix(service: Service) -> None:
    status, _, problem = await service.rest("POST", "/:send", body=b"x", headers=bearer(entra_token()))
    assert status == 401
    assert "--allow-unvalidated-entra-tokens" in problem["message"]


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({}, 202),
        ({"aud": f"{ENTRA_AUDIENCE}/"}, 202),
        ({"exp": -400}, 401),
        ({"exp": "soon"}, 401),
        ({"nbf": 400, "exp": HOUR}, 401),
        ({"aud": "https://storage.azure.com"}, 401),
    ],
)
async def test_an_emulator_that_was_told_so_takes_entra_tokens_in_their_time(
    start_service: StartService, claims: dict[str, Any], status: int
) -> None:
    service = await start_service(allow_unvalidated_entra_tokens=True)
    token = entra_token(**from_now(claims))
    assert (await service.rest("POST", "/:send", body=b"x", headers=bearer(token)))[0] == status


async def generate(service: Service, query: str = "") -> dict[str, Any]:
    """The claims of a generated token."""
    status, _, answer = await service.rest("POST", f"/:generateToken{query}", headers=bearer(entra_token()))
    assert (status, list(answer)) == (200, ["token"])
    claims: dict[str, Any] = jwt.decode(
        answer["token"], PRIMARY_KEY, algorithms=["HS256"], options={"verify_aud": False}
    )
    return claims


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        ("?userId=", {}),
        ("?userId=a%2Fb+c", {"sub": "a/b c"}),
        ("?role=r1&role=r2&group=g1&group=g2", {"role": ["r1", "r2"], "webpubsub.group": ["g1", "g2"]}),
    ],
)
async def test_a_generated_token_says_what_was_asked(
    start_service: StartService, query: str, expected: dict[str, Any]
) -> None:
    claims = await generate(await start_service(allow_unvalidated_entra_tokens=True), query)
    assert {name: claims[name] for name in claims if name not in {"aud", "exp", "iat", "nbf"}} == expected


@pytest.mark.parametrize(
    ("query", "minutes"),
    [("", 60), ("?minutesToExpire=1", 1), ("?minutesToExpire=2147483647", 2147483647)],
)
async def test_a_generated_token_lives_as_long_as_was_asked(
    start_service: StartService, query: str, minutes: int
) -> None:
    claims = await generate(await start_service(allow_unvalidated_entra_tokens=True), query)
    assert claims["exp"] - claims["iat"] == 60 * minutes


@pytest.mark.parametrize(
    ("client_type", "path"),
    [
        ("", "/client/hubs/chat"),
        ("Default", "/client/hubs/chat"),
        ("mqtt", "/clients/mqtt/hubs/chat"),
        ("SOCKETIO", "/clients/socketio/hubs/chat"),
    ],
)
async def test_a_generated_token_is_for_its_kind_of_client(
    start_service: StartService, client_type: str, path: str
) -> None:
    service = await start_service(allow_unvalidated_entra_tokens=True)
    claims = await generate(service, f"?clientType={client_type}")
    assert claims["aud"] == f"{service.url}{path}"


async def test_a_generated_token_lets_a_client_in(start_service: StartService) -> None:
    service = await start_service(allow_unvalidated_entra_tokens=True)
    query = "?userId=ana&group=g&role=webpubsub.joinLeaveGroup"
    _, _, answer = await service.rest("POST", f"/:generateToken{query}", headers=bearer(entra_token()))
    socket = await service.connect(token=answer["token"])
    assert (await service.rest("HEAD", "/users/ana"))[0] == 200
    assert (await service.rest("HEAD", "/groups/g"))[0] == 200
    assert (await socket.request(type="joinGroup", group="h", ackId=1))["success"] is True


@pytest.mark.parametrize(
    "query",
    [
        "minutesToExpire=0",
        "minutesToExpire=-1",
        "minutesToExpire=no",
        "minutesToExpire=2147483648",
        "group=g&group=%20",
        "clientType=other",
        "userId=a&userId=b",
    ],
)
async def test_a_token_that_cannot_be_is_not_generated(start_service: StartService, query: str) -> None:
    service = await start_service(allow_unvalidated_entra_tokens=True)
    assert (await service.rest("POST", f"/:generateToken?{query}", headers=bearer(entra_token())))[0] == 400


@pytest.mark.parametrize("is_allowed", [False, True])
async def test_who_has_the_key_signs_for_clients_and_asks_nobody(start_service: StartService, is_allowed: bool) -> None:
    service = await start_service(allow_unvalidated_entra_tokens=is_allowed)
    status, _, problem = await service.rest("POST", "/:generateToken")
    assert (status, "sign with the access key" in problem["message"]) == (401, True)
