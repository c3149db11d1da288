"""What an event handler may answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from webpubsub_handler.exceptions import check_error_status
from webpubsub_handler.protocol.events import DataType
from webpubsub_handler.protocol.mqtt import (
    MqttUserProperty,
    MqttV311ConnectReturnCode,
    MqttV500ConnectReasonCode,
)

__all__ = [
    "ConnectEventResponse",
    "EventErrorResponse",
    "EventResponse",
    "MqttConnectEventErrorResponse",
    "UserEventResponse",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectEventResponse:
    """Accepts a connection; None keeps what the client's token and the service say.

    ``subprotocol`` must be one that the client offered. ``mqtt_user_properties`` reach clients of MQTT 5.0, with the
    CONNACK packet; nothing else could carry them. The rest counts for an MQTT client when a new session starts.
    """

    user_id: str | None = None
    groups: Sequence[str] | None = None
    roles: Sequence[str] | None = None
    subprotocol: str | None = None
    mqtt_user_properties: Sequence[MqttUserProperty] = ()


@dataclass(frozen=True, slots=True)
class UserEventResponse:
    """A reply to the sender alone. Without a ``data_type`` it follows the data: str, bytes, else JSON.

    Text is sent as UTF-8. ``content_type`` is a MIME type to send instead of the data type's own; MQTT clients get any,
    others get text, JSON or binary only. ``metadata`` has tokens of at most 256 bytes as keys, printable ASCII of at
    most 1 KiB as values, 8 KiB in all. ``mqtt_user_properties`` are for MQTT clients: tokens and printable ASCII too,
    each name once.
    """

    data: Any
    data_type: DataType | None = None
    content_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    mqtt_user_properties: Sequence[MqttUserProperty] = ()


@dataclass(frozen=True, slots=True)
class EventErrorResponse:
    """Refuses an event with an HTTP status of 400 to 599.

    A client that connects sees status and message of a 4xx. A refused user event closes a plain WebSocket client.
    After a 5xx, the service delivers the event again. So answer a user's mistake with a ``UserEventResponse``. An MQTT
    client that connects gets the CONNACK code that says the same in its protocol version, and the message; one that
    sent an event gets status and message in a message, and stays.
    """

    status: int
    message: str = ""

    def __post_init__(self) -> None:
        check_error_status(self.status)


@dataclass(frozen=True, slots=True)
class MqttConnectEventErrorResponse:
    """Refuses an MQTT client that connects, with a code of its protocol version.

    A code that the version does not have is a failure of the event handler. ``reason`` and ``user_properties`` reach
    clients of MQTT 5.0 only.
    """

    code: MqttV311ConnectReturnCode | MqttV500ConnectReasonCode
    reason: str = ""
    user_properties: Sequence[MqttUserProperty] = ()


EventResponse: TypeAlias = ConnectEventResponse | UserEventResponse | EventErrorResponse | MqttConnectEventErrorResponse
