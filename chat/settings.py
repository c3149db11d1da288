"""The settings of the app, read once from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from chat.environment import Environment, SettingsError
from chat.model.private_names import is_private
from chat.model.rooms import is_room_name
from chat.resources import (
    SERVICE,
    EntraCaller,
    StorageAccount,
    WebPubSubEndpoint,
    read_endpoints,
    read_entra_caller,
    read_storage,
)
from webpubsub_handler import MIN_EVENT_AGE_SECONDS

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

_DEFAULT_MESSAGE_BYTES: Final = 64 * 1024
# One row holds 1 MiB with its keys and other properties; a broadcast holds 1 MiB of JSON, binary data as base64.
MAX_MESSAGE_BYTES_LIMIT: Final = 700 * 1024
_DEFAULT_MESSAGES_PER_SECOND: Final = 20
_MAX_MESSAGES_PER_SECOND: Final = 1000
_MAX_RETENTION_DAYS: Final = 36500
_MAX_EVENT_AGE_SECONDS: Final = 24 * 60 * 60
_HUB: Final = re.compile(r"[A-Za-z][A-Za-z0-9_`,.\[\]]{0,127}")


class ClientAuth(StrEnum):
    """How a client of ``negotiate`` and ``messages`` is identified."""

    APP_SERVICE = "app_service"
    FUNCTION_KEY = "function_key"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of the app.

    The first of ``endpoints`` sends the broadcasts; events of all of them are accepted. ``max_event_age_seconds`` is 0
    for any age. ``default_room`` is the room of a client that names none. ``max_messages_per_second`` is for each user
    and process, 0 for no limit. ``message_retention_days`` is 0 to keep every message.
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
        """Return whether events of the service can be told from forged ones."""
        return bool(self.access_keys) or self.entra_caller is not None

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """The hosts that events may come from."""
        return tuple(endpoint.url for endpoint in self.endpoints)

    @property
    def warnings(self) -> list[str]:
        """What to warn about on the console at start."""
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
    def from_env(cls, values: Mapping[str, str]) -> Settings:
        """Read the settings.

        Raises:
            SettingsError: Some are missing or wrong; it names all of them.
        """
        env = Environment(values)
        settings = cls(
            hub=_hub(env),
            endpoints=read_endpoints(env),
            storage=read_storage(env),
            client_auth=env.choice("CLIENT_AUTH", ClientAuth, ClientAuth.APP_SERVICE),
            is_behind_app_service=env.flag("WEBSITE_AUTH_ENABLED", default=False),
            entra_caller=read_entra_caller(env),
            allow_unauthenticated_events=env.flag("ALLOW_UNAUTHENTICATED_EVENTS", default=False),
            max_event_age_seconds=_event_age(env),
            max_message_bytes=env.number("MAX_MESSAGE_BYTES", _DEFAULT_MESSAGE_BYTES, 1, MAX_MESSAGE_BYTES_LIMIT),
            max_messages_per_second=env.number(
                "MAX_MESSAGES_PER_SECOND", _DEFAULT_MESSAGES_PER_SECOND, 0, _MAX_MESSAGES_PER_SECOND
            ),
            default_room=_room(env),
            announces_presence=env.flag("PRESENCE", default=True),
            has_private_rooms=env.flag("PRIVATE_ROOMS", default=True),
            message_retention_days=env.number("MESSAGE_RETENTION_DAYS", 0, 0, _MAX_RETENTION_DAYS),
            serve_demo=env.flag("DEMO_PAGE", default=True),
        )
        if settings.endpoints and not settings.proves_events and not settings.allow_unauthenticated_events:
            env.problem(
                "WebPubSubConnectionString: no access key is known, so nobody's events could be authenticated; add a "
                "connection string, or let the service send tokens of Entra ID and set WEBHOOK_APP_CLIENT_ID, "
                "WEBHOOK_TENANT_ID and WEBHOOK_CALLER_OBJECT_IDS, or set ALLOW_UNAUTHENTICATED_EVENTS=true to accept "
                "events from anyone"
            )
        env.raise_problems()
        return settings


def storage_settings(values: Mapping[str, str]) -> tuple[str, StorageAccount]:
    """Read the hub and where its table is: all that work on stored messages needs.

    Raises:
        SettingsError: They are missing or wrong.
    """
    env = Environment(values)
    hub, account = _hub(env), read_storage(env)
    env.raise_problems()
    return hub, account


def service_settings(values: Mapping[str, str]) -> WebPubSubEndpoint | None:
    """Read where the Web PubSub service is, or return None if no setting says so.

    Raises:
        SettingsError: The setting is wrong.
    """
    env = Environment(values)
    if not any(env.text(name) for name in (SERVICE, f"{SERVICE}__serviceUri")):
        return None
    endpoints = read_endpoints(env)
    env.raise_problems()
    return endpoints[0]


def _hub(env: Environment) -> str:
    hub = env.text("WebPubSubHub", "chat")
    if not _HUB.fullmatch(hub):
        env.problem("WebPubSubHub: a hub's name is a letter, then up to 127 letters, digits or any of _ ` , . [ ]")
    return hub


def _room(env: Environment) -> str:
    room = env.text("DEFAULT_ROOM", "lobby")
    if not is_room_name(room) or is_private(room):
        env.problem(
            "DEFAULT_ROOM: a room's name has 1 to 128 bytes of printable text, is not . or .., and does not begin "
            "with @"
        )
    return room


def _event_age(env: Environment) -> int:
    name = "MAX_EVENT_AGE_SECONDS"
    if env.text(name, "0") == "0":
        return 0
    return env.number(name, 0, MIN_EVENT_AGE_SECONDS, _MAX_EVENT_AGE_SECONDS, "or 0 for any age")
