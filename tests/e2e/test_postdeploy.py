"""The hook that looks at a deployment: content with what works, and clear about what does not."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

import function_app
from chat.settings import SettingsError
from local.azurite import free_port
from local.functions_host import FunctionsHost
from tests.e2e.conftest import StartSystem, System

HOOK = Path(__file__).resolve().parents[2] / "infra" / "hooks" / "postdeploy.py"
Handler = Callable[[web.Request], Awaitable[web.Response]]
SERVICE = "https://contoso.webpubsub.azure.com"


async def start(
    app: str, *, service: str = SERVICE, wait: float = 0, webhook: str | None = None
) -> asyncio.subprocess.Process:
    """Start the hook as azd does."""
    return await asyncio.create_subprocess_exec(
        *[sys.executable, str(HOOK), "--wait", str(wait)],
        env={
            **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
            "SERVICE_API_URI": app,
            "EVENT_HANDLER_URL": webhook or f"{app}/api/eventhandler",
            "WEB_PUBSUB_ENDPOINT": service,
            "DEMO_URL": f"{app}/api/demo/",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def look(app: str, *, service: str = SERVICE, webhook: str | None = None) -> tuple[int, str]:
    """Run the hook without patience; give its exit status and what it printed."""
    process = await start(app, service=service, webhook=webhook)
    shown, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, shown.decode()


@asynccontextmanager
async def app_that_answers(
    health: int = 200,
    options: int = 200,
    post: int = 401,
    allowed: str | None = "contoso.webpubsub.azure.com",
    port: int | None = None,
) -> AsyncIterator[str]:
    """An app whose every answer is chosen."""
    route = web.Application()
    consent = {} if allowed is None else {"WebHook-Allowed-Origin": allowed}
    route.router.add_get("/api/health", answering(health))
    route.router.add_route("OPTIONS", "/api/eventhandler", answering(options, consent))
    route.router.add_post("/api/eventhandler", answering(post))
    port = port or free_port()
    runner = web.AppRunner(route)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def answering(status: int, headers: dict[str, str] | None = None) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers)

    return answer


async def test_it_is_content_with_a_system_that_works_and_says_where_the_demo_is(system: System) -> None:
    status, shown = await look(system.url, service="http://localhost:8080")
    assert status == 0, shown
    assert shown.count("  ok: ") == 3
    assert f"demo      {system.url}/api/demo/" in shown


async def test_it_waits_for_an_app_that_comes_up_late() -> None:
    port = free_port()
    process = await start(f"http://127.0.0.1:{port}", wait=60)
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while b"waiting: no answer" not in (line := await process.stdout.readline()):
            assert line
        async with app_that_answers(port=port):
            shown, _ = await process.communicate()
    assert process.returncode == 0, shown
    assert b"Ready." in shown


@pytest.mark.parametrize("app", [f"http://localhost:{free_port()}", "nonsense"])
async def test_an_app_that_is_not_there_is_told(app: str) -> None:
    status, shown = await look(app)
    assert status == 1
    assert f"Error: The app does not answer at {app}/api/health: no answer: " in shown
    assert "azd deploy" in shown


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


async def test_a_console_without_the_characters_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    async with app_that_answers() as app:
        status, shown = await look(app)
    assert status == 0, shown


async def test_what_is_missing_is_named() -> None:
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, str(HOOK)], env={"PATH": ""}, stderr=asyncio.subprocess.PIPE
    )
    _, shown = await process.communicate()
    assert process.returncode == 2
    assert "--app, --webhook, --service, --demo: azd sets these" in shown.decode()
