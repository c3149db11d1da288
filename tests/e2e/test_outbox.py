"""What is stored is heard: a broadcast that the service refuses waits in the outbox until it takes it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError

import chat.messaging.outbox
from chat.backends.service import Service, ServiceUnavailableError
from chat.backends.table import make_client
from chat.backends.table_store import TABLE_NAME, TableStore
from chat.messaging.checks import Checks
from chat.messaging.delivery import Delivery
from chat.messaging.outbox import DRAIN_SECONDS, MAX_REFUSALS, OUTBOX_TABLE_NAME, Outbox
from chat.messaging.presence import Announcer
from chat.model.keys import body_digest, message_id, partition_key, row_key
from chat.model.messages import Message
from chat.settings import StorageAccount, WebPubSubEndpoint
from local.azurite import Azurite
from tests.clock import Clock
from tests.e2e.conftest import ACCESS_KEY, System, running_system
from tests.e2e.outbox_rows import change, eventually, is_drained, rows
from tests.gate import Gate
from tests.patience import PATIENCE_SECONDS
from webpubsub_handler import ConnectionContext, ConnectionState, DataType, Headers, sign

SECOND = {"connection_id": "conn-43", "ce_signature": sign(ACCESS_KEY, "conn-43")}
TIME = "2026-11-24T09:30:00Z"


def some_message(room: str) -> Message:
    now = datetime.now(UTC)
    cursor = message_id(partition_key("chat", room), now, "c", "1", body_digest("text", b"x"))
    return Message(cursor, now, room, "ana", "c", "1", "message", DataType.TEXT, "text/plain", b"x")


async def test_a_refused_broadcast_is_a_success_to_its_sender_and_is_heard_when_the_service_takes_it(
    gated: System, gate: Gate, storage: Azurite
) -> None:
    ana, ben = await gated.connect("o1", "ana"), await gated.connect("o1", "ben")
    gate.refuse(503)
    ack, replies = await ana.send("kept")
    assert (ack["success"], replies) == (True, [])
    (stored,) = await gated.history("o1")
    assert [(row["RowKey"], row["room"]) for row in await rows(storage)] == [(stored["id"], "o1")]
    assert all("text" not in row for row in await rows(storage))
    gate.open()
    assert await ben.message() == stored
    await eventually(lambda: is_drained(storage))
    assert await gated.history("o1") == [stored]


async def test_what_one_connection_sends_is_heard_in_its_order_also_across_an_outage(
    gated: System, gate: Gate, storage: Azurite
) -> None:
    ana, ben = await gated.connect("o2", "ana"), await gated.connect("o2", "ben")
    await ana.send("1")
    gate.refuse(500)
    for text in ("2", "3", "4"):
        assert (await ana.send(text))[0]["success"]
    gate.open()
    for text in ("5", "6"):
        assert (await ana.send(text))[0]["success"]
    heard: dict[str, str] = {}
    while len(heard) < 6:  # a broadcast whose answer came too late is repeated
        message = await ben.message()
        heard.setdefault(message["id"], message["data"])
    assert list(heard.values()) == ["1", "2", "3", "4", "5", "6"]
    await eventually(lambda: is_drained(storage))
    assert (await ana.send("7"))[0]["success"]
    while (message := await ben.message())["id"] in heard:
        pass
    assert message["data"] == "7"
    # The drain may have been about to end when it was sent: then it waited for that, recorded.
    await eventually(lambda: is_drained(storage))


async def test_a_redelivery_of_what_waits_is_one_row_in_both_tables(
    gated: System, gate: Gate, storage: Azurite
) -> None:
    gate.refuse(503)
    for _ in range(3):
        assert await gated.post_event(b"once", room="o3", ce_time=TIME) == (204, b"")
    assert len(await rows(storage)) == 1
    assert len(await gated.history("o3")) == 1


async def test_another_process_sends_what_a_killed_one_left_with_its_first_event(storage: Azurite, gate: Gate) -> None:
    gate.refuse(503)
    async with running_system(storage, gate=gate) as killed:
        for number in range(5):
            assert await killed.post_event(b"%d" % number, room="o4", event_id=str(number), ce_time=TIME) == (204, b"")
    assert len(await rows(storage)) == 5
    async with running_system(storage) as system:
        ben = await system.connect("o4", "ben")  # a connect event is an event
        assert [(await ben.message())["data"] for _ in range(5)] == ["0", "1", "2", "3", "4"]
        await eventually(lambda: is_drained(storage))


async def test_neither_broadcast_nor_recorded_is_503_and_a_redelivery_mends_it(
    gated: System, gate: Gate, storage: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.refuse(503)
    # A name that no table can have: the storage itself refuses the record.
    with monkeypatch.context() as patch:
        patch.setattr("chat.messaging.outbox.OUTBOX_TABLE_NAME", "not-a-table")
        async with running_system(storage, gate=gate) as system:
            assert await system.post_event(b"kept", room="o5", ce_time=TIME) == (503, b"Try again.")
    assert len(await gated.history("o5")) == 1
    assert await gated.post_event(b"kept", room="o5", ce_time=TIME) == (204, b"")
    assert len(await gated.history("o5")) == len(await rows(storage)) == 1


async def test_a_message_that_was_deleted_meanwhile_is_not_sent(storage: Azurite, gate: Gate) -> None:
    gate.refuse(503)
    async with running_system(storage, gate=gate) as killed:
        for number in range(2):
            await killed.post_event(b"%d" % number, room="o6", event_id=str(number), ce_time=TIME)
        newer, older = await killed.history("o6")
    async with make_client(StorageAccount(storage.connection_string), TABLE_NAME) as table:
        await table.delete_entity(partition_key("chat", "o6"), row_key(older["id"]))
    async with running_system(storage) as system:
        ben = await system.connect("o6", "ben")
        assert await ben.message() == newer
        await eventually(lambda: is_drained(storage))


@pytest.mark.parametrize("status", [400, 413])
async def test_a_message_is_given_up_when_the_service_refused_it_too_often_and_the_next_event_logs_it(
    gated: System, gate: Gate, storage: Azurite, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    gate.refuse(status)
    await gated.post_event(b"bad", room="o7", ce_time=TIME)

    async def refusals() -> int:
        return int((await rows(storage))[0]["refusals"])

    async def was_counted() -> bool:
        return await refusals() > 0

    await eventually(was_counted)
    await change(storage, refusals=MAX_REFUSALS - 1)
    await eventually(lambda: is_drained(storage))
    assert "never broadcast" not in caplog.text
    await gated.post_event(b"next", room="o7-b", **SECOND)
    (told,) = [record for record in caplog.records if "never broadcast" in record.getMessage()]
    assert told.levelno == logging.ERROR
    assert str(status) in told.getMessage()
    assert [message["data"] for message in await gated.history("o7")] == ["bad"]


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
async def test_any_other_answer_means_wait_however_often_it_comes(
    gated: System, gate: Gate, storage: Azurite, status: int
) -> None:
    gate.refuse(status)
    await gated.post_event(b"waits", room="o8", ce_time=TIME)
    await change(storage, refusals=MAX_REFUSALS - 1)
    seen = gate.requests

    async def was_tried_again() -> bool:
        return gate.requests > seen + 2

    await eventually(was_tried_again)
    (row,) = await rows(storage)
    assert row["refusals"] == MAX_REFUSALS - 1


class PickyService(Service):
    """A service that refuses what says "bad" and keeps the rest."""

    def __init__(self) -> None:
        super().__init__("chat", WebPubSubEndpoint("http://localhost"))
        self.taken: list[bytes] = []

    async def broadcast(self, room: str, envelope: bytes, *, unheard_by: str | None = None) -> None:  # noqa: ARG002
        if b"bad" in envelope:
            raise ServiceUnavailableError("the service answered 413", 413)
        self.taken.append(envelope)


async def test_a_message_that_the_service_refuses_keeps_no_other_waiting(storage: Azurite, gate: Gate) -> None:
    gate.refuse(503)
    async with running_system(storage, gate=gate, MAX_MESSAGES_PER_SECOND="0") as killed:
        for number in range(70):  # more than a page
            text = b"bad" if number < 66 else b"good %d" % number
            status, _ = await killed.post_event(text, room="o9", event_id=str(number), ce_time=TIME)
            assert status == 204
    service = PickyService()
    store = TableStore("chat", StorageAccount(storage.connection_string))
    outbox = Outbox(store, service)
    outbox.start_drain()

    async def are_taken() -> bool:
        return len(await rows(storage)) == 66

    await eventually(are_taken)
    await outbox.aclose()
    await store.aclose()
    assert len(service.taken) == 4


async def test_health_tells_how_many_wait_and_since_when(gated: System, gate: Gate, storage: Azurite) -> None:
    gate.refuse(503)
    for number in range(3):
        await gated.post_event(b"%d" % number, room="o10", event_id=str(number), ce_time=TIME)
    recorded = [row["recorded"] for row in await rows(storage)]
    status, body = await gated.get("health")
    assert (status, body["webpubsub"]) == (503, "unavailable")
    assert body["outbox"] == {"waiting": 3, "since": min(recorded)}


async def test_a_process_looks_for_what_others_left_at_most_once_a_minute(storage: Azurite, gate: Gate) -> None:
    clock = Clock(0)
    store = TableStore("chat", StorageAccount(storage.connection_string))
    endpoint = WebPubSubEndpoint(f"http://localhost:{gate.port}", ACCESS_KEY)
    service = Service("chat", endpoint)
    outbox = Outbox(store, service, clock)
    async with AsyncExitStack() as stack:
        for part in (service, store, outbox):
            stack.push_async_callback(part.aclose)
        looks = 0

        async def answer(_: object) -> None:
            return None

        start = outbox.start_drain

        def count() -> None:
            nonlocal looks
            looks += 1
            start()

        outbox.start_drain = count  # type: ignore[method-assign]
        for now in (0, 1, DRAIN_SECONDS - 1, DRAIN_SECONDS, DRAIN_SECONDS + 1, 2 * DRAIN_SECONDS):
            clock.now = now
            await outbox.note_event(object(), answer)
        assert looks == 3


async def test_broadcasts_that_go_well_keep_no_drain_running(storage: Azurite) -> None:
    store = TableStore("chat", StorageAccount(storage.connection_string))
    outbox = Outbox(store, PickyService())
    outbox.start_drain()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while outbox.is_draining:
            outbox.saw_broadcast()
            await asyncio.sleep(0)
    await outbox.aclose()
    await store.aclose()


class CountingOutbox(Outbox):
    """An outbox that counts how often it heard that the service took something."""

    heard = 0

    def saw_broadcast(self) -> None:
        self.heard += 1


async def test_every_broadcast_that_the_service_takes_is_a_reason_to_send_what_waits(
    storage: Azurite, gate: Gate
) -> None:
    endpoint = WebPubSubEndpoint(f"http://localhost:{gate.port}", ACCESS_KEY)
    async with AsyncExitStack() as stack:
        store, service = TableStore("chat", StorageAccount(storage.connection_string)), Service("chat", endpoint)
        outbox = CountingOutbox(store, service)
        for part in (service, store, outbox):
            stack.push_async_callback(part.aclose)
        delivery = Delivery(store, service, outbox, Checks(1))
        context = ConnectionContext(
            "chat", "c", "ana", "connected", "1", datetime.now(UTC), None, ConnectionState(), Headers({})
        )
        heard = []
        for status in (503, 202):
            gate.refuse(status)
            await delivery.tell("o13", {"type": "typing"})
            heard.append(outbox.heard)
            await Announcer(service).announce(context, "connected", ["o13"])
            heard.append(outbox.heard)
        assert heard == [0, 0, 1, 2]


async def test_a_drain_that_pauses_goes_on_when_a_broadcast_works_again(
    storage: Azurite, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat.messaging.outbox, "_MIN_PAUSE_SECONDS", 0.01)
    longest: list[float] = []

    def endless(*_: float) -> float:
        longest.append(3600)
        return longest[-1]

    # No pause but the first ends by itself.
    monkeypatch.setattr(chat.messaging.outbox, "min", endless, raising=False)
    endpoint = WebPubSubEndpoint(f"http://localhost:{gate.port}", ACCESS_KEY)
    async with AsyncExitStack() as stack:
        store, service = TableStore("chat", StorageAccount(storage.connection_string)), Service("chat", endpoint)
        outbox = Outbox(store, service)
        for part in (service, store, outbox):
            stack.push_async_callback(part.aclose)
        gate.refuse(503)
        message = some_message("o15")
        await store.append(message)
        await outbox.record(message)

        async def is_waiting() -> bool:
            return bool(longest) and outbox._is_pausing

        await eventually(is_waiting)
        gate.refuse(202)
        await service.broadcast("o15-b", b"{}")
        await eventually(lambda: is_drained(storage))


class WatchedService(PickyService):
    """A service that writes down which messages wait behind the one that it takes."""

    def __init__(self, check: Callable[[], bool]) -> None:
        super().__init__()
        self._check = check
        self.held_back: list[bool] = []

    async def broadcast(self, room: str, envelope: bytes, *, unheard_by: str | None = None) -> None:
        self.held_back.append(self._check())
        await super().broadcast(room, envelope, unheard_by=unheard_by)


async def test_what_is_recorded_while_a_drain_ends_keeps_its_connection_s_later_messages_behind_it(
    storage: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TableStore("chat", StorageAccount(storage.connection_string))
    message = some_message("o14")
    await store.append(message)
    service = WatchedService(lambda: outbox.holds_back(message))
    outbox = Outbox(store, service)
    # Between the last page and the end of a pass there is no other place to record something.
    pages = outbox._table.query
    recorded = False

    async def query(*arguments: Any, **options: Any) -> AsyncIterator[Any]:
        nonlocal recorded
        async for row in pages(*arguments, **options):
            yield row
        if not recorded and "behind" not in arguments[1]:  # not the records of groups
            recorded = True
            await outbox.record(message)

    monkeypatch.setattr(outbox._table, "query", query)
    outbox.start_drain()

    async def was_sent() -> bool:
        return recorded and await is_drained(storage)

    await eventually(was_sent)
    await outbox.aclose()
    await store.aclose()
    assert service.held_back == [True]


async def test_rows_that_two_processes_send_at_once_are_only_repeated_ids(storage: Azurite, gate: Gate) -> None:
    gate.refuse(503)
    async with running_system(storage, gate=gate) as killed:
        for number in range(10):
            await killed.post_event(b"%d" % number, room="o11", event_id=str(number), ce_time=TIME)
    gate.open()
    async with running_system(storage) as system:
        ben = await system.connect("o11", "ben")
        store = TableStore("chat", StorageAccount(storage.connection_string))
        service = Service("chat", WebPubSubEndpoint(system.emulator.url, ACCESS_KEY))
        outbox = Outbox(store, service)
        outbox.start_drain()
        await eventually(lambda: is_drained(storage))
        for part in (outbox, store, service):
            await part.aclose()
        await system.post_event(b"end", room="o11", **SECOND)
        heard: dict[str, str] = {}
        while "end" not in heard.values():
            message = await ben.message()
            heard[message["id"]] = message["data"]
        assert list(heard.values()) == [*map(str, range(10)), "end"]


async def test_an_edited_row_of_the_outbox_stops_nobody(gated: System, gate: Gate, storage: Azurite) -> None:
    async with make_client(StorageAccount(storage.connection_string), OUTBOX_TABLE_NAME) as client:
        with contextlib.suppress(ResourceExistsError):
            await client.create_table()
        await client.create_entity({"PartitionKey": "chat", "RowKey": "0-a-note", "refusals": "many"})
        await client.create_entity({"PartitionKey": "chat", "RowKey": "0-a-step", "room": ".."})
    ben = await gated.connect("o12", "ben")
    await eventually(lambda: is_drained(storage))
    gate.refuse(503)
    await gated.post_event(b"heard", room="o12")
    gate.open()
    assert (await ben.message())["data"] == "heard"
