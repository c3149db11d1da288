"""What the service tells an event handler: the kinds of events and the connection they are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from webpubsub_handler.exceptions import InvalidDataError
from webpubsub_handler.protocol import strict_json
from webpubsub_handler.protocol.attributes import decode_text
from webpubsub_handler.protocol.connection_state import ConnectionState
from webpubsub_handler.protocol.http import Headers
from webpubsub_handler.protocol.mqtt import MqttConnectProperties, MqttDisconnectedProperties, MqttUserProperty
from webpubsub_handler.protocol.properties import METADATA_PREFIX, MQTT_PREFIX, properties_of

__all__ = [
    "ClientCertificate",
    "ConnectEventRequest",
    "ConnectedEventRequest",
    "ConnectionContext",
    "DataType",
    "DisconnectedEventRequest",
    "Event",
    "GroupJoinedEventRequest",
    "GroupLeftEventRequest",
    "UnknownEvent",
    "UserEventRequest",
]


class DataType(StrEnum):
    """How the library reads a message's bytes; the MIME type beside it says what they are.

    Protobuf is binary of ``application/x-protobuf``: without the message's schema there is nothing to read.
    """

    TEXT = "text"
    JSON = "json"
    BINARY = "binary"


@dataclass(frozen=True, slots=True)
class ConnectionContext:
    """The connection that an event is about, and the event's own attributes.

    ``hub`` is lower case. ``user_id`` is decoded once, ``user_id_raw`` is as received. ``event_id`` is unique for the
    connection only; a redelivered event has the same one. ``time`` is in UTC, whole seconds. ``state`` may be changed
    in blocking events (connect and user events). ``connection_id`` is the client's own choice for MQTT (the client id);
    for Socket.IO, sockets of one client share it. ``headers`` has everything that was sent.
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

    @property
    def user_id_raw(self) -> str | None:
        """The user id as the header has it."""
        return self.headers.get("ce-userId") or None

    @property
    def origins(self) -> Sequence[str]:
        """The hosts that the service names: its own, replicas, custom domains. They prove nothing."""
        return self.headers.get_list("WebHook-Request-Origin")

    @property
    def is_mqtt(self) -> bool:
        """Return whether the client speaks MQTT, by its subprotocol or by what only MQTT clients have."""
        return "mqtt" in (self.subprotocol or "").lower() or self.physical_connection_id is not None

    @property
    def physical_connection_id(self) -> str | None:
        """The network connection of an MQTT client; a session can outlive it."""
        return self._opaque("ce-physicalConnectionId")

    @property
    def session_id(self) -> str | None:
        """The session of an MQTT client; ``connect`` has none yet."""
        return self._opaque("ce-sessionId")

    @property
    def namespace(self) -> str | None:
        """The Socket.IO namespace."""
        namespace = self.headers.get("ce-namespace")
        return decode_text(namespace) if namespace else None

    @property
    def socket_id(self) -> str | None:
        """The Socket.IO socket."""
        return self._opaque("ce-socketId")

    def _opaque(self, name: str) -> str | None:
        # Not decoded: that could turn it into another one's id.
        value = self.headers.get(name)
        return value.encode("utf-8", "replace").decode() if value else None


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A certificate that the client showed: SHA-1 thumbprint in hex, PEM text where the service sends it."""

    thumbprint: str
    content: str | None


@dataclass(frozen=True, slots=True)
class ConnectEventRequest:
    """A client asks to connect; blocking. The maps are name to list of values. ``mqtt`` is None for other clients."""

    context: ConnectionContext
    claims: Mapping[str, Sequence[str]]
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, Sequence[str]]
    subprotocols: Sequence[str]
    client_certificates: Sequence[ClientCertificate]
    mqtt: MqttConnectProperties | None = None


@dataclass(frozen=True, slots=True)
class ConnectedEventRequest:
    """A client is connected; a notification. User events of the client can overtake it."""

    context: ConnectionContext


@dataclass(frozen=True, slots=True)
class DisconnectedEventRequest:
    """A client is gone, for MQTT a session; a notification. ``reason`` is free text, None for a plain close."""

    context: ConnectionContext
    reason: str | None
    mqtt: MqttDisconnectedProperties | None = None


@dataclass(frozen=True, slots=True)
class GroupJoinedEventRequest:
    """A connection joined a group; a notification."""

    context: ConnectionContext
    group: str


@dataclass(frozen=True, slots=True)
class GroupLeftEventRequest:
    """A connection left a group; a notification."""

    context: ConnectionContext
    group: str


@dataclass(frozen=True, slots=True)
class UserEventRequest:
    """A client sent an event; blocking.

    ``body`` is what came. ``data`` is a str for text, the decoded value for JSON, bytes for everything else; it is read
    on first access, so a function can check sizes or rights before anything is parsed. ``content_type`` is the MIME
    type as received, empty when there is none.
    """

    context: ConnectionContext
    body: bytes
    data_type: DataType
    content_type: str
    # The object is frozen, so it keeps what it read in a list.
    _read: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def data(self) -> Any:
        """Return the data as its type says.

        Raises:
            InvalidDataError: The body is not UTF-8, or not JSON of finite numbers and at most 128 levels.
        """
        if not self._read:
            self._read.append(_read_data(self.data_type, self.body))
        return self._read[0]

    @property
    def metadata(self) -> Mapping[str, str]:
        """The message's metadata, keys in lower case."""
        return dict(properties_of(self.context.headers, METADATA_PREFIX))

    @property
    def mqtt_user_properties(self) -> Sequence[MqttUserProperty]:
        """The user properties of an MQTT client's PUBLISH packet, names in lower case, as header names have no case."""
        return [MqttUserProperty(*pair) for pair in properties_of(self.context.headers, MQTT_PREFIX)]


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """An event of a family or name that this version does not know; it is ignored, and the answer is 2xx."""

    context: ConnectionContext
    type: str


Event: TypeAlias = (
    ConnectEventRequest
    | ConnectedEventRequest
    | DisconnectedEventRequest
    | GroupJoinedEventRequest
    | GroupLeftEventRequest
    | UserEventRequest
    | UnknownEvent
)


def _read_data(data_type: DataType, body: bytes) -> Any:
    try:
        if data_type is DataType.JSON:
            return strict_json.parse(body)
        return body.decode() if data_type is DataType.TEXT else body
    except UnicodeDecodeError:
        raise InvalidDataError("The data is not UTF-8.") from None
    except ValueError:
        raise InvalidDataError(
            f"The data is not JSON of finite numbers and at most {strict_json.MAX_DEPTH} levels."
        ) from None
