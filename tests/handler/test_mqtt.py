"""MQTT clients: what they say when they connect, how they are refused, what they publish, how they leave."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from tests.wire import event
from webpubsub_handler import (
    ConnectedEventRequest,
    ConnectEventRequest,
    ConnectEventResponse,
    DataType,
    DisconnectedEventRequest,
    EventErrorResponse,
    EventRefusedError,
    HttpResponse,
    MqttConnectEventErrorResponse,
    MqttConnectProperties,
    MqttDisconnectedProperties,
    MqttDisconnectPacketProperties,
    MqttProtocolVersion,
    MqttUserProperty,
    MqttV311ConnectReturnCode,
    MqttV500ConnectReasonCode,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
)

V4, V5 = "quirks/mqtt_connect_v4", "quirks/mqtt_connect_v5"
V311, V500 = MqttV311ConnectReturnCode, MqttV500ConnectReasonCode


def connect_body(**mqtt: Any) -> bytes:
    return json.dumps({"mqtt": {"protocolVersion": 5, **mqtt}, "subprotocols": ["mqtt"]}).encode()


async def connecting(handler: WebPubSubEventHandler, name: str, body: bytes | None = None) -> ConnectEventRequest:
    """Return what the function of a connect event sees."""
    requests: list[ConnectEventRequest] = []

    @handler.on_connect
    async def accept(request: ConnectEventRequest) -> None:
        requests.append(request)

    assert (await handler.handle(event(name, body))).status == 204
    return requests[0]


async def refused(
    handler: WebPubSubEventHandler, name: str, response: EventErrorResponse | MqttConnectEventErrorResponse
) -> tuple[int, Any]:
    """Return status and ``mqtt`` object of the answer to a connect event that is refused so."""

    @handler.on_connect
    async def refuse(_: ConnectEventRequest) -> EventErrorResponse | MqttConnectEventErrorResponse:
        return response

    answer = await handler.handle(event(name))
    assert answer.headers == {"Content-Type": "application/json"}
    return answer.status, json.loads(answer.body)["mqtt"]


async def test_a_function_sees_what_the_connect_packet_of_mqtt_5_says(handler: WebPubSubEventHandler) -> None:
    request = await connecting(handler, V5)

    assert request.mqtt == MqttConnectProperties(
        MqttProtocolVersion.V500,
        clean_start=True,
        username="dev",
        password=b"secret",
        user_properties=(MqttUserProperty("fw", "1.2"), MqttUserProperty("fw", "ü")),
    )
    assert request.subprotocols == ("mqtt",)


async def test_what_a_connect_packet_of_mqtt_3_leaves_out_is_none(handler: WebPubSubEventHandler) -> None:
    request = await connecting(handler, V4)

    assert request.mqtt == MqttConnectProperties(
        MqttProtocolVersion.V311, clean_start=None, username=None, password=None, user_properties=()
    )
    assert (request.claims, request.query, request.client_certificates) == ({}, {}, ())


async def test_the_protocol_version_alone_is_enough(handler: WebPubSubEventHandler) -> None:
    request = await connecting(handler, V5, connect_body())

    assert request.mqtt
    assert request.mqtt.protocol_version == 5


async def test_the_connect_event_of_another_client_has_no_mqtt(handler: WebPubSubEventHandler) -> None:
    assert (await connecting(handler, "connect")).mqtt is None


async def test_the_context_tells_client_network_connection_and_session_apart(handler: WebPubSubEventHandler) -> None:
    contexts = []

    @handler.on_connected
    async def connected(request: ConnectedEventRequest) -> None:
        contexts.append(request.context)

    await handler.handle(event("quirks/mqtt_connected"))

    (context,) = contexts
    assert context.is_mqtt
    assert (context.connection_id, context.physical_connection_id, context.session_id) == (
        "sensor-1",
        "phys-7",
        "sess-9",
    )


async def test_a_client_that_connects_has_no_session_yet(handler: WebPubSubEventHandler) -> None:
    context = (await connecting(handler, V5)).context

    assert context.is_mqtt
    assert (context.physical_connection_id, context.session_id) == ("phys-7", None)


async def test_a_password_does_not_show_when_a_request_is_printed(handler: WebPubSubEventHandler) -> None:
    shown = repr(await connecting(handler, V5))

    assert "dev" in shown
    assert "secret" not in shown


@pytest.mark.parametrize(
    "mqtt",
    [
        {"protocolVersion": None},
        {"protocolVersion": 3},
        {"protocolVersion": 6},
        {"protocolVersion": "5"},
        {"protocolVersion": 5.0},
        {"protocolVersion": True},
        {"username": 7},
        {"password": "not base64"},
        {"password": "c2VjcmV0 "},
        {"password": 7},
        {"cleanStart": "true"},
        {"cleanStart": 1},
        {"userProperties": {"fw": "1.2"}},
        {"userProperties": ["fw"]},
        {"userProperties": [None]},
        {"userProperties": [{"name": "fw"}]},
        {"userProperties": [{"value": "1.2"}]},
        {"userProperties": [{"name": "fw", "value": 1}]},
    ],
)
async def test_a_connect_packet_of_another_shape_is_a_400_that_repeats_no_value_and_runs_no_function(
    handler: WebPubSubEventHandler, mqtt: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[object] = []
    handler.on_connect(calls.append)

    response = await handler.handle(event(V5, connect_body(**{"password": "c2VjcmV0", **mqtt})))

    assert response.status == 400
    assert f"mqtt.{next(iter(mqtt))}" in response.body.decode()
    assert "c2VjcmV0" not in response.body.decode() + caplog.text
    assert calls == []


@pytest.mark.parametrize("mqtt", [b"[]", b"7", b'"mqtt"'])
async def test_an_mqtt_member_that_is_not_an_object_is_a_400(handler: WebPubSubEventHandler, mqtt: bytes) -> None:
    assert (await handler.handle(event(V5, b'{"mqtt":' + mqtt + b"}"))).status == 400


async def test_user_properties_go_into_the_connack_of_mqtt_5(handler: WebPubSubEventHandler) -> None:
    properties = [MqttUserProperty("region", "weu"), MqttUserProperty("region", "neu")]

    @handler.on_connect
    async def accept(_: ConnectEventRequest) -> ConnectEventResponse:
        return ConnectEventResponse(user_id="ana", subprotocol="mqtt", mqtt_user_properties=properties)

    response = await handler.handle(event(V5))

    assert response.status == 200
    assert json.loads(response.body) == {
        "userId": "ana",
        "subprotocol": "mqtt",
        "mqtt": {"userProperties": [{"name": "region", "value": "weu"}, {"name": "region", "value": "neu"}]},
    }


@pytest.mark.parametrize("name", [V4, "connect"])
async def test_a_client_that_could_not_read_them_gets_no_user_properties(
    handler: WebPubSubEventHandler, name: str
) -> None:
    @handler.on_connect
    async def accept(_: ConnectEventRequest) -> ConnectEventResponse:
        return ConnectEventResponse(user_id="ana", mqtt_user_properties=[MqttUserProperty("region", "weu")])

    assert json.loads((await handler.handle(event(name))).body) == {"userId": "ana"}


def test_the_codes_are_those_of_the_specifications() -> None:
    assert {code.name: code.value for code in V311} == {
        "UNACCEPTABLE_PROTOCOL_VERSION": 0x01,
        "IDENTIFIER_REJECTED": 0x02,
        "SERVER_UNAVAILABLE": 0x03,
        "BAD_USER_NAME_OR_PASSWORD": 0x04,
        "NOT_AUTHORIZED": 0x05,
    }
    assert {code.name: code.value for code in V500} == {
        "UNSPECIFIED_ERROR": 0x80,
        "MALFORMED_PACKET": 0x81,
        "PROTOCOL_ERROR": 0x82,
        "IMPLEMENTATION_SPECIFIC_ERROR": 0x83,
        "UNSUPPORTED_PROTOCOL_VERSION": 0x84,
        "CLIENT_IDENTIFIER_NOT_VALID": 0x85,
        "BAD_USER_NAME_OR_PASSWORD": 0x86,
        "NOT_AUTHORIZED": 0x87,
        "SERVER_UNAVAILABLE": 0x88,
        "SERVER_BUSY": 0x89,
        "BANNED": 0x8A,
        "BAD_AUTHENTICATION_METHOD": 0x8C,
        "TOPIC_NAME_INVALID": 0x90,
        "PACKET_TOO_LARGE": 0x95,
        "QUOTA_EXCEEDED": 0x97,
        "PAYLOAD_FORMAT_INVALID": 0x99,
        "RETAIN_NOT_SUPPORTED": 0x9A,
        "QOS_NOT_SUPPORTED": 0x9B,
        "USE_ANOTHER_SERVER": 0x9C,
        "SERVER_MOVED": 0x9D,
        "CONNECTION_RATE_EXCEEDED": 0x9F,
    }


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (V311.UNACCEPTABLE_PROTOCOL_VERSION, 400),
        (V311.IDENTIFIER_REJECTED, 400),
        (V311.SERVER_UNAVAILABLE, 503),
        (V311.BAD_USER_NAME_OR_PASSWORD, 401),
        (V311.NOT_AUTHORIZED, 401),
    ],
)
async def test_a_client_of_mqtt_3_is_refused_with_an_exact_code(
    handler: WebPubSubEventHandler, code: MqttV311ConnectReturnCode, status: int
) -> None:
    assert await refused(handler, V4, MqttConnectEventErrorResponse(code)) == (status, {"code": int(code)})


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (V500.UNSPECIFIED_ERROR, 500),
        (V500.MALFORMED_PACKET, 400),
        (V500.PROTOCOL_ERROR, 400),
        (V500.IMPLEMENTATION_SPECIFIC_ERROR, 400),
        (V500.UNSUPPORTED_PROTOCOL_VERSION, 400),
        (V500.CLIENT_IDENTIFIER_NOT_VALID, 400),
        (V500.BAD_USER_NAME_OR_PASSWORD, 401),
        (V500.NOT_AUTHORIZED, 401),
        (V500.SERVER_UNAVAILABLE, 500),
        (V500.SERVER_BUSY, 500),
        (V500.BANNED, 403),
        (V500.BAD_AUTHENTICATION_METHOD, 400),
        (V500.TOPIC_NAME_INVALID, 400),
        (V500.PACKET_TOO_LARGE, 400),
        (V500.QUOTA_EXCEEDED, 429),
        (V500.PAYLOAD_FORMAT_INVALID, 400),
        (V500.RETAIN_NOT_SUPPORTED, 400),
        (V500.QOS_NOT_SUPPORTED, 400),
        (V500.USE_ANOTHER_SERVER, 500),
        (V500.SERVER_MOVED, 500),
        (V500.CONNECTION_RATE_EXCEEDED, 429),
    ],
)
async def test_a_client_of_mqtt_5_is_refused_with_an_exact_code(
    handler: WebPubSubEventHandler, code: MqttV500ConnectReasonCode, status: int
) -> None:
    assert await refused(handler, V5, MqttConnectEventErrorResponse(code)) == (status, {"code": int(code)})


async def test_a_refusal_can_have_a_reason_and_user_properties(handler: WebPubSubEventHandler) -> None:
    response = MqttConnectEventErrorResponse(V500.BANNED, "for a day", [MqttUserProperty("ref", "77")])

    assert await refused(handler, V5, response) == (
        403,
        {"code": 138, "reason": "for a day", "userProperties": [{"name": "ref", "value": "77"}]},
    )


@pytest.mark.parametrize(
    ("name", "code", "unspecific"),
    [
        (V4, V500.BANNED, 3),
        (V5, V311.NOT_AUTHORIZED, 136),
        (V5, 0, 136),
        (V5, 127, 136),
        (V4, 6, 3),
        (V5, 139, 136),
    ],
)
async def test_a_code_of_another_version_is_our_failure_and_not_the_client_s(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture, name: str, code: Any, unspecific: int
) -> None:
    status, mqtt = await refused(handler, name, MqttConnectEventErrorResponse(code, "a secret reason"))

    assert (status, mqtt["code"]) == (500, unspecific)
    assert "secret" not in mqtt["reason"]
    assert f"{int(code)} does not refuse a CONNECT of MQTT" in caplog.text


@pytest.mark.parametrize(
    ("status", "v4", "v5"),
    [
        (400, V311.NOT_AUTHORIZED, V500.IMPLEMENTATION_SPECIFIC_ERROR),
        (401, V311.NOT_AUTHORIZED, V500.NOT_AUTHORIZED),
        (403, V311.NOT_AUTHORIZED, V500.NOT_AUTHORIZED),
        (404, V311.NOT_AUTHORIZED, V500.IMPLEMENTATION_SPECIFIC_ERROR),
        (429, V311.SERVER_UNAVAILABLE, V500.CONNECTION_RATE_EXCEEDED),
        (500, V311.SERVER_UNAVAILABLE, V500.SERVER_UNAVAILABLE),
        (503, V311.SERVER_UNAVAILABLE, V500.SERVER_UNAVAILABLE),
        (599, V311.SERVER_UNAVAILABLE, V500.SERVER_UNAVAILABLE),
    ],
)
@pytest.mark.parametrize("name", [V4, V5])
async def test_an_http_status_becomes_the_code_that_says_the_same(
    handler: WebPubSubEventHandler, name: str, status: int, v4: int, v5: int
) -> None:
    answer = await refused(handler, name, EventErrorResponse(status, "members only"))

    assert answer == (status, {"code": v4 if name == V4 else v5, "reason": "members only"})


@pytest.mark.parametrize("name", [V4, V5])
async def test_every_status_has_a_code_of_the_client_s_version(handler: WebPubSubEventHandler, name: str) -> None:
    @handler.on_connect
    async def refuse(request: ConnectEventRequest) -> EventErrorResponse:
        return EventErrorResponse(int(request.query["status"][0]))

    document = json.loads(event(name).body)
    for status in range(400, 600):
        body = json.dumps({**document, "query": {"status": [str(status)]}}).encode()
        code = json.loads((await handler.handle(event(name, body))).body)["mqtt"]["code"]
        assert code in (set(V311) if name == V4 else set(V500))


async def test_a_function_may_raise_its_refusal(handler: WebPubSubEventHandler) -> None:
    @handler.on_connect
    async def refuse(_: ConnectEventRequest) -> None:
        raise EventRefusedError(403, "members only")

    response = await handler.handle(event(V5))

    assert (response.status, json.loads(response.body)) == (403, {"mqtt": {"code": 135, "reason": "members only"}})


@pytest.mark.parametrize(("name", "code"), [(V4, 3), (V5, 136)])
async def test_a_function_that_fails_is_a_code_with_an_error_id_that_the_log_has_too(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture, name: str, code: int
) -> None:
    @handler.on_connect
    async def fail(_: ConnectEventRequest) -> None:
        raise RuntimeError("password=5ec4e7")

    response = await handler.handle(event(name))

    mqtt = json.loads(response.body)["mqtt"]
    assert (response.status, mqtt["code"]) == (500, code)
    assert "5ec4e7" not in response.body.decode()
    assert mqtt["reason"].removeprefix("The event handler failed (error ").rstrip(").") in caplog.text


async def test_another_hub_is_said_in_mqtt(handler: WebPubSubEventHandler) -> None:
    response = await handler.handle(event(V5, headers={"ce-hub": "other", "ce-source": None}))

    assert (response.status, json.loads(response.body)["mqtt"]["code"]) == (404, 131)


@pytest.mark.parametrize("name", ["connect", "quirks/mqtt_user_event"])
async def test_an_mqtt_code_for_anything_but_an_mqtt_connect_is_our_failure(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    async def refuse(_: Any) -> Any:
        return MqttConnectEventErrorResponse(V500.BANNED)

    handler.on_connect(refuse)
    handler.on_user_event("*")(refuse)

    assert (await handler.handle(event(name))).status == 500
    assert "use EventErrorResponse for others" in caplog.text


@pytest.mark.parametrize(
    ("name", "reason", "mqtt"),
    [
        (
            "quirks/mqtt_disconnected",
            None,
            MqttDisconnectedProperties(False, MqttDisconnectPacketProperties(141, ())),
        ),
        ("quirks/mqtt_disconnected_without_packet", "expired", MqttDisconnectedProperties(False, None)),
        ("disconnected", None, None),
    ],
)
async def test_a_function_sees_how_a_session_ended(
    handler: WebPubSubEventHandler, name: str, reason: str | None, mqtt: MqttDisconnectedProperties | None
) -> None:
    requests: list[DisconnectedEventRequest] = []

    @handler.on_disconnected
    async def disconnected(request: DisconnectedEventRequest) -> None:
        requests.append(request)

    assert await handler.handle(event(name)) == HttpResponse(204)
    assert [(request.reason, request.mqtt) for request in requests] == [(reason, mqtt)]


async def test_a_disconnect_packet_has_user_properties(handler: WebPubSubEventHandler) -> None:
    requests: list[DisconnectedEventRequest] = []

    @handler.on_disconnected
    async def disconnected(request: DisconnectedEventRequest) -> None:
        requests.append(request)

    packet = {"code": 4, "userProperties": [{"name": "why", "value": "bye"}]}
    body = json.dumps({"mqtt": {"initiatedByClient": True, "disconnectPacket": packet}}).encode()
    await handler.handle(event("quirks/mqtt_disconnected", body))

    assert requests[0].mqtt == MqttDisconnectedProperties(
        True, MqttDisconnectPacketProperties(4, (MqttUserProperty("why", "bye"),))
    )


@pytest.mark.parametrize(
    "mqtt",
    [
        {},
        {"initiatedByClient": None},
        {"initiatedByClient": "no"},
        {"initiatedByClient": 0},
        {"initiatedByClient": True, "disconnectPacket": []},
        {"initiatedByClient": True, "disconnectPacket": {}},
        {"initiatedByClient": True, "disconnectPacket": {"code": "141"}},
        {"initiatedByClient": True, "disconnectPacket": {"code": True}},
        {"initiatedByClient": True, "disconnectPacket": {"code": 0, "userProperties": 7}},
    ],
)
async def test_a_disconnected_event_of_another_shape_is_a_400(handler: WebPubSubEventHandler, mqtt: Any) -> None:
    body = json.dumps({"mqtt": mqtt}).encode()

    assert (await handler.handle(event("quirks/mqtt_disconnected", body))).status == 400


async def message_of(handler: WebPubSubEventHandler, name: str) -> UserEventRequest:
    """Return what the function of a user event sees."""
    messages: list[UserEventRequest] = []

    @handler.on_user_event("*")
    async def user(request: UserEventRequest) -> None:
        messages.append(request)

    assert (await handler.handle(event(name))).status == 204
    return messages[0]


async def test_a_message_has_any_content_type_its_bytes_and_its_user_properties(
    handler: WebPubSubEventHandler,
) -> None:
    message = await message_of(handler, "quirks/mqtt_user_event")

    assert (message.data_type, message.content_type) == (DataType.BINARY, "application/cbor")
    assert message.data == message.body == bytes.fromhex("a1617418 15")
    assert message.mqtt_user_properties == [MqttUserProperty("unit", "C"), MqttUserProperty("site", "Köln")]
    assert message.context.is_mqtt


async def test_a_message_without_a_content_type_is_bytes(handler: WebPubSubEventHandler) -> None:
    message = await message_of(handler, "quirks/mqtt_user_event_without_content_type")

    assert (message.data_type, message.content_type, message.data) == (DataType.BINARY, "", b"\x00\xff")


async def test_text_in_another_charset_is_left_as_bytes(handler: WebPubSubEventHandler) -> None:
    message = await message_of(handler, "quirks/mqtt_user_event_in_latin_1")

    assert (message.data_type, message.data) == (DataType.BINARY, "Köln".encode("latin-1"))
    assert message.content_type == "text/plain; charset=iso-8859-1"


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "text/plain;charset=UTF-8", 'text/plain; charset="utf-8"', "text/plain; charset=us-ascii; a=b"],
)
async def test_text_in_utf_8_is_text(handler: WebPubSubEventHandler, content_type: str) -> None:
    messages: list[UserEventRequest] = []

    @handler.on_user_event("*")
    async def user(request: UserEventRequest) -> None:
        messages.append(request)

    await handler.handle(event("quirks/mqtt_user_event", b"hello", {"Content-Type": content_type}))

    assert [(message.data_type, message.data) for message in messages] == [(DataType.TEXT, "hello")]


async def reply_of(handler: WebPubSubEventHandler, response: UserEventResponse) -> HttpResponse:
    @handler.on_user_event("*")
    async def user(_: UserEventRequest) -> UserEventResponse:
        return response

    return await handler.handle(event("quirks/mqtt_user_event"))


async def test_a_reply_has_any_content_type_and_user_properties(handler: WebPubSubEventHandler) -> None:
    response = UserEventResponse(
        b"\xa0", content_type="application/cbor", mqtt_user_properties=[MqttUserProperty("Unit", "C")]
    )

    assert await reply_of(handler, response) == HttpResponse(
        200, {"Content-Type": "application/cbor", "mqtt-unit": "C"}, b"\xa0"
    )


async def test_a_reply_without_a_payload_keeps_its_user_properties(handler: WebPubSubEventHandler) -> None:
    response = UserEventResponse(b"", mqtt_user_properties=[MqttUserProperty("unit", "C")])

    assert await reply_of(handler, response) == HttpResponse(204, {"mqtt-unit": "C"})


@pytest.mark.parametrize(
    "properties",
    [
        [MqttUserProperty("", "C")],
        [MqttUserProperty("a b", "C")],
        [MqttUserProperty("größe", "C")],
        [MqttUserProperty("a\r\nSet-Cookie", "C")],
        [MqttUserProperty("a", "C\r\nSet-Cookie: 1")],
        [MqttUserProperty("a", "ü")],
        [MqttUserProperty("a", " C")],
        [MqttUserProperty("a", "C"), MqttUserProperty("A", "D")],
    ],
)
async def test_a_user_property_that_is_not_a_header_is_our_failure(
    handler: WebPubSubEventHandler, properties: list[MqttUserProperty]
) -> None:
    response = await reply_of(handler, UserEventResponse("hi", mqtt_user_properties=properties))

    assert response.status == 500
    assert set(response.headers) == {"Content-Type"}


async def test_a_refused_message_is_told_with_status_and_text(handler: WebPubSubEventHandler) -> None:
    @handler.on_user_event("*")
    async def user(_: UserEventRequest) -> EventErrorResponse:
        return EventErrorResponse(403, "not from this site")

    response = await handler.handle(event("quirks/mqtt_user_event"))

    assert (response.status, response.body) == (403, b"not from this site")


async def test_no_log_has_a_user_name_or_password(
    handler: WebPubSubEventHandler, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    @handler.on_connect
    async def fail(request: ConnectEventRequest) -> None:
        raise RuntimeError("no")

    await handler.handle(event(V5))

    assert "Error" in caplog.text
    assert "c2VjcmV0" not in caplog.text
    assert "secret" not in caplog.text
