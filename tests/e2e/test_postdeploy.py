"""The hook that looks at a deployment: content with what works, and clear about what does not."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

import function_app
from chat.settings import SettingsError
from infra.hooks.websocket import UpgradeError, WebSocket
from local.azurite import free_port
from local.functions_host import FunctionsHost
from tests.certificates import self_signed
from tests.e2e.conftest import StartSystem, System
from tests.e2e.hooks import install_azd, run_hook, start_hook, unsigned
from webpubsub_emulator import Emulator, EmulatorSettings
from webpubsub_emulator.upstream.event_handlers import EventHandler

Handler = Callable[[web.Request], Awaitable[web.Response]]
SERVICE = "https://contoso.webpubsub.azure.com"
TENANT = "3a5c0000-0000-0000-0000-00000000007e"
DEPLOYER = unsigned(aud="https://webpubsub.azure.com", oid="6a0d3c11-0000-0000-0000-000000000001", exp=4_102_444_800)


def outputs(app: str, service: str, webhook: str | None, client_auth: str, hub: str) -> dict[str, str]:
    return {
        "SERVICE_API_URI": app,
        "EVENT_HANDLER_URL": webhook or f"{app}/api/eventhandler",
        "WEB_PUBSUB_ENDPOINT": service,
        "WEB_PUBSUB_HUB": hub,
        "DEMO_URL": f"{app}/api/demo/",
        "CLIENT_AUTH": client_auth,
        "AZURE_TENANT_ID": TENANT,
    }


async def look(
    app: str,
    *,
    service: str = SERVICE,
    webhook: str | None = None,
    client_auth: str = "anonymous",
    hub: str = "chat",
    azd: Path | None = None,
    room: str = "",
) -> tuple[int, str]:
    """Run the hook without patience; return its exit status and what it printed."""
    environment = outputs(app, service, webhook, client_auth, hub) | {"POSTDEPLOY_ROOM": room}
    return await run_hook("postdeploy", environment, "--wait", "0", azd=azd)


@asynccontextmanager
async def app_that_answers(
    health: int = 200,
    options: int = 200,
    post: int = 401,
    allowed: str | None = "contoso.webpubsub.azure.com",
    port: int | None = None,
    sign_in: web.Response | None = None,
    history: str = "{}",
) -> AsyncIterator[str]:
    """An app whose every answer is chosen."""
    route = web.Application()
    consent = {} if allowed is None else {"WebHook-Allowed-Origin": allowed}
    route.router.add_get("/api/health", answering(health))
    route.router.add_route("OPTIONS", "/api/eventhandler", answering(options, consent))
    route.router.add_post("/api/eventhandler", answering(post))
    route.router.add_get("/api/messages", returning(web.Response(text=history)))
    if sign_in is not None:
        route.router.add_get("/.auth/login/aad", returning(sign_in))
    port = port or free_port()
    runner = web.AppRunner(route)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def returning(response: web.Response) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        return response

    return answer


def answering(status: int, headers: dict[str, str] | None = None) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers)

    return answer


async def test_it_is_content_with_a_system_that_works_and_says_where_the_demo_is(system: System) -> None:
    status, shown = await look(system.url, service="http://localhost:8080")
    assert status == 0, shown
    assert shown.count("  ok: ") == 3
    assert f"demo      {system.url}/api/demo/" in shown


@pytest.fixture
def azd(tmp_path: Path) -> Path:
    """An azd whose user has the role on the service, as the emulator believes every token."""
    return install_azd(tmp_path / "azd", DEPLOYER)


async def test_it_proves_an_event_and_a_message_in_the_history(start_system: StartSystem, azd: Path) -> None:
    system = await start_system(allow_unvalidated_entra_tokens=True)
    status, shown = await look(system.url, service=system.emulator.url, azd=azd)
    assert status == 0, shown
    assert "ok: an event of the service reaches the app, and a message is in the history" in shown
    (message,) = await system.history("azd-postdeploy")
    assert message["from"] == "azd-postdeploy"
    assert "Ready." in shown


async def test_where_the_history_is_not_for_anyone_it_proves_the_event_alone(
    start_system: StartSystem, azd: Path
) -> None:
    system = await start_system(allow_unvalidated_entra_tokens=True)
    status, shown = await look(
        system.url, service=system.emulator.url, client_auth="function_key", azd=azd, room="quiet"
    )
    assert status == 0, shown
    assert "ok: an event of the service reaches the app, and its answer counts" in shown
    assert await system.history("quiet") == []


async def test_a_hub_without_an_event_handler_is_told(azd: Path) -> None:
    settings = EmulatorSettings(port=0, allow_unvalidated_entra_tokens=True)
    async with Emulator(settings) as emulator, app_that_answers(allowed="*") as app:
        status, shown = await look(app, service=emulator.url, azd=azd)
    assert status == 1
    assert "nobody asks the app" in shown
    assert "Ready" not in shown


async def test_a_message_that_is_not_in_the_history_is_told(start_system: StartSystem, azd: Path) -> None:
    system = await start_system(allow_unvalidated_entra_tokens=True)
    async with app_that_answers(allowed="*", history='{"messages":[]}') as forgetful:
        status, shown = await look(forgetful, service=system.emulator.url, azd=azd)
    assert status == 1
    assert "A message was acknowledged, and is not in the history" in shown


@pytest.mark.parametrize(
    ("refusal", "seen"),
    [(401, "must be refused with 403 got: status 401"), (403, "may join the room 'azd-postdeploy' got: status 403")],
)
async def test_a_service_whose_token_is_refused_is_told_with_both_places_to_look(
    azd: Path, refusal: int, seen: str
) -> None:
    async with app_that_answers(allowed="*", post=401) as app, app_that_answers(allowed="*", post=refusal) as refusing:
        handler = EventHandler(f"{refusing}/api/eventhandler")
        settings = EmulatorSettings(port=0, allow_unvalidated_entra_tokens=True, event_handlers={"chat": [handler]})
        async with Emulator(settings) as emulator:
            status, shown = await look(app, service=emulator.url, azd=azd)
    assert status == 1
    assert seen in shown
    assert "Refused an event" in shown
    assert "allowed applications" in shown
    assert "azd provision --no-state" in shown


@pytest.mark.parametrize(("token", "reason"), [(None, "not logged in"), (DEPLOYER, "Web PubSub Service Owner")])
async def test_without_the_role_it_says_that_no_event_was_tried(tmp_path: Path, token: str | None, reason: str) -> None:
    async with Emulator(EmulatorSettings(port=0)) as emulator, app_that_answers(allowed="*") as app:
        status, shown = await look(app, service=emulator.url, azd=install_azd(tmp_path / "azd", token))
    assert status == 0, shown
    assert "note: no event was tried" in shown
    assert reason in shown
    assert "Ready" not in shown
    assert "Whether events arrive was not seen" in shown


async def test_a_network_without_websockets_is_a_note_about_the_network(azd: Path) -> None:
    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    service = web.Application()
    service.router.add_post("/api/hubs/chat/:generateToken", returning(web.json_response({"token": "t"})))
    service.router.add_get("/client/hubs/chat", hang_up)
    runner = web.AppRunner(service)
    await runner.setup()
    port = free_port()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        async with app_that_answers(allowed="*") as app:
            status, shown = await look(app, service=f"http://127.0.0.1:{port}", azd=azd)
    finally:
        await runner.cleanup()
    assert status == 0, shown
    assert f"note: no event was tried: no WebSocket to http://127.0.0.1:{port} from here: no answer" in shown
    assert "Ready" not in shown


async def test_a_proxy_is_told_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        for name, value in {"http_proxy": f"http://dev:p%40ss@127.0.0.1:{port}", "no_proxy": ""}.items():
            monkeypatch.setenv(name, value)
            monkeypatch.delenv(name.upper(), raising=False)
        with pytest.raises(UpgradeError, match="407"):
            await asyncio.to_thread(WebSocket, "http://contoso.example/client/hubs/chat", "json")
    known = base64.b64encode(b"dev:p@ss")
    assert asked[0].startswith(b"CONNECT contoso.example:")
    assert b"\r\nProxy-Authorization: Basic " + known + b"\r\n" in asked[0]


async def test_without_a_demo_none_is_shown() -> None:
    async with app_that_answers() as app:
        given = outputs(app, SERVICE, None, "anonymous", "chat") | {"DEMO_URL": ""}
        status, shown = await run_hook("postdeploy", given, "--wait", "0")
    assert status == 0, shown
    assert "demo" not in shown
    assert f"webhook   {app}/api/eventhandler" in shown


async def test_without_azd_it_says_that_no_event_was_tried() -> None:
    async with app_that_answers() as app:
        status, shown = await look(app)
    assert status == 0
    assert "note: no event was tried: azd is not on the PATH" in shown


async def test_a_sign_in_of_the_tenant_is_right() -> None:
    page = f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/authorize?client_id=x"
    async with app_that_answers(sign_in=web.Response(status=302, headers={"Location": page})) as app:
        status, shown = await look(app, client_auth="app_service")
    assert status == 0, shown
    assert "ok: users sign in to the tenant" in shown


@pytest.mark.parametrize(
    ("answer", "location"),
    [
        (404, None),
        (302, "https://login.microsoftonline.com/common/oauth2/v2.0/authorize"),
        (302, f"http://login.example/{TENANT}/"),
        (200, None),
    ],
)
async def test_a_sign_in_that_does_not_lead_to_the_tenant_is_told(answer: int, location: str | None) -> None:
    headers = {} if location is None else {"Location": location}
    async with app_that_answers(sign_in=web.Response(status=answer, headers=headers)) as app:
        status, shown = await look(app, client_auth="app_service")
    assert status == 1
    assert f"must redirect to the tenant {TENANT}" in shown
    assert "azd provision --no-state" in shown


async def test_an_app_service_authentication_that_is_off_is_told(start_system: StartSystem) -> None:
    system = await start_system(CLIENT_AUTH="app_service")
    status, shown = await look(system.url, service="http://localhost:8080", client_auth="app_service")
    assert status == 1
    assert "nobody can sign in" in shown
    assert "App Service authentication is off" in shown


async def test_it_waits_for_an_app_that_comes_up_late() -> None:
    port = free_port()
    given = outputs(f"http://127.0.0.1:{port}", SERVICE, None, "anonymous", "chat")
    process = await start_hook("postdeploy", given, "--wait", "60")
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while b"waiting: no answer" not in (line := await process.stdout.readline()):
            assert line
        async with app_that_answers(port=port):
            shown, _ = await process.communicate()
    assert process.returncode == 0, shown
    assert b"webhook   " in shown


@pytest.mark.parametrize("app", [f"http://localhost:{free_port()}", "nonsense"])
async def test_an_app_that_is_not_there_is_told(app: str) -> None:
    status, shown = await look(app)
    assert status == 1
    assert f"Error: The app does not answer at {app}/api/health: no answer: " in shown
    assert "azd deploy" in shown


async def test_a_certificate_that_this_python_does_not_trust_is_told_as_such(tmp_path: Path) -> None:
    """Python's installer for macOS comes without any, until a script of its own is run."""
    runner = web.AppRunner(web.Application())
    await runner.setup()
    port = free_port()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=self_signed(tmp_path)).start()
        status, shown = await look(f"https://127.0.0.1:{port}")
    finally:
        await runner.cleanup()
    assert status == 1
    assert "Install Certificates.command" in shown


async def test_storage_that_does_not_answer_is_named_with_the_likely_cause(
    start_system: StartSystem, tmp_path: Path
) -> None:
    system = await start_system(
        AzureWebJobsStorage="DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=a2V5;"
        f"TableEndpoint=http://127.0.0.1:{free_port()}/devstoreaccount1;"
    )
    status, shown = await look(system.url, service="http://localhost:8080")
    assert status == 1
    assert "  - storage: unavailable" in shown
    assert "Roles take up to ten minutes" in shown
    assert "azd hooks run postdeploy" in shown


async def test_settings_that_the_app_refuses_are_listed() -> None:
    app = function_app.refuse(SettingsError(["WebPubSubConnectionString: each must look like Endpoint=…"]))
    async with FunctionsHost(app) as host:
        status, shown = await look(host.url)
    assert status == 1
    assert "refuses its settings:\n  - WebPubSubConnectionString: each must look like" in shown
    assert "key vault" in shown


async def test_an_app_without_functions_is_told() -> None:
    async with app_that_answers(health=404) as app:
        status, shown = await look(app)
    assert status == 1
    assert "No function is loaded" in shown


async def test_a_service_that_the_app_does_not_know_is_told(system: System) -> None:
    status, shown = await look(system.url)
    assert status == 1
    assert "contoso.webpubsub.azure.com asked" in shown
    assert "WebPubSubConnectionString__serviceUri" in shown


@pytest.mark.parametrize("status_of_options", [302, 401, 403])
async def test_a_handshake_that_another_answers_is_told(status_of_options: int) -> None:
    async with app_that_answers(options=status_of_options, allowed=None) as app:
        status, shown = await look(app)
    assert status == 1
    assert f"came back: status {status_of_options} and no such header" in shown
    assert "App Service authentication" in shown


@pytest.mark.parametrize("allowed", ["other.example", None, "*.webpubsub.azure.com"])
async def test_a_consent_for_another_origin_is_none(allowed: str | None) -> None:
    async with app_that_answers(allowed=allowed) as app:
        status, shown = await look(app)
    assert status == 1
    assert "does not let the service send events" in shown


@pytest.mark.parametrize("allowed", ["*", "Contoso.WebPubSub.azure.com", "a.example, contoso.webpubsub.azure.com"])
async def test_a_consent_is_read_as_the_service_reads_it(allowed: str) -> None:
    async with app_that_answers(allowed=allowed) as app:
        status, shown = await look(app)
    assert status == 0, shown


@pytest.mark.parametrize("post", [200, 204, 400, 404])
async def test_a_webhook_that_takes_an_event_without_a_proof_is_told(post: int) -> None:
    async with app_that_answers(post=post) as app:
        status, shown = await look(app)
    assert status == 1
    assert f"An event without any proof got status {post}" in shown


async def test_an_open_webhook_of_the_real_app_is_told(start_system: StartSystem) -> None:
    system = await start_system(
        WebPubSubConnectionString="",
        WebPubSubConnectionString__serviceUri=SERVICE,
        ALLOW_UNAUTHENTICATED_EVENTS="true",
    )
    async with app_that_answers() as healthy:
        status, shown = await look(healthy, webhook=f"{system.url}/api/eventhandler")
    assert status == 1
    assert "ALLOW_UNAUTHENTICATED_EVENTS" in shown


async def test_a_console_without_the_characters_is_not_a_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    async with app_that_answers() as app:
        status, shown = await look(app)
    assert status == 0, shown


async def test_what_is_missing_is_named() -> None:
    status, shown = await run_hook("postdeploy", {})
    assert status == 2
    assert "--app, --webhook, --service, --hub, --client-auth, --tenant: azd sets these" in shown
