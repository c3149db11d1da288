"""The codec of json.webpubsub.azure.v1, without sockets."""

from __future__ import annotations

import json

import pytest

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
from webpubsub_emulator.core.json_text import MAX_JSON_DEPTH
from webpubsub_emulator.core.messages import DataType, Payload
from webpubsub_emulator.subprotocols.json import JsonProtocol

PROTOCOL = JsonProtocol()


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ('{"type": "joinGroup", "group": "g1", "ackId": 1}', JoinGroup("g1", 1)),
        ('{"type":"leaveGroup","group":"g1"}', LeaveGroup("g1")),
        (
            '{"type": "sendToGroup", "group": "g1", "ackId": 2, "dataType": "text", "data": "hi", "noEcho": false}',
            SendToGroup("g1", Payload(DataType.TEXT, b"hi"), True, 2),
        ),
        (
            '{"type":"sendToGroup","group":"g1","noEcho":true,"data":{"a":[1, null]},"ttlSeconds":300}',
            SendToGroup("g1", Payload(DataType.JSON, b'{"a":[1, null]}'), False),
        ),
        (
            '{"type": "event", "event": "ev", "ackId": 5, "dataType": "binary", "data": "AQI="}',
            UserEvent("ev", Payload(DataType.BINARY, b"\x01\x02"), 5),
        ),
        (
            '{"type":"event","event":"ev","dataType":"text","data":"t","metadata":{"k":"v"}}',
            UserEvent("ev", Payload(DataType.TEXT, b"t", {"k": "v"})),
        ),
        (
            '{"type":"event","event":"ev","metadata":{"k":"v"}}',
            UserEvent("ev", Payload(DataType.TEXT, b"", {"k": "v"})),
        ),
        # As in Microsoft's emulator: metadata without keys is metadata, and without data no dataType is looked at.
        ('{"type":"event","event":"ev","metadata":{}}', UserEvent("ev", Payload(DataType.TEXT, b""))),
        (
            '{"type":"event","event":"ev","dataType":"binary","metadata":{"k":"v"}}',
            UserEvent("ev", Payload(DataType.TEXT, b"", {"k": "v"})),
        ),
        ('{"type":"event","event":"e","dataType":"Text","data":""}', UserEvent("e", Payload(DataType.TEXT, b""))),
        ('{"type":"event","event":"e","dataType":"BINARY","data":""}', UserEvent("e", Payload(DataType.BINARY, b""))),
        ('{"type":"event","event":"e","dataType":"Json","data":""}', UserEvent("e", Payload(DataType.JSON, b'""'))),
        (
            '{"type":"event","event":"e","dataType":"PROTOBUF","data":""}',
            UserEvent("e", Payload(DataType.PROTOBUF, b"")),
        ),
        ('{"type":"joinGroup","group":"g","ackId":null}', JoinGroup("g")),
        (
            '{"type":"sendToGroup","group":"g","data":1,"metadata":null,"ttlSeconds":null}',
            SendToGroup("g", Payload(DataType.JSON, b"1")),
        ),
        (
            '{"type":"INVOKE","invocationId":"1","target":"Event","event":"proc","data":1}',
            Invoke("1", "proc", Payload(DataType.JSON, b"1")),
        ),
        # Of members with one name the last counts.
        ('{"data":1,"type":"ping","type":"event","event":"e","data":2}', UserEvent("e", Payload(DataType.JSON, b"2"))),
        ('{"type":"EVENT","event":"Ev.1-a_b","data":true}', UserEvent("Ev.1-a_b", Payload(DataType.JSON, b"true"))),
        ('{"type":"ping"}', Ping()),
        ('{"type": "sequenceAck", "sequenceId": 1}', SequenceAck(1)),
        (
            '{"type":"invoke","invocationId":"1","target":"event","event":"proc","dataType":"text","data":"t"}',
            Invoke("1", "proc", Payload(DataType.TEXT, b"t")),
        ),
        (
            '{"type":"invoke","invocationId":"1","target":"event","event":"proc","metadata":{"k":"v"}}',
            Invoke("1", "proc", Payload(DataType.TEXT, b"", {"k": "v"})),
        ),
        ('{"type":"cancelInvocation","invocationId":"1"}', CancelInvocation("1")),
        (
            # An Any with the type URL "t" and the value "v".
            '{"type":"event","event":"e","dataType":"protobuf","data":"CgF0EgF2"}',
            UserEvent("e", Payload(DataType.PROTOBUF, b"\n\x01t\x12\x01v")),
        ),
        (
            '{"type":"sendToGroup","group":"g1","noEcho":false,"stream":{"streamId":"s1","idleTimeoutMs":60000}}',
            StreamFrame("s1"),
        ),
        ('{"type":"streamData","streamId":"s1","streamSequenceId":1,"dataType":"text","data":"x"}', StreamFrame("s1")),
        ('{"type":"streamEnd","streamId":"s1"}', StreamFrame("s1")),
        ('{"type":"setGroupState","group":"g","state":{"k":"v"},"ackId":1}', GroupStateRequest(1)),
        ('{"type":"subscribeGroupState","group":"g"}', GroupStateRequest()),
        ('{"type":"unsubscribeGroupState","group":"g"}', GroupStateRequest()),
        ('{"type":"joinGroup","group":"g","ackId":18446744073709551615}', JoinGroup("g", 2**64 - 1)),
    ],
)
def test_a_frame_of_a_client_is_understood(text: str, frame: ClientFrame) -> None:
    assert PROTOCOL.decode(text) == frame


def test_text_in_other_scripts_stays_as_it_is() -> None:
    frame = PROTOCOL.decode(json.dumps({"type": "event", "event": "e", "dataType": "text", "data": "Grüße 👋"}))
    assert isinstance(frame, UserEvent)
    assert frame.payload.body == "Grüße 👋".encode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "null",
        "1",
        "{}",
        '{"type":1}',
        '{"type":"unknown"}',
        '{"type":"joinGroup"}',
        '{"type":"joinGroup","group":""}',
        '{"type":"joinGroup","group":" "}',
        '{"type":"joinGroup","group":7}',
        '{"type":"joinGroup","group":"\\ud800"}',
        json.dumps({"type": "joinGroup", "group": "g" * 1025}),
        '{"type":"joinGroup","group":"g","ackId":"1"}',
        '{"type":"joinGroup","group":"g","ackId":-1}',
        '{"type":"joinGroup","group":"g","ackId":1.5}',
        '{"type":"joinGroup","group":"g","ackId":true}',
        '{"type":"joinGroup","group":"g","ackId":18446744073709551616}',
        '{"type":"sendToGroup","group":"g"}',
        '{"type":"sendToGroup","group":"g","data":null}',
        '{"type":"sendToGroup","group":"g","dataType":"text","data":1}',
        '{"type":"sendToGroup","group":"g","dataType":"binary","data":"%%%"}',
        '{"type":"sendToGroup","group":"g","dataType":"protobuf","data":"AQI="}',
        '{"type":"sendToGroup","group":"g","dataType":"protobuf","data":1}',
        '{"type":"sendToGroup","group":"g","stream":"s1"}',
        '{"type":"sendToGroup","group":"g","stream":{"streamId":1}}',
        '{"type":"sequenceAck"}',
        '{"type":"sequenceAck","sequenceId":-1}',
        '{"type":"invoke","invocationId":"1","target":"hub","event":"e"}',
        '{"type":"invoke","invocationId":1,"target":"event","event":"e"}',
        '{"type":"invoke","invocationId":"","target":"event","event":"e"}',
        '{"type":"invoke","invocationId":"\\ud800","target":"event","event":"e"}',
        '{"type":"invoke","invocationId":"1","target":"event","event":"e","data":null}',
        '{"type":"invoke","invocationId":"1","target":"event"}',
        '{"type":"cancelInvocation"}',
        '{"type":"streamData"}',
        '{"type":"setGroupState","ackId":1}',
        '{"type":"sendToGroup","group":"g","dataType":["text"],"data":"x"}',
        '{"type":"sendToGroup","group":"g","data":1,"noEcho":1}',
        '{"type":"sendToGroup","group":"g","data":1,"noEcho":null}',
        '{"type":"sendToGroup","group":"g","data":1,"ttlSeconds":1.0}',
        '{"type":"sendToGroup","group":"g","data":1,"dataType":null}',
        '{"type":"sendToGroup","group":"g","dataType":"text","data":null}',
        '{"type":"sendToGroup","group":"g","dataType":"binary","data":null}',
        '{"type":"sendToGroup","group":"g","dataType":"binary","data":"\\ud800"}',
        '{"type":"sendToGroup","group":"g","dataType":"text"}',
        '{"type":"sendToGroup","group":"g","data":null,"metadata":{"k":"v"}}',
        '{"type":"sendToGroup","group":"g","metadata":null}',
        '{"TYPE":"ping"}',
        '{"type":"sendToGroup","group":"g","data":1,"ttlSeconds":301}',
        '{"type":"sendToGroup","group":"g","data":1,"ttlSeconds":"1"}',
        '{"type":"sendToGroup","group":"g","data":1,"metadata":{"k":1}}',
        '{"type":"sendToGroup","group":"g","data":1,"metadata":{"a key":"v"}}',
        '{"type":"sendToGroup","group":"g","data":1,"metadata":{"k":"ü"}}',
        json.dumps({"type": "sendToGroup", "group": "g", "data": 1, "metadata": {"k": "v" * 1025}}),
        json.dumps(
            {"type": "sendToGroup", "group": "g", "data": 1, "metadata": {f"k{n}": "v" * 1000 for n in range(9)}}
        ),
        '{"type":"event","event":"","data":1}',
        '{"type":"event","event":"1a","data":1}',
        '{"type":"event","event":"a/b","data":1}',
        json.dumps({"type": "event", "event": "e" * 129, "data": 1}),
        '{"type":"event","event":"e","data":NaN}',
        '{"type":"event","event":"e","data":' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
)
def test_a_bad_frame_closes_with_1007(text: str) -> None:
    with pytest.raises(ClientProtocolError) as refused:
        PROTOCOL.decode(text)
    assert refused.value.close_code == 1007


@pytest.mark.parametrize(
    "data",
    [
        "10.00",
        "1e2",
        "-0",
        "1E+400",
        "0.12345678901234567890",
        "9" * 5000,
        '"\\ud800"',
        '"\\uD83D\\ude00 \\/ 👋"',
        '{ "b" : 1,\n\t"a" : [ ] , "a":\r2 }',
        # The frame itself is a level.
        "[" * (MAX_JSON_DEPTH - 1) + "]" * (MAX_JSON_DEPTH - 1),
    ],
)
@pytest.mark.parametrize(
    "frame", ['{"type":"event","event":"e","data":%s}', ' {"data" : %s , "event":"e","type":"event"}\n']
)
def test_json_data_stays_as_it_was_written(frame: str, data: str) -> None:
    assert PROTOCOL.decode(frame % data) == UserEvent("e", Payload(DataType.JSON, data.encode()))


def test_half_a_surrogate_pair_in_text_becomes_the_replacement_character() -> None:
    frame = '{"type":"event","event":"e","dataType":"text","data":"a\\ud800b\\ud83d\\ude00\\udc00"}'
    assert PROTOCOL.decode(frame) == UserEvent("e", Payload(DataType.TEXT, "a\ufffdb😀\ufffd".encode()))


def test_a_frame_that_is_nested_too_deep_is_refused_with_the_reason() -> None:
    text = '{"type":"event","event":"e","data":' + "[" * MAX_JSON_DEPTH + "]" * MAX_JSON_DEPTH + "}"
    with pytest.raises(ClientProtocolError, match="The frame is nested more than 500 levels deep"):
        PROTOCOL.decode(text)


def test_a_binary_frame_closes_with_1003() -> None:
    with pytest.raises(ClientProtocolError, match="requires text messages") as refused:
        PROTOCOL.decode(b'{"type":"ping"}')
    assert refused.value.close_code == 1003


def test_the_greeting_names_a_user_even_if_there_is_none() -> None:
    assert PROTOCOL.connected("c1", None, None).data == (
        b'{"type":"system","event":"connected","userId":null,"connectionId":"c1"}'
    )


def test_the_greeting_of_a_reliable_client_has_its_token_last() -> None:
    assert PROTOCOL.connected("c1", "ana", "t").data == (
        b'{"type":"system","event":"connected","userId":"ana","connectionId":"c1","reconnectionToken":"t"}'
    )


def test_the_last_frame_says_why() -> None:
    assert PROTOCOL.disconnected("Bye").data == b'{"type":"system","event":"disconnected","message":"Bye"}'


def test_an_ack_of_success_has_no_error() -> None:
    assert PROTOCOL.ack(7, None).data == b'{"type":"ack","ackId":7,"success":true}'


def test_an_ack_of_failure_names_the_error() -> None:
    assert PROTOCOL.ack(2**64 - 1, ErrorDetail("Forbidden", "No.")).data == (
        b'{"type":"ack","ackId":18446744073709551615,"success":false,"error":{"name":"Forbidden","message":"No."}}'
    )


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            OutgoingMessage(Payload(DataType.JSON, b'{"n": 1.0}')),
            '{"type":"message","from":"server","dataType":"json","data":{"n": 1.0}}',
        ),
        (
            OutgoingMessage(Payload(DataType.TEXT, 'a "ü"'.encode()), "g", "ana"),
            '{"type":"message","from":"group","fromUserId":"ana","group":"g","dataType":"text","data":"a \\"ü\\""}',
        ),
        (
            OutgoingMessage(Payload(DataType.BINARY, b"\x01\x02"), "g"),
            '{"type":"message","from":"group","fromUserId":null,"group":"g","dataType":"binary","data":"AQI="}',
        ),
        (
            OutgoingMessage(Payload(DataType.TEXT, b"t", {"k": "v"})),
            '{"type":"message","from":"server","dataType":"text","data":"t","metadata":{"k":"v"}}',
        ),
        (
            OutgoingMessage(Payload(DataType.PROTOBUF, b"\x01\x02")),
            '{"type":"message","from":"server","dataType":"protobuf","data":"AQI="}',
        ),
    ],
)
def test_a_message_is_written_to_the_letter(message: OutgoingMessage, text: str) -> None:
    encoded = PROTOCOL.message(message)
    assert (encoded.frame.data.decode(), encoded.frame.is_text) == (text, True)
    assert encoded.numbered(7).data.decode() == f'{text[:-1]},"sequenceId":7}}'


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (None, '{"type":"invokeResponse","invocationId":"1","success":true}'),
        (
            Payload(DataType.JSON, b'{"n":1}'),
            '{"type":"invokeResponse","invocationId":"1","success":true,"dataType":"json","data":{"n":1}}',
        ),
        (
            ErrorDetail("Timeout", "No."),
            '{"type":"invokeResponse","invocationId":"1","success":false,"error":{"name":"Timeout","message":"No."}}',
        ),
    ],
)
def test_an_invocation_is_answered(result: Payload | ErrorDetail | None, text: str) -> None:
    assert PROTOCOL.invoke_response("1", result).data.decode() == text


def test_a_stream_is_refused() -> None:
    assert PROTOCOL.stream_closed("s1", ErrorDetail("BadRequest", "No.")).data == (
        b'{"type":"streamClosed","streamId":"s1","error":{"name":"BadRequest","message":"No."}}'
    )
