"""An event handler for Azure Web PubSub: authenticates, decodes, dispatches and answers the service's events."""

from __future__ import annotations

from webpubsub_handler.authentication import (
    AccessKeyAuthenticator,
    Authenticator,
    UnauthenticatedEventsAllowed,
)
from webpubsub_handler.exceptions import (
    AuthenticationError,
    ConfigurationError,
    ConnectionStateError,
    EventRefusedError,
    MalformedEventError,
    WebPubSubHandlerError,
)
from webpubsub_handler.handler import WebPubSubEventHandler
from webpubsub_handler.protocol.connection_state import ConnectionState
from webpubsub_handler.protocol.events import (
    ClientCertificate,
    ConnectedEventRequest,
    ConnectEventRequest,
    ConnectionContext,
    DataType,
    DisconnectedEventRequest,
    GroupJoinedEventRequest,
    GroupLeftEventRequest,
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
    MqttConnectEventErrorResponse,
    UserEventResponse,
)

__all__ = [
    "AccessKeyAuthenticator",
    "AuthenticationError",
    "Authenticator",
    "ClientCertificate",
    "ConfigurationError",
    "ConnectEventRequest",
    "ConnectEventResponse",
    "ConnectedEventRequest",
    "ConnectionContext",
    "ConnectionState",
    "ConnectionStateError",
    "DataType",
    "DisconnectedEventRequest",
    "EventErrorResponse",
    "EventRefusedError",
    "GroupJoinedEventRequest",
    "GroupLeftEventRequest",
    "Headers",
    "HttpRequest",
    "HttpResponse",
    "MalformedEventError",
    "MqttConnectEventErrorResponse",
    "MqttConnectProperties",
    "MqttDisconnectPacketProperties",
    "MqttDisconnectedProperties",
    "MqttProtocolVersion",
    "MqttUserProperty",
    "MqttV311ConnectReturnCode",
    "MqttV500ConnectReasonCode",
    "UnauthenticatedEventsAllowed",
    "UserEventRequest",
    "UserEventResponse",
    "WebPubSubEventHandler",
    "WebPubSubHandlerError",
]
