"""No data, null, an empty string, no bytes: in every protocol they are different things, or refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.conftest import JSON_SUBPROTOCOL, RELIABLE_SUBPROTOCOL, Service, Socket
from tests.emulator.fakes import Answer, RecordingHandler
from tests.emulator.wire_format import field
from webpubsub_emulator.subprotocols.protobuf_messages import Downstream

TEXT, JSON, BINARY = "text/plain; charset=utf-8", "application/json", "application/octet-stream"
PROTOBUF_SUBPROTOCOL = "protobuf.webpubsub.azure.v1"


async def protobuf(service: Service, **options: Any) -> Socket:
    socket = await service.connect(protocols=(PROTOBUF_SUBPROTOCOL,), **options)
    await socket.binary()
    return socket


async def received(handler: RecordingHandler, event: str) -> tuple[str, bytes]:
    request = await handler.wait_for(event)
    return request.headers["Content-Type"], request.body


@pytest.mark.parametrize("subprotocol", [JSON_SUBPROTOCOL, RELIABLE_SUBPROTOCOL])
@pytest.mark.parametrize(
    ("fields", "content_type", "body"),
    [
        ({"data": ""}, JSON, b'""'),
        ({"data": "", "dataType": "json"}, JSON, b'""'),
        ({"data": "", "dataType": "text"}, TEXT, b""),
        ({"data": "", "dataType": "binary"}, BINARY, b""),
        ({"data": "", "dataType": "protobuf"}, "application/x-protobuf", b""),
        ({"data": {}}, JSON, b"{}"),
        ({"data": [None]}, JSON, b"[null]"),
        ({"metadata": {"k": "v"}}, TEXT, b""),
        ({"metadata": {}}, TEXT, b""),
    ],
)
async def test_an_event_of_a_json_client_has_the_data_that_it_has(
    handler: RecordingHandler,
    service: Service,
    subprotocol: str,
    fields: dict[str, Any],
    content_type: str,
    body: bytes,
) -> None:
    socket = await service.connect(protocols=(subprotocol,))
    assert (await socket.request(type="event", event="a", ackId=1, **fields))["success"] is True
    assert await received(handler, "a") == (content_type, body)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"dataType": "text"},
        {"data": None},
        {"data": None, "dataType": "text"},
        {"data": None, "dataType": "binary"},
        {"data": None, "metadata": {"k": "v"}},
        {"metadata": None},
    ],
)
async def test_a_json_client_that_sends_no_data_or_null_is_closed(service: Service, fields: dict[str, Any]) -> None:
    socket = await service.connect()
    await socket.send({"type": "event", "event": "a", **fields})
    assert (await socket.close_code())[0] == 1007


@pytest.mark.parametrize(
    ("data", "content_type", "body"),
    [
        (field(2, field(1, "")), TEXT, b""),
        (field(2, field(2, b"")), BINARY, b""),
        (field(2, field(3, b"")), "application/x-protobuf", b""),
        (field(2, field(4, '""')), JSON, b'""'),
        (field(2, field(4, "null")), JSON, b"null"),
        (field(4, field(1, "k") + field(2, "v")), TEXT, b""),
    ],
)
async def test_an_event_of_a_protobuf_client_has_the_data_that_it_has(
    handler: RecordingHandler, service: Service, data: bytes, content_type: str, body: bytes
) -> None:
    socket = await protobuf(service)
    await socket.send(field(5, field(1, "a") + data))
    assert await received(handler, "a") == (content_type, body)


@pytest.mark.parametrize(
    "data", [b"", field(2, b""), field(2, field(4, ""))], ids=["no data", "none of its kinds", "no JSON"]
)
async def test_a_protobuf_client_that_sends_no_data_is_closed(service: Service, data: bytes) -> None:
    socket = await protobuf(service)
    await socket.send(field(5, field(1, "a") + data))
    assert (await socket.close_code())[0] == 1007


@pytest.mark.parametrize(("frame", "content_type"), [("", TEXT), (b"", BINARY)])
async def test_an_empty_frame_of_a_simple_client_is_an_event_without_a_body(
    handler: RecordingHandler, service: Service, frame: str | bytes, content_type: str
) -> None:
    socket = await service.simple()
    await socket.send(frame)
    assert await received(handler, "message") == (content_type, b"")


@pytest.mark.parametrize(
    ("body", "content_type", "data_type", "data", "wire"),
    [
        (b"", "text/plain", "text", "", field(1, "")),
        (b"", BINARY, "binary", "", field(2, b"")),
        (b"", None, "binary", "", field(2, b"")),
        (b'""', JSON, "json", "", field(4, '""')),
        (b"null", JSON, "json", None, field(4, "null")),
    ],
)
async def test_the_body_of_a_rest_call_is_the_data_that_it_is(
    service: Service, body: bytes, content_type: str | None, data_type: str, data: object, wire: bytes
) -> None:
    client, binary, simple = await service.connect(), await protobuf(service), await service.simple()
    assert (await service.rest("POST", "/:send", body=body, content_type=content_type))[0] == 202
    message = await client.frame()
    assert (message["dataType"], message["data"]) == (data_type, data)
    assert await binary.binary() == field(2, field(1, "server") + field(3, wire))
    assert (await simple.binary() if data_type == "binary" else (await simple.text()).encode()) == body


async def test_an_empty_body_is_not_json(service: Service) -> None:
    assert (await service.rest("POST", "/:send", body=b"", content_type=JSON))[0] == 400


async def test_an_answer_of_null_is_a_message_and_an_empty_one_is_none(
    handler: RecordingHandler, service: Service
) -> None:
    handler.script["a"] = [Answer(200, b"null", {"Content-Type": JSON}), Answer(200, b"", {"Content-Type": JSON})]
    socket = await service.connect()
    await socket.send({"type": "event", "event": "a", "data": 1, "ackId": 1})
    assert await socket.text() == '{"type":"message","from":"server","dataType":"json","data":null}'
    assert (await socket.frame())["type"] == "ack"
    assert (await socket.request(type="event", event="a", data=1, ackId=2))["type"] == "ack"


@pytest.mark.parametrize(
    ("result", "tail"),
    [
        (Answer(204), '"success":true}'),
        (Answer(200, b"null", {"Content-Type": JSON}), '"success":true,"dataType":"json","data":null}'),
        (Answer(200, b'""', {"Content-Type": JSON}), '"success":true,"dataType":"json","data":""}'),
    ],
)
async def test_an_invocation_without_data_is_text_without_characters_and_its_result_what_was_answered(
    handler: RecordingHandler, service: Service, result: Answer, tail: str
) -> None:
    handler.script["a"] = [result]
    socket = await service.connect()
    await socket.send({"type": "invoke", "invocationId": "1", "target": "event", "event": "a"})
    assert (await socket.text()).endswith(tail)
    assert await received(handler, "a") == (TEXT, b"")


@pytest.mark.parametrize("claims", [{}, {"role": None}, {"sub": "", "role": "", "webpubsub.group": []}])
async def test_a_token_without_user_and_roles_is_one_of_somebody_who_may_do_nothing(
    service: Service, claims: dict[str, Any]
) -> None:
    socket = await service.connect(token=service.token(**claims))
    assert socket.greeting["userId"] is None
    ack = await socket.request(type="sendToGroup", group="g", data=1, ackId=1)
    assert ack["error"]["name"] == "Forbidden"


@pytest.mark.parametrize(
    ("answer", "user_id", "has_role", "groups"),
    [
        (b"{}", "ana", True, ["h"]),
        (b'{"userId":null,"roles":null,"groups":null}', "ana", True, ["h"]),
        (b'{"userId":"","roles":[],"groups":[]}', None, False, ["h"]),
        (b'{"userId":"eve","roles":["x"],"groups":["g"]}', "eve", False, ["g"]),
    ],
)
async def test_what_a_connect_answer_leaves_out_stays_and_what_is_empty_is_taken_at_its_word(
    handler: RecordingHandler,
    service: Service,
    answer: bytes,
    user_id: str | None,
    has_role: bool,
    groups: list[str],
) -> None:
    handler.script["connect"] = [Answer(200, answer)]
    socket = await service.connect(sub="ana", role=["webpubsub.sendToGroup"], groups=["h"])
    assert socket.greeting["userId"] == user_id
    ack = await socket.request(type="sendToGroup", group="elsewhere", data=1, ackId=1)
    assert ack["success"] is has_role
    heard = [name for name in ("g", "h") if (await service.rest("HEAD", f"/groups/{name}"))[0] == 200]
    assert heard == groups


async def test_an_empty_subprotocol_in_a_connect_answer_is_one_that_nobody_offers(
    handler: RecordingHandler, service: Service
) -> None:
    handler.script["connect"] = [Answer(200, b'{"subprotocol":""}')]
    assert (await service.refused(f"/client/hubs/chat?access_token={service.token()}"))[0] == 500


async def test_a_member_of_a_group_hears_empty_data_as_it_was_sent(service: Service) -> None:
    sender, binary = await service.connect(role=["webpubsub.sendToGroup"]), await protobuf(service, groups="g")
    for kind, wire in (("text", field(1, "")), ("binary", field(2, b"")), ("json", field(4, '""'))):
        await sender.send({"type": "sendToGroup", "group": "g", "dataType": kind, "data": ""})
        assert await binary.binary() == field(2, field(1, "group") + field(2, "g") + field(3, wire))
    await sender.send({"type": "sendToGroup", "group": "g", "metadata": {"k": "v"}})
    message = Downstream.FromString(await binary.binary()).message
    assert (message.data.WhichOneof("data"), message.data.text, dict(message.metadata)) == ("text", "", {"k": "v"})
