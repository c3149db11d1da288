"""Clients that break the rules of WebSocket or of their subprotocol: a documented close, and nobody else notices."""

import json
import logging
import struct

import pytest

from tests.emulator.conftest import JSON_SUBPROTOCOL, Service, Socket
from tests.emulator.fakes import RecordingHandler

JSON = JSON_SUBPROTOCOL
PROTOBUF = "protobuf.webpubsub.azure.v1"
SIMPLE = ""
TEXT, BINARY, UNKNOWN, CLOSE, PING = 1, 2, 3, 8, 9
MEBIBYTE = 1024 * 1024


def wire(opcode: int, data: bytes, *, flags: int = 0x80, mask: int = 0x80) -> bytes:
    """A frame with a mask that changes nothing; `flags` are FIN and the reserved bits."""
    if len(data) < 126:
        head = struct.pack("!BB", flags | opcode, mask | len(data))
    else:
        head = struct.pack("!BBQ", flags | opcode, mask | 127, len(data))
    return head + (b"\0" * 4 if mask else b"") + data


async def write(socket: Socket, data: bytes) -> None:
    connection = socket.raw._response.connection
    assert connection is not None
    assert connection.transport is not None
    connection.transport.write(data)


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
    await write(bad, data)
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
    await write(bad, wire(TEXT, b"x" * 5 * MEBIBYTE))
    assert "exceeds limit" in json.loads((await handler.wait_for("disconnected")).body)["reason"]
    await good.assert_alive()


async def test_a_client_in_the_middle_of_sending_still_hears_why_it_is_closed(service: Service) -> None:
    socket = await service.connect()
    await write(socket, wire(TEXT, b"nonsense") + wire(TEXT, b"x" * MEBIBYTE) * 8)
    assert await socket.close_code() == (1007, "The frame is not valid JSON.")


async def test_what_comes_after_a_mistake_is_not_done(service: Service, handler: RecordingHandler) -> None:
    socket = await service.connect()
    await socket.send("nonsense")
    await socket.send({"type": "event", "event": "late", "data": 1})
    await socket.close_code()
    await handler.wait_for("disconnected")
    assert not handler.events("late")


async def test_a_message_may_come_in_fragments(service: Service, handler: RecordingHandler) -> None:
    socket = await service.simple()
    await write(socket, wire(TEXT, b"he", flags=0) + wire(PING, b"") + wire(0, b"llo"))
    assert (await handler.wait_for("message")).body == b"hello"
