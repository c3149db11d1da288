"""Look at the choices and at what they need, before anything is made: ``azd`` runs this before each ``azd provision``.

What is wrong is told with its fix, all of it at once. What cannot be seen is a note, never an error.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Final

from infra.hooks import azd
from infra.hooks.choices import WORKSPACE, wrong_choices
from infra.hooks.web import Answer, ask, use_any_console

# Roles of the directory that may register applications, by the ids of their templates.
REGISTERING_ROLES: Final = {
    "62e90394-69f5-4237-9190-012177145e10",  # Global Administrator
    "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",  # Application Administrator
    "158c047a-c907-4556-b7ef-446551a6b5f7",  # Cloud Application Administrator
    "cf1c38e5-3621-4004-a7cb-879624dced7c",  # Application Developer
}
REGISTERING_PERMISSIONS: Final = {
    "Application.ReadWrite.All",
    "Application.ReadWrite.OwnedBy",
    "Directory.ReadWrite.All",
}
# What each user, guest or application of a tenant is; any other role may bring the right, custom ones too.
ORDINARY_ROLES: Final = {
    "b79fbf4d-3ef9-4689-8143-76b194e85509",  # User
    "10dae51f-b6af-4016-8d66-8c2a99b929b3",  # Guest User
    "0997a1d0-0d1d-4acb-b408-d5ca73121e90",  # the default of applications
}
NO_RIGHT: Final = (
    "you may not register applications in this tenant. Have one made and run "
    "`azd env set WEBHOOK_APP_CLIENT_ID <client>`: docs/operate/sign-in.md, "
    "section 'Without the right to register applications'"
)


class Azure:
    """Questions to Azure in the name of the deployer; each answer is problems, or a note why there is no answer."""

    def __init__(self, resource_manager: str, graph: str, env: Mapping[str, str]) -> None:
        self._resource_manager = resource_manager.rstrip("/")
        self._graph = graph.rstrip("/")
        self._env = env
        self.notes: list[str] = []

    def problems(self) -> Iterator[str]:
        """Return what Azure lacks for the choices."""
        if _is_on(self._env.get("USERS_ASSIGNED_ONLY")) and self._env.get("WEBHOOK_APP_CLIENT_ID"):
            self.notes.append(
                "whether only assigned users may sign in: the template leaves WEBHOOK_APP_CLIENT_ID as it is, "
                "so its owner sets 'Assignment required' (docs/operate/sign-in.md, 'Who may sign in')"
            )
        if not self._env.get("AZURE_SUBSCRIPTION_ID"):
            # Neither is the tenant then: the right to register applications could be looked up in the wrong one.
            self.notes.append("the subscription is not chosen yet, so nothing could be looked up")
            return
        yield from self._region()
        if _is_on(self._env.get("VNET_ENABLED")):
            yield from self._provider("Microsoft.App")
        workspace = self._env.get("LOG_WORKSPACE_ID") or ""
        # It becomes a part of the URL that the token is sent to.
        if WORKSPACE.fullmatch(workspace):
            yield from self._workspace(workspace)
        if self._registers_application():
            yield from self._right_to_register()

    def _region(self) -> Iterator[str]:
        location = _plain(self._env.get("AZURE_LOCATION", ""))
        if not location:
            self.notes.append("the region is not chosen yet")
            return
        subscription = self._subscription
        path = f"{subscription}/providers/Microsoft.Web/geoRegions?sku=FlexConsumption&api-version=2024-11-01"
        listed = self._get(path, "the regions").document.get("value")
        regions = {_plain(str(region.get("name"))) for region in (listed if isinstance(listed, list) else [])}
        if regions and location not in regions:
            yield (
                f"Flex Consumption is not offered in {location}: choose one of {', '.join(sorted(regions))} "
                "(`azd env set AZURE_LOCATION <region>`, in a new environment if this one is deployed already)"
            )

    def _provider(self, name: str) -> Iterator[str]:
        path = f"{self._subscription}/providers/{name}?api-version=2021-04-01"
        state = self._get(path, f"the provider {name}").document.get("registrationState")
        if state is not None and state != "Registered":
            yield (
                f"VNET_ENABLED needs the resource provider {name}, which is {state}: "
                f"`az provider register --namespace {name} --wait`"
            )

    def _workspace(self, workspace: str) -> Iterator[str]:
        if self._get(f"{workspace}?api-version=2025-02-01", "the workspace", 404).status == 404:
            yield f"LOG_WORKSPACE_ID: there is no {workspace}; `az monitor log-analytics workspace list` has the ids"

    @property
    def _subscription(self) -> str:
        return f"/subscriptions/{self._env['AZURE_SUBSCRIPTION_ID']}"

    def _registers_application(self) -> bool:
        if self._env.get("WEBHOOK_APP_CLIENT_ID") or self._env.get("APPLICATION_CLIENT_ID"):
            return False  # there is one
        return (self._env.get("EVENT_AUTHENTICATION") or "managedIdentity") != "accessKey" or (
            self._env.get("CLIENT_AUTH") or "app_service"
        ) == "app_service"

    def _right_to_register(self) -> Iterator[str]:
        try:
            bearer = azd.token(f"{self._graph}/.default", self._env.get("AZURE_TENANT_ID"))
        except azd.NoTokenError as error:
            self.notes.append(f"the right to register applications: {error}")
            return
        held = azd.claims(bearer)
        roles = held.get("wids")
        if REGISTERING_ROLES & set(roles or []):
            return
        if held.get("idtyp") == "app":
            may_register = bool(REGISTERING_PERMISSIONS & set(held.get("roles", [])))
            roles = roles or []
        else:
            answer = ask(
                "GET", f"{self._graph}/v1.0/policies/authorizationPolicy", {"Authorization": f"Bearer {bearer}"}
            )
            policy = answer.document.get("defaultUserRolePermissions")
            allowed = policy.get("allowedToCreateApps") if isinstance(policy, dict) else None
            if answer.status != 200 or not isinstance(allowed, bool):
                self.notes.append(f"the right to register applications: {answer}, and no policy on it")
                return
            may_register = allowed
        if may_register:
            return
        if roles is None or set(roles) - ORDINARY_ROLES:
            self.notes.append(
                f"whether a role of yours brings the right to register applications; otherwise {NO_RIGHT}"
            )
        else:
            yield NO_RIGHT

    def _get(self, path: str, what: str, *expected: int) -> Answer:
        """Ask Resource Manager; any status but 200 and an expected one is a note. A document comes with 200 only."""
        try:
            bearer = azd.token(f"{self._resource_manager}/.default", self._env.get("AZURE_TENANT_ID"))
        except azd.NoTokenError as error:
            self.notes.append(f"{what}: {error}")
            return Answer(0)
        answer = ask("GET", f"{self._resource_manager}{path}", {"Authorization": f"Bearer {bearer}"})
        if answer.status not in {200, *expected}:
            self.notes.append(f"{what}: {answer}")
        return answer if answer.status == 200 else Answer(answer.status)


def _is_on(value: str | None) -> bool:
    return (value or "").lower() in {"true", "1", "t"}


def _plain(region: str) -> str:
    return region.replace(" ", "").lower()


def main() -> int:
    """Check; the exit status is 1 when something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    env = os.environ
    parser.add_argument(
        "--resource-manager",
        default=env.get("AZURE_RESOURCE_MANAGER") or "https://management.azure.com",
        help="its URL (AZURE_RESOURCE_MANAGER)",
    )
    parser.add_argument("--graph", default="https://graph.microsoft.com", help="the URL of Microsoft Graph")
    given = parser.parse_args()
    use_any_console()
    print("Looking at the choices before anything is made …", flush=True)
    azure = Azure(given.resource_manager, given.graph, env)
    problems = [*wrong_choices(env), *azure.problems()]
    for note in azure.notes:
        print(f"  note: not checked: {note}", flush=True)
    if problems:
        print("\n".join(["Error: this cannot be deployed:", *(f"  - {each}" for each in problems)]), file=sys.stderr)
        return 1
    print("  ok", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
