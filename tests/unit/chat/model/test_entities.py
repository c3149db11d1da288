"""Messages, what is left of deleted ones, and changes are read back as they were stored."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chat.model.entities import read_entity, to_change_entity, to_entity, to_revised_entity, to_row
from chat.model.keys import body_digest, message_id, partition_key
from chat.model.messages import Change, ChangeKind, DeletedMessage, Message, change_time
from webpubsub_handler import DataType

TIME = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
LOBBY = partition_key("chat", "lobby")
ID = message_id(LOBBY, TIME, "conn-42", "7", body_digest("text", b"hello"))
MESSAGE = Message(ID, TIME, "lobby", "ana", "conn-42", "7", "message", DataType.TEXT, "text/plain", b"hello", "k", TIME)
DELETED = DeletedMessage(ID, TIME, "lobby", None, "conn-42", None, TIME + timedelta(seconds=1))
CHANGE = Change(message_id(LOBBY, TIME, "c", "8", "0" * 8), "lobby", ChangeKind.EDITED, ID, TIME, "ana")


@pytest.mark.parametrize(
    ("entity", "row"),
    [
        (to_entity(LOBBY, MESSAGE), MESSAGE),
        (to_entity(LOBBY, replace(MESSAGE, edited_at=None)), replace(MESSAGE, edited_at=None)),
        (to_revised_entity(LOBBY, DELETED, {}, b"hello"), DELETED),
        (to_change_entity(LOBBY, CHANGE), CHANGE),
        (to_change_entity(LOBBY, replace(CHANGE, user_id=None)), replace(CHANGE, user_id=None)),
    ],
)
def test_a_row_reads_back(entity: dict[str, Any], row: object) -> None:
    assert to_row(entity, "lobby") == row


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "moved"},
        {"kind": 7},
        {"kind": "edited", "messageId": None},
        {"kind": "edited", "messageId": "x"},
        {"kind": "edited", "messageId": message_id(partition_key("chat", "other"), TIME, "c", "1", "")},
        {"deletedAt": "yesterday"},
        {"deletedAt": 7},
        {"editedAt": "yesterday"},
        {"editedAt": None},
    ],
)
def test_a_row_that_somebody_edited_is_skipped(changes: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    assert read_entity(to_entity(LOBBY, MESSAGE) | changes, "lobby") is None
    assert "Skipped a row" in caplog.text
    assert "hello" not in caplog.text


def test_the_times_of_a_message_s_changes_grow_even_where_clocks_go_back() -> None:
    first = change_time(replace(MESSAGE, edited_at=None), TIME - timedelta(hours=1))
    second = change_time(replace(MESSAGE, edited_at=first), TIME - timedelta(hours=2))
    assert TIME < first < second
    assert change_time(MESSAGE, TIME + timedelta(hours=1)) == TIME + timedelta(hours=1)
