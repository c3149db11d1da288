"""What the outbox keeps in memory is bounded, however long an outage lasts."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest

import chat.messaging.outbox
from chat.backends.service import Service
from chat.backends.table_store import TableStore
from chat.messaging.outbox import Outbox
from chat.model.keys import body_digest, message_id, partition_key
from chat.model.messages import Message
from chat.settings import StorageAccount, WebPubSubEndpoint
from webpubsub_handler import DataType

TIME = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


class UnreachedOutbox(Outbox):
    """An outbox that sends nothing."""

    def start_drain(self) -> None:
        """Do nothing."""


@pytest.fixture
def outbox() -> Outbox:
    store = TableStore("chat", StorageAccount("UseDevelopmentStorage=true"))
    return UnreachedOutbox(store, Service("chat", WebPubSubEndpoint("http://localhost")))


def message(connection_id: str) -> Message:
    digest = body_digest("text", b"x")
    cursor = message_id(partition_key("chat", "lobby"), TIME, connection_id, "1", digest)
    return Message(cursor, TIME, "lobby", "ana", connection_id, "1", "message", DataType.TEXT, "text/plain", b"x")


async def test_only_so_many_connections_are_held_back(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    async def insert(_: object) -> bool:
        return True

    monkeypatch.setattr(outbox._table, "insert", insert)
    monkeypatch.setattr(chat.messaging.outbox, "_MAX_CONNECTIONS", 2)
    for name in ("a", "b", "c"):
        await outbox.record(message(name))
    assert [outbox.holds_back(message(name)) for name in ("a", "b", "c")] == [True, True, False]


def test_only_the_last_lines_of_the_background_are_kept_for_the_log(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat")
    for number in range(1000):
        outbox._say(logging.INFO, f"line {number}")
    outbox.write_log()
    assert (len(caplog.records), caplog.records[-1].getMessage()) == (100, "line 999")
