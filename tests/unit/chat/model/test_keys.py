"""Keys decide order, idempotency and which cursors are ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chat.model.keys import (
    BEHIND_MESSAGES,
    InvalidCursorError,
    body_digest,
    body_part,
    check_cursor,
    id_in_partition,
    idempotency_row_key,
    message_id,
    older_than,
    oldest_row_key,
    partition_key,
    partition_range,
    room_of,
    row_key,
)

TIME = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
LOBBY = partition_key("chat", "lobby")
BODY = body_digest("text", b"hello")


def test_a_redelivered_event_has_the_same_message_id() -> None:
    assert message_id(LOBBY, TIME, "conn-42", "7", BODY) == message_id(LOBBY, TIME, "conn-42", "7", BODY)


@pytest.mark.parametrize(
    "other",
    [
        message_id(LOBBY, TIME + timedelta(seconds=1), "conn-42", "7", BODY),
        message_id(LOBBY, TIME, "conn-43", "7", BODY),
        message_id(LOBBY, TIME, "conn-42", "8", BODY),
        message_id(LOBBY, TIME, "conn-42", "07", BODY),
        message_id(LOBBY, TIME, "conn-42", "7", body_digest("text", b"hello!")),
        message_id(LOBBY, TIME, "conn-42", "7", body_digest("json", b"hello")),
        message_id(partition_key("chat", "other"), TIME, "conn-42", "7", BODY),
    ],
    ids=["time", "connection", "event", "event with a zero", "body", "data type", "room"],
)
def test_each_part_of_an_event_changes_the_message_id(other: str) -> None:
    assert message_id(LOBBY, TIME, "conn-42", "7", BODY) != other


def test_message_ids_of_one_connection_sort_as_they_were_sent() -> None:
    sent = [(0, "8"), (0, "9"), (0, "10"), (0, "11"), (1, "12"), (59, "13"), (3600, "100")]
    ids = [message_id(LOBBY, TIME + timedelta(seconds=second), "conn-42", event, BODY) for second, event in sent]
    assert ids == sorted(ids)


def test_messages_of_one_connection_keep_their_order_whatever_is_in_them() -> None:
    ids = [message_id(LOBBY, TIME, "conn-42", str(n), body_digest("text", b"%d" % n)) for n in range(50)]
    assert ids == sorted(ids)


@pytest.mark.parametrize("event_id", ["7", "not a counter"])
def test_an_id_tells_its_body_s_digest_and_an_id_of_an_older_version_none(event_id: str) -> None:
    cursor = message_id(LOBBY, TIME, "conn-42", event_id, BODY)
    older = message_id(LOBBY, TIME, "conn-42", event_id, "")
    assert (body_part(cursor), body_part(older)) == (BODY, None)
    check_cursor(LOBBY, older)


def test_a_moved_message_keeps_its_place_and_gets_a_valid_id() -> None:
    other = partition_key("chat", "other")
    moved = id_in_partition(other, message_id(LOBBY, TIME, "conn-42", "7", BODY))
    assert moved == message_id(other, TIME, "conn-42", "7", BODY)


def test_row_keys_sort_newest_first() -> None:
    ids = [message_id(LOBBY, TIME, "conn-42", str(number), BODY) for number in range(20)]
    assert sorted(map(row_key, ids)) == [row_key(cursor) for cursor in reversed(ids)]


def test_a_row_key_gives_its_message_id_back() -> None:
    cursor = message_id(LOBBY, TIME, "conn-42", "7", BODY)
    assert row_key(row_key(cursor)) == cursor


def test_an_idempotency_key_is_its_user_s_own() -> None:
    assert len({idempotency_row_key(user, "c", key) for user in ("ana", "ben", None) for key in ("k", "l")}) == 6
    assert idempotency_row_key("ana", "c", "k") == idempotency_row_key("ana", "d", "k")


def test_an_idempotency_key_of_a_user_without_a_name_is_its_connection_s_own() -> None:
    assert idempotency_row_key(None, "c", "k") != idempotency_row_key(None, "d", "k")
    assert idempotency_row_key(None, "c", "k") != idempotency_row_key("c", "c", "k")


def test_idempotency_keys_lie_behind_all_messages() -> None:
    oldest = row_key(message_id(LOBBY, datetime(1970, 1, 1, tzinfo=UTC), "conn-42", "0", BODY))
    assert oldest < BEHIND_MESSAGES < idempotency_row_key("ana", "c", "k")


@pytest.mark.parametrize("event_id", ["", "abc", "-1", "1.5", "٣", "9" * 40, "a/b"])
def test_an_event_id_that_is_not_a_counter_still_makes_a_cursor(event_id: str) -> None:
    check_cursor(LOBBY, message_id(LOBBY, TIME, "conn-42", event_id, BODY))


@pytest.mark.parametrize("year", [1, 1970, 2026, 9999])
def test_any_time_makes_a_cursor(year: int) -> None:
    check_cursor(LOBBY, message_id(LOBBY, datetime(year, 1, 1, tzinfo=UTC), "conn-42", "1", BODY))


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "0" * 50,
        "../../etc",
        "' or 1 eq 1",
        "g" * 50,
        message_id(partition_key("chat", "b"), TIME, "c", "1", BODY),
    ],
)
def test_a_foreign_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidCursorError):
        check_cursor(LOBBY, cursor)


def test_reaching_back_includes_the_whole_window_and_nothing_before() -> None:
    bound = oldest_row_key(message_id(LOBBY, TIME, "conn-42", "7", BODY), 120)
    inside = row_key(message_id(LOBBY, TIME - timedelta(seconds=120), "zzz", "0", BODY))
    outside = row_key(message_id(LOBBY, TIME - timedelta(seconds=121), "aaa", "999", BODY))
    assert inside < bound < outside


def test_what_is_older_than_a_time_lies_behind_its_bound_and_before_the_rows_of_keys() -> None:
    bound = older_than(TIME)
    older = row_key(message_id(LOBBY, TIME - timedelta(seconds=1), "zzz", "9", BODY))
    kept = row_key(message_id(LOBBY, TIME, "aaa", "0", BODY))
    assert kept < bound < older < BEHIND_MESSAGES


@pytest.mark.parametrize("room", ["a", "a/b", "a|b", "a=b", "é", "a}b", "~", "😀", " x"])
def test_a_partition_tells_its_room_and_lies_among_those_of_its_hub(room: str) -> None:
    first, last = partition_range("Chat")
    assert room_of(partition_key("chat", room)) == room
    assert first < partition_key("chat", room) < last
    assert not first < partition_key("chat2", room) < last


@pytest.mark.parametrize(
    "room", ["a/b", "a\\b", "a#b", "a?b", "a'b", "a\x7fb", "😀", "a|b", "a=b", "a%2Fb", "x" * 128, "é" * 64]
)
def test_every_room_has_a_key_that_tables_take(room: str) -> None:
    key = partition_key("a`,.[]" * 21, room)
    assert not set(key) & set("/\\#?%'\t\n\r")
    assert key.isascii()
    assert len(key) <= 1024


def test_rooms_never_share_a_partition() -> None:
    rooms = ["a", "A", "a b", "a|b", "a=7Cb", "a=", "=", "|", "a%7Cb", "=41"]
    assert len({partition_key("chat", room) for room in rooms}) == len(rooms)
    assert partition_key("chat", "b|c") != partition_key("chat|b", "c")


def test_the_hub_s_case_does_not_matter() -> None:
    assert partition_key("Chat", "a") == partition_key("chat", "a")
