"""Bytes as what a client sends after its upgrade: answers that can be read, or a documented close.

The input begins with a line such as ``json.reliable text``: the protocol, and whether its frames are text or binary.
The frames follow, with ``--`` in a line of its own between them. The event handler sends back what it gets.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from tests.emulator.fakes import FakeOutbox, FakeUpstream
from tests.emulator.serving import DOCUMENTED_CLOSES, PROTOCOLS, assert_readable, serve
from webpubsub_emulator.core.connection import Connection, ConnectionContext
from webpubsub_emulator.core.messages import Payload
from webpubsub_emulator.upstream.cloud_events import AnswerError, Event, event_headers, user_event_answer
from webpubsub_emulator.upstream.dispatcher import EventFailedError

__all__ = ["fuzz_one"]

ROLES: Final = ["webpubsub.sendToGroup", "webpubsub.joinLeaveGroup.g", "webpubsub.joinLeaveGroups.a*?.**\\b"]
TIME: Final = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
MAX_FRAMES: Final = 20


class Echo(FakeUpstream):
    """An event handler that sends back what came."""

    async def user_event(self, context: ConnectionContext, event: Event) -> Payload | None:
        """Return the message of the event; its headers must be ones that HTTP can carry."""
        headers = event_headers(event, context, event_id=1, time=TIME, origin="localhost", signature="s")
        for name, value in headers.items():
            if not (name.isascii() and value.isascii() and value.replace("\t", " ").isprintable()):
                raise AssertionError(f"the header {name!r}: {value!r} cannot be sent")
        try:
            return user_event_answer(event.body, headers)
        except AnswerError as error:
            raise EventFailedError("answer not valid", str(error)) from None


def to_frames(data: bytes) -> tuple[str, list[str | bytes]]:
    """Read the input; every input is some protocol's."""
    head, _, rest = data.partition(b"\n")
    protocol, _, kind = head.decode("latin-1").partition(" ")
    frames = rest.split(b"\n--\n")[:MAX_FRAMES]
    # Text that is not UTF-8 does not get past the socket.
    shown: list[str | bytes] = [frame if kind == "binary" else frame.decode(errors="replace") for frame in frames]
    return protocol if protocol in PROTOCOLS else "simple", shown


async def fuzz_one(data: bytes) -> None:
    """Let a client send the frames, and read what it and the others of its group got."""
    name, frames = to_frames(data)
    connection, outbox, listeners = await serve(name, ROLES, frames, Echo())
    if outbox.closed is not None and outbox.closed[0] not in DOCUMENTED_CLOSES | SIMPLE_CLOSES[name]:
        raise AssertionError(f"closed with {outbox.closed}")
    _read(connection, outbox)
    for listener in listeners:
        if not isinstance(listener.outbox, FakeOutbox) or listener.outbox.closed is not None:
            raise AssertionError("a member of the group was closed for what another one sent")
        _read(listener, listener.outbox)


def _read(connection: Connection, outbox: FakeOutbox) -> None:
    for frame in [*outbox.frames, *(connection.recovery or ())]:
        assert_readable(connection.protocol, frame)


# A simple client hears of a failed event, such as binary data that its handler refuses, in no other way.
SIMPLE_CLOSES: Final = {name: {1011} if name.startswith("simple") else set() for name in PROTOCOLS}
