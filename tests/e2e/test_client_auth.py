"""The three ways to say who a client is, over HTTP."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

import function_app
from chat.backends.service import Service
from chat.backends.table_store import TableStore
from chat.messaging.outbox import Outbox
from chat.settings import Settings
from tests.e2e.conftest import StartSystem, System

PRINCIPAL = {"X-MS-CLIENT-PRINCIPAL-ID": "8d1f-ana", "X-MS-CLIENT-PRINCIPAL-NAME": "ana@contoso.com"}


async def negotiate(system: System, **headers: str) -> tuple[int, Any]:
    query = {"userId": "root"}
    async with system.http.get(f"{system.url}/api/negotiate", params=query, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_app_service_names_the_principal_and_never_the_query(start_system: StartSystem) -> None:
    system = await start_system(CLIENT_AUTH="app_service", WEBSITE_AUTH_ENABLED="True")
    status, access = await negotiate(system, **PRINCIPAL)
    assert (status, access["userId"]) == (200, "8d1f-ana")


@pytest.mark.parametrize("enabled", ["True", "False"])
async def test_app_service_refuses_strangers(start_system: StartSystem, enabled: str) -> None:
    system = await start_system(CLIENT_AUTH="app_service", WEBSITE_AUTH_ENABLED=enabled)
    status, body = await negotiate(system)
    assert (status, body) == (401, {"type": "error", "code": "unauthorized", "message": "Sign in first."})


async def test_a_forged_principal_is_refused_where_app_service_does_not_watch(
    start_system: StartSystem, caplog: pytest.LogCaptureFixture
) -> None:
    system = await start_system(CLIENT_AUTH="app_service")
    status, _ = await negotiate(system, **PRINCIPAL)
    assert status == 401
    assert "WEBSITE_AUTH_ENABLED" in caplog.text


async def test_health_names_an_app_service_authentication_that_is_off(start_system: Any) -> None:
    system = await start_system(CLIENT_AUTH="app_service")
    status, body = await system.get("health")
    assert status == 503
    assert "App Service authentication is off" in body["sign_in"]


async def test_health_says_nothing_about_app_service_authentication_that_is_on(start_system: Any) -> None:
    system = await start_system(CLIENT_AUTH="app_service", WEBSITE_AUTH_ENABLED="True")
    status, body = await system.get("health")
    assert (status, body["status"]) == (200, "ok")
    assert "sign_in" not in body


@pytest.mark.parametrize("route", ["messages", "presence"])
async def test_history_and_presence_are_guarded_as_negotiate_is(start_system: StartSystem, route: str) -> None:
    system = await start_system(CLIENT_AUTH="app_service", WEBSITE_AUTH_ENABLED="True")
    status, _ = await system.get(route, room="lobby", userId="root")
    assert status == 401


def test_function_key_mode_asks_the_platform_for_a_key() -> None:
    settings = Settings.from_env(
        {
            "AzureWebJobsStorage": "UseDevelopmentStorage=true",
            "WebPubSubConnectionString": "Endpoint=http://localhost:8080;AccessKey=k;",
            "CLIENT_AUTH": "function_key",
        }
    )
    store, service = TableStore("chat", settings.storage), Service("chat", settings.endpoints[0])
    app = function_app.build(settings, store, service, Outbox(store, service))
    levels = {}
    for function in app.get_functions():
        trigger = function.get_dict_repr()["bindings"][0]
        levels[function.get_function_name()] = getattr(trigger["authLevel"], "value", trigger["authLevel"])
    guarded = {name for name, level in levels.items() if level.upper() == "FUNCTION"}
    assert guarded == {"negotiate", "messages", "presence"}


async def test_the_demo_page_can_be_switched_off(start_system: StartSystem) -> None:
    system = await start_system(DEMO_PAGE="false")
    async with system.http.get(f"{system.url}/api/demo/") as answer:
        assert answer.status == 404


async def test_what_a_client_url_holds_ends_when_it_says(system: System) -> None:
    _, access = await system.get("negotiate", room="lobby", userId="ana")
    token = access["url"].partition("access_token=")[2].partition("&")[0]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["sub"] == "ana"
    assert "role" not in claims
    assert access["expires"].endswith("Z")
