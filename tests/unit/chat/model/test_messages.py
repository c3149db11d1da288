"""What clients get is what was sent."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chat.model.messages import Announcement, Message, Page, encode_envelope, encode_page, encode_presence, format_time
from webpubsub_handler import DataType

TIME = datetime(2026, 11, 24, 9, 30, 0, 5999, tzinfo=UTC)


def message(data_type: DataType, body: bytes) -> Message:
    return Message("id-1", TIME, "lobby", "ana", "conn-42", "7", "message", data_type, "x/y", body)


@pytest.mark.parametrize(
    ("data_type", "body", "data"),
    [
        (DataType.TEXT, 'Grüße "quoted" \n 👋'.encode(), 'Grüße "quoted" \n 👋'),
        (DataType.JSON, b'{"a":[1,null,true]}', {"a": [1, None, True]}),
        (DataType.JSON, b" 7 ", 7),
        (DataType.JSON, b'"text"', "text"),
        (DataType.BINARY, b"\x00\x01\x02\xff", "AAEC/w=="),
    ],
)
def test_the_envelope_holds_the_data(data_type: DataType, body: bytes, data: object) -> None:
    assert json.loads(encode_envelope(message(data_type, body))) == {
        "type": "message",
        "id": "id-1",
        "time": "2026-11-24T09:30:00.005Z",
        "from": "ana",
        "room": "lobby",
        "event": "message",
        "dataType": data_type.value,
        "data": data,
    }


def test_json_numbers_keep_every_digit() -> None:
    assert b'"data":3.14159265358979323846e99}' in encode_envelope(message(DataType.JSON, b"3.14159265358979323846e99"))


def test_the_envelope_names_the_sender_s_key_when_there_is_one() -> None:
    plain = message(DataType.TEXT, b"hello")
    assert "key" not in json.loads(encode_envelope(plain))
    assert json.loads(encode_envelope(replace(plain, key="k-1")))["key"] == "k-1"


def test_a_page_is_its_envelopes_and_the_next_cursor() -> None:
    page = json.loads(
        encode_page(Page([encode_envelope(message(DataType.TEXT, body)) for body in (b"a", b"b")], "cursor", "id-b"))
    )
    assert [entry["data"] for entry in page["messages"]] == ["a", "b"]
    assert (page["next"], page["newest"]) == ("cursor", "id-b")


def test_an_empty_page_is_valid_json() -> None:
    assert json.loads(encode_page(Page((), None, None))) == {"messages": [], "next": None, "newest": None}


def test_presence_tells_in_their_order_which_connections_came_and_went() -> None:
    came = Announcement("connected", None, "conn-42", TIME)
    assert json.loads(encode_presence("lobby", [came, replace(came, event="disconnected", user_id="ana")])) == {
        "type": "presence",
        "room": "lobby",
        "events": [
            {"event": "connected", "userId": None, "connectionId": "conn-42", "time": "2026-11-24T09:30:00.005Z"},
            {"event": "disconnected", "userId": "ana", "connectionId": "conn-42", "time": "2026-11-24T09:30:00.005Z"},
        ],
    }


def test_a_written_time_reads_back() -> None:
    assert datetime.fromisoformat(format_time(TIME)) == TIME.replace(microsecond=5000)
