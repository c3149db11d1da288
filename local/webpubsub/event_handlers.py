"""Event handler settings of a hub: which URL gets which event. The first handler that matches wins, for good.

Source: management API of Web PubSub (`eventHandlers[]`), MicrosoftDocs `howto-develop-eventhandler`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

SYSTEM_EVENTS: Final = frozenset({"connect", "connected", "disconnected"})
_PARAMETER: Final = re.compile(r"\{(hub|event)\}", re.IGNORECASE)


class EventHandlerError(ValueError):
    """An event handler cannot work as it is written."""


@dataclass(frozen=True, slots=True)
class EventHandler:
    """One event handler: a URL template and the events it takes.

    `url_template` may hold `{hub}` and, but for the host, `{event}`. `system_events` is a subset of connect,
    connected and disconnected. `event_pattern` is `*`, one user event's name, names between commas, or empty for none.

    Raises:
        EventHandlerError: when one of them is not valid.
    """

    url_template: str
    system_events: frozenset[str] = SYSTEM_EVENTS
    event_pattern: str = "*"

    def __post_init__(self) -> None:
        """Refuse what could never be called."""
        url = urlsplit(self.url_template)
        if url.scheme not in {"http", "https"} or not url.netloc:
            raise EventHandlerError(f"The URL template {self.url_template!r} must start with http(s):// and a host.")
        if "{event}" in url.netloc.lower():
            raise EventHandlerError(f"The URL template {self.url_template!r} must not have {{event}} in its host.")
        unknown = sorted(self.system_events - SYSTEM_EVENTS)
        if unknown:
            raise EventHandlerError(f"{unknown[0]!r} is no system event; use {', '.join(sorted(SYSTEM_EVENTS))}.")

    def takes_user_event(self, event: str) -> bool:
        """Whether the pattern names this user event, in any case."""
        pattern = self.event_pattern.strip()
        return pattern == "*" or event.lower() in {name.strip().lower() for name in pattern.split(",")}

    def url(self, hub: str, event: str) -> str:
        """The URL for one event; the values are escaped."""
        values = {"hub": quote(hub, safe=""), "event": quote(event, safe="")}
        return _PARAMETER.sub(lambda match: values[match[1].lower()], self.url_template)


def handler_of_system_event(handlers: Sequence[EventHandler], event: str) -> EventHandler | None:
    """The first handler that takes this system event."""
    return next((handler for handler in handlers if event in handler.system_events), None)


def handler_of_user_event(handlers: Sequence[EventHandler], event: str) -> EventHandler | None:
    """The first handler that takes this user event."""
    return next((handler for handler in handlers if handler.takes_user_event(event)), None)
