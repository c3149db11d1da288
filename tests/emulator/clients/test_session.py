"""A connection's life without sockets: requests in order, answers, recovery, the end."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest

from tests.emulator.fakes import FakeOutbox, FakeUpstream, limits
from tests.patience import PATIENCE_SECONDS
from webpubsub_emulator.clients.session import ClientSession
from webpubsub_emulator.core import hub as hubs
from webpubsub_emulator.core.client_protocol import OutgoingMessage
from webpubsub_emulator.core.connection import Connection, ConnectionContext
from webpubsub_emulator.core.hub import Delivery, Hub, Hubs
from webpubsub_emulator.core.messages import DataType, Payload
from webpubsub_emulator.core.recovery import MAX_UNACKNOWLEDGED_MESSAGES, Recovery
from webpubsub_emulator.subprotocols.json import JsonProtocol
from webpubsub_emulator.subprotocols.simple import SimpleProtocol
from webpubsub_emulator.upstream.dispatcher import EventFailedError, Upstream

ALL_ROLES = ("webpubsub.sendToGroup", "webpubsub.joinLeaveGroup")
HELLO = OutgoingMessage(Payload(DataType.TEXT, b"hello"))
GREETING = {"type": "system", "event": "connected", "userId": "ana", "connectionId": "1", "reconnectionToken": "token"}


class Client:
    """A session with a fake on either side."""

    def __init__(
        self,
        *,
        is_reliable: bool = False,
        is_simple: bool = False,
        ack_delay: float = 0,
        recovery_timeout: float = 30,
    ) -> None:
        self.outbox = FakeOutbox()
        self.upstream = FakeUpstream()
        self.hubs = Hubs()
        self.deliveries: list[Delivery] = []
        recovery = Recovery("token") if is_reliable else None
        protocol = SimpleProtocol() if is_simple else JsonProtocol()
        self.connection = Connection(ConnectionContext("chat", "1", "ana"), protocol, self.outbox, ALL_ROLES, recovery)
        self.session = ClientSession(
            self.connection,
            self.hubs,
            cast(Upstream, self.upstream),
            limits(recovery_timeout, ack_delay),
            self.deliveries.append,
        )
        self.session.start(("g",))

    @property
    def hub(self) -> Hub:
        hub = self.hubs.find("chat")
        assert hub is not None
        return hub

    async def say(self, **fields: Any) -> None:
        await self.session.receive(json.dumps(fields))

    async def settle(self) -> list[Any]:
        """All frames so far but the greeting, once everything that can happen has happened."""
        for _ in range(20):
            await asyncio.sleep(0)
        return self.frames()[1:]

    def frames(self) -> list[Any]:
        return [json.loads(text) for text in self.outbox.texts]

    async def ended(self) -> Any:
        """The reason in the disconnected event."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.session.worker
        assert self.upstream.names[-1] == "disconnected"
        return json.loads(self.upstream.events[-1].body)["reason"]

    def deliver(self, count: int = 1) -> None:
        for _ in range(count):
            hubs.deliver(HELLO, self.hub)


def acks(frames: list[Any]) -> list[tuple[int, str | None]]:
    return [(frame["ackId"], frame.get("error", {}).get("name")) for frame in frames if frame["type"] == "ack"]


async def test_a_request_that_succeeded_is_a_duplicate_the_second_time() -> None:
    client = Client()
    for _ in range(2):
        await client.say(type="event", event="e", data=1, ackId=7)
    frames = await client.settle()
    assert acks(frames) == [(7, None), (7, "Duplicate")]
    assert frames[1]["error"]["message"] == "Message with ack-id: 7 has been processed"
    assert client.upstream.names == ["connected", "e"]


async def test_an_ack_is_held_back_a_little() -> None:
    client = Client(ack_delay=1_000_000)
    await client.say(type="joinGroup", group="h", ackId=1)
    assert await client.settle() == []
    assert len(client.hub.group("h")) == 1


async def test_a_request_that_failed_can_be_tried_again_with_its_id() -> None:
    client = Client()
    client.upstream.answer = EventFailedError("no")
    await client.say(type="event", event="e", data=1, ackId=7)
    await client.settle()
    client.upstream.answer = None
    await client.say(type="event", event="e", data=1, ackId=7)
    assert acks(await client.settle()) == [(7, "InternalServerError"), (7, None)]


async def test_the_reply_to_an_event_comes_before_its_ack() -> None:
    client = Client()
    client.upstream.answer = Payload(DataType.TEXT, b"reply")
    await client.say(type="event", event="e", data=1, ackId=7)
    assert [frame["type"] for frame in await client.settle()] == ["message", "ack"]


async def test_requests_wait_for_the_one_before_and_pings_do_not() -> None:
    client = Client()
    client.upstream.gate.clear()
    await client.say(type="event", event="e", data=1, ackId=1)
    await client.say(type="joinGroup", group="h", ackId=2)
    await client.say(type="ping")
    assert [frame["type"] for frame in await client.settle()] == ["pong"]
    client.upstream.gate.set()
    assert acks(await client.settle()) == [(1, None), (2, None)]


async def test_a_client_whose_requests_pile_up_is_not_read_on() -> None:
    client = Client()
    client.upstream.gate.clear()

    async def send_many() -> None:
        for number in range(200):
            await client.say(type="event", event="e", data=1, ackId=number)

    sending = asyncio.create_task(send_many())
    await client.settle()
    assert not sending.done()
    client.upstream.gate.set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await sending
    assert [ack_id for ack_id, _ in acks(await client.settle())] == list(range(200))


async def test_an_invocation_is_answered_with_the_handler_s_reply() -> None:
    client = Client()
    client.upstream.answer = Payload(DataType.JSON, b'{"n":1}')
    await client.say(type="invoke", invocationId="i", target="event", event="price", data=1)
    assert await client.settle() == [
        {"type": "invokeResponse", "invocationId": "i", "success": True, "dataType": "json", "data": {"n": 1}}
    ]
    assert client.upstream.names == ["connected", "price"]


async def test_an_invocation_that_fails_says_so() -> None:
    client = Client()
    client.upstream.answer = EventFailedError("a secret of the handler")
    await client.say(type="invoke", invocationId="i", target="event", event="price", data=1)
    [frame] = await client.settle()
    assert (frame["success"], frame["error"]["name"]) == (False, "InternalServerError")
    assert "secret" not in json.dumps(frame)


async def test_a_cancelled_invocation_gets_no_answer() -> None:
    client = Client()
    client.upstream.gate.clear()
    for invocation_id in ("running", "waiting"):
        await client.say(type="invoke", invocationId=invocation_id, target="event", event="price", data=1)
    await client.settle()
    for invocation_id in ("running", "waiting", "unknown"):
        await client.say(type="cancelInvocation", invocationId=invocation_id)
    client.upstream.gate.set()
    assert await client.settle() == []
    assert client.upstream.names == ["connected", "price"]


async def test_an_invocation_id_is_free_again_once_it_was_answered() -> None:
    client = Client()
    client.upstream.gate.clear()
    for _ in range(2):
        await client.say(type="invoke", invocationId="i", target="event", event="price", data=1)
    [refused] = await client.settle()
    assert (refused["success"], refused["error"]["name"]) == (False, "BadRequest")
    client.upstream.gate.set()
    await client.settle()
    await client.say(type="invoke", invocationId="i", target="event", event="price", data=1)
    assert [frame["success"] for frame in await client.settle()] == [False, True, True]


async def test_what_is_not_implemented_is_refused_without_closing() -> None:
    client = Client()
    await client.say(type="setGroupState", group="g", state={"k": "v"}, ackId=1)
    await client.say(type="sendToGroup", group="g", stream={"streamId": "s"})
    frames = await client.settle()
    assert acks(frames) == [(1, "BadRequest")]
    [closed] = [frame for frame in frames if frame["type"] == "streamClosed"]
    assert closed["streamId"] == "s"
    assert "not implemented" in closed["error"]["message"]
    assert client.outbox.closed is None


async def test_a_defect_closes_its_connection_and_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    client = Client()
    client.upstream.answer = cast(Any, "no payload at all")
    await client.say(type="event", event="e", data=1)
    await client.settle()
    assert client.outbox.closed == (1011, "Internal server error")
    assert "A defect of the emulator" in caplog.text


async def test_messages_to_a_reliable_client_are_numbered_and_answers_are_not() -> None:
    client = Client(is_reliable=True)
    client.deliver(2)
    await client.say(type="sendToGroup", group="g", data=1, ackId=1)
    frames = await client.settle()
    assert client.frames()[0] == GREETING
    assert [frame.get("sequenceId") for frame in frames] == [1, 2, 3, None]


async def test_a_reliable_client_comes_back_to_what_it_has_not_acknowledged() -> None:
    client = Client(is_reliable=True)
    client.deliver(3)
    sent = client.outbox.texts[1:]
    await client.say(type="sequenceAck", sequenceId=1)
    client.session.leave(client.outbox, "lost", is_final=False)
    client.deliver()
    second = FakeOutbox()
    assert client.session.recover("token", second)
    assert json.loads(second.texts[0]) == GREETING
    assert second.texts[1:3] == sent[1:]
    assert json.loads(second.texts[3])["sequenceId"] == 4
    client.deliver()
    assert json.loads(second.texts[4])["sequenceId"] == 5
    assert client.upstream.names == ["connected"]


async def test_groups_acks_and_requests_outlive_the_socket() -> None:
    client = Client(is_reliable=True)
    client.upstream.gate.clear()
    await client.say(type="event", event="e", data=1, ackId=1)
    await client.settle()
    client.session.leave(client.outbox, "lost", is_final=False)
    assert "g" in client.connection.groups
    client.upstream.gate.set()
    await client.settle()
    client.outbox = FakeOutbox()
    client.session.recover("token", client.outbox)
    await client.say(type="event", event="e", data=1, ackId=1)
    assert acks(await client.settle()) == [(1, "Duplicate")]


async def test_the_newest_socket_wins() -> None:
    client = Client(is_reliable=True)
    second = FakeOutbox()
    assert client.session.recover("token", second)
    assert client.outbox.closed == (1008, "The connection was recovered on another socket.")
    client.session.leave(client.outbox, "closed", is_final=True)
    client.deliver()
    assert [json.loads(text)["type"] for text in second.texts] == ["system", "message"]


async def test_nobody_comes_back_with_another_token() -> None:
    client = Client(is_reliable=True)
    assert not client.session.recover("other", FakeOutbox())
    assert client.outbox.closed is None


async def test_nobody_comes_back_to_a_connection_that_is_not_reliable() -> None:
    client = Client()
    client.session.leave(client.outbox, "lost", is_final=False)
    assert not client.session.recover("token", FakeOutbox())
    assert await client.ended() == "lost"


async def test_nobody_comes_back_after_a_clean_close() -> None:
    client = Client(is_reliable=True)
    client.session.leave(client.outbox, None, is_final=True)
    assert not client.session.recover("token", FakeOutbox())
    assert await client.ended() is None


async def test_nobody_comes_back_while_the_service_closes_the_connection() -> None:
    client = Client(is_reliable=True)
    client.deliver(MAX_UNACKNOWLEDGED_MESSAGES + 1)
    assert not client.session.recover("token", FakeOutbox())  # the message that had no room would be missing
    client.session.leave(client.outbox, "SlowClient", is_final=True)
    assert await client.ended() == "SlowClient"


async def test_a_connection_ends_when_its_client_stays_away() -> None:
    client = Client(is_reliable=True, recovery_timeout=0)
    client.session.leave(client.outbox, "lost", is_final=False)
    assert await client.ended() == "The connection recovery timeout expired."
    assert client.hubs.find("chat") is None
    assert not client.session.recover("token", FakeOutbox())


async def test_time_is_not_up_for_a_client_that_came_back() -> None:
    client = Client(is_reliable=True, recovery_timeout=0)
    client.session.leave(client.outbox, "lost", is_final=False)
    assert client.session.recover("token", client.outbox)
    await client.settle()
    assert client.hub.group("g")


async def test_a_connection_can_be_closed_while_its_client_is_away() -> None:
    client = Client(is_reliable=True)
    client.session.leave(client.outbox, "lost", is_final=False)
    hubs.close(client.hub, "spam")
    assert await client.ended() == "Application server closed the connection. Reason: spam"


async def test_a_client_with_too_much_to_acknowledge_is_closed_as_slow() -> None:
    client = Client(is_reliable=True)
    client.deliver(MAX_UNACKNOWLEDGED_MESSAGES)
    assert client.outbox.closed is None
    client.deliver()
    assert client.outbox.closed == (1008, "SlowClient")


async def test_a_client_that_is_away_too_long_for_its_messages_has_no_connection_left() -> None:
    client = Client(is_reliable=True)
    client.session.leave(client.outbox, "lost", is_final=False)
    client.deliver(MAX_UNACKNOWLEDGED_MESSAGES + 1)
    assert await client.ended() == "SlowClient"
    assert not client.session.recover("token", FakeOutbox())


async def test_what_a_client_sent_before_it_left_still_counts() -> None:
    client = Client()
    client.upstream.gate.clear()
    for number in range(3):
        await client.say(type="event", event=f"e{number}", data=1)
    client.session.leave(client.outbox, "bye", is_final=True)
    client.upstream.gate.set()
    assert await client.ended() == "bye"
    assert client.upstream.names == ["connected", "e0", "e1", "e2", "disconnected"]


async def test_a_simple_client_is_closed_when_its_event_fails() -> None:
    client = Client(is_simple=True)
    client.upstream.answer = EventFailedError("no")
    await client.session.receive("hi")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert client.outbox.closed == (1011, "Internal server error")
