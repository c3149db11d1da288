"""The look before anything is made: each thing that cannot work, with its fix; what cannot be seen stops nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from local.azurite import free_port
from tests.e2e.hooks import install_azd, run_hook, unsigned

CHOSEN = {"AZURE_SUBSCRIPTION_ID": "s", "AZURE_LOCATION": "westeurope"}
USER = unsigned(oid="user", idtyp="user", wids=["b79fbf4d-3ef9-4689-8143-76b194e85509"])
RIGHT = "you may not register applications"


@asynccontextmanager
async def azure(
    regions: tuple[str, ...] = ("West Europe", "Sweden Central"),
    microsoft_app: str = "Registered",
    may_register: bool | None = True,
) -> AsyncIterator[str]:
    """Resource Manager and Microsoft Graph at one URL; ``may_register`` None means that nobody may see it."""
    policy = {"defaultUserRolePermissions": {"allowedToCreateApps": may_register}}

    async def answer(request: web.Request) -> web.Response:
        assert request.headers["Authorization"].startswith("Bearer ")
        match request.path:
            case "/subscriptions/s/providers/Microsoft.Web/geoRegions":
                assert request.query["sku"] == "FlexConsumption"
                return web.json_response({"value": [{"name": name} for name in regions]})
            case "/subscriptions/s/providers/Microsoft.App":
                return web.json_response({"registrationState": microsoft_app})
            case "/v1.0/policies/authorizationPolicy" if may_register is not None:
                return web.json_response(policy)
        return web.json_response({}, status=403)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


async def look(
    tmp_path: Path, environment: Mapping[str, str], token: str | None = USER, **told: Any
) -> tuple[int, str]:
    async with azure(**told) as url:
        given = ("--resource-manager", url, "--graph", url)
        return await run_hook("preprovision", environment, *given, azd=install_azd(tmp_path / "azd", token))


async def test_what_can_be_deployed_is_ok(tmp_path: Path) -> None:
    status, shown = await look(tmp_path, CHOSEN | {"VNET_ENABLED": "true", "WEB_PUBSUB_UNITS": "1"})
    assert (status, shown) == (0, "Looking at the choices before anything is made …\n  ok\n")


async def test_a_region_without_flex_consumption_is_told_with_those_that_have_it(tmp_path: Path) -> None:
    status, shown = await look(tmp_path, CHOSEN | {"AZURE_LOCATION": "westindia"})
    assert status == 1
    assert "Flex Consumption is not offered in westindia: choose one of swedencentral, westeurope" in shown


@pytest.mark.parametrize(("is_private", "status"), [("true", 1), ("false", 0)])
async def test_a_provider_that_is_not_registered_is_told_where_it_is_needed(
    tmp_path: Path, is_private: str, status: int
) -> None:
    found, shown = await look(tmp_path, CHOSEN | {"VNET_ENABLED": is_private}, microsoft_app="NotRegistered")
    assert found == status
    assert ("az provider register --namespace Microsoft.App --wait" in shown) is bool(status)


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"WEB_PUBSUB_UNITS": "2"}, "Free_F1 has one unit, not 2"),
        ({"WEB_PUBSUB_SKU": "Free_F1", "WEB_PUBSUB_UNITS": "10"}, "azd env set WEB_PUBSUB_SKU Standard_S1"),
        ({"APP_SETTINGS": "NAME=value"}, "APP_SETTINGS is not a JSON object"),
        ({"APP_SETTINGS": '{"A": 1}'}, "APP_SETTINGS is not a JSON object"),
        ({"APP_SETTINGS": '["A"]'}, "APP_SETTINGS is not a JSON object"),
        ({"APP_SETTINGS": '{"client_auth": "anonymous"}'}, "the template sets client_auth itself"),
        ({"APP_SETTINGS": '{"WEBHOOK_CALLER_OBJECT_IDS": "x"}'}, "the template sets WEBHOOK_CALLER_OBJECT_IDS itself"),
        ({"CLIENT_APP_IDS": "my-app"}, "my-app is not a client id"),
    ],
)
async def test_a_wrong_choice_is_told(tmp_path: Path, choices: dict[str, str], told: str) -> None:
    status, shown = await look(tmp_path, CHOSEN | choices)
    assert status == 1
    assert told in shown


@pytest.mark.parametrize(
    "choices",
    [
        {"WEB_PUBSUB_SKU": "Standard_S1", "WEB_PUBSUB_UNITS": "2"},
        {"APP_SETTINGS": '{"MY_SETTING": "1"}'},
        {"APP_SETTINGS": "", "CLIENT_APP_IDS": "", "WEB_PUBSUB_SKU": "", "WEB_PUBSUB_UNITS": ""},
        {"CLIENT_APP_IDS": "11111111-2222-3333-4444-555555555555,22222222-2222-3333-4444-555555555555"},
    ],
)
async def test_a_right_choice_passes(tmp_path: Path, choices: dict[str, str]) -> None:
    status, shown = await look(tmp_path, CHOSEN | choices)
    assert status == 0, shown


async def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    wrong = {"AZURE_LOCATION": "moon", "WEB_PUBSUB_UNITS": "2", "APP_SETTINGS": "x"}
    _, shown = await look(tmp_path, CHOSEN | wrong, may_register=False)
    assert shown.count("\n  - ") == 4


async def test_a_user_who_may_not_register_applications_is_told(tmp_path: Path) -> None:
    status, shown = await look(tmp_path, CHOSEN, may_register=False)
    assert status == 1
    assert RIGHT in shown
    assert "azd env set WEBHOOK_APP_CLIENT_ID <client>" in shown


@pytest.mark.parametrize(
    ("token", "status"),
    [
        (unsigned(idtyp="user", wids=["cf1c38e5-3621-4004-a7cb-879624dced7c"]), 0),
        (unsigned(idtyp="app", roles=["Application.ReadWrite.OwnedBy"]), 0),
        (unsigned(idtyp="app", roles=["User.Read.All"]), 1),
        (unsigned(idtyp="app"), 1),
        ("not.a.token", 1),
    ],
)
async def test_a_role_of_the_directory_or_a_permission_is_a_right(tmp_path: Path, token: str, status: int) -> None:
    found, shown = await look(tmp_path, CHOSEN, token, may_register=False)
    assert found == status
    assert (RIGHT in shown) is bool(status)


@pytest.mark.parametrize(
    "choices",
    [
        {"WEBHOOK_APP_CLIENT_ID": "11111111-2222-3333-4444-555555555555"},
        {"APPLICATION_CLIENT_ID": "11111111-2222-3333-4444-555555555555"},
        {"EVENT_AUTHENTICATION": "accessKey", "CLIENT_AUTH": "anonymous"},
    ],
)
async def test_the_right_is_not_asked_for_where_nothing_is_registered(tmp_path: Path, choices: dict[str, str]) -> None:
    status, shown = await look(tmp_path, CHOSEN | choices, may_register=False)
    assert status == 0, shown


@pytest.mark.parametrize("proof", ["managedIdentity", "accessKey"])
async def test_the_right_is_asked_for_where_users_sign_in(tmp_path: Path, proof: str) -> None:
    choices = {"EVENT_AUTHENTICATION": proof, "CLIENT_AUTH": "app_service"}
    status, _ = await look(tmp_path, CHOSEN | choices, may_register=False)
    assert status == 1


async def test_what_cannot_be_seen_is_a_note_and_stops_nobody(tmp_path: Path) -> None:
    status, shown = await look(tmp_path, CHOSEN, may_register=None)
    assert status == 0
    assert "note: not checked: the right to register applications: status 403" in shown
    status, shown = await look(tmp_path, CHOSEN | {"VNET_ENABLED": "true"}, token=None)
    assert status == 0
    assert shown.count("note: not checked: ") == 3
    status, shown = await look(tmp_path, {})
    assert status == 0
    assert "the subscription is not chosen yet" in shown
