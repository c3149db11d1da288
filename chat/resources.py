"""The resources in Azure that the settings name: services, a storage account, and whose tokens prove events."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from chat.environment import Environment
from webpubsub_handler import GUID, ConfigurationError, ConnectionString

__all__ = [
    "SERVICE",
    "EntraCaller",
    "StorageAccount",
    "WebPubSubEndpoint",
    "read_endpoints",
    "read_entra_caller",
    "read_storage",
]

SERVICE: Final = "WebPubSubConnectionString"
# The public account of the storage emulators; "UseDevelopmentStorage=true" means it.
_DEVELOPMENT_STORAGE: Final = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"
)
_PUBLIC_CLOUD: Final = "login.microsoftonline.com"
_AUTHORITY: Final = re.compile(r"[A-Za-z0-9.-]+")


@dataclass(frozen=True, slots=True)
class WebPubSubEndpoint:
    """A Web PubSub service: its URL, and its access key, or None for the managed identity."""

    url: str
    access_key: str | None = None

    def __repr__(self) -> str:
        return f"WebPubSubEndpoint(url={self.url!r})"


@dataclass(frozen=True, slots=True)
class StorageAccount:
    """A storage account: a connection string, or the table endpoint's URL for the managed identity."""

    connection_string: str | None = None
    table_url: str | None = None
    has_unused_key: bool = False

    def __repr__(self) -> str:
        return f"StorageAccount(table_url={self.table_url!r})"


@dataclass(frozen=True, slots=True)
class EntraCaller:
    """Whose tokens of Entra ID prove events: ids are GUIDs; the audience is an application's id or its URI.

    ``authority`` is the URL of the cloud that the tenant is in.
    """

    tenant_id: str
    audience: str
    object_ids: tuple[str, ...]
    application_ids: tuple[str, ...]
    authority: str


def read_endpoints(env: Environment) -> tuple[WebPubSubEndpoint, ...]:
    """Read the services, the one that sends the broadcasts first."""
    name = SERVICE
    listed = env.listed(name)
    endpoints = [endpoint for part in listed if (endpoint := _read_endpoint(env, part))]
    service_uri = env.text(f"{name}__serviceUri")
    if service_uri:
        url = env.https_url(f"{name}__serviceUri", service_uri, "the service")
        # The identity is the stronger way to send, so its endpoint goes first.
        endpoints.insert(0, WebPubSubEndpoint(url))
    if not endpoints and not listed:
        env.problem(
            f"{name}: set the connection string of your Web PubSub service, "
            f"or {name}__serviceUri to use a managed identity"
        )
    return tuple(endpoints)


def read_storage(env: Environment) -> StorageAccount:
    """Read where the table is."""
    name = "AzureWebJobsStorage"
    connection_string = env.text(name)
    table_url = env.text(f"{name}__tableServiceUri")
    account = env.text(f"{name}__accountName")
    if table_url or account:
        # The identity is the stronger way in, so it goes first, as for Web PubSub.
        url = table_url or f"https://{account}.table.core.windows.net"
        url = env.https_url(f"{name}__tableServiceUri", url, "the table service")
        return StorageAccount(table_url=url, has_unused_key=bool(connection_string))
    if connection_string.rstrip(";").lower() == "usedevelopmentstorage=true":
        return StorageAccount(connection_string=_DEVELOPMENT_STORAGE)
    if connection_string:
        if not _is_of_storage(connection_string):
            env.problem(f"{name}: this is not a complete connection string of a storage account, with AccountKey")
        return StorageAccount(connection_string=connection_string)
    env.problem(
        f"{name}: set the connection string of a storage account, "
        f"or {name}__tableServiceUri or {name}__accountName to use a managed identity"
    )
    return StorageAccount()


def read_entra_caller(env: Environment) -> EntraCaller | None:
    """Read whose tokens prove events, None where no setting says so."""
    caller = EntraCaller(
        tenant_id=env.text("WEBHOOK_TENANT_ID"),
        audience=env.text("WEBHOOK_APP_CLIENT_ID"),
        object_ids=env.listed("WEBHOOK_CALLER_OBJECT_IDS"),
        application_ids=env.listed("WEBHOOK_CALLER_APP_IDS"),
        authority=_read_authority(env),
    )
    if not (caller.tenant_id or caller.audience or caller.object_ids or caller.application_ids):
        return None
    if not GUID.fullmatch(caller.tenant_id):
        env.problem("WEBHOOK_TENANT_ID: set the GUID of the tenant that issues the service's tokens")
    if not GUID.fullmatch(caller.audience) and not caller.audience.startswith("api://"):
        env.problem(
            "WEBHOOK_APP_CLIENT_ID: set the client id (a GUID) or the api:// URI of the application that the "
            "hub's event handler names as its resource"
        )
    if not caller.object_ids and not caller.application_ids:
        env.problem(
            "WEBHOOK_CALLER_OBJECT_IDS: set the object id (principal id) of the service's managed identity, "
            "or WEBHOOK_CALLER_APP_IDS"
        )
    for name, ids in (
        ("WEBHOOK_CALLER_OBJECT_IDS", caller.object_ids),
        ("WEBHOOK_CALLER_APP_IDS", caller.application_ids),
    ):
        if not all(GUID.fullmatch(value) for value in ids):
            env.problem(f"{name}: use GUIDs, separated by commas")
    return caller


def _read_endpoint(env: Environment, connection_string: str) -> WebPubSubEndpoint | None:
    try:
        service = ConnectionString.parse(connection_string)
    except ConfigurationError:
        env.problem(f"{SERVICE}: each must look like Endpoint=https://…;AccessKey=…;Version=1.0;")
        return None
    return WebPubSubEndpoint(service.endpoint, service.access_key)


def _read_authority(env: Environment) -> str:
    # As the Azure SDKs read it: a host, or its URL.
    name = "AZURE_AUTHORITY_HOST"
    host = env.text(name, _PUBLIC_CLOUD).removeprefix("https://").rstrip("/")
    if not _AUTHORITY.fullmatch(host):
        env.problem(f"{name}: use the host of the cloud's sign-in, such as login.microsoftonline.us")
    return f"https://{host}"


def _is_of_storage(connection_string: str) -> bool:
    """Return whether the table SDK takes it: what it does not take would end the start of the app, or each call."""
    pairs = [part.partition("=") for part in connection_string.rstrip(";").split(";")]
    parts = {name.strip().lower(): value for name, _, value in pairs}
    if len(parts) < len(pairs) or not all(name and value for name, value in parts.items()):
        return False
    if "tablesecondaryendpoint" in parts and "tableendpoint" not in parts:
        return False
    if "accountname" in parts and "accountkey" in parts:
        return _is_base64(parts["accountkey"]) and _is_url(parts.get("tableendpoint", "https://account"))
    return "sharedaccesssignature" in parts and (
        _is_url(parts["tableendpoint"]) if "tableendpoint" in parts else "accountname" in parts
    )


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
