"""Keys, message ids, cursors and envelopes of the chat, for all rooms, times and messages."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hypothesis import assume, given
from hypothesis import strategies as st

from chat.model.keys import InvalidCursorError, check_cursor, message_id, oldest_row_key, partition_key, row_key
from chat.model.messages import Message, Page, encode_envelope, encode_page
from tests.property.strategies import JSON
from webpubsub_handler import DataType

ROOMS: Final = st.text() | st.text(st.sampled_from("=|7C\x01\x100a"))
MOMENTS: Final = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda time: time.replace(microsecond=0)
)
COUNTS: Final = st.integers(0, 10**15 - 1)
DIGESTS = st.text("0123456789abcdef", min_size=8, max_size=8)
PARTITION: Final = partition_key("chat", "lobby")


def unescape(text: str) -> str:
    return re.sub(rb"=([0-9A-F]{2})", lambda match: bytes([int(match[1], 16)]), text.encode()).decode()


@given(st.text(), ROOMS)
def test_hub_and_room_can_be_read_out_of_a_partition_key_so_no_two_rooms_share_one(hub: str, room: str) -> None:
    escaped_hub, bar, escaped_room = partition_key(hub, room).partition("|")

    assert unescape(escaped_hub) == hub.lower()
    assert (bar, unescape(escaped_room)) == ("|", room)


@given(st.text(), ROOMS)
def test_a_partition_key_holds_nothing_that_tables_forbid(hub: str, room: str) -> None:
    key = partition_key(hub, room)

    assert key.isascii()
    assert key.isprintable()
    assert not set(key) & set("/\\#?'% ")


@given(MOMENTS, st.text(), COUNTS, DIGESTS, MOMENTS, st.text(), COUNTS, DIGESTS)
def test_message_ids_sort_by_second_and_by_count_within_a_connection(
    time: datetime,
    connection: str,
    count: int,
    digest: str,
    later: datetime,
    other: str,
    other_count: int,
    other_digest: str,
) -> None:
    first = message_id(PARTITION, time, connection, str(count), digest)
    second = message_id(PARTITION, later, other, str(other_count), other_digest)

    if time != later:
        assert (first < second) == (time < later)
    elif connection == other:
        assert (first < second) == ((count, digest) < (other_count, other_digest))
    assert (first == second) == ((time, connection, count, digest) == (later, other, other_count, other_digest))
    assert (row_key(first) > row_key(second)) == (first < second)


@given(MOMENTS, st.text(), st.text(), DIGESTS | st.just(""))
def test_a_message_id_is_a_cursor_of_its_own_room_only(
    time: datetime, connection: str, event_id: str, digest: str
) -> None:
    cursor = message_id(PARTITION, time, connection, event_id, digest)

    check_cursor(PARTITION, cursor)
    assert is_refused(partition_key("chat", "lounge"), cursor)
    assert row_key(row_key(cursor)) == cursor


@given(st.text() | st.text("0123456789abcdef", min_size=50, max_size=74))
def test_no_other_text_is_a_cursor(text: str) -> None:
    assert is_refused(PARTITION, text)


def is_refused(partition: str, cursor: str) -> bool:
    try:
        check_cursor(partition, cursor)
    except InvalidCursorError:
        return True
    return False


@given(MOMENTS, st.integers(-300, 300), st.text(), st.text(), st.integers(0, 250))
def test_reaching_back_takes_in_what_is_young_enough_and_nothing_else(
    time: datetime, shift: int, connection: str, event_id: str, reach: int
) -> None:
    assume(time.year > 1970)
    cursor = message_id(PARTITION, time, connection, event_id, "00000000")
    other = row_key(message_id(PARTITION, time + timedelta(seconds=shift), "other", "1", "ffffffff"))

    assert (other < oldest_row_key(cursor, reach)) == (shift >= -reach)


def message(data_type: DataType, body: bytes, text: str = "") -> Message:
    time = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
    return Message("1f", time, text, text or None, "conn-42", "7", text, data_type, "text/plain", body)


@given(st.text(), st.text())
def test_an_envelope_of_text_is_json_with_the_same_text(text: str, name: str) -> None:
    envelope = json.loads(encode_envelope(message(DataType.TEXT, text.encode(), name)))

    assert envelope["data"] == text
    assert (envelope["room"], envelope["from"], envelope["event"]) == (name, name or None, name)


@given(JSON, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_an_envelope_of_json_is_json_with_the_client_s_own_text(value: Any, ascii_only: bool, indent: Any) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    envelope = encode_envelope(message(DataType.JSON, body))

    assert json.loads(envelope)["data"] == value
    assert body in envelope


@given(st.lists(st.binary(), max_size=3), st.none() | st.text())
def test_a_page_is_json_with_every_message(bodies: list[bytes], cursor: str | None) -> None:
    page = json.loads(
        encode_page(Page([encode_envelope(message(DataType.BINARY, body)) for body in bodies], cursor, None))
    )

    assert [base64.b64decode(entry["data"]) for entry in page["messages"]] == bodies
    assert page["next"] == cursor
