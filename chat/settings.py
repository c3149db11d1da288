"""The settings of the app, read once from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar
from urllib.parse import urlsplit

from chat.model.private_names import is_private
from chat.model.rooms import is_room_name
from webpubsub_handler import GUID, MIN_EVENT_AGE_SECONDS, ConfigurationError, ConnectionString

__all__ = [
    "MAX_MESSAGE_BYTES_LIMIT",
    "ClientAuth",
    "EntraCaller",
    "Settings",
    "SettingsError",
    "StorageAccount",
    "WebPubSubEndpoint",
    "service_settings",
    "storage_settings",
]

# The public account of the storage emulators; "UseDevelopmentStorage=true" means it.
_DEVELOPMENT_STORAGE: Final = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"
)
_DEFAULT_MESSAGE_BYTES: Final = 64 * 1024
# One row holds 1 MiB with its keys and other properties; a broadcast holds 1 MiB of JSON, binary data as base64.
MAX_MESSAGE_BYTES_LIMIT: Final = 700 * 1024
_SERVICE: Final = "WebPubSubConnectionString"
_PUBLIC_CLOUD: Final = "login.microsoftonline.com"
_AUTHORITY: Final = re.compile(r"[A-Za-z0-9.-]+")
_DEFAULT_MESSAGES_PER_SECOND: Final = 20
_MAX_MESSAGES_PER_SECOND: Final = 1000
_MAX_RETENTION_DAYS: Final = 36500
_MAX_EVENT_AGE_SECONDS: Final = 24 * 60 * 60
_HOST: Final = re.compile(r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?")
_HUB: Final = re.compile(r"[A-Za-z][A-Za-z0-9_`,.\[\]]{0,127}")


class SettingsError(Exception):
    """Raised when settings are missing or wrong; ``problems`` names each setting and its fix, never a value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(["The settings are not usable:", *(f"  - {problem}" for problem in problems)]))
        self.problems = problems


class ClientAuth(StrEnum):
    """Who a client of ``negotiate`` and ``messages`` is, and who says so."""

    APP_SERVICE = "app_service"
    FUNCTION_KEY = "function_key"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class WebPubSubEndpoint:
    """A Web PubSub service: its URL, and a connection string with its key, or None for the managed identity."""

    url: str
    connection_string: str | None = None
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


@dataclass(frozen=True, slots=True)
class Settings:
    """What the app runs with.

    ``endpoints`` has the service that sends the broadcasts first; events of all of them are accepted.
    ``max_event_age_seconds`` is 0 for any age. ``default_room`` is where a client is that names no room.
    ``max_messages_per_second`` is for each user and process, 0 for no limit. ``message_retention_days`` is 0 to keep
    every message.
    """

    hub: str
    endpoints: tuple[WebPubSubEndpoint, ...]
    storage: StorageAccount
    client_auth: ClientAuth
    is_behind_app_service: bool
    entra_caller: EntraCaller | None
    allow_unauthenticated_events: bool
    max_event_age_seconds: int
    max_message_bytes: int
    max_messages_per_second: int
    default_room: str
    announces_presence: bool
    has_private_rooms: bool
    message_retention_days: int
    serve_demo: bool

    @property
    def access_keys(self) -> dict[str, tuple[str, ...]]:
        """The keys that an event may be signed with, by the URL of its service."""
        keys: dict[str, tuple[str, ...]] = {}
        for endpoint in self.endpoints:
            if endpoint.access_key:
                keys[endpoint.url] = (*keys.get(endpoint.url, ()), endpoint.access_key)
        return keys

    @property
    def proves_events(self) -> bool:
        """Return whether anything tells the service's events from those of others."""
        return bool(self.access_keys) or self.entra_caller is not None

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """The hosts that events may come from."""
        return tuple(endpoint.url for endpoint in self.endpoints)

    @property
    def warnings(self) -> list[str]:
        """What is open to anyone, for the console at start."""
        found = []
        if self.client_auth is ClientAuth.ANONYMOUS:
            found.append("CLIENT_AUTH is anonymous: anyone can connect and read, under any name.")
            if self.has_private_rooms:
                found.append(
                    "PRIVATE_ROOMS is on, and CLIENT_AUTH is anonymous: anyone can take a member's name and read the "
                    "member's private rooms."
                )
        if self.storage.has_unused_key:
            found.append(
                "AzureWebJobsStorage is not used: the table is reached with the managed identity, as "
                "AzureWebJobsStorage__tableServiceUri or __accountName says. Remove one of them."
            )
        if self.allow_unauthenticated_events and not self.proves_events:
            found.append("ALLOW_UNAUTHENTICATED_EVENTS is on: anyone can send events as any user.")
        return found

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read the settings.

        Raises:
            SettingsError: Some are missing or wrong; all of them are named at once.
        """
        reader = _Reader(env)
        settings = cls(
            hub=reader.hub(),
            endpoints=reader.endpoints(),
            storage=reader.storage(),
            client_auth=reader.choice("CLIENT_AUTH", ClientAuth, ClientAuth.APP_SERVICE),
            is_behind_app_service=reader.flag("WEBSITE_AUTH_ENABLED", default=False),
            entra_caller=reader.entra_caller(),
            allow_unauthenticated_events=reader.flag("ALLOW_UNAUTHENTICATED_EVENTS", default=False),
            max_event_age_seconds=reader.event_age(),
            max_message_bytes=reader.number("MAX_MESSAGE_BYTES", _DEFAULT_MESSAGE_BYTES, 1, MAX_MESSAGE_BYTES_LIMIT),
            max_messages_per_second=reader.number(
                "MAX_MESSAGES_PER_SECOND", _DEFAULT_MESSAGES_PER_SECOND, 0, _MAX_MESSAGES_PER_SECOND
            ),
            default_room=reader.room(),
            announces_presence=reader.flag("PRESENCE", default=True),
            has_private_rooms=reader.flag("PRIVATE_ROOMS", default=True),
            message_retention_days=reader.number("MESSAGE_RETENTION_DAYS", 0, 0, _MAX_RETENTION_DAYS),
            serve_demo=reader.flag("DEMO_PAGE", default=True),
        )
        if settings.endpoints and not settings.proves_events and not settings.allow_unauthenticated_events:
            reader.problem(
                "WebPubSubConnectionString: no access key is known, so nobody's events could be authenticated; add a "
                "connection string, or let the service send tokens of Entra ID and set WEBHOOK_APP_CLIENT_ID, "
                "WEBHOOK_TENANT_ID and WEBHOOK_CALLER_OBJECT_IDS, or set ALLOW_UNAUTHENTICATED_EVENTS=true to accept "
                "events from anyone"
            )
        if reader.problems:
            raise SettingsError(reader.problems)
        return settings


def storage_settings(env: Mapping[str, str]) -> tuple[str, StorageAccount]:
    """Read the hub and where its table is: what works on the stored messages needs no more.

    Raises:
        SettingsError: They are missing or wrong.
    """
    reader = _Reader(env)
    hub, account = reader.hub(), reader.storage()
    if reader.problems:
        raise SettingsError(reader.problems)
    return hub, account


def service_settings(env: Mapping[str, str]) -> WebPubSubEndpoint | None:
    """Read where the Web PubSub service is, None where no setting says so.

    Raises:
        SettingsError: A setting says so, and is wrong.
    """
    if not any(env.get(name, "").strip() for name in (_SERVICE, f"{_SERVICE}__serviceUri")):
        return None
    reader = _Reader(env)
    endpoints = reader.endpoints()
    if reader.problems:
        raise SettingsError(reader.problems)
    return endpoints[0]


E_ = TypeVar("E_", bound=StrEnum)


class _Reader:
    """Reads one setting after the other and remembers what is wrong with each."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self.problems: list[str] = []

    def problem(self, text: str) -> None:
        self.problems.append(text)

    def text(self, name: str, default: str) -> str:
        return self._env.get(name, "").strip() or default

    def hub(self) -> str:
        hub = self.text("WebPubSubHub", "chat")
        if not _HUB.fullmatch(hub):
            self.problem("WebPubSubHub: a hub's name is a letter, then up to 127 letters, digits or any of _ ` , . [ ]")
        return hub

    def room(self) -> str:
        room = self.text("DEFAULT_ROOM", "lobby")
        if not is_room_name(room) or is_private(room):
            self.problem(
                "DEFAULT_ROOM: a room's name has 1 to 128 bytes of printable text, is not . or .., and does not begin "
                "with @"
            )
        return room

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.text(name, str(default)).lower()
        if value not in ("true", "false", "1", "0"):
            self.problem(f"{name}: use true or false")
        return value in ("true", "1")

    def number(self, name: str, default: int, least: int, most: int, *alternative: str) -> int:
        value = self.text(name, str(default))
        if value.isascii() and value.isdigit() and len(value) < 20 and least <= int(value) <= most:
            return int(value)
        self.problem(" ".join([f"{name}: use a whole number from {least} to {most}", *alternative]))
        return default

    def event_age(self) -> int:
        name = "MAX_EVENT_AGE_SECONDS"
        if self.text(name, "0") == "0":
            return 0
        return self.number(name, 0, MIN_EVENT_AGE_SECONDS, _MAX_EVENT_AGE_SECONDS, "or 0 for any age")

    def choice(self, name: str, kind: type[E_], default: E_) -> E_:
        try:
            return kind(self.text(name, default).lower())
        except ValueError:
            self.problem(f"{name}: use one of {', '.join(kind)}")
            return default

    def listed(self, name: str) -> tuple[str, ...]:
        return tuple(self._env.get(name, "").replace(",", " ").split())

    def entra_caller(self) -> EntraCaller | None:
        caller = EntraCaller(
            tenant_id=self.text("WEBHOOK_TENANT_ID", ""),
            audience=self.text("WEBHOOK_APP_CLIENT_ID", ""),
            object_ids=self.listed("WEBHOOK_CALLER_OBJECT_IDS"),
            application_ids=self.listed("WEBHOOK_CALLER_APP_IDS"),
            authority=self.authority(),
        )
        if not (caller.tenant_id or caller.audience or caller.object_ids or caller.application_ids):
            return None
        if not GUID.fullmatch(caller.tenant_id):
            self.problem("WEBHOOK_TENANT_ID: set the GUID of the tenant that issues the service's tokens")
        if not GUID.fullmatch(caller.audience) and not caller.audience.startswith("api://"):
            self.problem(
                "WEBHOOK_APP_CLIENT_ID: set the client id (a GUID) or the api:// URI of the application that the "
                "hub's event handler names as its resource"
            )
        if not caller.object_ids and not caller.application_ids:
            self.problem(
                "WEBHOOK_CALLER_OBJECT_IDS: set the object id (principal id) of the service's managed identity, "
                "or WEBHOOK_CALLER_APP_IDS"
            )
        for name, ids in (
            ("WEBHOOK_CALLER_OBJECT_IDS", caller.object_ids),
            ("WEBHOOK_CALLER_APP_IDS", caller.application_ids),
        ):
            if not all(GUID.fullmatch(value) for value in ids):
                self.problem(f"{name}: use GUIDs, separated by commas")
        return caller

    def authority(self) -> str:
        # As the Azure SDKs read it: a host, or its URL.
        name = "AZURE_AUTHORITY_HOST"
        host = self.text(name, _PUBLIC_CLOUD).removeprefix("https://").rstrip("/")
        if not _AUTHORITY.fullmatch(host):
            self.problem(f"{name}: use the host of the cloud's sign-in, such as login.microsoftonline.us")
        return f"https://{host}"

    def endpoints(self) -> tuple[WebPubSubEndpoint, ...]:
        name = _SERVICE
        listed = self.listed(name)
        endpoints = [endpoint for part in listed if (endpoint := self._endpoint(name, part))]
        service_uri = self.text(f"{name}__serviceUri", "")
        if service_uri:
            if not _is_https_url(service_uri):
                self.problem(f"{name}__serviceUri: use the https URL of the service")
            # The identity is the stronger way to send, so its endpoint goes first.
            endpoints.insert(0, WebPubSubEndpoint(service_uri.rstrip("/")))
        if not endpoints and not listed:
            self.problem(
                f"{name}: set the connection string of your Web PubSub service, "
                f"or {name}__serviceUri to use a managed identity"
            )
        return tuple(endpoints)

    def _endpoint(self, name: str, connection_string: str) -> WebPubSubEndpoint | None:
        try:
            service = ConnectionString.parse(connection_string)
        except ConfigurationError:
            self.problem(f"{name}: each must look like Endpoint=https://…;AccessKey=…;Version=1.0;")
            return None
        return WebPubSubEndpoint(service.endpoint, connection_string, service.access_key)

    def storage(self) -> StorageAccount:
        name = "AzureWebJobsStorage"
        connection_string = self.text(name, "")
        table_url = self.text(f"{name}__tableServiceUri", "")
        account = self.text(f"{name}__accountName", "")
        if table_url or account:
            # The identity is the stronger way in, so it goes first, as for Web PubSub.
            url = self._table_url(table_url or f"https://{account}.table.core.windows.net")
            return StorageAccount(table_url=url, has_unused_key=bool(connection_string))
        if connection_string.rstrip(";").lower() == "usedevelopmentstorage=true":
            return StorageAccount(connection_string=_DEVELOPMENT_STORAGE)
        if connection_string:
            parts = _connection_string_parts(connection_string)
            has_key = parts.get("accountname") and parts.get("accountkey")
            has_signature = parts.get("sharedaccesssignature") and (
                parts.get("accountname") or parts.get("tableendpoint")
            )
            if not has_key and not has_signature:
                self.problem(f"{name}: this is not a complete connection string of a storage account, with AccountKey")
            return StorageAccount(connection_string=connection_string)
        self.problem(
            f"{name}: set the connection string of a storage account, "
            f"or {name}__tableServiceUri or {name}__accountName to use a managed identity"
        )
        return StorageAccount()

    def _table_url(self, url: str) -> str:
        if not _is_https_url(url):
            self.problem("AzureWebJobsStorage__tableServiceUri: use the https URL of the table service")
        return url.rstrip("/")


def _is_https_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme == "https" and _HOST.fullmatch(url.netloc) is not None
    except ValueError:
        return False


def _connection_string_parts(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";") if part)
    return {key.strip().lower(): value for key, _, value in pairs}
