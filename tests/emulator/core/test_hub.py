"""Connection state, without sockets."""

from __future__ import annotations

import pytest

from tests.emulator.fakes import FakeOutbox
from webpubsub_emulator.core import hub as hubs
from webpubsub_emulator.core.client_protocol import OutgoingMessage
from webpubsub_emulator.core.connection import ACK_MEMORY, AckMemory, Connection, ConnectionContext
from webpubsub_emulator.core.hub import Hub, Hubs
from webpubsub_emulator.core.messages import DataType, Payload
from webpubsub_emulator.subprotocols.json import JsonProtocol
from webpubsub_emulator.subprotocols.simple import SimpleProtocol

HELLO = OutgoingMessage(Payload(DataType.TEXT, b"hello"))


class Client(Connection):
    """A connection whose outbox can be looked into."""

    def __init__(self, connection_id: str, user_id: str | None = None, *, is_simple: bool = False) -> None:
        self.fake = FakeOutbox()
        protocol = SimpleProtocol() if is_simple else JsonProtocol()
        super().__init__(ConnectionContext("chat", connection_id, user_id), protocol, self.fake)


def hub_of(*clients: Client) -> Hub:
    hub = Hub("chat")
    for client in clients:
        hub.add(client)
    return hub


def test_a_user_exists_until_the_last_connection_goes() -> None:
    first, second = Client("1", "ana"), Client("2", "ana")
    hub = hub_of(first, second)
    hub.remove(first)
    assert list(hub.user("ana")) == [second]
    hub.remove(second)
    assert not hub.user("ana")


def test_a_group_exists_until_the_last_member_goes() -> None:
    client = Client("1")
    hub = hub_of(client)
    hub.join(client, "g")
    assert list(hub.group("g")) == [client]
    hub.remove(client)
    assert not hub.group("g")
    assert client.groups == set()


def test_a_connection_that_has_gone_joins_nothing() -> None:
    client = Client("1")
    hub = hub_of(client)
    hub.remove(client)
    hub.join(client, "g")
    assert not hub.group("g")


def test_joining_twice_is_one_membership() -> None:
    client = Client("1")
    hub = hub_of(client)
    hub.join(client, "g")
    hub.join(client, "g")
    hub.leave(client, "g")
    assert not hub.group("g")


def test_group_names_are_case_sensitive() -> None:
    client = Client("1")
    hub = hub_of(client)
    hub.join(client, "G")
    assert not hub.group("g")


def test_a_message_reaches_all_but_the_excluded() -> None:
    first, second = Client("1"), Client("2")
    hubs.deliver(HELLO, hub_of(first, second), {"2"})
    assert (len(first.fake.frames), second.fake.frames) == (1, [])


def test_each_client_gets_the_message_in_its_own_dialect() -> None:
    simple, json_client = Client("1", is_simple=True), Client("2")
    hubs.deliver(HELLO, hub_of(simple, json_client))
    assert simple.fake.texts == ["hello"]
    assert json_client.fake.texts == ['{"type":"message","from":"server","dataType":"text","data":"hello"}']


def test_a_broadcast_is_encoded_once() -> None:
    first, second = Client("1"), Client("2")
    hubs.deliver(HELLO, hub_of(first, second))
    assert first.fake.frames[0] is second.fake.frames[0]


def test_closing_says_why_before_it_closes() -> None:
    client = Client("1")
    hubs.close(hub_of(client), "spam")
    message = "Application server closed the connection. Reason: spam"
    assert client.fake.texts == [f'{{"type":"system","event":"disconnected","message":"{message}"}}']
    assert client.fake.closed == (1000, message)


def test_hub_names_are_case_insensitive() -> None:
    client = Client("1")
    all_hubs = Hubs()
    all_hubs.add(client)
    hub = all_hubs.find("CHAT")
    assert hub is not None
    assert hub.connection("1") is client


def test_a_hub_is_forgotten_with_its_last_connection() -> None:
    client = Client("1")
    all_hubs = Hubs()
    all_hubs.add(client)
    all_hubs.remove(client)
    assert list(all_hubs) == []
    assert all_hubs.find("chat") is None


def test_a_client_that_has_gone_joins_and_leaves_nothing() -> None:
    client = Client("1")
    all_hubs = Hubs()
    all_hubs.join(client, "g")
    all_hubs.leave(client, "g")
    all_hubs.leave_all(client)
    all_hubs.remove(client)
    assert client.groups == set()


def test_event_ids_start_after_that_of_connect() -> None:
    context = ConnectionContext("chat", "1")
    assert [context.next_event_id(), context.next_event_id()] == [1, 2]


@pytest.mark.parametrize(("ack_id", "is_known"), [(0, False), (1, True), (ACK_MEMORY, True)])
def test_the_ack_memory_forgets_the_oldest(ack_id: int, is_known: bool) -> None:
    memory = AckMemory()
    for number in range(ACK_MEMORY + 1):
        memory.add(number)
    assert (ack_id in memory) is is_known


def test_presence_hears_of_changes_only_and_of_every_group_that_a_client_leaves_when_it_goes() -> None:
    heard: list[tuple[str, str, str]] = []
    hub = Hub("chat", lambda context, change, group: heard.append((context.connection_id, change, group)))
    client, guest = Client("1"), Client("2")
    hub.add(client, ["a"])
    hub.join(client, "a")
    hub.join(client, "b")
    hub.leave(client, "a")
    hub.leave(client, "a")
    hub.join(guest, "a")
    hub.leave(guest, "b")
    hub.join(client, "c")
    hub.remove(client)
    assert heard[:3] == [("1", "joined", "a"), ("1", "joined", "b"), ("1", "left", "a")]
    assert heard[3] == ("1", "joined", "c")
    assert sorted(heard[4:]) == [("1", "left", "b"), ("1", "left", "c")]
