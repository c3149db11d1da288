"""An event handler for Azure Web PubSub: authenticates, decodes, dispatches and answers the service's events."""

from __future__ import annotations

from webpubsub_handler.admission import MAX_BODY_BYTES, MAX_FUTURE_SECONDS, MIN_EVENT_AGE_SECONDS
from webpubsub_handler.authentication import (
    AccessKeyAuthenticator,
    AccessKeys,
    Authenticator,
    KeyProvider,
    UnauthenticatedEventsAllowed,
)
from webpubsub_handler.connection_string import ConnectionString
from webpubsub_handler.dispatch import CallNext, Middleware
from webpubsub_handler.exceptions import (
    AuthenticationError,
    ConfigurationError,
    ConnectionStateError,
    EventRefusedError,
    InvalidDataError,
    MalformedEventError,
    WebPubSubHandlerError,
)
from webpubsub_handler.guid import GUID
from webpubsub_handler.handler import WebPubSubEventHandler
from webpubsub_handler.protocol.attributes import decode_text
from webpubsub_handler.protocol.connection_state import ConnectionState
from webpubsub_handler.protocol.events import (
    ClientCertificate,
    ConnectedEventRequest,
    ConnectEventRequest,
    ConnectionContext,
    DataType,
    DisconnectedEventRequest,
    Event,
    GroupJoinedEventRequest,
    GroupLeftEventRequest,
    UnknownEvent,
    UserEventRequest,
)
from webpubsub_handler.protocol.http import Headers, HttpRequest, HttpResponse
from webpubsub_handler.protocol.mqtt import (
    MqttConnectProperties,
    MqttDisconnectedProperties,
    MqttDisconnectPacketProperties,
    MqttProtocolVersion,
    MqttUserProperty,
    MqttV311ConnectReturnCode,
    MqttV500ConnectReasonCode,
)
from webpubsub_handler.protocol.responses import (
    ConnectEventResponse,
    EventErrorResponse,
    EventResponse,
    MqttConnectEventErrorResponse,
    UserEventResponse,
)
from webpubsub_handler.protocol.signature import sign
from webpubsub_handler.protocol.strict_json import parse as parse_json

__version__ = "0.2.0"

__all__ = [
    "GUID",
    "MAX_BODY_BYTES",
    "MAX_FUTURE_SECONDS",
    "MIN_EVENT_AGE_SECONDS",
    "AccessKeyAuthenticator",
    "AccessKeys",
    "AuthenticationError",
    "Authenticator",
    "CallNext",
    "ClientCertificate",
    "ConfigurationError",
    "ConnectEventRequest",
    "ConnectEventResponse",
    "ConnectedEventRequest",
    "ConnectionContext",
    "ConnectionState",
    "ConnectionStateError",
    "ConnectionString",
    "DataType",
    "DisconnectedEventRequest",
    "Event",
    "EventErrorResponse",
    "EventRefusedError",
    "EventResponse",
    "GroupJoinedEventRequest",
    "GroupLeftEventRequest",
    "Headers",
    "HttpRequest",
    "HttpResponse",
    "InvalidDataError",
    "KeyProvider",
    "MalformedEventError",
    "Middleware",
    "MqttConnectEventErrorResponse",
    "MqttConnectProperties",
    "MqttDisconnectPacketProperties",
    "MqttDisconnectedProperties",
    "MqttProtocolVersion",
    "MqttUserProperty",
    "MqttV311ConnectReturnCode",
    "MqttV500ConnectReasonCode",
    "UnauthenticatedEventsAllowed",
    "UnknownEvent",
    "UserEventRequest",
    "UserEventResponse",
    "WebPubSubEventHandler",
    "WebPubSubHandlerError",
    "decode_text",
    "parse_json",
    "sign",
]
