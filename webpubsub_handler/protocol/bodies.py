"""The bodies of events. In JSON, unknown keys are ignored and null counts as missing; a wrong type is refused."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from webpubsub_handler.exceptions import MalformedEventError
from webpubsub_handler.protocol import strict_json
from webpubsub_handler.protocol.events import (
    ClientCertificate,
    ConnectedEventRequest,
    ConnectEventRequest,
    ConnectionContext,
    DataType,
    DisconnectedEventRequest,
    GroupJoinedEventRequest,
    GroupLeftEventRequest,
    UnknownEvent,
    UserEventRequest,
)
from webpubsub_handler.protocol.mqtt import (
    MqttConnectProperties,
    MqttDisconnectedProperties,
    MqttDisconnectPacketProperties,
    MqttProtocolVersion,
    MqttUserProperty,
)

__all__ = [
    "read_connect",
    "read_connected",
    "read_disconnected",
    "read_group_joined",
    "read_group_left",
    "read_unknown",
    "read_user_event",
]

_OTHER_CHARSET: Final = re.compile(r"\bcharset=(?!\"?(?:utf-?8|us-ascii)\"?\s*(?:;|$))", re.IGNORECASE)
_DATA_TYPES: Final[Mapping[str, DataType]] = {
    "text/plain": DataType.TEXT,
    "application/json": DataType.JSON,
}


def read_connect(context: ConnectionContext, body: bytes) -> ConnectEventRequest:
    """Read a connect event.

    The body tells whether the client uses MQTT: an answer needs the protocol version, which the headers do not have.
    """
    document = _document(body)
    mqtt = _object(document, "mqtt")
    return ConnectEventRequest(
        context,
        claims=_lists(document, "claims"),
        query=_lists(document, "query"),
        headers=_lists(document, "headers"),
        subprotocols=_strings(document.get("subprotocols"), "subprotocols"),
        client_certificates=tuple(
            _certificate(entry) for entry in _sequence(document.get("clientCertificates"), "clientCertificates")
        ),
        mqtt=None if mqtt is None else _mqtt_connect(mqtt),
    )


def read_connected(context: ConnectionContext, _: bytes) -> ConnectedEventRequest:
    """Read a connected event; its body holds nothing and may be missing."""
    return ConnectedEventRequest(context)


def read_disconnected(context: ConnectionContext, body: bytes) -> DisconnectedEventRequest:
    """Read a disconnected event.

    Without a body only the reason is unknown, and a refusal would lose the end of a connection.
    """
    document = _document(body) if body else {}
    mqtt = _object(document, "mqtt")
    return DisconnectedEventRequest(
        context,
        reason=_member(document, "reason", str) or None,
        mqtt=None if mqtt is None else _mqtt_disconnected(mqtt),
    )


def read_group_joined(context: ConnectionContext, body: bytes) -> GroupJoinedEventRequest:
    """Read a joined event."""
    return GroupJoinedEventRequest(context, _required(_document(body), "group", str))


def read_group_left(context: ConnectionContext, body: bytes) -> GroupLeftEventRequest:
    """Read a left event."""
    return GroupLeftEventRequest(context, _required(_document(body), "group", str))


def read_user_event(context: ConnectionContext, body: bytes) -> UserEventRequest:
    """Read a user event; its body is the client's, and reaches the function whatever it is."""
    content_type = context.headers.get("Content-Type") or ""
    mime_type, _, parameters = content_type.partition(";")
    data_type = _DATA_TYPES.get(mime_type.strip().lower(), DataType.BINARY)
    if data_type is DataType.TEXT and _OTHER_CHARSET.search(parameters):
        # An MQTT client may send text in any encoding; only the function can know how far to trust the name.
        data_type = DataType.BINARY
    return UserEventRequest(context, body, data_type, content_type)


def read_unknown(context: ConnectionContext, _: bytes) -> UnknownEvent:
    """Read an event of a kind that this version does not know; its body is ignored."""
    return UnknownEvent(context, context.headers.get("ce-type") or "")


def _document(body: bytes) -> Mapping[str, Any]:
    # Missing is not empty: a host may have lost the body, and with an empty query no rule might refuse the client.
    if not body:
        raise MalformedEventError("the body is missing")
    try:
        document = strict_json.parse(body)
    except UnicodeDecodeError:
        raise MalformedEventError("the body is not UTF-8") from None
    except ValueError:
        raise MalformedEventError(
            f"the body is not JSON of finite numbers and at most {strict_json.MAX_DEPTH} levels"
        ) from None
    if not isinstance(document, dict):
        raise MalformedEventError("the body is not a JSON object")
    return document


_KINDS: Final[Mapping[type, str]] = {str: "a string", int: "an integer", bool: "true or false", dict: "an object"}


def _member(document: Mapping[str, Any], name: str, kind: type, path: str = "") -> Any:
    value = document.get(name)
    # True is an integer in Python, but not in JSON.
    if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        raise MalformedEventError(f"{path}{name} in the body is not {_KINDS[kind]}")
    return value


def _required(document: Mapping[str, Any], name: str, kind: type, path: str = "") -> Any:
    value = _member(document, name, kind, path)
    if value is None:
        raise MalformedEventError(f"{path}{name} in the body is missing")
    return value


def _object(document: Mapping[str, Any], name: str, path: str = "") -> Mapping[str, Any] | None:
    value: Mapping[str, Any] | None = _member(document, name, dict, path)
    return value


def _mqtt_connect(document: Mapping[str, Any]) -> MqttConnectProperties:
    path = "mqtt."
    version = _required(document, "protocolVersion", int, path)
    if version not in (4, 5):
        raise MalformedEventError("mqtt.protocolVersion in the body is not 4 or 5")
    password = _member(document, "password", str, path)
    try:
        secret = None if password is None else base64.b64decode(password, validate=True)
    except ValueError:
        raise MalformedEventError("mqtt.password in the body is not base64") from None
    return MqttConnectProperties(
        MqttProtocolVersion(version),
        clean_start=_member(document, "cleanStart", bool, path),
        username=_member(document, "username", str, path),
        password=secret,
        user_properties=_user_properties(document, path),
    )


def _mqtt_disconnected(document: Mapping[str, Any]) -> MqttDisconnectedProperties:
    packet = _object(document, "disconnectPacket", "mqtt.")
    path = "mqtt.disconnectPacket."
    return MqttDisconnectedProperties(
        _required(document, "initiatedByClient", bool, "mqtt."),
        disconnect_packet=None
        if packet is None
        else MqttDisconnectPacketProperties(_required(packet, "code", int, path), _user_properties(packet, path)),
    )


def _user_properties(document: Mapping[str, Any], path: str) -> tuple[MqttUserProperty, ...]:
    name = f"{path}userProperties"
    entries = _sequence(document.get("userProperties"), name)
    if not all(isinstance(entry, dict) for entry in entries):
        raise MalformedEventError(f"{name} in the body holds something other than properties")
    return tuple(
        MqttUserProperty(_required(entry, "name", str, f"{name}."), _required(entry, "value", str, f"{name}."))
        for entry in entries
    )


def _sequence(value: Any, name: str) -> Sequence[Any]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise MalformedEventError(f"{name} in the body is not a list")
    return value


def _strings(value: Any, name: str) -> tuple[str, ...]:
    members = tuple(_sequence(value, name))
    if not all(isinstance(member, str) for member in members):
        raise MalformedEventError(f"{name} in the body holds something other than strings")
    return members


def _lists(document: Mapping[str, Any], name: str) -> Mapping[str, Sequence[str]]:
    return {key: _strings(members, name) for key, members in (_object(document, name) or {}).items()}


def _certificate(entry: Any) -> ClientCertificate:
    thumbprint = entry.get("thumbprint") if isinstance(entry, dict) else None
    content = entry.get("content") if isinstance(entry, dict) else None
    if not isinstance(thumbprint, str) or not isinstance(content, str | None):
        raise MalformedEventError("clientCertificates in the body holds something other than certificates")
    return ClientCertificate(thumbprint, content)
