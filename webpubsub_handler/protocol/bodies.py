"""The JSON bodies of system and group presence events; unknown keys are left alone, null is like nothing."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final

from webpubsub_handler.exceptions import MalformedEventError
from webpubsub_handler.protocol import strict_json
from webpubsub_handler.protocol.events import (
    ClientCertificate,
    ConnectedEventRequest,
    ConnectEventRequest,
    ConnectionContext,
    DisconnectedEventRequest,
    GroupJoinedEventRequest,
    GroupLeftEventRequest,
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
    "read_json",
    "read_text",
]


def read_connect(context: ConnectionContext, body: bytes) -> ConnectEventRequest:
    """Read a connect event.

    It is an MQTT client's when the body says so: an answer needs the protocol version, which the headers do not have.
    """
    document = _document(body)
    certificates = document.get("clientCertificates") or ()
    mqtt = _object(document, "mqtt")
    return ConnectEventRequest(
        context,
        claims=_lists(document, "claims"),
        query=_lists(document, "query"),
        headers=_lists(document, "headers"),
        subprotocols=_strings(document.get("subprotocols") or (), "subprotocols"),
        client_certificates=tuple(_certificate(entry) for entry in _sequence(certificates, "clientCertificates")),
        mqtt=None if mqtt is None else _mqtt_connect(mqtt),
    )


def read_connected(context: ConnectionContext, _: bytes) -> ConnectedEventRequest:
    """Read a connected event, which has nothing in its body."""
    return ConnectedEventRequest(context)


def read_disconnected(context: ConnectionContext, body: bytes) -> DisconnectedEventRequest:
    """Read a disconnected event."""
    document = _document(body)
    mqtt = _object(document, "mqtt")
    return DisconnectedEventRequest(
        context,
        reason=_member(document, "reason", str) or None,
        mqtt=None if mqtt is None else _mqtt_disconnected(mqtt),
    )


def read_group_joined(context: ConnectionContext, body: bytes) -> GroupJoinedEventRequest:
    """Read a joined event."""
    return GroupJoinedEventRequest(context, _group(body))


def read_group_left(context: ConnectionContext, body: bytes) -> GroupLeftEventRequest:
    """Read a left event."""
    return GroupLeftEventRequest(context, _group(body))


def read_text(body: bytes) -> str:
    """Read UTF-8."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise MalformedEventError("the body is not UTF-8") from None


def read_json(body: bytes) -> Any:
    """Read JSON as ``strict_json`` does."""
    try:
        return strict_json.parse(body)
    except UnicodeDecodeError:
        raise MalformedEventError("the body is not UTF-8") from None
    except ValueError:
        raise MalformedEventError(
            f"the body is not JSON of finite numbers and at most {strict_json.MAX_DEPTH} levels"
        ) from None


def _document(body: bytes) -> Mapping[str, Any]:
    document = read_json(body) if body else {}
    if not isinstance(document, dict):
        raise MalformedEventError("the body is not a JSON object")
    return document


_KINDS: Final[Mapping[type, str]] = {str: "a string", int: "an integer", bool: "true or false", dict: "an object"}


def _member(document: Mapping[str, Any], name: str, kind: type, path: str = "") -> Any:
    value = document.get(name)
    # For Python True is an integer, for JSON it is none.
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


def _group(body: bytes) -> str:
    group: str = _required(_document(body), "group", str)
    return group


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
    entries = _sequence(document.get("userProperties") or (), name)
    if not all(isinstance(entry, dict) for entry in entries):
        raise MalformedEventError(f"{name} in the body holds something other than properties")
    return tuple(
        MqttUserProperty(_required(entry, "name", str, f"{name}."), _required(entry, "value", str, f"{name}."))
        for entry in entries
    )


def _sequence(value: Any, name: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise MalformedEventError(f"{name} in the body is not a list")
    return value


def _strings(value: Any, name: str) -> tuple[str, ...]:
    members = tuple(_sequence(value, name))
    if not all(isinstance(member, str) for member in members):
        raise MalformedEventError(f"{name} in the body holds something other than strings")
    return members


def _lists(document: Mapping[str, Any], name: str) -> Mapping[str, Sequence[str]]:
    value = document.get(name) or {}
    if not isinstance(value, dict):
        raise MalformedEventError(f"{name} in the body is not an object")
    return {key: _strings(members or (), name) for key, members in value.items()}


def _certificate(entry: Any) -> ClientCertificate:
    thumbprint = entry.get("thumbprint") if isinstance(entry, dict) else None
    content = entry.get("content") if isinstance(entry, dict) else None
    if not isinstance(thumbprint, str) or not isinstance(content, str | None):
        raise MalformedEventError("clientCertificates in the body holds something other than certificates")
    return ClientCertificate(thumbprint, content)
