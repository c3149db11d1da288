from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.wire import event
from webpubsub_handler import (
    ClientCertificate,
    ConnectedEventRequest,
    ConnectEventRequest,
    DataType,
    DisconnectedEventRequest,
    GroupJoinedEventRequest,
    InvalidDataError,
    MalformedEventError,
    UnknownEvent,
    UserEventRequest,
)
from webpubsub_handler.protocol.decode import decode

REQUIRED = ["ce-specversion", "ce-type", "ce-id", "ce-time", "ce-connectionId", "ce-hub", "ce-eventName"]
OPTIONAL = [
    "ce-awpsversion",
    "ce-source",
    "ce-subprotocol",
    "ce-userId",
    "ce-connectionState",
    "WebHook-Request-Origin",
]


def user_event(name: str, body: bytes | None = None, **headers: str | None) -> UserEventRequest:
    """An event; the name of a header is its last word: ``user_event("user_text", userId="ana")``."""
    request = decode(event(name, body, {f"ce-{field}": value for field, value in headers.items()}))
    assert isinstance(request, UserEventRequest)
    return request


def with_json(body: bytes) -> UserEventRequest:
    return user_event("user_json", body)


def connect(body: bytes | None = None) -> ConnectEventRequest:
    request = decode(event("connect", body))
    assert isinstance(request, ConnectEventRequest)
    return request


def test_the_context_has_the_attributes_of_the_event() -> None:
    context = user_event("user_text").context

    assert context.hub == "chat"
    assert context.connection_id == "conn-42"
    assert context.user_id == "ana"
    assert context.event_name == "message"
    assert context.time == datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
    assert context.subprotocol == "json.webpubsub.azure.v1"
    assert dict(context.state) == {"room": "lobby"}
    assert context.headers.get("WebHook-Request-Origin") == "localhost"


def test_a_user_id_is_decoded_and_stays_in_the_headers_as_received() -> None:
    context = user_event("quirks/user_percent_encoded").context

    assert context.user_id == '设备 "a"'
    assert context.headers.get("ce-userId") == "%E8%AE%BE%E5%A4%87%20%22a%22"


@pytest.mark.parametrize("user_id", [None, ""])
def test_an_anonymous_client_has_no_user_id(user_id: str | None) -> None:
    assert user_event("user_text", userId=user_id).context.user_id is None


def test_the_hub_is_lower_case() -> None:
    assert user_event("quirks/user_hub_in_capitals").context.hub == "chat"


@pytest.mark.parametrize("header", REQUIRED)
@pytest.mark.parametrize("value", [None, ""])
def test_a_required_header_that_is_missing_or_empty_is_named(header: str, value: str | None) -> None:
    with pytest.raises(MalformedEventError, match=f"the {header} header is missing"):
        decode(event("user_text", headers={header: value}))


def test_all_missing_headers_are_named_at_once() -> None:
    with pytest.raises(MalformedEventError) as raised:
        decode(event("user_text", headers=dict.fromkeys(REQUIRED)))

    assert raised.value.problems == tuple(f"the {header} header is missing" for header in REQUIRED)


@pytest.mark.parametrize("header", OPTIONAL)
def test_an_optional_header_can_be_absent(header: str) -> None:
    assert isinstance(decode(event("user_text", headers={header: None})), UserEventRequest)


@pytest.mark.parametrize("header", REQUIRED)
def test_a_required_header_that_is_too_long_is_named_and_its_value_is_not(header: str) -> None:
    with pytest.raises(MalformedEventError, match=f"the {header} header is too long") as raised:
        decode(event("user_text", headers={header: "x" * 1025}))

    assert "xx" not in str(raised.value)


@pytest.mark.parametrize("version", ["0.3", "1", "1.0.2", "1.0, 1.0"])
def test_another_version_of_cloudevents_is_refused(version: str) -> None:
    with pytest.raises(MalformedEventError, match=r"the ce-specversion header is not 1\.0"):
        user_event("user_text", specversion=version)


@pytest.mark.parametrize("time", ["soon", "2026-13-45T99:99:99Z", "0001-01-01T00:00:00+23:59", "\udcff"])
def test_a_time_that_is_none_is_refused(time: str) -> None:
    with pytest.raises(MalformedEventError, match="the ce-time header is not a time"):
        user_event("user_text", time=time)


@pytest.mark.parametrize(
    ("header", "attribute"),
    [
        ("ce-id", "event_id"),
        ("ce-connectionId", "connection_id"),
        ("ce-eventName", "event_name"),
        ("ce-userId", "user_id"),
        ("ce-physicalConnectionId", "physical_connection_id"),
        ("ce-sessionId", "session_id"),
        ("ce-namespace", "namespace"),
        ("ce-socketId", "socket_id"),
    ],
)
def test_no_lone_surrogate_gets_into_the_context(header: str, attribute: str) -> None:
    context = decode(
        event(
            "user_text",
            headers={"ce-type": "azure.webpubsub.user.a\udcff", "ce-eventName": "a\udcff", header: "a\udcff"},
        )
    ).context

    assert getattr(context, attribute) == "a?"


def test_text_is_a_string() -> None:
    request = user_event("user_text", "héllo\x00".encode())

    assert request.data == "héllo\x00"
    assert request.data_type is DataType.TEXT
    assert request.body == "héllo\x00".encode()


def test_empty_text_is_an_empty_string() -> None:
    assert user_event("user_text", b"").data == ""


@pytest.mark.parametrize("content_type", ["text/plain", "Text/Plain ; charset=utf-8", "text/plain;charset=UTF-8"])
def test_the_parameters_and_the_case_of_a_content_type_do_not_matter(content_type: str) -> None:
    request = decode(event("user_text", headers={"Content-Type": content_type}))

    assert isinstance(request, UserEventRequest)
    assert request.data_type is DataType.TEXT
    assert request.content_type == content_type


@pytest.mark.parametrize("name", ["user_text", "user_json"])
def test_text_and_json_that_are_not_utf_8_are_the_function_s_to_see(name: str) -> None:
    request = user_event(name, b'"\xff\xfe"')

    assert request.body == b'"\xff\xfe"'
    with pytest.raises(InvalidDataError, match="The data is not UTF-8"):
        _ = request.data


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b'{"score":7,"tags":["a",null]}', {"score": 7, "tags": ["a", None]}),
        (b"[]", []),
        (b"true", True),
        (b"null", None),
        (b"0", 0),
        (b"-1.5e3", -1500.0),
        (b'""', ""),
        ('"ü\\u0000"'.encode(), "ü\x00"),
        (b" \r\n7\t", 7),
        (b"[" * 128 + b"]" * 128, None),
    ],
)
def test_any_json_value_is_a_message(body: bytes, data: Any) -> None:
    request = with_json(body)

    assert request.data == (data if len(body) < 100 else json.loads(body))
    assert request.data_type is DataType.JSON


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a':1}",
        b"[1,]",
        b"7 8",
        b"NaN",
        b"[Infinity]",
        b'{"a":-Infinity}',
        b"1e999",
        b"[-1e999]",
        b"9" * 5000,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"\xef\xbb\xbf{}",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_not_json_to_every_reader_is_refused_when_it_is_read(body: bytes) -> None:
    request = with_json(body)

    assert request.body == body
    for _ in range(2):
        with pytest.raises(InvalidDataError, match="The data is not JSON"):
            _ = request.data


def test_data_is_read_once() -> None:
    request = with_json(b"[]")

    assert request.data is request.data


@pytest.mark.parametrize("name", ["user_binary", "quirks/user_without_content_type", "quirks/user_protobuf"])
def test_everything_else_is_bytes(name: str) -> None:
    request = user_event(name)

    assert request.data_type is DataType.BINARY
    assert request.data == request.body
    assert request.body


def test_the_content_type_of_bytes_is_kept_and_empty_when_there_is_none() -> None:
    assert user_event("quirks/user_protobuf").content_type == "application/x-protobuf"
    assert user_event("quirks/user_without_content_type").content_type == ""


def test_a_connect_event_has_claims_query_headers_and_subprotocols() -> None:
    request = connect()

    assert request.claims == {"sub": ("ana",)}
    assert request.query == {"room": ("lobby",)}
    assert request.headers == {"Host": ("localhost:8080",)}
    assert request.subprotocols == ("json.webpubsub.azure.v1",)
    assert request.client_certificates == ()


def test_a_certificate_has_a_thumbprint_and_its_content_if_there_is_one() -> None:
    body = b'{"clientCertificates":[{"thumbprint":"ab","content":"-----BEGIN"},{"thumbprint":"cd"}]}'

    assert connect(body).client_certificates == (ClientCertificate("ab", "-----BEGIN"), ClientCertificate("cd", None))


@pytest.mark.parametrize("body", [None, b"{}"])
def test_the_collections_of_a_connect_event_can_be_null_or_absent(body: bytes | None) -> None:
    request = decode(event("quirks/connect_null_collections", body))

    assert isinstance(request, ConnectEventRequest)
    assert not any(request.query.values())
    assert not any([request.claims, request.headers, request.subprotocols, request.client_certificates])


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"[]", "the body is not a JSON object"),
        (b"null", "the body is not a JSON object"),
        (b'"text"', "the body is not a JSON object"),
        (b"", "the body is missing"),
        (b"{", "the body is not JSON"),
        (b"\xff", "the body is not UTF-8"),
        (b'{"claims":false}', "claims in the body is not an object"),
        (b'{"query":""}', "query in the body is not an object"),
        (b'{"query":[]}', "query in the body is not an object"),
        (b'{"query":{"room":0}}', "query in the body is not a list"),
        (b'{"query":{"room":{}}}', "query in the body is not a list"),
        (b'{"subprotocols":""}', "subprotocols in the body is not a list"),
        (b'{"clientCertificates":0}', "clientCertificates in the body is not a list"),
        (b'{"mqtt":{"protocolVersion":5,"userProperties":{}}}', "userProperties in the body is not a list"),
        (b'{"claims":[1]}', "claims in the body is not an object"),
        (b'{"claims":{"sub":"ana"}}', "claims in the body is not a list"),
        (b'{"query":{"room":[1]}}', "query in the body holds something other than strings"),
        (b'{"headers":"Host"}', "headers in the body is not an object"),
        (b'{"subprotocols":"chat.v1"}', "subprotocols in the body is not a list"),
        (b'{"subprotocols":[null]}', "subprotocols in the body holds something other than strings"),
        (b'{"clientCertificates":{"a":1}}', "clientCertificates in the body is not a list"),
        (b'{"clientCertificates":["ab"]}', "something other than certificates"),
        (b'{"clientCertificates":[{}]}', "something other than certificates"),
        (b'{"clientCertificates":[{"thumbprint":"ab","content":7}]}', "something other than certificates"),
    ],
)
def test_a_connect_event_of_another_shape_is_refused_with_the_part_at_fault(body: bytes, problem: str) -> None:
    with pytest.raises(MalformedEventError, match=problem):
        connect(body)


@pytest.mark.parametrize("body", [None, b"", b"{", b"\xff"])
def test_the_body_of_a_connected_event_does_not_matter(body: bytes | None) -> None:
    assert isinstance(decode(event("connected", body)), ConnectedEventRequest)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"reason":"PingTimeout"}', "PingTimeout"),
        (b'{"reason":null}', None),
        (b'{"reason":""}', None),
        (b"{}", None),
        (b"", None),
    ],
)
def test_a_disconnected_event_has_a_reason_if_there_is_one(body: bytes, reason: str | None) -> None:
    request = decode(event("disconnected", body))

    assert isinstance(request, DisconnectedEventRequest)
    assert request.reason == reason


def test_a_reason_that_is_not_a_string_is_refused() -> None:
    with pytest.raises(MalformedEventError, match="reason in the body is not a string"):
        decode(event("disconnected", b'{"reason":{"code":1}}'))


@pytest.mark.parametrize("name", ["quirks/group_joined", "quirks/group_left"])
def test_a_group_event_without_a_body_is_refused(name: str) -> None:
    with pytest.raises(MalformedEventError, match="the body is missing"):
        decode(event(name, b""))


def test_a_group_may_be_named_by_an_empty_string_but_not_be_missing() -> None:
    joined = decode(event("quirks/group_joined", b'{"group":""}'))

    assert isinstance(joined, GroupJoinedEventRequest)
    assert joined.group == ""
    with pytest.raises(MalformedEventError, match="group in the body is missing"):
        decode(event("quirks/group_joined", b"{}"))


@pytest.mark.parametrize(
    "event_type",
    [
        "azure.webpubsub.gp.closed",
        "azure.webpubsub.sys.resumed",
        "azure.webpubsub.users.message",
        "azure.webpubsub.USER.message",
        "azure.webpubsub.sys.connect.more",
        "com.example.user.message",
        "\udcff",
    ],
)
def test_a_type_that_is_not_known_is_an_unknown_event_whatever_its_body(event_type: str) -> None:
    request = decode(event("user_json", b"{", {"ce-type": event_type}))

    assert isinstance(request, UnknownEvent)
    assert request.type == event_type


def test_a_connection_id_is_not_decoded_as_that_could_make_it_another_connections() -> None:
    decoded = decode(event("user_text", headers={"ce-connectionId": "%63onn-42"}))
    assert decoded.context.connection_id == "%63onn-42"
