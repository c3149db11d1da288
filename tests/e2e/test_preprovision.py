"""The look before anything is made: each thing that cannot work, with its fix; what cannot be seen stops nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from local.azurite import free_port
from tests.e2e.hooks import ROOT, install_azd, run_hook, unsigned

CHOSEN = {"AZURE_SUBSCRIPTION_ID": "s", "AZURE_LOCATION": "westeurope"}
USER = unsigned(oid="user", idtyp="user", wids=["b79fbf4d-3ef9-4689-8143-76b194e85509"])
RIGHT = "you may not register applications"
CLIENT = "11111111-2222-3333-4444-555555555555"
OTHER = "22222222-abcd-3333-4444-555555555555"
WORKSPACE = "/subscriptions/s/resourceGroups/another/providers/Microsoft.OperationalInsights/workspaces/logs"
CHOICES = yaml.safe_load((ROOT / "azure.yaml").read_text())["pipeline"]["variables"]


@asynccontextmanager
async def azure(
    regions: tuple[str, ...] = ("West Europe", "Sweden Central"),
    microsoft_app: str = "Registered",
    may_register: bool | str | None = True,
) -> AsyncIterator[str]:
    """Resource Manager and Microsoft Graph at one URL; ``may_register`` None means that nobody may see it."""
    policy = {"defaultUserRolePermissions": {"allowedToCreateApps": may_register}}

    async def answer(request: web.Request) -> web.Response:
        assert request.headers["Authorization"].startswith("Bearer ")
        match request.path:
            case "/subscriptions/s/providers/Microsoft.Web/geoRegions":
                assert request.query["sku"] == "FlexConsumption"
                return web.json_response({"value": [{"name": name} for name in regions]})
            case path if path.endswith("/workspaces/logs"):
                return web.json_response({"id": path})
            case path if "/workspaces/" in path:
                return web.json_response({"error": {"code": "ResourceNotFound"}}, status=404)
            case "/subscriptions/s/providers/Microsoft.App":
                return web.json_response({"registrationState": microsoft_app})
            case "/v1.0/policies/authorizationPolicy" if may_register is not None:
                return web.json_response(policy)
        # The policy may be hidden; anything else is not there.
        return web.json_response({}, status=403 if request.path.startswith("/v1.0/") else 404)

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
        # azd reads the variable as JSON as soon as it is there.
        ({"APP_SETTINGS": ""}, "APP_SETTINGS is not a JSON object"),
        ({"APP_SETTINGS": '{"client_auth": "anonymous"}'}, "client_auth is set by the template"),
        ({"APP_SETTINGS": '{"WEBHOOK_CALLER_OBJECT_IDS": "x"}'}, "WEBHOOK_CALLER_OBJECT_IDS is set by the template"),
        ({"APP_SETTINGS": '{"WEBSITE_AUTH_ENABLED": "True"}'}, "WEBSITE_AUTH_ENABLED is set by the template or the pl"),
        ({"APP_SETTINGS": '{"Allow_unauthenticated_events": "true"}'}, "would let anyone send events as any user"),
        ({"CLIENT_APP_IDS": "my-app"}, "'my-app' is not a client id"),
        ({"CLIENT_APP_IDS": f"{CLIENT} {OTHER}"}, "is not a client id; use GUIDs, separated by commas"),
        ({"CLIENT_APP_IDS": f"{CLIENT},"}, "'' is not a client id"),
        ({"CLIENT_APP_IDS": f"{{{CLIENT}}}"}, "is not a client id"),
        ({"CORS_ORIGINS": "www.contoso.com"}, "'www.contoso.com' is not an origin"),
        ({"CORS_ORIGINS": "https://www.contoso.com/"}, "'https://www.contoso.com/' is not an origin"),
        ({"CORS_ORIGINS": "https://www.contoso.com,"}, "'' is not an origin"),
        ({"CORS_ORIGINS": "https://"}, "'https://' is not an origin"),
        ({"WEBHOOK_APP_CLIENT_ID": f"api://{CLIENT}"}, "without api:// before it"),
        ({"LOG_WORKSPACE_ID": "logs"}, "logs is not the resource id of a workspace"),
        ({"WEB_PUBSUB_SKU": "Standard_S1", "WEB_PUBSUB_UNITS": "15"}, "1 to 10 units, 20, 30 … 100, and not 15"),
        ({"FUNCTION_ALWAYS_READY": "41"}, "41 is more than FUNCTION_MAX_INSTANCES, which is 40"),
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
        # What a pipeline hands on where nothing was chosen.
        dict.fromkeys(CHOICES, "") | {"APP_SETTINGS": "{}"},
        {"CLIENT_APP_IDS": f"{CLIENT}, {OTHER.upper()}"},
        {"CORS_ORIGINS": "https://www.contoso.com, http://localhost:5173"},
        {"CORS_ORIGINS": "*"},
        {"LOG_WORKSPACE_ID": WORKSPACE},
        {"FUNCTION_ALWAYS_READY": "2", "FUNCTION_MAX_INSTANCES": "2"},
    ],
)
async def test_a_right_choice_passes(tmp_path: Path, choices: dict[str, str]) -> None:
    status, shown = await look(tmp_path, CHOSEN | choices)
    assert status == 0, shown


@pytest.mark.parametrize(
    "token", [unsigned(idtyp="user", wids=["00000000-1111-2222-3333-444444444444"]), unsigned(), "not.a.token"]
)
async def test_a_role_that_the_hook_does_not_know_is_a_note(tmp_path: Path, token: str) -> None:
    """It may be a custom one with the right, and a token need not name roles at all."""
    status, shown = await look(tmp_path, CHOSEN, token, may_register=False)
    assert status == 0
    assert "note: not checked: whether a role of yours brings the right" in shown
    assert "azd env set WEBHOOK_APP_CLIENT_ID <client>" in shown


@pytest.mark.parametrize(("application", "is_told"), [("", False), (CLIENT, True)])
async def test_a_choice_that_an_existing_application_does_not_follow_is_a_note(
    tmp_path: Path, application: str, is_told: bool
) -> None:
    chosen = CHOSEN | {"USERS_ASSIGNED_ONLY": "true", "WEBHOOK_APP_CLIENT_ID": application}
    status, shown = await look(tmp_path, chosen)
    assert status == 0
    assert ("its owner sets 'Assignment required'" in shown) is is_told


async def test_no_tenant_is_looked_at_before_the_subscription_is_chosen(tmp_path: Path) -> None:
    """Whoever is a guest elsewhere would hear about the wrong tenant."""
    status, shown = await look(tmp_path, {}, may_register=False)
    assert status == 0, shown
    assert RIGHT not in shown


async def test_every_token_is_one_of_the_tenant_where_it_is_known(tmp_path: Path) -> None:
    given = CHOSEN | {"AZURE_TENANT_ID": "3a5c0000-0000-0000-0000-00000000007e"}
    async with azure() as url:
        folder = install_azd(tmp_path / "azd", USER, tenant=given["AZURE_TENANT_ID"])
        status, shown = await run_hook("preprovision", given, "--resource-manager", url, "--graph", url, azd=folder)
    assert (status, shown) == (0, "Looking at the choices before anything is made …\n  ok\n")


async def test_a_workspace_that_is_not_there_is_told(tmp_path: Path) -> None:
    status, shown = await look(tmp_path, CHOSEN | {"LOG_WORKSPACE_ID": f"{WORKSPACE}-of-yore"})
    assert status == 1
    assert f"LOG_WORKSPACE_ID: there is no {WORKSPACE}-of-yore" in shown


async def test_a_token_goes_to_resource_manager_alone(tmp_path: Path) -> None:
    status, shown = await look(tmp_path, CHOSEN | {"LOG_WORKSPACE_ID": ".contoso.example/workspaces/logs"})
    assert status == 1
    assert "not checked: the workspace" not in shown


async def test_a_policy_that_says_nothing_is_a_note(tmp_path: Path) -> None:
    status, shown = await look(tmp_path, CHOSEN, may_register="unknown")
    assert status == 0
    assert "note: not checked: the right to register applications" in shown


async def test_all_problems_are_reported_together(tmp_path: Path) -> None:
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
        (unsigned(idtyp="app", wids=["0997a1d0-0d1d-4acb-b408-d5ca73121e90"]), 1),
        (unsigned(idtyp="app", wids=["9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"]), 0),
        (unsigned(idtyp="app"), 1),
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


async def test_a_check_that_cannot_be_made_is_a_note_and_stops_nothing(tmp_path: Path) -> None:
    status, shown = await look(tmp_path, CHOSEN, may_register=None)
    assert status == 0
    assert "note: not checked: the right to register applications: status 403" in shown
    status, shown = await look(tmp_path, CHOSEN | {"VNET_ENABLED": "true"}, token=None)
    assert status == 0
    assert shown.count("note: not checked: ") == 3
    status, shown = await look(tmp_path, CHOSEN | {"AZURE_SUBSCRIPTION_ID": "another", "VNET_ENABLED": "true"})
    assert status == 0
    assert "note: not checked: the regions: status 404" in shown
    assert "note: not checked: the provider Microsoft.App: status 404" in shown
    status, shown = await look(tmp_path, {})
    assert status == 0
    assert "the subscription is not chosen yet" in shown
