"""The subprotocol `json.webpubsub.azure.v1`: JSON text frames in both directions, no I/O.

Order of keys and absence of white space are part of it: the SDKs' tests compare whole frames as text.
Source: MicrosoftDocs `reference-json-webpubsub-subprotocol`; where that is silent, Microsoft's emulator.
"""

import base64
import binascii
import json
from typing import Any, Final

from local.webpubsub import names
from local.webpubsub.client_protocol import (
    AckError,
    ClientFrame,
    ClientProtocolError,
    Frame,
    JoinGroup,
    LeaveGroup,
    OutgoingMessage,
    Ping,
    SendToGroup,
    UserEvent,
)
from local.webpubsub.messages import DataType, MessageBodyError, Payload, parse_json

JSON_SUBPROTOCOL: Final = "json.webpubsub.azure.v1"

_MAX_ACK_ID: Final = 2**64 - 1
_MAX_TTL_SECONDS: Final = 300
_dumps: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class JsonProtocol:
    """The codec of `json.webpubsub.azure.v1`."""

    dialect: Final = JSON_SUBPROTOCOL
    closes_on_failure: Final = False

    def decode(self, frame: str | bytes) -> ClientFrame:
        """The request in one frame."""
        if isinstance(frame, bytes):
            raise ClientProtocolError("The JSON subprotocol requires text messages.", close_code=1003)
        try:
            fields = parse_json(frame)
        except MessageBodyError:
            raise ClientProtocolError("The frame is not valid JSON.") from None
        if not isinstance(fields, dict):
            raise ClientProtocolError("The frame must be a JSON object.")
        match _text(fields, "type").lower():
            case "event":
                return UserEvent(_event(fields), _payload(fields), _ack_id(fields))
            case "sendtogroup":
                _check_ttl(fields)
                return SendToGroup(_group(fields), _payload(fields), not _no_echo(fields), _ack_id(fields))
            case "joingroup":
                return JoinGroup(_group(fields), _ack_id(fields))
            case "leavegroup":
                return LeaveGroup(_group(fields), _ack_id(fields))
            case "ping":
                return Ping()
            case other:
                raise ClientProtocolError(f"The frame type {other[:64]!r} is unknown or not supported yet.")

    def connected(self, connection_id: str, user_id: str | None) -> Frame:
        """The first frame a client gets."""
        return _frame({"type": "system", "event": "connected", "userId": user_id, "connectionId": connection_id})

    def disconnected(self, message: str) -> Frame:
        """The last frame before the server closes."""
        return _frame({"type": "system", "event": "disconnected", "message": message})

    def ack(self, ack_id: int, error: AckError | None) -> Frame:
        """The answer to the request `ack_id`."""
        if error is None:
            return Frame(b'{"type":"ack","ackId":%d,"success":true}' % ack_id, is_text=True)
        detail = {"name": error.name, "message": error.message}
        return _frame({"type": "ack", "ackId": ack_id, "success": False, "error": detail})

    def pong(self) -> Frame:
        """The answer to a ping."""
        return Frame(b'{"type":"pong"}', is_text=True)

    def message(self, message: OutgoingMessage) -> Frame:
        """A message; JSON data is passed on as it was written."""
        payload = message.payload
        if message.group is None:
            origin = b'"server"'
        else:
            origin = f'"group","fromUserId":{_dumps(message.from_user_id)},"group":{_dumps(message.group)}'.encode()
        metadata = b',"metadata":' + _dumps(dict(payload.metadata)).encode() if payload.metadata else b""
        return Frame(
            b'{"type":"message","from":%b,"dataType":"%b","data":%b%b}'
            % (origin, payload.data_type.encode(), _data(payload), metadata),
            is_text=True,
        )


def _frame(fields: dict[str, Any]) -> Frame:
    return Frame(_dumps(fields).encode(), is_text=True)


def _data(payload: Payload) -> bytes:
    match payload.data_type:
        case DataType.JSON:
            return payload.body
        case DataType.TEXT:
            return _dumps(payload.body.decode()).encode()
        case DataType.BINARY:
            return b'"%b"' % base64.b64encode(payload.body)


def _payload(fields: dict[str, Any]) -> Payload:
    metadata = _metadata(fields)
    if "data" not in fields and "dataType" not in fields and metadata:
        return Payload(DataType.TEXT, b"", metadata)
    kind = fields.get("dataType", "json")
    data = fields.get("data")
    try:
        match kind:
            case "json" if data is not None:
                return Payload(DataType.JSON, _dumps(data).encode(), metadata)
            case "text" if isinstance(data, str):
                return Payload(DataType.TEXT, data.encode(), metadata)
            case "binary" if isinstance(data, str):
                return Payload(DataType.BINARY, base64.b64decode(data, validate=True), metadata)
    except (binascii.Error, ValueError, RecursionError):
        raise ClientProtocolError(f"'data' is not valid for dataType {kind!r}.") from None
    raise ClientProtocolError(f"'data' is missing or does not fit dataType {str(kind)[:64]!r}.")


def _metadata(fields: dict[str, Any]) -> dict[str, str]:
    metadata = fields.get("metadata")
    if metadata is None:
        return {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ClientProtocolError("'metadata' must be an object of strings.")
    problem = names.metadata_problem(metadata)
    if problem is not None:
        raise ClientProtocolError(problem)
    return metadata


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise ClientProtocolError(f"'{name}' must be a string.")
    return value


def _group(fields: dict[str, Any]) -> str:
    group = _text(fields, "group")
    if not names.is_group(group):
        raise ClientProtocolError("'group' must have 1 to 1024 characters, not only white space.")
    return group


def _event(fields: dict[str, Any]) -> str:
    event = _text(fields, "event")
    if not names.is_event(event):
        raise ClientProtocolError("'event' must start with a letter; letters, digits, '_', '.', '-' follow, up to 128.")
    return event


def _ack_id(fields: dict[str, Any]) -> int | None:
    ack_id = fields.get("ackId")
    if ack_id is None:
        return None
    if type(ack_id) is not int or not 0 <= ack_id <= _MAX_ACK_ID:
        raise ClientProtocolError("'ackId' must be an unsigned 64-bit integer.")
    return ack_id


def _no_echo(fields: dict[str, Any]) -> bool:
    no_echo = fields.get("noEcho")
    if no_echo is not None and type(no_echo) is not bool:
        raise ClientProtocolError("'noEcho' must be true or false.")
    return bool(no_echo)


def _check_ttl(fields: dict[str, Any]) -> None:
    ttl = fields.get("ttlSeconds")
    if ttl is not None and (type(ttl) is not int or not 0 <= ttl <= _MAX_TTL_SECONDS):
        raise ClientProtocolError(f"'ttlSeconds' must be an integer from 0 to {_MAX_TTL_SECONDS}.")
