"""Clients that break the rules of WebSocket or of their subprotocol: a documented close, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
import logging
import struct

import pytest

from tests.emulator.conftest import JSON_SUBPROTOCOL, Service
from tests.emulator.fakes import RecordingHandler
from tests.emulator.wire_format import BINARY, CLOSE, PING, TEXT, UNKNOWN, wire
from tests.patience import PATIENCE_SECONDS

JSON = JSON_SUBPROTOCOL
PROTOBUF = "protobuf.webpubsub.azure.v1"
SIMPLE = ""
MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("subprotocol", "data", "code"),
    [
        (JSON, wire(TEXT, b"nonsense"), 1007),
        (JSON, wire(TEXT, b'{"type":"unknown"}'), 1007),
        (JSON, wire(TEXT, b'{"type":"joinGroup","group":"g","ackId":"1"}'), 1007),
        (JSON, wire(TEXT, b""), 1007),
        (JSON, wire(TEXT, b"[" * 100_000), 1007),
        (JSON, wire(TEXT, b"\xff\xfe"), 1007),
        (JSON, wire(BINARY, b"{}"), 1003),
        (JSON, wire(TEXT, b"x" * 2 * MEBIBYTE), 1009),
        (JSON, wire(TEXT, "ü".encode() * (MEBIBYTE // 2 + 1)), 1009),
        (PROTOBUF, wire(TEXT, b"{}"), 1003),
        (PROTOBUF, wire(BINARY, b"\x0a\xff"), 1007),
        (PROTOBUF, wire(BINARY, b""), 1007),
        (PROTOBUF, wire(BINARY, b"\0" * 2 * MEBIBYTE), 1009),
        (SIMPLE, wire(BINARY, b"\0" * 2 * MEBIBYTE), 1009),
        (SIMPLE, wire(TEXT, b"a", flags=0) + wire(0, b"b" * 2 * MEBIBYTE), 1009),
        (SIMPLE, wire(UNKNOWN, b""), 1002),
        (SIMPLE, wire(TEXT, b"", flags=0xC0), 1002),
        (SIMPLE, wire(PING, b"", flags=0), 1002),
        (SIMPLE, wire(0, b"the end of no message"), 1002),
        (SIMPLE, wire(CLOSE, b"\x03"), 1002),
        (SIMPLE, wire(CLOSE, struct.pack("!H", 999)), 1002),
    ],
)
async def test_a_bad_frame_closes_its_socket_and_no_other(
    service: Service,
    handler: RecordingHandler,
    subprotocol: str,
    data: bytes,
    code: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    good = await service.connect()
    bad = await service.connect(protocols=(subprotocol,) if subprotocol else ())
    if subprotocol == PROTOBUF:
        await bad.binary()
    bad.write(data)
    assert (await bad.close_code())[0] == code
    reason = json.loads((await handler.wait_for("disconnected")).body)["reason"]
    assert reason
    assert "Traceback" not in caplog.text
    assert "defect" not in caplog.text
    await good.assert_alive()


async def test_a_message_too_large_to_read_at_all_ends_the_connection(
    service: Service, handler: RecordingHandler
) -> None:
    good, bad = await service.connect(), await service.connect()
    bad.write(wire(TEXT, b"x" * 5 * MEBIBYTE))
    assert "exceeds limit" in json.loads((await handler.wait_for("disconnected")).body)["reason"]
    await good.assert_alive()


async def test_a_client_in_the_middle_of_sending_still_hears_why_it_is_closed(service: Service) -> None:
    socket = await service.connect()
    socket.write(wire(TEXT, b"nonsense") + wire(TEXT, b"x" * MEBIBYTE) * 8)
    assert await socket.close_code() == (1007, "The frame is not valid JSON.")


async def test_after_a_close_nothing_is_said_and_the_line_stays_until_the_client_agrees(service: Service) -> None:
    host, port = "127.0.0.1", int(service.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection(host, port)
    request = (
        f"GET /client/hubs/chat?access_token={service.token()} HTTP/1.1\r\nHost: localhost:{port}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {JSON}\r\n\r\n"
    )
    writer.write(request.encode() + wire(TEXT, b"nonsense"))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await reader.readuntil(b"The frame is not valid JSON.")
        assert (await service.rest("POST", "/:send", body=b"late"))[0] == 202
        assert not reader.at_eof()
        writer.write(wire(CLOSE, b"\x03\xef"))
        assert await reader.read() == b""
    writer.close()


async def test_nothing_is_done_after_a_mistake(service: Service, handler: RecordingHandler) -> None:
    socket = await service.connect()
    await socket.send("nonsense")
    await socket.send({"type": "event", "event": "late", "data": 1})
    await socket.close_code()
    await handler.wait_for("disconnected")
    assert not handler.events("late")


async def test_a_message_may_come_in_fragments(service: Service, handler: RecordingHandler) -> None:
    socket = await service.simple()
    socket.write(wire(TEXT, b"he", flags=0) + wire(PING, b"") + wire(0, b"llo"))
    assert (await handler.wait_for("message")).body == b"hello"
