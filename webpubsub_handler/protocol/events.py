"""What the service tells an event handler: the five kinds of events and the connection they are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from webpubsub_handler.protocol.connection_state import ConnectionState
from webpubsub_handler.protocol.http import Headers

__all__ = [
    "ClientCertificate",
    "ConnectEventRequest",
    "ConnectedEventRequest",
    "ConnectionContext",
    "DataType",
    "DisconnectedEventRequest",
    "Event",
    "UnknownEvent",
    "UserEventRequest",
]


class DataType(StrEnum):
    """How a message's bytes are meant to be read."""

    TEXT = "text"
    JSON = "json"
    BINARY = "binary"


@dataclass(frozen=True, slots=True)
class ConnectionContext:
    """The connection that an event is about, and the event's own attributes.

    ``hub`` is lower case. ``user_id`` is decoded, ``headers`` has it as received. ``event_id`` is unique for the
    connection only; a redelivered event has the same one. ``time`` is in UTC, whole seconds. ``state`` may be changed
    in blocking events (connect and user events).
    """

    hub: str
    connection_id: str
    user_id: str | None
    event_name: str
    event_id: str
    time: datetime
    subprotocol: str | None
    state: ConnectionState
    headers: Headers


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A certificate that the client showed: SHA-1 thumbprint in hex, PEM text where the service sends it."""

    thumbprint: str
    content: str | None


@dataclass(frozen=True, slots=True)
class ConnectEventRequest:
    """A client asks to connect; blocking. The maps are name to list of values."""

    context: ConnectionContext
    claims: Mapping[str, Sequence[str]]
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, Sequence[str]]
    subprotocols: Sequence[str]
    client_certificates: Sequence[ClientCertificate]


@dataclass(frozen=True, slots=True)
class ConnectedEventRequest:
    """A client is connected; a notification. User events of the client can overtake it."""

    context: ConnectionContext


@dataclass(frozen=True, slots=True)
class DisconnectedEventRequest:
    """A client is gone; a notification. ``reason`` is free text, None for a plain close."""

    context: ConnectionContext
    reason: str | None


@dataclass(frozen=True, slots=True)
class UserEventRequest:
    """A client sent an event; blocking.

    ``data`` is a str for text, the decoded value for JSON, bytes for everything else; ``body`` is what came.
    """

    context: ConnectionContext
    data: Any
    data_type: DataType
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """An event of a family or name that this version does not know; it is answered 2xx and ignored."""

    context: ConnectionContext
    type: str


Event: TypeAlias = (
    ConnectEventRequest | ConnectedEventRequest | DisconnectedEventRequest | UserEventRequest | UnknownEvent
)
