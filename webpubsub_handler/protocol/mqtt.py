"""MQTT over Web PubSub: what a client says when it connects and leaves, and the codes that refuse it.

Codes are those of CONNACK in MQTT 3.1.1 (3.2.2.3, return codes) and MQTT 5.0 (3.2.2.2, reason codes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

__all__ = [
    "MqttConnectProperties",
    "MqttDisconnectPacketProperties",
    "MqttDisconnectedProperties",
    "MqttProtocolVersion",
    "MqttUserProperty",
    "MqttV311ConnectReturnCode",
    "MqttV500ConnectReasonCode",
    "connect_code",
    "connect_status",
]


class MqttProtocolVersion(IntEnum):
    """The protocol level of a CONNECT packet."""

    V311 = 4
    V500 = 5


class MqttV311ConnectReturnCode(IntEnum):
    """Why a client of MQTT 3.1.1 may not connect."""

    UNACCEPTABLE_PROTOCOL_VERSION = 1
    IDENTIFIER_REJECTED = 2
    SERVER_UNAVAILABLE = 3
    BAD_USER_NAME_OR_PASSWORD = 4
    NOT_AUTHORIZED = 5


class MqttV500ConnectReasonCode(IntEnum):
    """Why a client of MQTT 5.0 may not connect."""

    UNSPECIFIED_ERROR = 128
    MALFORMED_PACKET = 129
    PROTOCOL_ERROR = 130
    IMPLEMENTATION_SPECIFIC_ERROR = 131
    UNSUPPORTED_PROTOCOL_VERSION = 132
    CLIENT_IDENTIFIER_NOT_VALID = 133
    BAD_USER_NAME_OR_PASSWORD = 134
    NOT_AUTHORIZED = 135
    SERVER_UNAVAILABLE = 136
    SERVER_BUSY = 137
    BANNED = 138
    BAD_AUTHENTICATION_METHOD = 140
    TOPIC_NAME_INVALID = 144
    PACKET_TOO_LARGE = 149
    QUOTA_EXCEEDED = 151
    PAYLOAD_FORMAT_INVALID = 153
    RETAIN_NOT_SUPPORTED = 154
    QOS_NOT_SUPPORTED = 155
    USE_ANOTHER_SERVER = 156
    SERVER_MOVED = 157
    CONNECTION_RATE_EXCEEDED = 159


@dataclass(frozen=True, slots=True)
class MqttUserProperty:
    """A user property of an MQTT packet; names can repeat."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class MqttConnectProperties:
    """What a CONNECT packet says; ``clean_start`` is None where the service does not tell."""

    protocol_version: MqttProtocolVersion
    clean_start: bool | None
    username: str | None
    password: bytes | None = field(repr=False)  # a log of the request must not have it
    user_properties: Sequence[MqttUserProperty]


@dataclass(frozen=True, slots=True)
class MqttDisconnectPacketProperties:
    """What a DISCONNECT packet says: its reason code (0 in MQTT 3.1.1) and user properties."""

    code: int
    user_properties: Sequence[MqttUserProperty]


@dataclass(frozen=True, slots=True)
class MqttDisconnectedProperties:
    """How an MQTT session ended; ``disconnect_packet`` is None when no DISCONNECT was sent."""

    initiated_by_client: bool
    disconnect_packet: MqttDisconnectPacketProperties | None


_V311: Final = MqttV311ConnectReturnCode
_V500: Final = MqttV500ConnectReasonCode

# The same statuses as the JavaScript and .NET handlers answer; both omit 130.
_STATUSES: Final[Mapping[MqttProtocolVersion, Mapping[int, int]]] = {
    MqttProtocolVersion.V311: {
        _V311.UNACCEPTABLE_PROTOCOL_VERSION: 400,
        _V311.IDENTIFIER_REJECTED: 400,
        _V311.SERVER_UNAVAILABLE: 503,
        _V311.BAD_USER_NAME_OR_PASSWORD: 401,
        _V311.NOT_AUTHORIZED: 401,
    },
    MqttProtocolVersion.V500: {
        **dict.fromkeys(_V500, 400),
        _V500.BAD_USER_NAME_OR_PASSWORD: 401,
        _V500.NOT_AUTHORIZED: 401,
        _V500.BANNED: 403,
        _V500.QUOTA_EXCEEDED: 429,
        _V500.CONNECTION_RATE_EXCEEDED: 429,
        _V500.UNSPECIFIED_ERROR: 500,
        _V500.SERVER_UNAVAILABLE: 500,
        _V500.SERVER_BUSY: 500,
        _V500.USE_ANOTHER_SERVER: 500,
        _V500.SERVER_MOVED: 500,
    },
}


def connect_status(version: MqttProtocolVersion, code: int) -> int:
    """Return the HTTP status that goes with the code of a refused CONNECT.

    Raises:
        ValueError: The version has no such code; the client would see an unspecified error.
    """
    status = _STATUSES[version].get(code)
    if status is None:
        raise ValueError(f"{code} does not refuse a CONNECT of MQTT {'5.0' if version == 5 else '3.1.1'}")
    return status


def connect_code(version: MqttProtocolVersion, status: int) -> int:
    """Return the code that says to an MQTT client what an HTTP status of 400 to 599 says.

    A refusal for no reason that has its own code is *not authorized* in MQTT 3.1.1, *implementation specific*
    ("valid but not accepted by this server") in 5.0: a client must not take it for a wrong password.
    """
    is_overload = status == 429
    if version is MqttProtocolVersion.V311:
        return _V311.SERVER_UNAVAILABLE if is_overload or status >= 500 else _V311.NOT_AUTHORIZED
    if status >= 500:
        return _V500.SERVER_UNAVAILABLE
    if is_overload:
        return _V500.CONNECTION_RATE_EXCEEDED
    return _V500.NOT_AUTHORIZED if status in (401, 403) else _V500.IMPLEMENTATION_SPECIFIC_ERROR
