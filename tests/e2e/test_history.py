"""Pages of history: every message once, newest first, with borders that hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chat.backends.table import make_client
from chat.backends.table_store import TABLE_NAME
from chat.model.keys import partition_key, row_key
from chat.settings import StorageAccount
from local.azurite import Azurite
from tests.e2e.conftest import ACCESS_KEY, StartSystem, System
from webpubsub_handler import sign


async def fill(system: System, room: str, seconds: range) -> None:
    for number in seconds:
        time = f"2026-11-24T{10 + number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z"
        status, _ = await system.post_event(f"{number}".encode(), room=room, event_id=str(number), ce_time=time)
        assert status == 204


@pytest.mark.parametrize("limit", [1, 2, 5, 10, 11, 200])
async def test_following_next_gives_every_message_once(system: System, limit: int) -> None:
    room = f"h1-{limit}"
    await fill(system, room, range(10))
    seen: list[str] = []
    query: dict[str, object] = {"limit": limit}
    for _ in range(11):
        status, page = await system.get("messages", room=room, **query)
        assert status == 200
        assert len(page["messages"]) <= limit
        seen += [message["data"] for message in page["messages"]]
        if page["next"] is None:
            break
        query["before"] = page["next"]
    assert seen == [str(number) for number in reversed(range(10))]


async def test_a_full_last_page_has_no_next(system: System) -> None:
    await fill(system, "h2", range(4))
    _, page = await system.get("messages", room="h2", limit=4)
    assert len(page["messages"]) == 4
    assert page["next"] is None


async def test_after_gives_what_is_newer_and_with_overlap_the_redelivery_window(system: System) -> None:
    await fill(system, "h3", range(0, 600, 60))
    messages = await system.history("h3", limit=200)
    last_seen = next(message for message in messages if message["data"] == "300")
    newer = await system.history("h3", after=last_seen["id"], limit=200)
    assert [message["data"] for message in newer] == ["540", "480", "420", "360"]
    overlapping = await system.history("h3", after=last_seen["id"], overlap="true", limit=200)
    assert [message["data"] for message in overlapping] == ["540", "480", "420", "360", "300", "240", "180"]


async def test_a_reader_who_is_up_to_date_gets_an_empty_page(system: System) -> None:
    await fill(system, "h7", range(3))
    newest = (await system.history("h7"))[0]["id"]
    assert await system.get("messages", room="h7", after=newest) == (
        200,
        {"messages": [], "next": None, "newest": None},
    )


async def test_an_overlap_that_is_neither_true_nor_false_is_refused(system: System) -> None:
    status, body = await system.get("messages", room="h7", overlap="120")
    assert (status, body["code"]) == (400, "invalid_overlap")


async def test_a_page_ends_by_the_bytes_of_its_answer_not_of_its_messages(start_system: StartSystem) -> None:
    system = await start_system(MAX_MESSAGE_BYTES="716800")
    for number in range(6):
        status, _ = await system.post_event(b"\x01" * 170_000, room="h8", event_id=str(number))  # 6 bytes each in JSON
        assert status == 204
    query: dict[str, str] = {}
    sizes = []
    while True:
        async with system.http.get(f"{system.url}/api/messages", params={"room": "h8", **query}) as answer:
            body = await answer.read()
        page = json.loads(body)
        sizes.append(len(page["messages"]))
        assert len(body) < 4.1 * 1024 * 1024
        if page["next"] is None:
            break
        query = {"before": page["next"]}
    assert sizes == [4, 2]


async def test_a_row_that_somebody_edited_by_hand_is_skipped_and_logged(
    system: System, azurite: Azurite, caplog: pytest.LogCaptureFixture
) -> None:
    await fill(system, "h9", range(8))
    edits: list[dict[str, Any]] = [
        {"dataType": "protobuf"},
        {"time": "yesterday"},
        {"time": "0001-01-01T00:00:00+14:00"},
        {"dataType": "json", "text": "{"},
        {"connectionId": 7},
        {"text": 7},
    ]
    ids = [message["id"] for message in await system.history("h9")]
    async with make_client(StorageAccount(azurite.connection_string), TABLE_NAME) as table:
        for cursor, edit in zip(ids[1:], edits, strict=False):
            key = {"PartitionKey": partition_key("chat", "h9"), "RowKey": row_key(cursor)}
            await table.update_entity({**key, **edit}, "merge")
        await table.create_entity({"PartitionKey": partition_key("chat", "h9"), "RowKey": "a-note"})
    assert [message["id"] for message in await system.history("h9")] == [ids[0], ids[7]]
    _, page = await system.get("messages", room="h9", limit=1)
    assert page["next"] == ids[0]
    assert [message["id"] for message in await system.history("h9", before=page["next"])] == [ids[7]]
    assert "not as it was stored" in caplog.text


async def test_after_can_be_paged_with_before(system: System) -> None:
    await fill(system, "h4", range(0, 600, 60))
    anchor = (await system.history("h4", limit=200))[-1]["id"]
    _, page = await system.get("messages", room="h4", after=anchor, overlap="true", limit=6)
    rest = await system.history("h4", after=anchor, overlap="true", before=page["next"], limit=6)
    assert [message["data"] for message in page["messages"] + rest] == [str(n) for n in range(540, -1, -60)]


async def test_large_messages_make_shorter_pages_and_lose_nothing(start_system: StartSystem) -> None:
    system = await start_system(MAX_MESSAGE_BYTES="716800")
    for number in range(9):
        await system.post_event(b"%d" % number * 700_000, room="h5", event_id=str(number))
    sizes: list[int] = []
    query: dict[str, object] = {}
    while True:
        _, page = await system.get("messages", room="h5", limit=200, **query)
        sizes.append(len(page["messages"]))
        if page["next"] is None:
            break
        query = {"before": page["next"]}
    assert sum(sizes) == 9
    assert len(sizes) > 1


@pytest.mark.parametrize("limit", [1, 4, 5, 12, 13])
async def test_page_borders_within_one_second_are_exact_in_both_directions(system: System, limit: int) -> None:
    room = f"h6-{limit}"
    for number in range(12):
        connection = f"c{number % 5}"
        status, _ = await system.post_event(
            b"%d" % number,
            room=room,
            event_id=str(number),
            connection_id=connection,
            ce_signature=sign(ACCESS_KEY, connection),
            ce_time="2026-11-24T09:30:00Z",
        )
        assert status == 204
    everything = [message["id"] for message in await system.history(room, limit=200)]
    assert len(everything) == 12
    seen: list[str] = []
    query: dict[str, object] = {"limit": limit, "after": everything[-1]}
    while True:
        _, page = await system.get("messages", room=room, **query)
        seen += [message["id"] for message in page["messages"]]
        if page["next"] is None:
            break
        query["before"] = page["next"]
    assert seen == everything[:-1]
    for index, cursor in enumerate(everything):
        assert [message["id"] for message in await system.history(room, before=cursor)] == everything[index + 1 :]
