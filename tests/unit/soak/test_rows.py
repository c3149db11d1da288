"""What the soak reads in the tables is what the app writes there."""

from __future__ import annotations

from datetime import UTC, datetime

from chat.model.entities import to_change_entity, to_entity, to_key_entity, to_revised_entity
from chat.model.keys import body_digest, message_id, partition_key
from chat.model.messages import Change, ChangeKind, DeletedMessage, Message
from tests.soak.system.rows import Row, to_row
from webpubsub_handler import DataType

ROOM = "@red / 世界"
PARTITION = partition_key("chat", ROOM)
TIME = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
BODY = b'{"text":"soak-17-v2"}'
ID = message_id(PARTITION, TIME, "conn-1", "7", body_digest(DataType.JSON, BODY))
MESSAGE = Message(
    id=ID,
    time=TIME,
    room=ROOM,
    user_id="ana",
    connection_id="conn-1",
    event_id="7",
    event_name="send",
    data_type=DataType.JSON,
    content_type="application/json",
    body=BODY,
    key="k17",
)


def test_the_row_of_a_message_names_it_by_its_text() -> None:
    row = to_row(to_entity(PARTITION, MESSAGE))
    assert row == Row(ID, ROOM, "ana", "conn-1", "k17", (17,), False, False)


def test_a_text_that_is_stored_as_binary_data_is_found_too() -> None:
    entity = {**to_entity(PARTITION, MESSAGE), "data0": b"\x01 soak-18-v1"}
    del entity["text"]
    row = to_row(entity)
    assert row is not None
    assert row.numbers == (18,)


def test_the_row_of_a_deleted_message_has_no_number() -> None:
    deleted = DeletedMessage(ID, TIME, ROOM, "ana", "conn-1", "k17", TIME)
    entity = to_revised_entity(PARTITION, deleted, to_entity(PARTITION, MESSAGE), BODY)
    assert to_row(entity) == Row(ID, ROOM, "ana", "conn-1", "k17", (), False, True)


def test_the_rows_of_keys_and_changes_are_no_messages() -> None:
    change = Change(ID, ROOM, ChangeKind.EDITED, ID, TIME, "ana")
    assert to_row(to_key_entity(PARTITION, MESSAGE, "k17")) is None
    assert to_row(to_change_entity(PARTITION, change)) is None
