"""Metadata on its way through the service: from REST calls and answers of handlers to clients of every subprotocol."""

from __future__ import annotations

from typing import Any

from tests.emulator.conftest import Service
from tests.emulator.fakes import Answer, RecordingHandler
from webpubsub_emulator.subprotocols.protobuf_messages import Downstream, Upstream

HEADERS = {"X-WebPubSub-Metadata-Trace-Id": "1", "x-webpubsub-metadata-tenant": "a, b"}
METADATA = {"trace-id": "1", "tenant": "b"}
REPLY = Answer(200, b"reply", {"Content-Type": "text/plain", **HEADERS})


async def protobuf(service: Service) -> Any:
    socket = await service.connect(protocols=("protobuf.webpubsub.azure.v1",))
    assert Downstream.FromString(await socket.binary()).system.connected.connection_id
    return socket


async def test_metadata_of_a_rest_call_reaches_clients(service: Service) -> None:
    reliable, binary = await service.reliable(), await protobuf(service)
    assert (await service.rest("POST", "/:send", body=b"x", headers=HEADERS))[0] == 202
    assert (await reliable.frame())["metadata"] == METADATA
    assert dict(Downstream.FromString(await binary.binary()).message.metadata) == METADATA


async def test_metadata_of_an_answer_reaches_the_sender_of_an_event(
    handler: RecordingHandler, service: Service
) -> None:
    handler.script["a"] = [REPLY, REPLY]
    reliable, binary = await service.reliable(), await protobuf(service)
    await reliable.send({"type": "event", "event": "a", "dataType": "text", "data": ""})
    assert (await reliable.frame())["metadata"] == METADATA
    await binary.send(Upstream(event={"event": "a", "data": {"text": ""}}).SerializeToString())
    assert dict(Downstream.FromString(await binary.binary()).message.metadata) == METADATA


async def test_metadata_of_an_answer_reaches_the_client_that_invoked(
    handler: RecordingHandler, service: Service
) -> None:
    handler.script["a"] = [REPLY, REPLY]
    socket, binary = await service.connect(), await protobuf(service)
    answer = await socket.request(type="invoke", invocationId="1", target="event", event="a")
    assert (answer["success"], answer["data"], answer["metadata"]) == (True, "reply", METADATA)
    await binary.send(Upstream(invoke={"event": "a", "invocation_id": "2"}).SerializeToString())
    response = Downstream.FromString(await binary.binary()).invoke_response
    assert (response.invocation_id, response.data.text, dict(response.metadata)) == ("2", "reply", METADATA)


async def test_metadata_without_a_body_is_a_message_of_empty_text(handler: RecordingHandler, service: Service) -> None:
    handler.script["a"] = [Answer(204, headers=HEADERS) for _ in range(3)]
    binary = await protobuf(service)
    for socket in (await service.connect(), await service.reliable()):
        await socket.send({"type": "event", "event": "a", "data": 1})
        message = await socket.frame()
        assert (message["dataType"], message["data"], message["metadata"]) == ("text", "", METADATA)
    await binary.send(Upstream(event={"event": "a", "data": {"text": ""}}).SerializeToString())
    message = Downstream.FromString(await binary.binary()).message
    assert (message.data.WhichOneof("data"), message.data.text, dict(message.metadata)) == ("text", "", METADATA)


async def test_metadata_without_a_body_is_the_result_of_an_invocation(
    handler: RecordingHandler, service: Service
) -> None:
    handler.script["a"] = [Answer(200, headers=HEADERS)]
    socket = await service.connect()
    answer = await socket.request(type="invoke", invocationId="1", target="event", event="a")
    assert (answer["dataType"], answer["data"], answer["metadata"]) == ("text", "", METADATA)


async def test_a_simple_client_gets_an_empty_frame_for_metadata_and_none_for_nothing(
    handler: RecordingHandler, service: Service
) -> None:
    handler.script["message"] = [Answer(204), Answer(204, headers=HEADERS), Answer(200, b"end")]
    socket = await service.simple()
    for _ in range(3):
        await socket.send("hi")
    assert await socket.text() == ""
    assert await socket.binary() == b"end"
