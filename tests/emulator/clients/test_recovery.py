"""Clients of the reliable subprotocol that lose their sockets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.emulator.conftest import JSON_SUBPROTOCOL, Service, Socket, StartService
from tests.emulator.fakes import RecordingHandler
from tests.emulator.wire_format import CLOSE, UNKNOWN, field, wire
from webpubsub_emulator.subprotocols.protobuf_messages import Downstream

NOT_RECOVERED = (1008, "The connection could not be recovered.")


async def send_to_all(service: Service, text: str) -> None:
    assert (await service.rest("POST", "/:send", body=text.encode()))[0] == 202


async def lose(socket: Socket) -> None:
    socket.cut()


async def go_away(socket: Socket) -> None:
    await socket.raw.close(code=1001)


async def close(socket: Socket) -> None:
    await socket.raw.close(code=1000)


async def close_without_status(socket: Socket) -> None:
    socket.write(wire(CLOSE, b""))
    assert (await socket.close_code())[0] == 1000


async def say_nonsense(socket: Socket) -> None:
    await socket.send("nonsense")
    assert (await socket.close_code())[0] == 1007


async def break_the_rules(socket: Socket) -> None:
    socket.write(wire(UNKNOWN, b""))
    assert (await socket.close_code())[0] == 1002


async def say_too_much(socket: Socket) -> None:
    await socket.send("x" * (1024 * 1024 + 1))
    assert (await socket.close_code())[0] == 1009


@pytest.mark.parametrize("leave", [lose, go_away], ids=["lost", "closed with 1001"])
async def test_a_client_comes_back_and_misses_nothing(service: Service, handler: RecordingHandler, leave: Any) -> None:
    first = await service.reliable(sub="ana", groups="g")
    await send_to_all(service, "one")
    text = await first.text()
    assert text == '{"type":"message","from":"server","dataType":"text","data":"one","sequenceId":1}'
    await leave(first)
    await send_to_all(service, "two")
    second = await service.come_back(first)
    assert await second.frame() == first.greeting
    assert await second.text() == text
    assert (await second.frame())["data"] == "two"
    await send_to_all(service, "three")
    assert (await second.frame())["sequenceId"] == 3
    await second.assert_alive()
    assert [len(handler.events(name)) for name in ("connect", "connected", "disconnected")] == [1, 1, 0]


async def test_a_protobuf_client_comes_back_too(service: Service) -> None:
    subprotocol = "protobuf.reliable.webpubsub.azure.v1"
    first = await service.connect(protocols=(subprotocol,), groups="g")
    connected = Downstream.FromString(await first.binary()).system.connected
    first.greeting = {"connectionId": connected.connection_id, "reconnectionToken": connected.reconnection_token}
    for text in ("one", "two"):
        await send_to_all(service, text)
        message = await first.binary()
    await first.send(field(8, field(1, 1)))
    await first.send(field(9, b""))
    assert await first.binary() == field(4, b"")
    first.cut()
    second = await service.come_back(first, protocols=(subprotocol,))
    assert Downstream.FromString(await second.binary()).system.connected == connected
    assert await second.binary() == message


async def test_what_was_acknowledged_does_not_come_again(service: Service) -> None:
    first = await service.reliable(groups="g")
    for text in ("one", "two"):
        await send_to_all(service, text)
        await first.frame()
    await first.send({"type": "sequenceAck", "sequenceId": 1})
    await first.assert_alive()
    first.cut()
    second = await service.come_back(first)
    await second.frame()
    assert (await second.frame())["data"] == "two"


@pytest.mark.parametrize(
    "leave",
    [close, close_without_status, say_nonsense, break_the_rules, say_too_much],
    ids=["closed with 1000", "closed with no status", "spoke nonsense", "broke the rules", "sent too much"],
)
async def test_after_a_clean_close_or_a_mistake_there_is_nothing_to_come_back_to(
    service: Service, handler: RecordingHandler, leave: Any
) -> None:
    first = await service.reliable()
    await leave(first)
    await handler.wait_for("disconnected")
    second = await service.come_back(first)
    assert await second.close_code() == NOT_RECOVERED


async def test_after_a_close_by_rest_there_is_nothing_to_come_back_to(service: Service) -> None:
    first = await service.reliable()
    assert (await service.rest("DELETE", "/connections/conn-1"))[0] == 204
    assert (await first.frame())["event"] == "disconnected"
    assert await first.close_code() == (1000, "")
    assert await (await service.come_back(first)).close_code() == NOT_RECOVERED


async def test_a_close_by_rest_counts_before_the_client_has_heard_of_it(service: Service) -> None:
    first = await service.reliable()
    first.transport.pause_reading()
    assert (await service.rest("DELETE", "/connections/conn-1"))[0] == 204
    assert await (await service.come_back(first)).close_code() == NOT_RECOVERED


@pytest.mark.parametrize(
    "changes",
    [{"token": "wrong"}, {"hub": "other"}, {"protocols": (JSON_SUBPROTOCOL,)}, {"protocols": ()}],
    ids=["wrong token", "wrong hub", "wrong subprotocol", "no subprotocol"],
)
async def test_a_wrong_way_back_is_closed_with_1008_and_changes_nothing(
    service: Service, changes: dict[str, Any]
) -> None:
    first = await service.reliable()
    assert await (await service.come_back(first, **changes)).close_code() == NOT_RECOVERED
    await first.assert_alive()


async def test_there_is_no_way_back_to_a_plain_connection(service: Service) -> None:
    first = await service.connect()
    assert "reconnectionToken" not in first.greeting
    stranger = await service.come_back(first, token="x", protocols=(JSON_SUBPROTOCOL,))
    assert await stranger.close_code() == NOT_RECOVERED
    await first.assert_alive()


@pytest.mark.parametrize("query", ["", "&awps_reconnection_token=", "&awps_reconnection_token=%ed%a0%80"])
async def test_a_connection_that_nobody_had_is_closed_with_1008(service: Service, query: str) -> None:
    url = f"{service.url}/client/hubs/chat?awps_connection_id=nobody%0A{query}"
    socket = Socket(await service.session.ws_connect(url, protocols=("json.reliable.webpubsub.azure.v1",)))
    assert socket.raw.protocol == "json.reliable.webpubsub.azure.v1"
    assert await socket.close_code() == NOT_RECOVERED


async def test_a_client_that_stays_away_is_disconnected(start_service: StartService, handler: RecordingHandler) -> None:
    service = await start_service(recovery_timeout=0.05)
    first = await service.reliable(groups="g")
    first.cut()
    event = await handler.wait_for("disconnected")
    assert json.loads(event.body) == {"reason": "The connection recovery timeout expired."}
    assert (await service.rest("HEAD", "/groups/g"))[0] == 404
    assert await (await service.come_back(first)).close_code() == NOT_RECOVERED


async def test_stopping_does_not_wait_for_clients_that_are_away(service: Service, handler: RecordingHandler) -> None:
    first = await service.reliable()
    first.cut()
    # The emulator has seen the end of the first socket when the second one is the only one.
    second = await service.come_back(first)
    await second.frame()
    second.cut()
    await service.emulator.stop()
    assert json.loads((await handler.wait_for("disconnected")).body)["reason"] is not None
