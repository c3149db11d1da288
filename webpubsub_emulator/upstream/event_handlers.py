"""Event handler settings of a hub: which URL gets which event. The first handler that matches gets the event.

Source: management API of Web PubSub (``eventHandlers[]``), MicrosoftDocs ``howto-develop-eventhandler``.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote, urlsplit

from webpubsub_emulator.core.exceptions import EventHandlerError

__all__ = ["GROUP_EVENTS", "SYSTEM_EVENTS", "EventHandler", "HubSettings"]

SYSTEM_EVENTS: Final = frozenset({"connect", "connected", "disconnected"})
GROUP_EVENTS: Final = frozenset({"joined", "left"})
_PARAMETER: Final = re.compile(r"\{(hub|event)\}", re.IGNORECASE)
_ANY_PARAMETER: Final = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class EventHandler:
    """One event handler: a URL template and the events it takes.

    ``url_template`` may hold ``{hub}`` and, except in the host, ``{event}``. ``system_events`` is a subset of connect,
    connected and disconnected. ``event_pattern`` is ``*``, one user event's name, names between commas, or empty for
    none. ``group_events`` is a subset of joined and left; ``group_filters`` are names of groups, in which ``*`` stands
    for any text, and without any all groups count.

    Raises:
        EventHandlerError: when one of them is not valid.
    """

    url_template: str
    system_events: frozenset[str] = SYSTEM_EVENTS
    event_pattern: str = "*"
    group_events: frozenset[str] = frozenset()
    group_filters: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a handler that cannot work."""
        _check_url_template(self.url_template)
        _check_names(self.system_events, SYSTEM_EVENTS, "system event")
        _check_names(self.group_events, GROUP_EVENTS, "group presence event")
        for name in self.event_pattern.split(","):
            if name.strip() != "*" and not {"*", "?", "\\"}.isdisjoint(name):
                raise EventHandlerError(
                    f"The event pattern {self.event_pattern!r} must be *, one event's name, or names between commas; "
                    "the service has no other wildcards."
                )
        if not all(self.group_filters):
            raise EventHandlerError("A group filter is empty: write a group's name, in which * stands for any text.")

    def takes_user_event(self, event: str) -> bool:
        """Return whether the pattern names this user event, in any case."""
        wanted = {name.strip().lower() for name in self.event_pattern.split(",")}
        return not wanted.isdisjoint({"*", event.lower()})

    def takes_group_event(self, event: str, group: str) -> bool:
        """Return whether it takes the event that a connection ``joined`` or ``left`` this group."""
        if event not in self.group_events:
            return False
        return not self.group_filters or any(_filter(text).fullmatch(group) for text in self.group_filters)

    def url(self, hub: str, event: str) -> str:
        """Return the URL for one event; the values are escaped."""
        values = {"hub": quote(hub, safe=""), "event": quote(event, safe="")}
        return _PARAMETER.sub(lambda match: values[match[1].lower()], self.url_template)

    @property
    def shown(self) -> str:
        """The URL template for people: without its query, which may hold a key."""
        return self.url_template.partition("?")[0]


class HubSettings:
    """The settings of hubs: their event handlers, and whether clients may connect without a token."""

    def __init__(
        self, event_handlers: Mapping[str, Sequence[EventHandler]], anonymous_hubs: Collection[str] = ()
    ) -> None:
        """Hub names are in lower case."""
        self.replace(event_handlers, anonymous_hubs)

    def replace(self, event_handlers: Mapping[str, Sequence[EventHandler]], anonymous_hubs: Collection[str]) -> None:
        """Use other settings from the next event and the next connection on."""
        self.event_handlers = event_handlers
        self._anonymous_hubs = frozenset(anonymous_hubs)

    def allows_anonymous(self, hub: str) -> bool:
        """Return whether clients may connect to a hub without a token (``anonymousConnectPolicy`` of the service)."""
        return hub.lower() in self._anonymous_hubs

    def handler_of_system_event(self, hub: str, event: str) -> EventHandler | None:
        """Return the first handler that takes this system event."""
        return next((handler for handler in self._handlers(hub) if event in handler.system_events), None)

    def handler_of_user_event(self, hub: str, event: str) -> EventHandler | None:
        """Return the first handler that takes this user event."""
        return next((handler for handler in self._handlers(hub) if handler.takes_user_event(event)), None)

    def handler_of_group_event(self, hub: str, event: str, group: str) -> EventHandler | None:
        """Return the first handler that takes this group presence event."""
        return next((handler for handler in self._handlers(hub) if handler.takes_group_event(event, group)), None)

    def _handlers(self, hub: str) -> Sequence[EventHandler]:
        return self.event_handlers.get(hub, ())


def _check_url_template(template: str) -> None:
    if "@microsoft.keyvault(" in template.lower():
        raise EventHandlerError(
            "The URL template is a Key Vault reference, and there is no Key Vault here: write the URL itself."
        )
    # A URL template is split before it is escaped, so a `?` within braces must not end the path here.
    try:
        url = urlsplit(template)
        _ = url.port
    except ValueError as error:
        raise EventHandlerError(f"The URL template {template!r} is not a URL: {error}.") from None
    if url.scheme == "tunnel":
        raise EventHandlerError(
            f"The URL template {template!r} is for the service's tunnel tool; there is nothing to tunnel here: "
            "write the URL that the tool would call, such as http://localhost:7071/api/eventhandler/{event}."
        )
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise EventHandlerError(f"The URL template {template!r} must start with http(s):// and a host.")
    if "{event}" in url.netloc.lower():
        raise EventHandlerError(f"The URL template {template!r} must not have {{event}} in its host.")
    unknown = [name for name in _ANY_PARAMETER.findall(template) if name.lower() not in {"hub", "event"}]
    if unknown:
        raise EventHandlerError(
            f"The URL template {template!r} has the parameter {{{unknown[0]}}}; there are {{hub}} and {{event}} only "
            "(a brace that is not a parameter is written %7B or %7D)."
        )


def _check_names(names: frozenset[str], known: frozenset[str], kind: str) -> None:
    unknown = sorted(names - known)
    if unknown:
        raise EventHandlerError(f"{unknown[0]!r} is not a {kind}; use {', '.join(sorted(known))}.")


@lru_cache(maxsize=1024)
def _filter(text: str) -> re.Pattern[str]:
    # Of the wildcards of a shell there is only `*`; fnmatch takes no more than one way through each of them.
    return re.compile(fnmatch.translate(re.sub(r"[?[]", r"[\g<0>]", text)))
