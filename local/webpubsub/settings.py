"""The emulator's settings, from code or from the environment with the key names of Microsoft's emulator."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from local.webpubsub import names
from local.webpubsub.event_handlers import EventHandler, EventHandlerError
from local.webpubsub.faults import Fault

DEFAULT_ACCESS_KEY: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
"""Public on purpose: the default of Microsoft's emulator too. It protects nothing."""

_PREFIX: Final = "webpubsub__"
_ENDPOINT: Final = re.compile(r"https?://[^/?#\s]+(/[^?#\s]*)?$", re.IGNORECASE)


class SettingsError(ValueError):
    """A setting is not valid; the message names it and the fix."""


@dataclass(frozen=True, slots=True)
class EmulatorSettings:
    """How one emulator listens, whom it believes and whom it calls.

    `port` 0 takes a free one. `public_endpoint` is what clients and handlers call the service, for example behind a
    proxy; `http://localhost:{port}` when absent. Tokens made for one of `known_endpoints` are accepted too.
    `event_handlers` goes by hub, in any case; clients of `anonymous_hubs` need no token. `faults` are injected at the
    start. Times are in seconds.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    public_endpoint: str | None = None
    known_endpoints: Sequence[str] = ()
    access_key: str = field(default=DEFAULT_ACCESS_KEY, repr=False)
    secondary_access_key: str | None = field(default=None, repr=False)
    allow_unvalidated_entra_tokens: bool = False
    event_handlers: Mapping[str, Sequence[EventHandler]] = field(default_factory=dict)
    anonymous_hubs: Collection[str] = ()
    faults: Sequence[Fault] = ()
    retry_delays: Sequence[float] = (1, 3, 5)
    upstream_timeout: float = 100
    # Clients of the Python SDK send and only then wait; an ack that comes first is missed and costs them 30 seconds.
    ack_delay: float = 0.003
    ping_interval: float = 20
    outgoing_buffer_bytes: int = 16 * 1024 * 1024

    def __post_init__(self) -> None:
        """Refuse what could never work; bring hub names to lower case."""
        if not self.access_key or self.secondary_access_key == "":
            raise SettingsError("An access key is empty: set WebPubSub__AccessKey, or leave it away for the default.")
        for endpoint in filter(None, (self.public_endpoint, *self.known_endpoints)):
            if not _ENDPOINT.match(endpoint):
                raise SettingsError(f"{endpoint!r} is no URL of this service: write http://host or https://host.")
        for hub in (*self.event_handlers, *self.anonymous_hubs):
            if not names.is_hub(hub):
                raise SettingsError(f"{hub!r} cannot name a hub: a letter first, then letters, digits and _ ` , . [ ].")
        handlers: dict[str, tuple[EventHandler, ...]] = {}
        for hub, of_hub in self.event_handlers.items():
            handlers[hub.lower()] = handlers.get(hub.lower(), ()) + tuple(of_hub)
        object.__setattr__(self, "event_handlers", handlers)
        object.__setattr__(self, "anonymous_hubs", frozenset(hub.lower() for hub in self.anonymous_hubs))

    @property
    def access_keys(self) -> tuple[str, ...]:
        """Primary key first."""
        return (self.access_key, self.secondary_access_key) if self.secondary_access_key else (self.access_key,)


def access_keys_from_env(environ: Mapping[str, str]) -> tuple[str, str | None]:
    """`WebPubSub__AccessKey` and `WebPubSub__SecondaryAccessKey`; the default key when the first is absent."""
    values = {name.lower(): value for name, value in environ.items()}
    return values.get(f"{_PREFIX}accesskey", DEFAULT_ACCESS_KEY), values.get(f"{_PREFIX}secondaryaccesskey")


def event_handlers_from_env(environ: Mapping[str, str]) -> dict[str, list[EventHandler]]:
    """The handlers in `WebPubSub__Hubs__{hub}__EventHandlers__{n}__{UrlTemplate|SystemEvents__{n}|EventPattern}`.

    Raises:
        SettingsError: for a key that is not one of these, and for a handler that cannot work.
    """
    found: dict[tuple[str, int], dict[str, str]] = {}
    for name in environ:
        if not name.lower().startswith(f"{_PREFIX}hubs__"):
            continue
        match name.split("__")[2:]:
            case [hub, handlers, index, *rest] if handlers.lower() == "eventhandlers" and index.isdecimal() and rest:
                found.setdefault((hub.lower(), int(index)), {})["__".join(rest).lower()] = environ[name]
            case _:
                raise SettingsError(
                    f"{name} is not supported; only WebPubSub__Hubs__{{hub}}__EventHandlers__{{n}}__… is."
                )
    result: dict[str, list[EventHandler]] = {}
    for (hub_name, number), values in sorted(found.items()):
        prefix = f"WebPubSub__Hubs__{hub_name}__EventHandlers__{number}"
        result.setdefault(hub_name, []).append(_event_handler(prefix, values))
    return result


def _event_handler(prefix: str, values: dict[str, str]) -> EventHandler:
    url_template = values.pop("urltemplate", None)
    pattern = values.pop("eventpattern", "")
    if not url_template:
        raise SettingsError(f"{prefix}__UrlTemplate is missing: set it to the event handler's URL.")
    system_events: list[str] = []
    for name, value in values.items():
        if not name.startswith("systemevents__"):
            raise SettingsError(f"{prefix}__{name} is unknown; use UrlTemplate, SystemEvents__{{n}} and EventPattern.")
        system_events.append(value.lower())
    try:
        return EventHandler(url_template, frozenset(system_events), pattern)
    except EventHandlerError as error:
        raise SettingsError(f"{prefix}: {error}") from None
