"""The HTTP message of each kind of response."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from webpubsub_handler.protocol.connection_state import ConnectionState
from webpubsub_handler.protocol.events import ConnectEventRequest, DataType, Event, UserEventRequest
from webpubsub_handler.protocol.http import HttpResponse
from webpubsub_handler.protocol.mqtt import MqttProtocolVersion, MqttUserProperty
from webpubsub_handler.protocol.properties import MQTT_PREFIX, metadata_fields, to_fields
from webpubsub_handler.protocol.responses import ConnectEventResponse, UserEventResponse

__all__ = ["connack_error", "json_bytes", "payload", "write_connect", "write_nothing", "write_user_event"]

_CONTENT_TYPES: Final = {
    DataType.TEXT: "text/plain; charset=utf-8",
    DataType.JSON: "application/json",
    DataType.BINARY: "application/octet-stream",
}
_MIME_TYPE: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+( *;([ -~]*[!-~])?)?")


def write_connect(request: ConnectEventRequest, response: ConnectEventResponse | None) -> HttpResponse:
    """Make the answer that accepts a connection; 204 when there is nothing to say.

    Raises:
        ValueError: The chosen subprotocol was not offered.
        ConnectionStateError: The state cannot be carried.
    """
    headers = _state_header(request.context.state)
    answer: dict[str, Any] = {}
    if response is not None:
        fields = {
            "userId": response.user_id,
            "groups": None if response.groups is None else _strings("groups", response.groups),
            "roles": None if response.roles is None else _strings("roles", response.roles),
            "subprotocol": response.subprotocol,
            # Only clients of 5.0 have properties in their CONNACK.
            "mqtt": _connack(request, response.mqtt_user_properties),
        }
        answer = {name: value for name, value in fields.items() if value is not None}
        if response.subprotocol is not None and response.subprotocol not in request.subprotocols:
            raise ValueError(f"subprotocol {response.subprotocol!r} was not offered by the client")
    if not answer:
        return HttpResponse(204, headers)
    return HttpResponse(200, {"Content-Type": "application/json", **headers}, json_bytes(answer))


def write_user_event(request: UserEventRequest, response: UserEventResponse | None) -> HttpResponse:
    """Make the answer to a user event; 204 without a reply, as the service may send an empty frame otherwise.

    Raises:
        TypeError: The data does not match its data type.
        ValueError: The content type, the metadata or a user property cannot be a header.
        ConnectionStateError: The state cannot be carried.
    """
    headers = _state_header(request.context.state)
    if response is None:
        return HttpResponse(204, headers)
    content_type, body = payload(response.data, response.data_type)
    if response.metadata:
        headers |= metadata_fields(response.metadata.items())
    if response.mqtt_user_properties:
        headers |= to_fields(MQTT_PREFIX, ((entry.name, entry.value) for entry in response.mqtt_user_properties))
    if response.content_type is not None and not _MIME_TYPE.fullmatch(response.content_type):
        raise ValueError(f"the content type of a response must be a MIME type, not {response.content_type!r}")
    # An empty 200 could reach a plain WebSocket client as an empty frame; this is not documented.
    if not body:
        return HttpResponse(204, headers)
    return HttpResponse(200, {"Content-Type": response.content_type or content_type, **headers}, body)


def write_nothing(_: Event, __: None) -> HttpResponse:
    """Make the answer to a notification, which can carry nothing."""
    return HttpResponse(204)


def connack_error(status: int, code: int, reason: str, properties: Sequence[MqttUserProperty]) -> HttpResponse:
    """Make the answer that refuses an MQTT client that connects."""
    fields = {"code": int(code), "reason": reason, "userProperties": _named(properties)}
    return HttpResponse(
        status,
        {"Content-Type": "application/json"},
        json_bytes({"mqtt": {name: value for name, value in fields.items() if value}}),
    )


def payload(data: Any, data_type: DataType | None) -> tuple[str, bytes]:
    """Return the content type and the bytes of a message's data; without a data type it follows the data.

    Raises:
        TypeError: The data does not match its data type, or cannot be JSON.
        ValueError: The data has no JSON that every reader can read.
    """
    if data_type is DataType.JSON or (data_type is None and not isinstance(data, str | bytes)):
        return _CONTENT_TYPES[DataType.JSON], json_bytes(data)
    if isinstance(data, str) and data_type in (DataType.TEXT, None):
        return _CONTENT_TYPES[DataType.TEXT], data.encode(errors="replace")
    if isinstance(data, bytes) and data_type in (DataType.BINARY, None):
        return _CONTENT_TYPES[DataType.BINARY], data
    raise TypeError(f"data of a {data_type} response cannot be {type(data).__name__}")


def json_bytes(value: Any) -> bytes:
    """Write JSON without spaces.

    Raises:
        TypeError: A value cannot be JSON.
        ValueError: A number is not finite, or a list holds itself.
    """
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _state_header(state: ConnectionState) -> dict[str, str]:
    encoded = state.encode()
    return {} if encoded is None else {"ce-connectionState": encoded}


def _connack(request: ConnectEventRequest, properties: Sequence[MqttUserProperty]) -> dict[str, Any] | None:
    is_version_5 = request.mqtt is not None and request.mqtt.protocol_version is MqttProtocolVersion.V500
    return {"userProperties": _named(properties)} if is_version_5 and properties else None


def _named(properties: Sequence[MqttUserProperty]) -> list[dict[str, str]]:
    return [{"name": entry.name, "value": entry.value} for entry in properties]


def _strings(name: str, values: Sequence[str]) -> list[str]:
    # A str is also a sequence of strings, and "lobby" would become five groups.
    if isinstance(values, str):
        raise TypeError(f"{name} must be a list of strings, not one string")
    return list(values)
