"""The subprotocols ``json.webpubsub.azure.v1`` and its reliable twin: JSON text frames in both directions, no I/O.

The order of keys and the absence of white space matter: the SDKs' tests compare whole frames as text. Source:
MicrosoftDocs ``reference-json-webpubsub-subprotocol`` and ``reference-json-reliable-webpubsub-subprotocol``; where they
are silent, Microsoft's emulator.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from webpubsub_emulator.core import client_protocol, names
from webpubsub_emulator.core.frames import Frame
from webpubsub_emulator.core.json_text import JsonObject, JsonTextError, parse_json_object
from webpubsub_emulator.core.messages import DataType, Payload, text_payload
from webpubsub_emulator.subprotocols.protobuf_messages import is_any

__all__ = ["FRAME_READERS", "JsonProtocol"]

_MAX_ID: Final = 2**64 - 1
_dumps: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_UNSIGNED: Final = re.compile(r"0|[1-9][0-9]{0,19}")
_Fields = Mapping[str, Any]


@dataclass(frozen=True)  # with a __dict__, which cached_property needs
class _EncodedMessage:
    """A message without its closing brace."""

    fields: bytes

    @cached_property
    def frame(self) -> Frame:
        return Frame(self.fields + b"}", is_text=True)

    def numbered(self, sequence_id: int) -> Frame:
        return Frame(b'%b,"sequenceId":%d}' % (self.fields, sequence_id), is_text=True)


class JsonProtocol:
    """The codec of JSON frames."""

    dialect: Final = "json"
    closes_on_failure: Final = False

    def decode(self, frame: str | bytes) -> client_protocol.ClientFrame:
        """Return the request in one frame."""
        if isinstance(frame, bytes):
            raise client_protocol.ClientProtocolError("The JSON subprotocol requires text messages.", close_code=1003)
        try:
            fields = parse_json_object(frame)
        except JsonTextError as error:
            raise client_protocol.ClientProtocolError(f"The frame {error}.") from None
        frame_type = _text(fields, "type")
        read = _READERS.get(frame_type.lower())
        if read is None:
            raise client_protocol.ClientProtocolError(f"The frame type {frame_type[:64]!r} is unknown.")
        return read(fields)

    def connected(self, connection_id: str, user_id: str | None, reconnection_token: str | None) -> Frame:
        """Return the first frame a client gets."""
        fields = {"type": "system", "event": "connected", "userId": user_id, "connectionId": connection_id}
        if reconnection_token is not None:
            fields["reconnectionToken"] = reconnection_token
        return _frame(fields)

    def disconnected(self, message: str) -> Frame:
        """Return the last frame before the server closes."""
        return _frame({"type": "system", "event": "disconnected", "message": message})

    def ack(self, ack_id: int, error: client_protocol.ErrorDetail | None) -> Frame:
        """Return the answer to the request ``ack_id``."""
        if error is None:
            return Frame(b'{"type":"ack","ackId":%d,"success":true}' % ack_id, is_text=True)
        return _frame({"type": "ack", "ackId": ack_id, "success": False, "error": _error(error)})

    def invoke_response(self, invocation_id: str, result: Payload | client_protocol.ErrorDetail | None) -> Frame:
        """Return the answer to an invocation."""
        is_success = not isinstance(result, client_protocol.ErrorDetail)
        text = _dumps({"type": "invokeResponse", "invocationId": invocation_id, "success": is_success})
        if isinstance(result, client_protocol.ErrorDetail):
            fields = b',"error":' + _dumps(_error(result)).encode()
        else:
            fields = b"" if result is None else b"," + _payload_fields(result)
        return Frame(b"%b%b}" % (text[:-1].encode(), fields), is_text=True)

    def stream_closed(self, stream_id: str, error: client_protocol.ErrorDetail) -> Frame:
        """Return the refusal of a stream."""
        return _frame({"type": "streamClosed", "streamId": stream_id, "error": _error(error)})

    def pong(self) -> Frame:
        """Return the answer to a ping."""
        return Frame(b'{"type":"pong"}', is_text=True)

    def message(self, message: client_protocol.OutgoingMessage) -> _EncodedMessage:
        """Return a message; JSON data is passed on as it was written."""
        if message.group is None:
            origin = b'"server"'
        else:
            origin = f'"group","fromUserId":{_dumps(message.from_user_id)},"group":{_dumps(message.group)}'.encode()
        return _EncodedMessage(b'{"type":"message","from":%b,%b' % (origin, _payload_fields(message.payload)))


def _frame(fields: _Fields) -> Frame:
    return Frame(_dumps(fields).encode(), is_text=True)


def _error(error: client_protocol.ErrorDetail) -> dict[str, str]:
    return {"name": error.name, "message": error.message}


def _payload_fields(payload: Payload) -> bytes:
    metadata = b',"metadata":' + _dumps(dict(payload.metadata)).encode() if payload.metadata else b""
    return b'"dataType":"%b","data":%b%b' % (payload.data_type.encode(), _data(payload), metadata)


def _data(payload: Payload) -> bytes:
    match payload.data_type:
        case DataType.JSON:
            return payload.body
        case DataType.TEXT:
            return _dumps(payload.body.decode()).encode()
        case DataType.BINARY | DataType.PROTOBUF:
            return b'"%b"' % base64.b64encode(payload.body)


def _read_event(fields: JsonObject) -> client_protocol.UserEvent:
    return client_protocol.UserEvent(_event(fields), _payload(fields), _unsigned(fields, "ackId"))


def _read_send_to_group(fields: JsonObject) -> client_protocol.SendToGroup | client_protocol.StreamFrame:
    group = _group(fields)
    stream = fields.get("stream")
    if stream is not None:
        if not isinstance(stream, dict):
            raise client_protocol.ClientProtocolError("'stream' must be an object.")
        return _read_stream(stream)
    client_protocol.check_ttl(_unsigned(fields, "ttlSeconds") or 0)
    return client_protocol.SendToGroup(group, _payload(fields), not _no_echo(fields), _unsigned(fields, "ackId"))


def _read_invoke(fields: JsonObject) -> client_protocol.Invoke:
    if _text(fields, "target").lower() != "event":
        raise client_protocol.ClientProtocolError("'target' must be 'event'.")
    has_payload = "data" in fields or "dataType" in fields
    payload = _payload(fields) if has_payload else Payload(DataType.TEXT, b"", _metadata(fields) or {})
    return client_protocol.Invoke(_unicode(fields, "invocationId"), _event(fields), payload)


def _read_sequence_ack(fields: JsonObject) -> client_protocol.SequenceAck:
    sequence_id = _unsigned(fields, "sequenceId")
    if sequence_id is None:
        raise client_protocol.ClientProtocolError("'sequenceId' is missing.")
    return client_protocol.SequenceAck(sequence_id)


def _read_group_state(fields: JsonObject) -> client_protocol.GroupStateRequest:
    _group(fields)
    return client_protocol.GroupStateRequest(_unsigned(fields, "ackId"))


def _read_stream(fields: _Fields) -> client_protocol.StreamFrame:
    return client_protocol.StreamFrame(_unicode(fields, "streamId"))


FRAME_READERS: Final[dict[str, Callable[[JsonObject], client_protocol.ClientFrame]]] = {
    "joinGroup": lambda fields: client_protocol.JoinGroup(_group(fields), _unsigned(fields, "ackId")),
    "leaveGroup": lambda fields: client_protocol.LeaveGroup(_group(fields), _unsigned(fields, "ackId")),
    "sendToGroup": _read_send_to_group,
    "event": _read_event,
    "ping": lambda _: client_protocol.Ping(),
    "sequenceAck": _read_sequence_ack,
    "invoke": _read_invoke,
    "cancelInvocation": lambda fields: client_protocol.CancelInvocation(_unicode(fields, "invocationId")),
    "streamData": _read_stream,
    "streamEnd": _read_stream,
    "setGroupState": _read_group_state,
    "subscribeGroupState": _read_group_state,
    "unsubscribeGroupState": _read_group_state,
}
"""How each frame of a client is read, by its type; types are case-insensitive."""

_READERS: Final = {name.lower(): reader for name, reader in FRAME_READERS.items()}


def _payload(fields: JsonObject) -> Payload:
    """Return what a frame carries: metadata without data becomes an empty text. ``null`` is data that is not valid."""
    metadata = _metadata(fields)
    if "data" not in fields:
        if metadata is None:
            raise client_protocol.ClientProtocolError("'data' is missing.")
        return Payload(DataType.TEXT, b"", metadata)
    return _data_payload(fields, metadata or {})


def _data_payload(fields: JsonObject, metadata: Mapping[str, str]) -> Payload:
    data = fields["data"]
    kind = _text(fields, "dataType") if "dataType" in fields else "json"
    try:
        match kind.lower():
            case "json" if data is not None:
                return Payload(DataType.JSON, fields.text_of("data").encode(), metadata)
            case "text" if isinstance(data, str):
                return text_payload(data, metadata)
            case "binary" if isinstance(data, str):
                return Payload(DataType.BINARY, base64.b64decode(data, validate=True), metadata)
            # Clients of the protobuf subprotocol could not read a frame with anything else.
            case "protobuf" if isinstance(data, str) and is_any(body := base64.b64decode(data, validate=True)):
                return Payload(DataType.PROTOBUF, body, metadata)
    except (binascii.Error, ValueError):
        raise client_protocol.ClientProtocolError(f"'data' is not valid for dataType {kind[:64]!r}.") from None
    raise client_protocol.ClientProtocolError(f"'data' does not fit dataType {kind[:64]!r}.")


def _metadata(fields: _Fields) -> Mapping[str, str] | None:
    metadata = fields.get("metadata")
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise client_protocol.ClientProtocolError("'metadata' must be an object of strings.")
    return client_protocol.checked_metadata(metadata)


def _text(fields: _Fields, name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise client_protocol.ClientProtocolError(f"'{name}' must be a string.")
    return value


def _unicode(fields: _Fields, name: str) -> str:
    value = _text(fields, name)
    if not value or not names.is_unicode(value):
        raise client_protocol.ClientProtocolError(f"'{name}' must be Unicode text with at least one character.")
    return value


def _group(fields: _Fields) -> str:
    return client_protocol.checked_group(_text(fields, "group"))


def _event(fields: _Fields) -> str:
    return client_protocol.checked_event(_text(fields, "event"))


def _unsigned(fields: JsonObject, name: str) -> int | None:
    """Return an optional number; ``null`` counts as absent, and ``1.0`` is not an integer."""
    if fields.get(name) is None:
        return None
    digits = fields.text_of(name)
    if not _UNSIGNED.fullmatch(digits) or int(digits) > _MAX_ID:
        raise client_protocol.ClientProtocolError(f"'{name}' must be an unsigned 64-bit integer.")
    return int(digits)


def _no_echo(fields: _Fields) -> bool:
    no_echo = fields.get("noEcho", False)
    if not isinstance(no_echo, bool):
        raise client_protocol.ClientProtocolError("'noEcho' must be true or false.")
    return no_echo
