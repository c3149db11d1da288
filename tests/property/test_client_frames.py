"""Whatever a client sends, in every subprotocol: frames that it can read or a documented close, and no exception."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.emulator.fakes import FakeOutbox, FakeUpstream, limits
from tests.emulator.wire_format import field
from webpubsub_emulator.clients.session import ClientSession
from webpubsub_emulator.core.client_protocol import ClientProtocol
from webpubsub_emulator.core.connection import Connection, ConnectionContext
from webpubsub_emulator.core.frames import Frame
from webpubsub_emulator.core.hub import Hubs
from webpubsub_emulator.core.messages import DataType, Payload
from webpubsub_emulator.core.recovery import Recovery
from webpubsub_emulator.subprotocols.json import FRAME_READERS, JsonProtocol
from webpubsub_emulator.subprotocols.protobuf import ProtobufProtocol
from webpubsub_emulator.subprotocols.protobuf_messages import Downstream
from webpubsub_emulator.subprotocols.simple import SimpleProtocol
from webpubsub_emulator.upstream.dispatcher import Upstream

DOCUMENTED_CLOSES = {1003, 1007, 1008}
JSON_FRAMES = {"system", "message", "ack", "pong", "invokeResponse", "streamClosed"}

numbers = st.integers(-1, 2**64) | st.sampled_from([0, 1, 2**31, 2**63])
scalars = st.none() | st.booleans() | numbers | st.floats() | st.text() | st.sampled_from(["g", "event", "AQI="])
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)
# What most frames need, right; then some of it wrong, or something on top.
RIGHT = {"group": "g", "event": "e", "target": "event", "invocationId": "i", "streamId": "s", "sequenceId": 1}
RIGHT_DATA = [{"data": 1}, {"dataType": "text", "data": "x"}, {"dataType": "binary", "data": "AQI="}, {}]
names = st.sampled_from([*RIGHT, "data", "dataType", "ackId", "noEcho", "metadata", "ttlSeconds", "stream", "state"])
json_frames = st.builds(
    lambda kind, data, changes: json.dumps({"type": kind, **RIGHT, **data, **changes}),
    st.sampled_from([*FRAME_READERS]) | st.text(),
    st.sampled_from(RIGHT_DATA),
    st.dictionaries(names, values | st.sampled_from([*DataType]), max_size=2),
)

leaves = st.text() | st.binary() | st.integers(0, 2**64 - 1) | st.sampled_from(["g", "e"])
wire_fields = st.recursive(
    st.builds(field, st.integers(1, 20), leaves),
    lambda inner: st.builds(field, st.integers(1, 20), st.lists(inner, max_size=4).map(b"".join)),
    max_leaves=8,
)
anything = st.lists(wire_fields, max_size=2).map(b"".join)
protobuf_frames = anything | st.builds(
    lambda kind, right, more: field(kind, right + more),
    st.integers(0, 20),
    st.sampled_from([field(1, "g") + field(2, 1) + field(3, field(1, "x")), field(1, "e") + field(2, field(2, "x"))]),
    anything,
)

PROTOCOLS: dict[str, tuple[ClientProtocol, bool]] = {
    "simple": (SimpleProtocol(), False),
    "simple to a group": (SimpleProtocol("g"), False),
    "json": (JsonProtocol(), False),
    "json.reliable": (JsonProtocol(), True),
    "protobuf": (ProtobufProtocol(), False),
    "protobuf.reliable": (ProtobufProtocol(), True),
}


async def serve(protocol: ClientProtocol, roles: list[str], frames: list[str | bytes], is_reliable: bool) -> FakeOutbox:
    outbox, upstream, hubs = FakeOutbox(), FakeUpstream(), Hubs()
    upstream.answer = Payload(DataType.TEXT, b"reply")
    recovery = Recovery("token") if is_reliable else None
    connection = Connection(ConnectionContext("chat", "1"), protocol, outbox, roles, recovery)
    session = ClientSession(connection, hubs, cast(Upstream, upstream), limits(), lambda _: None)
    session.start(("g",))
    for frame in frames:
        await session.receive(frame)
    session.end(None)
    await session.worker
    await asyncio.sleep(0)
    return outbox


def assert_readable(protocol: ClientProtocol, frame: Frame) -> None:
    if isinstance(protocol, JsonProtocol):
        fields: dict[str, Any] = json.loads(frame.data)
        assert frame.is_text
        assert fields["type"] in JSON_FRAMES
    elif isinstance(protocol, ProtobufProtocol):
        assert not frame.is_text
        assert Downstream.FromString(frame.data).WhichOneof("frame")


@pytest.mark.parametrize("name", PROTOCOLS)
@settings(max_examples=100)
@given(
    frames=st.lists(st.text() | st.binary() | json_frames | protobuf_frames, min_size=1, max_size=4),
    roles=st.sampled_from([[], ["webpubsub.sendToGroup", "webpubsub.joinLeaveGroup"]]),
)
def test_any_frame_is_answered_or_closes_as_documented(name: str, frames: list[str | bytes], roles: list[str]) -> None:
    protocol, is_reliable = PROTOCOLS[name]
    outbox = asyncio.run(serve(protocol, roles, frames, is_reliable))
    assert outbox.closed is None or outbox.closed[0] in DOCUMENTED_CLOSES
    for frame in outbox.frames:
        assert_readable(protocol, frame)
