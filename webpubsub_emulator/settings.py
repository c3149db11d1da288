"""The emulator's settings as code sets them; ``configuration`` reads them from a file and the environment."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from webpubsub_emulator.core import names
from webpubsub_emulator.core.exceptions import SettingsError
from webpubsub_emulator.upstream.event_handlers import EventHandler
from webpubsub_emulator.upstream.faults import Fault

__all__ = ["DEFAULT_ACCESS_KEY", "EmulatorSettings"]

DEFAULT_ACCESS_KEY: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
"""Public on purpose: the default of Microsoft's emulator too. It protects nothing."""

_ENDPOINT: Final = re.compile(r"https?://[^/?#\s]+(/[^?#\s]*)?", re.IGNORECASE)
_MAX_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class EmulatorSettings:
    """Where one emulator listens, which keys it accepts and which handlers it calls.

    ``host`` ``localhost`` means both of its addresses, 127.0.0.1 and ::1. ``port`` 0 takes a free one.
    ``public_endpoint`` is what clients and handlers call the service, for example behind a proxy;
    ``http://localhost:{port}`` when absent. Tokens made for one of ``known_endpoints`` are accepted too.
    ``event_handlers`` goes by hub, in any case; clients of ``anonymous_hubs`` need no token. ``faults`` are injected
    at the start. ``app_url`` is the page of the app, for a link in the traffic view. Times are in seconds.
    """

    host: str = "localhost"
    port: int = 8080
    public_endpoint: str | None = None
    known_endpoints: Sequence[str] = ()
    access_key: str = field(default=DEFAULT_ACCESS_KEY, repr=False)
    secondary_access_key: str | None = field(default=None, repr=False)
    allow_unvalidated_entra_tokens: bool = False
    event_handlers: Mapping[str, Sequence[EventHandler]] = field(default_factory=dict)
    anonymous_hubs: Collection[str] = ()
    faults: Sequence[Fault] = ()
    app_url: str | None = None
    retry_delays: Sequence[float] = (1, 3, 5)
    upstream_timeout: float = 100
    # Clients of the Python SDK send and only then wait; an ack that comes first is missed and costs them 30 seconds.
    # The same goes for the answer to an upgrade request.
    ack_delay: float = 0.005
    recovery_timeout: float = 30
    ping_interval: float = 20
    outgoing_buffer_bytes: int = 16 * 1024 * 1024

    def __post_init__(self) -> None:
        """Refuse what could never work; bring hub names to lower case."""
        if not 0 <= self.port <= _MAX_PORT:
            raise SettingsError(f"There is no port {self.port}: choose one up to {_MAX_PORT}, or 0 for any free one.")
        _check_access_key(self.access_key, "AccessKey")
        if self.secondary_access_key is not None:
            _check_access_key(self.secondary_access_key, "SecondaryAccessKey")
        for endpoint in filter(None, (self.public_endpoint, *self.known_endpoints)):
            if not _is_endpoint(endpoint):
                raise SettingsError(f"{endpoint!r} is not a URL of this service: write http://host or https://host.")
        if self.app_url is not None and not _is_endpoint(self.app_url):
            raise SettingsError(
                f"{self.app_url!r} is not the URL of a page: write http://host/path or https://host/path."
            )
        for hub in (*self.event_handlers, *self.anonymous_hubs):
            if not names.is_hub(hub):
                raise SettingsError(f"{hub!r} cannot name a hub: a letter first, then letters, digits and _ ` , . [ ].")
        handlers: dict[str, tuple[EventHandler, ...]] = {}
        for hub, its_handlers in self.event_handlers.items():
            handlers[hub.lower()] = handlers.get(hub.lower(), ()) + tuple(its_handlers)
        object.__setattr__(self, "event_handlers", handlers)
        object.__setattr__(self, "anonymous_hubs", frozenset(hub.lower() for hub in self.anonymous_hubs))

    @property
    def access_keys(self) -> tuple[str, ...]:
        """Primary key first."""
        return (self.access_key, self.secondary_access_key) if self.secondary_access_key else (self.access_key,)


def _is_endpoint(url: str) -> bool:
    try:
        _ = urlsplit(url).port
    except ValueError:
        return False
    return _ENDPOINT.fullmatch(url) is not None


def _check_access_key(key: str, name: str) -> None:
    """Raise ``SettingsError`` for a key that is none, or that a connection string cannot hold."""
    if not key:
        raise SettingsError(f"The {name} is empty: set WebPubSub__{name}, or omit it.")
    if ";" in key or key != key.strip() or not key.isprintable():
        raise SettingsError(
            f"The {name} cannot be in a connection string: no semicolon, control character, or white space around."
        )
