"""The subprotocols ``protobuf.webpubsub.azure.v1`` and its reliable twin: binary frames in both directions, no I/O.

Source: MicrosoftDocs ``reference-protobuf-webpubsub-subprotocol``; where that is silent, what JSON clients get.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from webpubsub_emulator.core import client_protocol
from webpubsub_emulator.core.frames import Frame
from webpubsub_emulator.core.json_text import JsonTextError, check_json
from webpubsub_emulator.core.messages import DataType, Payload
from webpubsub_emulator.subprotocols.protobuf_messages import Data, DecodeError, Downstream, Upstream, is_any

__all__ = ["FRAME_READERS", "ProtobufProtocol"]


@dataclass(frozen=True, slots=True)
class _EncodedMessage:
    """A message without a sequence number, and a copy that is encoded with each number in turn."""

    frame: Frame
    downstream: Any

    def numbered(self, sequence_id: int) -> Frame:
        self.downstream.message.sequence_id = sequence_id
        return _frame(self.downstream)


class ProtobufProtocol:
    """The codec of protobuf frames."""

    dialect: Final = "protobuf"
    closes_on_failure: Final = False

    def decode(self, frame: str | bytes) -> client_protocol.ClientFrame:
        """Return the request in one frame."""
        if isinstance(frame, str):
            raise client_protocol.ClientProtocolError(
                "The protobuf subprotocol requires binary messages.", close_code=1003
            )
        try:
            upstream = Upstream.FromString(frame)
        except DecodeError:
            raise client_protocol.ClientProtocolError("The frame is not a valid protobuf message.") from None
        kind = upstream.WhichOneof("frame")
        if kind is None:
            raise client_protocol.ClientProtocolError("The frame is of no known type.")
        return FRAME_READERS[kind](getattr(upstream, kind))

    def connected(self, connection_id: str, user_id: str | None, reconnection_token: str | None) -> Frame:
        """Return the first frame a client gets."""
        connected = {
            "connection_id": connection_id,
            "user_id": user_id or "",
            "reconnection_token": reconnection_token or "",
        }
        return _frame(Downstream(system={"connected": connected}))

    def disconnected(self, message: str) -> Frame:
        """Return the last frame before the server closes."""
        return _frame(Downstream(system={"disconnected": {"reason": message}}))

    def ack(self, ack_id: int, error: client_protocol.ErrorDetail | None) -> Frame:
        """Return the answer to the request ``ack_id``."""
        return _frame(Downstream(ack={"ack_id": ack_id, "success": error is None, "error": error and _error(error)}))

    def invoke_response(self, invocation_id: str, result: Payload | client_protocol.ErrorDetail | None) -> Frame:
        """Return the answer to an invocation."""
        if isinstance(result, client_protocol.ErrorDetail):
            fields: dict[str, Any] = {"success": False, "error": _error(result)}
        elif result is None:
            fields = {"success": True}
        else:
            fields = {"success": True, "data": _data(result), "metadata": dict(result.metadata)}
        return _frame(Downstream(invoke_response={"invocation_id": invocation_id, **fields}))

    def stream_closed(self, stream_id: str, error: client_protocol.ErrorDetail) -> Frame:
        """Return the refusal of a stream."""
        return _frame(Downstream(stream_closed={"stream_id": stream_id, "error": _error(error)}))

    def pong(self) -> Frame:
        """Return the answer to a ping."""
        return _frame(Downstream(pong={}))

    def message(self, message: client_protocol.OutgoingMessage) -> _EncodedMessage:
        """Return a message; it has no field for the sender's user id."""
        fields = {
            "origin": "server" if message.group is None else "group",
            "group": message.group or "",
            "data": _data(message.payload),
            "metadata": dict(message.payload.metadata),
        }
        downstream = Downstream(message=fields)
        return _EncodedMessage(_frame(downstream), downstream)


def _frame(downstream: Any) -> Frame:
    return Frame(downstream.SerializeToString(), is_text=False)


def _error(error: client_protocol.ErrorDetail) -> dict[str, str]:
    return {"name": error.name, "message": error.message}


def _data(payload: Payload) -> Any:
    match payload.data_type:
        case DataType.TEXT:
            return Data(text=payload.body.decode())
        case DataType.JSON:
            return Data(json=payload.body.decode())
        case DataType.BINARY:
            return Data(binary=payload.body)
        case DataType.PROTOBUF:
            return Data(protobuf=payload.body)


def _payload(request: Any) -> Payload:
    metadata = client_protocol.checked_metadata(dict(request.metadata))
    if metadata and not request.HasField("data"):
        return Payload(DataType.TEXT, b"", metadata)
    data = request.data
    match data.WhichOneof("data"):
        case "text":
            return Payload(DataType.TEXT, data.text.encode(), metadata)
        case "binary":
            return Payload(DataType.BINARY, data.binary, metadata)
        case "protobuf":
            if not is_any(data.protobuf):
                raise client_protocol.ClientProtocolError("The data is not a google.protobuf.Any.")
            return Payload(DataType.PROTOBUF, data.protobuf, metadata)
        case "json":
            try:
                check_json(data.json)
            except JsonTextError as error:
                raise client_protocol.ClientProtocolError(f"The data {error}.") from None
            return Payload(DataType.JSON, data.json.encode(), metadata)
    raise client_protocol.ClientProtocolError("The data is missing.")


def _read_send_to_group(request: Any) -> client_protocol.SendToGroup | client_protocol.StreamFrame:
    group = client_protocol.checked_group(request.group)
    if request.HasField("stream"):
        return _read_stream(request.stream)
    client_protocol.check_ttl(request.ttl_seconds)
    return client_protocol.SendToGroup(group, _payload(request), not request.no_echo, _ack_id(request))


def _read_event(request: Any) -> client_protocol.UserEvent | client_protocol.StreamFrame:
    if request.HasField("stream"):
        return _read_stream(request.stream)
    return client_protocol.UserEvent(client_protocol.checked_event(request.event), _payload(request), _ack_id(request))


def _read_invoke(request: Any) -> client_protocol.Invoke | client_protocol.StreamFrame:
    if request.HasField("stream"):
        return _read_stream(request.stream)
    if request.HasField("data"):
        payload = _payload(request)
    else:
        payload = Payload(DataType.TEXT, b"", client_protocol.checked_metadata(dict(request.metadata)))
    return client_protocol.Invoke(_id(request.invocation_id), client_protocol.checked_event(request.event), payload)


def _read_group_state(request: Any) -> client_protocol.GroupStateRequest:
    client_protocol.checked_group(request.group)
    return client_protocol.GroupStateRequest(_ack_id(request))


def _read_stream(stream: Any) -> client_protocol.StreamFrame:
    return client_protocol.StreamFrame(_id(stream.stream_id))


FRAME_READERS: Final[dict[str, Callable[[Any], client_protocol.ClientFrame]]] = {
    "send_to_group": _read_send_to_group,
    "event": _read_event,
    "join_group": lambda request: client_protocol.JoinGroup(
        client_protocol.checked_group(request.group), _ack_id(request)
    ),
    "leave_group": lambda request: client_protocol.LeaveGroup(
        client_protocol.checked_group(request.group), _ack_id(request)
    ),
    "sequence_ack": lambda request: client_protocol.SequenceAck(request.sequence_id),
    "ping": lambda _: client_protocol.Ping(),
    "invoke": _read_invoke,
    "cancel_invocation": lambda request: client_protocol.CancelInvocation(_id(request.invocation_id)),
    "stream_data": _read_stream,
    "stream_end": _read_stream,
    "set_group_state": _read_group_state,
    "subscribe_group_state": _read_group_state,
    "unsubscribe_group_state": _read_group_state,
}
"""How each frame of a client is read, by its kind."""


def _ack_id(request: Any) -> int | None:
    return request.ack_id if request.HasField("ack_id") else None


def _id(text: str) -> str:
    if not text:
        raise client_protocol.ClientProtocolError("The id is missing.")
    return text
