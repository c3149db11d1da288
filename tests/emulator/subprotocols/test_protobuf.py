"""The codec of protobuf.webpubsub.azure.v1, without sockets, against bytes that no protobuf library has written."""

from __future__ import annotations

import pytest

from tests.emulator.wire_format import field
from webpubsub_emulator.core.client_protocol import (
    CancelInvocation,
    ClientFrame,
    ClientProtocolError,
    ErrorDetail,
    GroupStateRequest,
    Invoke,
    JoinGroup,
    LeaveGroup,
    OutgoingMessage,
    Ping,
    SendToGroup,
    SequenceAck,
    StreamFrame,
    UserEvent,
)
from webpubsub_emulator.core.messages import DataType, Payload
from webpubsub_emulator.subprotocols.protobuf import ProtobufProtocol

PROTOCOL = ProtobufProtocol()
ANY = field(1, "type.googleapis.com/x") + field(2, b"\x01")
# As no library would write it again: the value first, a field twice, one that ``Any`` does not have.
UNSORTED_ANY = field(2, b"\x01") + field(9, "new") + field(1, "a") + field(1, "type.googleapis.com/x")
TEXT = field(1, "hi")
METADATA = field(1, "k") + field(2, "v")


@pytest.mark.parametrize(
    ("wire", "frame"),
    [
        (
            field(1, field(1, "g") + field(2, 0) + field(3, TEXT)),
            SendToGroup("g", Payload(DataType.TEXT, b"hi"), is_echoed=True, ack_id=0),
        ),
        (
            field(1, field(1, "g") + field(3, field(2, b"\xff")) + field(4, 1) + field(5, 300) + field(6, METADATA)),
            SendToGroup("g", Payload(DataType.BINARY, b"\xff", {"k": "v"}), is_echoed=False),
        ),
        (
            field(5, field(1, "e") + field(2, field(3, ANY)) + field(3, 2**64 - 1)),
            UserEvent("e", Payload(DataType.PROTOBUF, ANY), 2**64 - 1),
        ),
        (
            field(5, field(1, "e") + field(2, field(4, '{"n": 1}'))),
            UserEvent("e", Payload(DataType.JSON, b'{"n": 1}')),
        ),
        (field(5, field(1, "e") + field(2, field(1, ""))), UserEvent("e", Payload(DataType.TEXT, b""))),
        (field(5, field(1, "e") + field(2, field(2, b""))), UserEvent("e", Payload(DataType.BINARY, b""))),
        (field(5, field(1, "e") + field(2, field(3, b""))), UserEvent("e", Payload(DataType.PROTOBUF, b""))),
        (field(5, field(1, "e") + field(2, field(4, "null"))), UserEvent("e", Payload(DataType.JSON, b"null"))),
        (
            field(5, field(1, "e") + field(2, field(3, UNSORTED_ANY))),
            UserEvent("e", Payload(DataType.PROTOBUF, UNSORTED_ANY)),
        ),
        (field(5, field(1, "e") + field(4, METADATA)), UserEvent("e", Payload(DataType.TEXT, b"", {"k": "v"}))),
        (field(6, field(1, "g") + field(2, 1)), JoinGroup("g", 1)),
        (field(7, field(1, "g")), LeaveGroup("g")),
        (field(8, field(1, 3)), SequenceAck(3)),
        (field(9, b""), Ping()),
        (field(10, field(1, "e") + field(2, "1") + field(3, TEXT)), Invoke("1", "e", Payload(DataType.TEXT, b"hi"))),
        (field(10, field(1, "e") + field(2, "1")), Invoke("1", "e", Payload(DataType.TEXT, b""))),
        (field(11, field(1, "1")), CancelInvocation("1")),
        (field(1, field(1, "g") + field(7, field(1, "s1") + field(2, 60000))), StreamFrame("s1")),
        (field(5, field(1, "e") + field(5, field(1, "s1"))), StreamFrame("s1")),
        (field(10, field(1, "e") + field(5, field(1, "s1"))), StreamFrame("s1")),
        (field(13, field(1, "s1") + field(2, 1) + field(3, TEXT)), StreamFrame("s1")),
        (field(14, field(1, "s1") + field(2, field(1, "m"))), StreamFrame("s1")),
        (field(15, field(1, "g") + field(2, 1) + field(3, field(1, METADATA))), GroupStateRequest(1)),
        (field(16, field(1, "g")), GroupStateRequest()),
        (field(17, field(1, "g")), GroupStateRequest()),
        (field(9, b"") + field(99, "a field of a newer client"), Ping()),
    ],
)
def test_a_frame_of_a_client_is_understood(wire: bytes, frame: ClientFrame) -> None:
    assert PROTOCOL.decode(wire) == frame


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"nonsense",
        b"\x0a",
        field(99, b""),
        field(6, b""),
        field(6, field(1, " ")),
        field(6, field(1, b"\xff")),
        field(1, field(1, "g")),
        field(1, field(1, "g") + field(3, b"")),
        field(1, field(1, "g") + field(3, TEXT) + field(5, 301)),
        field(1, field(1, "g") + field(3, TEXT) + field(5, 2**64 - 1)),
        field(1, field(1, "g") + field(3, TEXT) + field(6, field(1, "a key") + field(2, "v"))),
        field(1, field(1, "g") + field(7, b"")),
        field(5, field(1, "1a") + field(2, TEXT)),
        field(5, field(1, "e") + field(2, field(3, b"\xff"))),
        field(5, field(1, "e") + field(2, field(4, "nonsense"))),
        field(5, field(1, "e") + field(2, field(4, ""))),
        field(5, field(1, "e") + field(2, field(4, "[" * 501 + "]" * 501))),
        field(5, field(1, "e") + field(2, b"")),
        field(5, field(1, "e") + field(2, b"") + field(4, METADATA)),
        field(10, field(1, "e") + field(3, TEXT)),
        field(10, field(2, "1") + field(3, TEXT)),
        field(11, b""),
        field(13, b""),
        field(15, b""),
    ],
)
def test_a_bad_frame_closes_with_1007(wire: bytes) -> None:
    with pytest.raises(ClientProtocolError) as refused:
        PROTOCOL.decode(wire)
    assert refused.value.close_code == 1007


def test_a_text_frame_closes_with_1003() -> None:
    with pytest.raises(ClientProtocolError, match="requires binary messages") as refused:
        PROTOCOL.decode('{"type":"ping"}')
    assert refused.value.close_code == 1003


def test_the_greeting_has_a_token_when_the_client_can_come_back() -> None:
    assert PROTOCOL.connected("c1", None, None).data == field(3, field(1, field(1, "c1")))
    assert PROTOCOL.connected("c1", "ana", "t").data == (
        field(3, field(1, field(1, "c1") + field(2, "ana") + field(3, "t")))
    )


def test_the_last_frame_says_why() -> None:
    assert PROTOCOL.disconnected("Bye").data == field(3, field(2, field(2, "Bye")))


def test_acks_say_success_or_why_not() -> None:
    assert PROTOCOL.ack(7, None).data == field(1, field(1, 7) + field(2, 1))
    assert PROTOCOL.ack(2**64 - 1, ErrorDetail("Forbidden", "No.")).data == (
        field(1, field(1, 2**64 - 1) + field(3, field(1, "Forbidden") + field(2, "No.")))
    )


def test_a_pong_is_an_empty_message() -> None:
    assert PROTOCOL.pong().data == field(4, b"")


@pytest.mark.parametrize(
    ("payload", "data"),
    [
        (Payload(DataType.TEXT, b"hi"), field(1, "hi")),
        (Payload(DataType.TEXT, b""), field(1, "")),
        (Payload(DataType.BINARY, b"\xff"), field(2, b"\xff")),
        (Payload(DataType.BINARY, b""), field(2, b"")),
        (Payload(DataType.PROTOBUF, ANY), field(3, ANY)),
        (Payload(DataType.PROTOBUF, UNSORTED_ANY), field(3, UNSORTED_ANY)),
        (Payload(DataType.PROTOBUF, b""), field(3, b"")),
        (Payload(DataType.JSON, b'{"n": 1}'), field(4, '{"n": 1}')),
    ],
)
def test_a_message_carries_each_kind_of_data(payload: Payload, data: bytes) -> None:
    assert PROTOCOL.message(OutgoingMessage(payload)).frame.data == field(2, field(1, "server") + field(3, data))


def test_a_message_of_a_group_has_its_number_only_for_reliable_clients() -> None:
    encoded = PROTOCOL.message(OutgoingMessage(Payload(DataType.TEXT, b"hi", {"k": "v"}), "g", "ana"))
    head, tail = field(1, "group") + field(2, "g") + field(3, TEXT), field(5, METADATA)
    assert encoded.numbered(7).data == field(2, head + field(4, 7) + tail)
    assert encoded.numbered(8).data == field(2, head + field(4, 8) + tail)
    assert encoded.frame.data == field(2, head + tail)
    assert not encoded.frame.is_text


@pytest.mark.parametrize(
    ("result", "wire"),
    [
        (None, field(2, 1)),
        (Payload(DataType.TEXT, b"hi", {"k": "v"}), field(2, 1) + field(3, TEXT) + field(5, METADATA)),
        (ErrorDetail("Timeout", "No."), field(4, field(1, "Timeout") + field(2, "No."))),
    ],
)
def test_an_invocation_is_answered(result: Payload | ErrorDetail | None, wire: bytes) -> None:
    assert PROTOCOL.invoke_response("1", result).data == field(5, field(1, "1") + wire)


def test_a_stream_is_refused() -> None:
    assert PROTOCOL.stream_closed("s1", ErrorDetail("BadRequest", "No.")).data == (
        field(8, field(1, "s1") + field(2, field(1, "BadRequest") + field(2, "No.")))
    )
