"""A message with an idempotency key is stored once, however often and over whatever connection it is sent."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chat.backends.table import make_client
from chat.backends.table_store import TABLE_NAME
from chat.model.keys import idempotency_row_key, message_id, partition_key, row_key
from chat.settings import StorageAccount
from local.azurite import Azurite
from tests.e2e.conftest import ACCESS_KEY, StartSystem, System
from webpubsub_handler import sign

SEND = {"ce_type": "azure.webpubsub.user.send", "ce_eventName": "send", "Content_Type": "application/json"}


async def send(
    system: System, room: str, key: str, data: str = "hello", data_type: str = "text", **changes: Any
) -> Any:
    body = json.dumps({"key": key, "dataType": data_type, "data": data}).encode()
    return await system.post_event(body, room=room, **SEND, **changes)


async def test_the_same_key_over_another_connection_is_one_row_and_two_broadcasts_with_one_id(system: System) -> None:
    ben = await system.connect("i1", "ben")
    assert await send(system, "i1", "k") == (204, b"")
    await ben.send("between")
    assert (await system.post_event(room="i1", event_id="9", ce_time="2026-11-24T09:30:00Z"))[0] == 204
    other = {"connection_id": "conn-43", "ce_signature": sign(ACCESS_KEY, "conn-43"), "ce_time": "2026-11-24T09:31:00Z"}
    assert await send(system, "i1", "k", **other) == (204, b"")
    seen = [await ben.message() for _ in range(4)]
    assert seen[0] == seen[3]
    assert (seen[0]["key"], seen[0]["data"], seen[0]["event"]) == ("k", "hello", "send")
    assert [message["id"] for message in await system.history("i1")].count(seen[0]["id"]) == 1
    assert len(await system.history("i1")) == 3


@pytest.mark.parametrize("changes", [{}, {"data_type": "json"}], ids=["another text", "another data type"])
async def test_a_key_that_comes_again_with_another_message_is_taken(system: System, changes: Any) -> None:
    room = f"i2-{changes}"
    assert await send(system, room, "k", "1") == (204, b"")
    data = "1" if changes else "2"
    status, answer = await send(system, room, "k", data, event_id="8", **changes)
    assert (status, json.loads(answer)["code"], json.loads(answer)["key"]) == (200, "key_taken", "k")
    assert [message["data"] for message in await system.history(room)] == ["1"]


async def test_a_key_of_an_older_version_is_compared_by_the_stored_message(system: System, azurite: Azurite) -> None:
    await send(system, "i14", "other")
    partition = partition_key("chat", "i14")
    async with make_client(StorageAccount(azurite.connection_string), TABLE_NAME) as table:
        (message,) = [row async for row in table.query_entities(f"PartitionKey eq '{partition}' and RowKey lt 'g'")]
        older = message_id(partition, datetime(2026, 11, 24, tzinfo=UTC), "conn-42", "7", "")
        await table.create_entity({**message, "RowKey": row_key(older), "key": "k"})
        sent = {"PartitionKey": partition, "RowKey": idempotency_row_key("ana", "conn-42", "k"), "messageId": older}
        await table.create_entity(sent)
    assert await send(system, "i14", "k", event_id="9") == (204, b"")
    _, answer = await send(system, "i14", "k", "another", event_id="10")
    assert json.loads(answer)["code"] == "key_taken"
    assert len(await system.history("i14")) == 2


@pytest.mark.parametrize("broken", [{"messageId": ""}, {"messageId": 7}, {"messageId": "0" * 58}, {}])
async def test_a_key_whose_row_somebody_edited_loses_no_message(system: System, azurite: Azurite, broken: Any) -> None:
    room = f"i15-{broken}"
    await send(system, room, "k")
    keys = {"PartitionKey": partition_key("chat", room), "RowKey": idempotency_row_key("ana", "conn-42", "k")}
    async with make_client(StorageAccount(azurite.connection_string), TABLE_NAME) as table:
        await table.upsert_entity({**keys, **broken}, "replace")
    status, answer = await send(system, room, "k", "another", event_id="8")
    assert (status, json.loads(answer)["code"]) == (200, "key_taken")


async def test_a_refused_message_whose_key_is_taken_is_refused(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    await send(system, "i17", "k")
    monkeypatch.setattr("chat.policy.may_send", lambda _: "No.")
    status, answer = await send(system, "i17", "k", "another", event_id="8")
    assert (status, json.loads(answer)["code"]) == (200, "refused")


async def test_the_same_event_with_another_body_is_another_message(system: System) -> None:
    for body in (b"one", b"two", b"one"):
        assert await system.post_event(body, room="i15", ce_time="2026-11-24T09:30:00Z") == (204, b"")
    assert sorted(message["data"] for message in await system.history("i15")) == ["one", "two"]


async def test_the_same_key_of_two_nameless_connections_is_two_messages(system: System) -> None:
    for connection in ("c1", "c2", "c1"):
        changes = {"connection_id": connection, "ce_signature": sign(ACCESS_KEY, connection), "event_id": connection}
        assert await send(system, "i16", "k", drop=["ce-userId"], **changes) == (204, b"")
    assert len(await system.history("i16")) == 2


async def test_who_is_out_of_the_room_is_told_of_the_own_message_that_is_there_and_of_nothing_else(
    system: System,
) -> None:
    async def send_from_outside(key: str, data: str, **changes: Any) -> Any:
        body = json.dumps({"key": key, "room": "i18", "dataType": "text", "data": data}).encode()
        status, answer = await system.post_event(body, room="i18-b", event_id=f"{key}{data}", **SEND, **changes)
        return status, json.loads(answer)["code"] if answer else None

    assert await send(system, "i18", "k") == (204, b"")
    assert await send_from_outside("k", "hello") == (204, None)
    refused = (200, "not_a_member")
    assert await send_from_outside("k", "another text") == refused
    assert await send_from_outside("never", "hello") == refused
    assert await send_from_outside("k", "hello", ce_userId="ben") == refused
    assert len(await system.history("i18")) == 1


async def test_a_redelivered_event_with_a_key_is_stored_once(system: System) -> None:
    for _ in range(2):
        assert (await send(system, "i3", "k", ce_time="2026-11-24T09:30:00Z"))[0] == 204
    assert len(await system.history("i3")) == 1


async def test_at_the_same_moment_over_many_connections_it_is_still_stored_once(system: System) -> None:
    answers = await asyncio.gather(
        *(send(system, "i4", "k", connection_id=f"c{n}", ce_signature=sign(ACCESS_KEY, f"c{n}")) for n in range(8))
    )
    assert {status for status, _ in answers} == {204}
    assert len(await system.history("i4")) == 1


async def test_another_user_s_same_key_is_another_message(system: System) -> None:
    for user in ("ana", "ben"):
        await send(system, "i5", "k", user, event_id=user, ce_userId=user)
    assert sorted(message["data"] for message in await system.history("i5")) == ["ana", "ben"]


async def test_a_key_in_another_room_is_another_message(system: System) -> None:
    for room in ("i6-a", "i6-b"):
        await send(system, room, "k")
        assert len(await system.history(room)) == 1


async def test_the_rows_of_keys_are_in_no_page_of_history(system: System, azurite: Azurite) -> None:
    for number in range(5):
        await send(system, "i7", f"k{number}", event_id=str(number))
    page = await system.history("i7", limit=200)
    assert len(page) == 5
    assert await system.history("i7", before=page[-1]["id"]) == []
    async with make_client(StorageAccount(azurite.connection_string), TABLE_NAME) as table:
        rows = [row async for row in table.query_entities(f"PartitionKey eq '{partition_key('chat', 'i7')}'")]
    assert len(rows) == 10


async def test_a_missing_table_is_created_for_a_message_with_a_key_too(
    start_system: StartSystem, tmp_path: Path
) -> None:
    async with Azurite(tmp_path) as storage:
        system = await start_system(storage=storage)
        assert await send(system, "i8", "k") == (204, b"")
        assert len(await system.history("i8")) == 1


@pytest.mark.parametrize(
    ("data_type", "data", "shown"),
    [
        ("text", "Grüße", "Grüße"),
        ("json", '{"n":3.141592653589793238462643}', {"n": 3.141592653589793}),
        ("binary", "AAEC/w==", "AAEC/w=="),
    ],
)
async def test_every_data_type_can_have_a_key(system: System, data_type: str, data: str, shown: object) -> None:
    room = f"i9-{data_type}"
    assert await send(system, room, "k", data, data_type) == (204, b"")
    (stored,) = await system.history(room)
    assert (stored["dataType"], stored["data"]) == (data_type, shown)


@pytest.mark.parametrize(
    "body",
    [
        b"7",
        b"{}",
        b'{"key":"","dataType":"text","data":"x"}',
        b'{"key":"a b","dataType":"text","data":"x"}',
        b'{"key":7,"dataType":"text","data":"x"}',
        b'{"key":"%b","dataType":"text","data":"x"}' % (b"k" * 65),
        b'{"key":"k","dataType":"protobuf","data":"x"}',
        b'{"key":"k","dataType":["text"],"data":"x"}',
        b'{"key":"k","dataType":"json","data":{"a":1}}',
        b'{"key":"k","dataType":"json","data":"NaN"}',
        b'{"key":"k","dataType":"json","data":"{"}',
        b'{"key":"k","dataType":"binary","data":"%"}',
        b'{"key":"k","dataType":"text","data":"\\ud800"}',
    ],
)
async def test_what_is_not_a_message_is_a_sender_error_and_not_stored(system: System, body: bytes) -> None:
    status, answer = await system.post_event(body, room="i10", **SEND)
    assert (status, json.loads(answer)["code"]) == (200, "invalid_message")
    assert await system.history("i10") == []


async def test_an_error_names_the_key_of_its_message(system: System) -> None:
    _, answer = await send(system, "i11", "k-1", "x" * 65537)
    assert (json.loads(answer)["code"], json.loads(answer)["key"]) == ("too_large", "k-1")


async def test_text_in_place_of_json_is_a_sender_error(system: System) -> None:
    status, answer = await system.post_event(b"plain", room="i12", **{**SEND, "Content_Type": "text/plain"})
    assert (status, json.loads(answer)["code"]) == (200, "invalid_message")


async def test_a_key_in_the_data_of_a_plain_message_is_data(system: System) -> None:
    body = b'{"key":"k","dataType":"text","data":"x"}'
    for number in range(2):
        await system.post_event(body, room="i13", event_id=str(number), Content_Type="application/json")
    assert [message["data"] for message in await system.history("i13")] == [json.loads(body)] * 2
