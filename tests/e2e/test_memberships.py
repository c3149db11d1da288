"""``python -m chat.admin`` lists private rooms, and exports and erases memberships."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from chat import admin
from chat.backends.members import MEMBERS_TABLE_NAME, Members
from chat.backends.table import make_client
from chat.messaging.outbox import OUTBOX_TABLE_NAME
from chat.model.private_names import PrivateRoom
from chat.settings import StorageAccount
from local.azurite import Azurite
from tests.e2e.conftest import System

HUB = "memberships"


@pytest_asyncio.fixture
async def members(azurite: Azurite) -> AsyncIterator[Members]:
    """Two rooms of one creator, one of which has another member."""
    members = Members(HUB, StorageAccount(azurite.connection_string))
    for name, others in (("@both", ["ben"]), ("@alone", [])):
        await members.make(PrivateRoom(name, "A title", "ana", "2026-11-24T09:30:00.000Z", "event-0"))
        for number, person in enumerate(["ana", *others]):
            await members.add(person, name, "event-0", joined=str(number), is_made=person == "ana")
    yield members
    await members.aclose()


@pytest.fixture
def run(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What runs a command of the administrator, in a thread."""
    monkeypatch.setenv("AzureWebJobsStorage", azurite.connection_string)
    monkeypatch.setenv("WebPubSubHub", HUB)
    monkeypatch.delenv("WebPubSubConnectionString", raising=False)
    return lambda *arguments: asyncio.to_thread(admin.main, arguments)


async def test_admin_lists_private_rooms_exports_memberships_and_erases_them(
    members: Members, azurite: Azurite, run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run("rooms") == 0
    shown = capsys.readouterr().out
    assert "@both 'A title', creator 'ana'" in shown
    assert "'ana', 'ben'" in shown

    assert await run("export", "--user", "ana", "--output", str(tmp_path / "ana.jsonl")) == 0
    lines = [json.loads(line) for line in (tmp_path / "ana.jsonl").read_text().splitlines()]
    assert [line["membership"] for line in lines] == [
        {"room": "@alone", "isMember": True, "isCreator": True},
        {"room": "@both", "isMember": True, "isCreator": True},
    ]

    assert await run("erase", "--user", "ana", "--dry-run") == 0
    assert await members.is_member("ana", "@both")
    assert await run("erase", "--user", "ana", "--yes") == 0
    assert not await members.is_member("ana", "@both")
    assert (await members.list("@both"), await members.list("@alone")) == (["ben"], [])
    rooms = [await members.room(name) for name in ("@both", "@alone")]
    assert [room and room.creator for room in rooms] == ["ben", ""]
    async with make_client(StorageAccount(azurite.connection_string), MEMBERS_TABLE_NAME) as client:
        rows = [row async for row in client.list_entities() if f"|{HUB}|" in row["PartitionKey"]]
    assert [row for row in rows if "ana" in json.dumps(dict(row))] == []
    # The app takes open connections out of the groups.
    async with make_client(StorageAccount(azurite.connection_string), OUTBOX_TABLE_NAME) as client:
        records = [row async for row in client.list_entities() if row["PartitionKey"] == HUB]
    assert sorted((row["userId"], row["room"]) for row in records) == [("ana", "@alone"), ("ana", "@both")]


async def test_admin_erases_also_the_names_that_a_process_left_that_died_between_two_rows(
    members: Members, azurite: Azurite, run: Any
) -> None:
    room = PrivateRoom("@made", "A title", "dan", "2026-11-24T09:30:00.000Z", "event-0")
    await members.make(room)
    listed = {"PartitionKey": f"room|{HUB}|=40both", "RowKey": "member-dan", "userId": "dan", "isSure": False}
    async with make_client(StorageAccount(azurite.connection_string), MEMBERS_TABLE_NAME) as client:
        await client.create_entity(listed | {"joined": "9", "changed": "2026-11-24T09:30:00.000Z"})
        assert await run("erase", "--user", "dan", "--yes") == 0
        rows = [row async for row in client.list_entities() if f"|{HUB}|" in row["PartitionKey"]]
    assert [row for row in rows if "dan" in json.dumps(dict(row))] == []
    assert await members.list("@both") == ["ana", "ben"]


async def test_who_is_erased_hears_nothing_more_and_the_room_is_told(
    system: System, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WebPubSubHub", "chat")
    monkeypatch.setenv("WebPubSubConnectionString", system.emulator.connection_string)
    ana, ben = await system.chat("m1-ana"), await system.chat("m1-ben")
    await ana.create("m1", "m1-ben")
    await ben.send("m1", "hello")
    assert await run("erase", "--user", "m1-ben", "--yes") == 0
    assert await ana.next("MessageDeleted")
    assert await ana.next("RoomMemberLeft") == {"roomId": "m1", "title": "A title", "userId": "m1-ben"}
    await ana.send("m1", "in private")
    await ben.create("m1-own")
    await ben.event("send", {"room": "@m1-own", "key": "end", "dataType": "text", "data": "end"})
    assert await ben.told_until("end") == ["RoomJoined", "MessageDeleted", "RoomLeft"]
