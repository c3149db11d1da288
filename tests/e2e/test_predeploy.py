"""The wait for the app's roles: as long as they are new, and no longer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from local.azurite import free_port
from tests.e2e.hooks import ROOT, install_azd, run_hook, start_hook, unsigned

STORAGE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/st"
PRINCIPAL = "6a0d3c11-0000-0000-0000-000000000001"
ROLES = json.loads((ROOT / "infra" / "roles.json").read_text())
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
BOTH = ("Storage Blob Data Owner", "Storage Table Data Contributor")


def assignment(role: str, age: float) -> dict[str, Any]:
    created = (NOW - timedelta(seconds=age)).isoformat().replace("+00:00", "")
    return {
        "properties": {
            "principalId": PRINCIPAL,
            "roleDefinitionId": f"/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/{ROLES[role]}",
            "createdOn": f"{created}.1234567Z",
        }
    }


@asynccontextmanager
async def resource_manager(answer: Any, status: int = 200) -> AsyncIterator[tuple[str, list[web.Request]]]:
    """A Resource Manager that tells one list of assignments, at a time of its own."""
    asked: list[web.Request] = []

    async def assignments(request: web.Request) -> web.Response:
        asked.append(request)
        return web.json_response(answer, status=status, headers={"Date": format_datetime(NOW, usegmt=True)})

    app = web.Application()
    app.router.add_get(f"{STORAGE}/providers/Microsoft.Authorization/roleAssignments", assignments)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield f"http://127.0.0.1:{port}", asked
    finally:
        await runner.cleanup()


def environment(url: str) -> dict[str, str]:
    return {"STORAGE_ACCOUNT_ID": STORAGE, "APP_PRINCIPAL_ID": PRINCIPAL, "AZURE_RESOURCE_MANAGER": url}


@pytest.fixture
def azd(tmp_path: Path) -> Path:
    return install_azd(tmp_path / "azd", unsigned(oid="deployer"))


async def test_roles_that_are_old_enough_are_not_waited_for(azd: Path) -> None:
    roles = {"value": [assignment(role, 301) for role in BOTH]}
    async with resource_manager(roles) as (url, asked):
        status, shown = await run_hook("predeploy", environment(url), azd=azd)
    assert (status, shown) == (0, "  ok: the app's roles on its storage are old enough\n")
    assert asked[0].query["$filter"] == f"principalId eq '{PRINCIPAL}'"
    assert asked[0].headers["Authorization"].startswith("Bearer ")


async def test_the_newest_of_the_needed_roles_is_waited_for_with_progress(azd: Path) -> None:
    roles = {"value": [assignment(BOTH[0], 4000), assignment(BOTH[1], 60)]}
    async with resource_manager(roles) as (url, _):
        process = await start_hook("predeploy", environment(url), azd=azd)
        assert process.stdout is not None
        line = await process.stdout.readline()
        process.kill()
        await process.communicate()
    assert line == b"  waiting: the app's roles are new; 240 s more\n"


async def test_the_wait_ends(azd: Path) -> None:
    roles = {"value": [assignment(role, 10) for role in BOTH]}
    async with resource_manager(roles) as (url, _):
        status, shown = await run_hook("predeploy", environment(url), "--age", "11", azd=azd)
    assert status == 0
    assert shown.splitlines()[-1] == "  ok: the app's roles on its storage are old enough"
    assert "waiting: the app's roles are new; 1 s more" in shown


async def test_an_old_assignment_of_a_role_is_enough_whatever_was_assigned_since(azd: Path) -> None:
    roles = {"value": [*(assignment(role, 4000) for role in BOTH), assignment(BOTH[0], 1)]}
    async with resource_manager(roles) as (url, _):
        _, shown = await run_hook("predeploy", environment(url), azd=azd)
    assert "waiting" not in shown


async def test_a_role_that_is_missing_is_named(azd: Path) -> None:
    async with resource_manager({"value": [assignment(BOTH[0], 400)]}) as (url, _):
        status, shown = await run_hook("predeploy", environment(url), azd=azd)
    assert status == 0
    assert "the app lacks Storage Table Data Contributor; `azd provision --no-state` assigns them" in shown


@pytest.mark.parametrize("answer", [{}, {"value": None}, {"value": [{}]}, [], {"value": [{"properties": {}}]}])
async def test_an_answer_that_is_not_understood_is_a_note(azd: Path, answer: Any) -> None:
    async with resource_manager(answer) as (url, _):
        status, shown = await run_hook("predeploy", environment(url), azd=azd)
    assert status == 0
    assert "note: did not wait" in shown
    assert "Traceback" not in shown


async def test_a_forbidden_lookup_is_a_note(azd: Path) -> None:
    async with resource_manager({}, status=403) as (url, _):
        status, shown = await run_hook("predeploy", environment(url), azd=azd)
    assert (status, shown) == (0, "  note: did not wait for the app's roles: status 403\n")


async def test_without_azd_or_a_deployment_nothing_is_waited_for() -> None:
    assert (await run_hook("predeploy", environment("http://127.0.0.1:9")))[0] == 0
    status, shown = await run_hook("predeploy", {})
    assert status == 0
    assert "azd knows no deployment yet" in shown
