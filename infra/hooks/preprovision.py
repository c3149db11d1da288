"""Look at the choices and at what they need, before anything is made: ``azd`` runs this before each ``azd provision``.

What is wrong is told with its fix, all of it at once. What cannot be seen is a note, never an error.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Final

from infra.hooks import azd
from infra.hooks.web import ask, use_any_console

GUID: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
# What infra/app/app-settings.bicep and main.bicep set themselves.
TAKEN: Final = re.compile(
    r"APPLICATIONINSIGHTS_\w+|AZURE_AUTHORITY_HOST|AZURE_CLIENT_ID|AZURE_TOKEN_CREDENTIALS|AzureWebJobsStorage\w*|"
    r"CLIENT_AUTH|DEFAULT_ROOM|DEMO_PAGE|"
    r"MAX_EVENT_AGE_SECONDS|MAX_MESSAGE_BYTES|MAX_MESSAGES_PER_SECOND|MESSAGE_RETENTION_DAYS|OVERRIDE_USE_MI_\w+|"
    r"PRESENCE|PRIVATE_ROOMS|"
    r"WEBHOOK_(TENANT_ID|APP_CLIENT_ID|CALLER_OBJECT_IDS)|WebPubSubConnectionString\w*|WebPubSubHub",
    re.IGNORECASE,
)
# Roles of the directory that may register applications, by the ids of their templates.
REGISTERING_ROLES: Final = {
    "62e90394-69f5-4237-9190-012177145e10",  # Global Administrator
    "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",  # Application Administrator
    "158c047a-c907-4556-b7ef-446551a6b5f7",  # Cloud Application Administrator
    "cf1c38e5-3621-4004-a7cb-879624dced7c",  # Application Developer
}
REGISTERING_PERMISSIONS: Final = {"Application.ReadWrite.All", "Application.ReadWrite.OwnedBy"}
NO_RIGHT: Final = (
    "you may not register applications in this tenant. Have one made and run "
    "`azd env set WEBHOOK_APP_CLIENT_ID <client>`: docs/deploy.md, section 'Without the right to register applications'"
)


def wrong_choices(env: Mapping[str, str]) -> Iterator[str]:
    """Return what is wrong with the choices alone."""
    units = env.get("WEB_PUBSUB_UNITS") or "1"
    if env.get("WEB_PUBSUB_SKU", "Free_F1") in {"", "Free_F1"} and units != "1":
        yield (
            f"Free_F1 has one unit, not {units}: `azd env set WEB_PUBSUB_SKU Standard_S1`, or "
            "`azd env set WEB_PUBSUB_UNITS 1`"
        )
    try:
        settings = json.loads(env.get("APP_SETTINGS") or "{}")
    except ValueError:
        settings = None
    if not isinstance(settings, dict) or not all(isinstance(value, str) for value in settings.values()):
        yield """APP_SETTINGS is not a JSON object of texts: `azd env set APP_SETTINGS '{"NAME": "value"}'`"""
    else:
        for name in filter(TAKEN.fullmatch, settings):
            yield f"APP_SETTINGS: the template sets {name} itself; docs/deploy.md, 'Choices', has its variable"
    for client in (env.get("CLIENT_APP_IDS") or "").replace(",", " ").split():
        if not GUID.fullmatch(client):
            yield f"CLIENT_APP_IDS: {client} is not a client id; use GUIDs, separated by commas"


class Azure:
    """Questions to Azure in the name of whoever deploys; each answer is problems, or a note why there is none."""

    def __init__(self, resource_manager: str, graph: str, env: Mapping[str, str]) -> None:
        self._resource_manager = resource_manager.rstrip("/")
        self._graph = graph.rstrip("/")
        self._env = env
        self.notes: list[str] = []

    def problems(self) -> Iterator[str]:
        """Return what Azure lacks for the choices."""
        if not self._env.get("AZURE_SUBSCRIPTION_ID"):
            self.notes.append("the subscription is not chosen yet, so nothing could be looked up in it")
        else:
            yield from self._region()
            if (self._env.get("VNET_ENABLED") or "false").lower() in {"true", "1"}:
                yield from self._provider("Microsoft.App")
        if self._registers_application():
            yield from self._right_to_register()

    def _region(self) -> Iterator[str]:
        location = _plain(self._env.get("AZURE_LOCATION", ""))
        if not location:
            self.notes.append("the region is not chosen yet")
            return
        found = self._get(
            "providers/Microsoft.Web/geoRegions?sku=FlexConsumption&api-version=2024-11-01", "the regions"
        )
        listed = found.get("value")
        regions = {_plain(str(region.get("name"))) for region in (listed if isinstance(listed, list) else [])}
        if regions and location not in regions:
            yield (
                f"Flex Consumption is not offered in {location}: choose one of {', '.join(sorted(regions))} "
                "(`azd env set AZURE_LOCATION <region>`, in a new environment if this one is deployed already)"
            )

    def _provider(self, name: str) -> Iterator[str]:
        state = self._get(f"providers/{name}?api-version=2021-04-01", f"the provider {name}").get("registrationState")
        if state is not None and state != "Registered":
            yield (
                f"VNET_ENABLED needs the resource provider {name}, which is {state}: "
                f"`az provider register --namespace {name} --wait`"
            )

    def _registers_application(self) -> bool:
        if self._env.get("WEBHOOK_APP_CLIENT_ID") or self._env.get("APPLICATION_CLIENT_ID"):
            return False  # there is one
        return (self._env.get("EVENT_AUTHENTICATION") or "managedIdentity") != "accessKey" or (
            self._env.get("CLIENT_AUTH") or "app_service"
        ) == "app_service"

    def _right_to_register(self) -> Iterator[str]:
        try:
            bearer = azd.token(f"{self._graph}/.default")
        except azd.NoTokenError as error:
            self.notes.append(f"the right to register applications: {error}")
            return
        held = azd.claims(bearer)
        if held.get("idtyp") == "app":
            if not REGISTERING_PERMISSIONS & set(held.get("roles", [])):
                yield NO_RIGHT
            return
        if REGISTERING_ROLES & set(held.get("wids", [])):
            return
        headers = {"Authorization": f"Bearer {bearer}"}
        policy = ask("GET", f"{self._graph}/v1.0/policies/authorizationPolicy", headers)
        allowed = policy.document.get("defaultUserRolePermissions")
        if policy.status != 200 or not isinstance(allowed, dict):
            self.notes.append(f"the right to register applications: {policy}")
        elif allowed.get("allowedToCreateApps") is False:
            yield NO_RIGHT

    def _get(self, path: str, what: str) -> Mapping[str, object]:
        try:
            bearer = azd.token(f"{self._resource_manager}/.default", self._env.get("AZURE_TENANT_ID"))
        except azd.NoTokenError as error:
            self.notes.append(f"{what}: {error}")
            return {}
        url = f"{self._resource_manager}/subscriptions/{self._env['AZURE_SUBSCRIPTION_ID']}/{path}"
        answer = ask("GET", url, {"Authorization": f"Bearer {bearer}"})
        if answer.status != 200:
            self.notes.append(f"{what}: {answer}")
            return {}
        return answer.document


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
