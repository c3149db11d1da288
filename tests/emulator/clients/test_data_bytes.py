"""JSON data on the wire, from one end to the other: not a byte of it changes."""

from __future__ import annotations

from tests.emulator.conftest import Service
from tests.emulator.fakes import Answer, RecordingHandler
from tests.emulator.wire_format import field

DATA = '{ "n":\t[10.00, 1e2, -0, 0.12345678901234567890, 1E+400 ],\r\n "s": "\\ud800 \\u00e9 é \\/", "n": null }'
JSON = {"Content-Type": "application/json"}


async def test_data_of_an_event_and_its_answer(handler: RecordingHandler, service: Service) -> None:
    handler.script["a"] = [Answer(200, DATA.encode(), JSON)] * 2
    socket, reliable = await service.connect(), await service.reliable()
    for client in (socket, reliable):
        await client.send(f'{{"type":"event","event":"a","data": {DATA} ,"dataType":"json"}}')
    message = f'{{"type":"message","from":"server","dataType":"json","data":{DATA}'
    assert await socket.text() == f"{message}}}"
    assert await reliable.text() == f'{message},"sequenceId":1}}'
    assert [request.body for request in handler.events("a")] == [DATA.encode()] * 2
    assert handler.events("a")[0].headers["Content-Type"] == "application/json"


async def test_data_of_an_invocation_and_its_result(handler: RecordingHandler, service: Service) -> None:
    handler.script["a"] = [Answer(200, DATA.encode(), JSON)]
    socket = await service.connect()
    await socket.send(f'{{"type":"invoke","invocationId":"1","target":"event","event":"a","data":{DATA}}}')
    assert (await socket.text()).endswith(f'"success":true,"dataType":"json","data":{DATA}}}')
    assert handler.events("a")[0].body == DATA.encode()


async def test_data_to_a_group_and_from_a_rest_call(service: Service) -> None:
    sender = await service.connect(sub="ana", role=["webpubsub.sendToGroup"], groups="g")
    binary = await service.connect(
        protocols=("protobuf.webpubsub.azure.v1",), role=["webpubsub.sendToGroup"], groups="g"
    )
    simple = await service.simple(groups="g")
    await binary.binary()
    await sender.send(f'{{"type":"sendToGroup","group":"g","data":{DATA}}}')
    assert (
        await sender.text()
        == f'{{"type":"message","from":"group","fromUserId":"ana","group":"g","dataType":"json","data":{DATA}}}'
    )
    assert await binary.binary() == field(2, field(1, "group") + field(2, "g") + field(3, field(4, DATA)))
    assert await simple.text() == DATA
    await binary.send(field(1, field(1, "g") + field(3, field(4, DATA))))
    assert (
        await sender.text()
        == f'{{"type":"message","from":"group","fromUserId":null,"group":"g","dataType":"json","data":{DATA}}}'
    )
    assert await simple.text() == DATA
    assert (await service.rest("POST", "/:send", body=DATA.encode(), content_type="application/json"))[0] == 202
    assert await sender.text() == f'{{"type":"message","from":"server","dataType":"json","data":{DATA}}}'
    assert await simple.text() == DATA
