"""One client of the emulator without a socket: what it sends in, and what it and those beside it would have got."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from tests.emulator.fakes import FakeOutbox, FakeUpstream, limits
from webpubsub_emulator.clients.session import ClientSession
from webpubsub_emulator.core.client_protocol import ClientProtocol
from webpubsub_emulator.core.connection import Connection, ConnectionContext
from webpubsub_emulator.core.frames import Frame
from webpubsub_emulator.core.hub import Hubs
from webpubsub_emulator.core.recovery import Recovery
from webpubsub_emulator.subprotocols.json import JsonProtocol
from webpubsub_emulator.subprotocols.protobuf import ProtobufProtocol
from webpubsub_emulator.subprotocols.protobuf_messages import Downstream
from webpubsub_emulator.subprotocols.simple import SimpleProtocol
from webpubsub_emulator.upstream.dispatcher import Upstream

__all__ = ["DOCUMENTED_CLOSES", "GROUP", "PROTOCOLS", "add_listeners", "assert_readable", "serve"]

DOCUMENTED_CLOSES: Final = {1003, 1007, 1008}
GROUP: Final = "g"
PROTOCOLS: Final[Mapping[str, tuple[ClientProtocol, bool]]] = {
    "simple": (SimpleProtocol(), False),
    "simple to a group": (SimpleProtocol(GROUP), False),
    "json": (JsonProtocol(), False),
    "json.reliable": (JsonProtocol(), True),
    "protobuf": (ProtobufProtocol(), False),
    "protobuf.reliable": (ProtobufProtocol(), True),
}
"""By the name of each: its codec, and whether its clients can come back."""
_JSON_FRAMES: Final = {"system", "message", "ack", "pong", "invokeResponse", "streamClosed"}


async def serve(
    name: str, roles: Sequence[str], frames: Sequence[str | bytes], upstream: FakeUpstream
) -> tuple[Connection, FakeOutbox, list[Connection]]:
    """Let a client of the protocol ``name`` send frames; return it, what it got, and who listened in its group."""
    protocol, is_reliable = PROTOCOLS[name]
    outbox, hubs = FakeOutbox(), Hubs()
    listeners = add_listeners(hubs)
    recovery = Recovery("token") if is_reliable else None
    connection = Connection(ConnectionContext("chat", "1", "ana"), protocol, outbox, roles, recovery)
    session = ClientSession(connection, hubs, cast(Upstream, upstream), limits(), lambda _: None)
    session.start((GROUP,))
    for frame in frames:
        await session.receive(frame)
    session.end(None)
    await session.worker
    await asyncio.sleep(0)
    return connection, outbox, listeners


def add_listeners(hubs: Hubs) -> list[Connection]:
    """Put a member of each protocol into the group of the hub ``chat``."""
    listeners = []
    for number, (protocol, is_reliable) in enumerate(PROTOCOLS.values()):
        context = ConnectionContext("chat", f"listener-{number}", "ben")
        recovery = Recovery("token") if is_reliable else None
        listeners.append(Connection(context, protocol, FakeOutbox(), (), recovery))
        hubs.add(listeners[-1], (GROUP,))
    return listeners


def assert_readable(protocol: ClientProtocol, frame: Frame) -> None:
    """Fail for a frame that a client of the protocol could not read."""
    match protocol:
        case JsonProtocol():
            fields: dict[str, Any] = json.loads(frame.data)
            assert frame.is_text
            assert fields["type"] in _JSON_FRAMES
        case ProtobufProtocol():
            assert not frame.is_text
            assert Downstream.FromString(frame.data).WhichOneof("frame")
        case _ if frame.is_text:
            frame.data.decode()
