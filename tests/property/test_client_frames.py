"""Whatever a client sends, in every subprotocol: frames that it can read or a documented close, and no exception."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.emulator.fakes import FakeUpstream
from tests.emulator.serving import DOCUMENTED_CLOSES, PROTOCOLS, assert_readable, serve
from tests.emulator.wire_format import field
from webpubsub_emulator.core.messages import DataType, Payload
from webpubsub_emulator.subprotocols.json import FRAME_READERS

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


@pytest.mark.parametrize("name", PROTOCOLS)
@settings(max_examples=100)
@given(
    frames=st.lists(st.text() | st.binary() | json_frames | protobuf_frames, min_size=1, max_size=4),
    roles=st.sampled_from([[], ["webpubsub.sendToGroup", "webpubsub.joinLeaveGroup"]]),
)
def test_any_frame_is_answered_or_closes_as_documented(name: str, frames: list[str | bytes], roles: list[str]) -> None:
    upstream = FakeUpstream()
    upstream.answer = Payload(DataType.TEXT, b"reply")
    connection, outbox, _ = asyncio.run(serve(name, roles, frames, upstream))
    assert outbox.closed is None or outbox.closed[0] in DOCUMENTED_CLOSES
    for frame in outbox.frames:
        assert_readable(connection.protocol, frame)
