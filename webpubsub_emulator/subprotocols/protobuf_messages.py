"""The messages of ``protobuf.webpubsub.azure.v1``, described at run time: no compiler and no generated code.

Only numbers and types are on the wire; names are this emulator's. Source: MicrosoftDocs
``reference-protobuf-webpubsub-subprotocol`` and Azure/azure-webpubsub ``protocols/protobuf.webpubsub.azure.v1``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from google.protobuf.any_pb2 import Any as ProtobufAny
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

_PACKAGE: Final = "webpubsub_emulator"
_SCALARS: Final = {
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "string": FieldDescriptorProto.TYPE_STRING,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
}


class _Field(NamedTuple):
    """A field; ``type`` is a scalar, one of the messages here, or ``map`` for strings by strings.

    ``oneof`` names the alternatives that the field is one of; ``optional`` is a oneof of its own, so that zero and
    absence differ.
    """

    number: int
    name: str
    type: str
    oneof: str = ""


_ACK_ID: Final = _Field(2, "ack_id", "uint64", "optional")
_MESSAGES: Final[Mapping[str, Sequence[_Field]]] = {
    "Data": (
        _Field(1, "text", "string", "data"),
        _Field(2, "binary", "bytes", "data"),
        # An ``Any``, as its bytes on the wire: decoded and encoded again, they might differ.
        _Field(3, "protobuf", "bytes", "data"),
        _Field(4, "json", "string", "data"),
    ),
    "Stream": (_Field(1, "stream_id", "string"),),
    "GroupRequest": (_Field(1, "group", "string"), _ACK_ID),
    "SendToGroup": (
        _Field(1, "group", "string"),
        _ACK_ID,
        _Field(3, "data", "Data"),
        _Field(4, "no_echo", "bool"),
        _Field(5, "ttl_seconds", "int32"),
        _Field(6, "metadata", "map"),
        _Field(7, "stream", "Stream"),
    ),
    "Event": (
        _Field(1, "event", "string"),
        _Field(2, "data", "Data"),
        _Field(3, "ack_id", "uint64", "optional"),
        _Field(4, "metadata", "map"),
        _Field(5, "stream", "Stream"),
    ),
    "Invoke": (
        _Field(1, "event", "string"),
        _Field(2, "invocation_id", "string"),
        _Field(3, "data", "Data"),
        _Field(4, "metadata", "map"),
        _Field(5, "stream", "Stream"),
    ),
    "CancelInvocation": (_Field(1, "invocation_id", "string"),),
    "SequenceAck": (_Field(1, "sequence_id", "uint64"),),
    "Empty": (),
    "Upstream": (
        _Field(1, "send_to_group", "SendToGroup", "frame"),
        _Field(5, "event", "Event", "frame"),
        _Field(6, "join_group", "GroupRequest", "frame"),
        _Field(7, "leave_group", "GroupRequest", "frame"),
        _Field(8, "sequence_ack", "SequenceAck", "frame"),
        _Field(9, "ping", "Empty", "frame"),
        _Field(10, "invoke", "Invoke", "frame"),
        _Field(11, "cancel_invocation", "CancelInvocation", "frame"),
        _Field(13, "stream_data", "Stream", "frame"),
        _Field(14, "stream_end", "Stream", "frame"),
        _Field(15, "set_group_state", "GroupRequest", "frame"),
        _Field(16, "subscribe_group_state", "GroupRequest", "frame"),
        _Field(17, "unsubscribe_group_state", "GroupRequest", "frame"),
    ),
    "Error": (_Field(1, "name", "string"), _Field(2, "message", "string")),
    "Ack": (_Field(1, "ack_id", "uint64"), _Field(2, "success", "bool"), _Field(3, "error", "Error")),
    "Message": (
        _Field(1, "origin", "string"),
        _Field(2, "group", "string"),
        _Field(3, "data", "Data"),
        _Field(4, "sequence_id", "uint64"),
        _Field(5, "metadata", "map"),
    ),
    "Connected": (
        _Field(1, "connection_id", "string"),
        _Field(2, "user_id", "string"),
        _Field(3, "reconnection_token", "string"),
    ),
    "Disconnected": (_Field(2, "reason", "string"),),
    "System": (_Field(1, "connected", "Connected", "event"), _Field(2, "disconnected", "Disconnected", "event")),
    "InvokeResponse": (
        _Field(1, "invocation_id", "string"),
        _Field(2, "success", "bool"),
        _Field(3, "data", "Data"),
        _Field(4, "error", "Error"),
        _Field(5, "metadata", "map"),
    ),
    "StreamClosed": (_Field(1, "stream_id", "string"), _Field(2, "error", "Error")),
    "Downstream": (
        _Field(1, "ack", "Ack", "frame"),
        _Field(2, "message", "Message", "frame"),
        _Field(3, "system", "System", "frame"),
        _Field(4, "pong", "Empty", "frame"),
        _Field(5, "invoke_response", "InvokeResponse", "frame"),
        _Field(8, "stream_closed", "StreamClosed", "frame"),
    ),
}


def is_any(body: bytes) -> bool:
    """Return whether ``body`` is a serialized ``google.protobuf.Any``."""
    try:
        ProtobufAny.FromString(body)
    except DecodeError:
        return False
    return True


def _describe(name: str, fields: Sequence[_Field]) -> DescriptorProto:
    described = DescriptorProto(name=name)
    for field in fields:
        proto = described.field.add(
            name=field.name,
            number=field.number,
            label=FieldDescriptorProto.LABEL_OPTIONAL,
            type=_SCALARS.get(field.type),
        )
        if field.type == "map":
            described.nested_type.append(_map_entry(field.name))
            proto.label = FieldDescriptorProto.LABEL_REPEATED
            proto.type_name = f".{_PACKAGE}.{name}.{described.nested_type[-1].name}"
        elif field.type not in _SCALARS:
            proto.type_name = f".{_PACKAGE}.{field.type}"
        if field.oneof:
            proto.proto3_optional = field.oneof == "optional"
            proto.oneof_index = _oneof_index(described, f"_{field.name}" if proto.proto3_optional else field.oneof)
    return described


def _oneof_index(described: DescriptorProto, name: str) -> int:
    known = [oneof.name for oneof in described.oneof_decl]
    if name not in known:
        described.oneof_decl.add(name=name)
        known.append(name)
    return known.index(name)


def _map_entry(name: str) -> DescriptorProto:
    entry = _describe(f"{name.title()}Entry", (_Field(1, "key", "string"), _Field(2, "value", "string")))
    entry.options.map_entry = True
    return entry


def _message_class(name: str) -> Any:
    return GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


_file = FileDescriptorProto(
    name="webpubsub_emulator.proto",
    package=_PACKAGE,
    syntax="proto3",
    message_type=[_describe(name, fields) for name, fields in _MESSAGES.items()],
)
_pool = DescriptorPool()
_pool.AddSerializedFile(_file.SerializeToString())

Upstream: Final = _message_class("Upstream")
"""What a client sends: ``frame`` is one of its kinds."""
Downstream: Final = _message_class("Downstream")
"""What a client gets: ``frame`` is one of its kinds."""
Data: Final = _message_class("Data")
"""A message's data: text, binary, protobuf or JSON."""

__all__ = ["Data", "DecodeError", "Downstream", "Upstream", "is_any"]
