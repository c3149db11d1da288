"""The choices of the deployer, as ``azd`` passes them on; what is wrong with it can be told without asking Azure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final
from uuid import UUID

__all__ = ["TAKEN", "WORKSPACE", "wrong_choices"]

# What infra/app/app-settings.bicep and main.bicep set themselves, and what the platform sets.
TAKEN: Final = re.compile(
    r"APPLICATIONINSIGHTS_\w+|AZURE_AUTHORITY_HOST|AZURE_CLIENT_ID|AZURE_TOKEN_CREDENTIALS|AzureWebJobsStorage\w*|"
    r"CLIENT_AUTH|DEFAULT_ROOM|DEMO_PAGE|"
    r"MAX_EVENT_AGE_SECONDS|MAX_MESSAGE_BYTES|MAX_MESSAGES_PER_SECOND|MESSAGE_RETENTION_DAYS|OVERRIDE_USE_MI_\w+|"
    r"PRESENCE|PRIVATE_ROOMS|"
    r"WEBHOOK_(TENANT_ID|APP_CLIENT_ID|CALLER_OBJECT_IDS)|WebPubSubConnectionString\w*|WebPubSubHub|WEBSITE_AUTH_\w+",
    re.IGNORECASE,
)
# What would take the proof of events away.
_OPENS: Final = "ALLOW_UNAUTHENTICATED_EVENTS"
_ORIGIN: Final = re.compile(r"\*|https?://[^/?#@\s]+")
_UNITS: Final = {*map(str, range(1, 11)), *map(str, range(20, 101, 10))}
WORKSPACE: Final = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.OperationalInsights/workspaces/[^/]+",
    re.IGNORECASE,
)


def wrong_choices(env: Mapping[str, str]) -> Iterator[str]:
    """Return what is wrong, each with its fix."""
    yield from _wrong_units(env.get("WEB_PUBSUB_SKU") or "Free_F1", env.get("WEB_PUBSUB_UNITS") or "1")
    yield from _wrong_instances(env.get("FUNCTION_ALWAYS_READY") or "0", env.get("FUNCTION_MAX_INSTANCES") or "40")
    yield from _wrong_settings(env.get("APP_SETTINGS", "{}"))
    yield from _wrong_clients(env.get("CLIENT_APP_IDS") or "")
    yield from _wrong_origins(env.get("CORS_ORIGINS") or "")
    application = env.get("WEBHOOK_APP_CLIENT_ID") or ""
    if application and not _is_guid(application):
        yield f"WEBHOOK_APP_CLIENT_ID: {application} is not a client id; it is a GUID, without api:// before it"
    workspace = env.get("LOG_WORKSPACE_ID") or ""
    if workspace and not WORKSPACE.fullmatch(workspace):
        yield (
            f"LOG_WORKSPACE_ID: {workspace} is not the resource id of a workspace: `az monitor log-analytics workspace "
            "show --resource-group <group> --name <name> --query id --output tsv`"
        )


def _wrong_units(sku: str, units: str) -> Iterator[str]:
    if sku == "Free_F1" and units != "1":
        yield (
            f"Free_F1 has one unit, not {units}: `azd env set WEB_PUBSUB_SKU Standard_S1`, or "
            "`azd env set WEB_PUBSUB_UNITS 1`"
        )
    elif units not in _UNITS:
        yield f"WEB_PUBSUB_UNITS: {sku} can have 1 to 10 units, 20, 30 … 100, and not {units}"


def _wrong_instances(always_ready: str, most: str) -> Iterator[str]:
    if always_ready.isdecimal() and most.isdecimal() and int(always_ready) > int(most):
        yield f"FUNCTION_ALWAYS_READY: {always_ready} is more than FUNCTION_MAX_INSTANCES, which is {most}"


def _wrong_settings(text: str) -> Iterator[str]:
    try:
        settings = json.loads(text)
    except ValueError:
        settings = None
    if not isinstance(settings, dict) or not all(isinstance(value, str) for value in settings.values()):
        yield """APP_SETTINGS is not a JSON object of texts: `azd env set APP_SETTINGS '{"NAME": "value"}'`, or '{}'"""
        return
    for name in settings:
        if TAKEN.fullmatch(name):
            yield f"APP_SETTINGS: {name} is set by the template or the platform; see docs/operate/choices.md"
        elif name.upper() == _OPENS:
            yield f"APP_SETTINGS: {name} would let anyone send events as any user; remove it"


def _wrong_clients(text: str) -> Iterator[str]:
    for client in _listed(text):
        if not _is_guid(client):
            yield f"CLIENT_APP_IDS: {client!r} is not a client id; use GUIDs, separated by commas"


def _wrong_origins(text: str) -> Iterator[str]:
    for origin in _listed(text):
        if not _ORIGIN.fullmatch(origin):
            yield f"CORS_ORIGINS: {origin!r} is not an origin; use https://www.contoso.com, separated by commas"


def _listed(text: str) -> list[str]:
    """Return the parts as infra/main.bicep splits them: empty ones, too."""
    return text.replace(" ", "").split(",") if text else []


def _is_guid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
