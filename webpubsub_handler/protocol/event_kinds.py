"""The table of event kinds: what each one is, how its body is read, and what may be answered.

A new kind is one row here and its request class; ``webpubsub_handler.handler`` adds the decorator that registers its
function. Source: the service's CloudEvents reference, "Web PubSub event handler".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from webpubsub_handler.protocol.answers import write_connect, write_nothing, write_user_event
from webpubsub_handler.protocol.bodies import (
    read_connect,
    read_connected,
    read_disconnected,
    read_group_joined,
    read_group_left,
    read_unknown,
    read_user_event,
)
from webpubsub_handler.protocol.events import (
    ConnectedEventRequest,
    ConnectEventRequest,
    ConnectionContext,
    DisconnectedEventRequest,
    Event,
    GroupJoinedEventRequest,
    GroupLeftEventRequest,
    UnknownEvent,
    UserEventRequest,
)
from webpubsub_handler.protocol.http import HttpResponse
from webpubsub_handler.protocol.responses import ConnectEventResponse, UserEventResponse

__all__ = ["EVENT_KINDS", "EventKind", "kind_of_request", "kind_of_type"]


@dataclass(frozen=True, slots=True)
class EventKind:
    """One kind of event.

    ``event_type`` is the ``ce-type``; a ``*`` at its end stands for every name. ``response`` is what a function may
    return beside an error and None; a kind without one is a notification: the service only logs the status of the
    answer.
    """

    event_type: str
    request: type[Event]
    read: Callable[[ConnectionContext, bytes], Event]
    response: type[ConnectEventResponse | UserEventResponse] | None
    write: Callable[[Any, Any], HttpResponse]

    @property
    def is_blocking(self) -> bool:
        """Return whether the service waits for the answer, and takes a connection state from it."""
        return self.response is not None


_USER_EVENT: Final = EventKind(
    "azure.webpubsub.user.*", UserEventRequest, read_user_event, UserEventResponse, write_user_event
)
_UNKNOWN: Final = EventKind("*", UnknownEvent, read_unknown, None, write_nothing)

EVENT_KINDS: Final = (
    EventKind("azure.webpubsub.sys.connect", ConnectEventRequest, read_connect, ConnectEventResponse, write_connect),
    EventKind("azure.webpubsub.sys.connected", ConnectedEventRequest, read_connected, None, write_nothing),
    EventKind("azure.webpubsub.sys.disconnected", DisconnectedEventRequest, read_disconnected, None, write_nothing),
    EventKind("azure.webpubsub.gp.joined", GroupJoinedEventRequest, read_group_joined, None, write_nothing),
    EventKind("azure.webpubsub.gp.left", GroupLeftEventRequest, read_group_left, None, write_nothing),
    _USER_EVENT,
    _UNKNOWN,
)

_BY_TYPE: Final[Mapping[str, EventKind]] = {kind.event_type: kind for kind in EVENT_KINDS}
_BY_REQUEST: Final[Mapping[type[Event], EventKind]] = {kind.request: kind for kind in EVENT_KINDS}


def kind_of_type(event_type: str) -> EventKind:
    """Return the kind of a ``ce-type``. Types are case-sensitive; others are of the unknown kind."""
    if event_type.startswith(_USER_EVENT.event_type[:-1]):
        return _USER_EVENT
    return _BY_TYPE.get(event_type, _UNKNOWN)


def kind_of_request(event: Event) -> EventKind:
    """Return the kind of a decoded event."""
    return _BY_REQUEST[type(event)]
