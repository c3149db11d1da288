"""The members table: a process may die between any two writes, and events may come again, in any order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
import pytest_asyncio

import chat.backends.members
from chat.backends.member_rows import Change
from chat.backends.members import MAX_REMEMBERED_CHANGES, Members
from chat.backends.table import Table
from chat.backends.table_store import StoreUnavailableError
from chat.model.keys import members_partition, user_partition
from chat.model.private_names import PrivateRoom
from chat.settings import StorageAccount
from local.azurite import Azurite
from tests.patience import PATIENCE_SECONDS

ROOM = PrivateRoom("@m", "A title", "ana", "2026-11-24T09:30:00.000Z", "event-0")


class ProcessDiedError(Exception):
    """The process ended here."""


class DyingTable(Table):
    """A table whose process dies instead of making one more write."""

    def __init__(self, account: StorageAccount, writes: int) -> None:
        super().__init__(account, chat.backends.members.MEMBERS_TABLE_NAME)
        self._left = writes

    async def _count(self) -> None:
        if not self._left:
            await self.stop()
        self._left -= 1

    async def stop(self) -> None:
        """Do what happens instead of one more write."""
        raise ProcessDiedError

    async def insert(self, *entities: Mapping[str, Any]) -> bool:
        await self._count()
        return await super().insert(*entities)

    async def insert_one(self, entity: Mapping[str, Any]) -> str | None:
        await self._count()
        return await super().insert_one(entity)

    async def replace(self, entity: Mapping[str, Any], etag: str) -> str | None:
        await self._count()
        return await super().replace(entity, etag)

    async def delete_unchanged(self, partition: str, row: str, etag: str) -> None:
        await self._count()
        await super().delete_unchanged(partition, row, etag)


class WaitingTable(DyingTable):
    """A table whose process waits before one more write until a test lets it go on."""

    def __init__(self, account: StorageAccount, writes: int) -> None:
        super().__init__(account, writes)
        self.waits = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def is_waiting(self) -> None:
        """Wait until the process waits."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.waits.wait()

    async def stop(self) -> None:
        self.waits.set()
        await self.goes_on.wait()


@pytest_asyncio.fixture
async def members(azurite: Azurite, request: pytest.FixtureRequest) -> AsyncIterator[Members]:
    # A hub of its own for each test.
    hub = "h" + "".join(character for character in request.node.name if character.isalnum())[-100:]
    members = Members(hub, StorageAccount(azurite.connection_string))
    yield members
    await members.aclose()


@pytest.fixture
def no_change_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat.backends.members, "_UNDER_WAY_SECONDS", -1.0)


async def listed_rows(members: Members, room: str) -> list[Mapping[str, Any]]:
    query = "PartitionKey eq @partition and RowKey ne 'room'"
    parameters = {"partition": members_partition(members.hub, room)}
    return [row async for row in members.table.query(query, parameters, page_size=100)]


async def test_an_event_adds_a_member_once_however_often_it_comes(members: Members) -> None:
    assert await members.add("ben", "@m", "event-1", joined="1") is Change.MADE
    assert await members.add("ben", "@m", "event-1", joined="2") is Change.MADE
    assert await members.add("ben", "@m", "event-2", joined="3") is Change.NOT_MADE
    assert await members.list("@m") == ["ben"]
    assert (await listed_rows(members, "@m"))[0]["joined"] == "1"


async def test_events_that_come_again_in_the_wrong_order_change_nothing(members: Members) -> None:
    await members.add("ben", "@m", "event-1", joined="1")
    await members.remove("ben", "@m", "event-2")
    assert await members.add("ben", "@m", "event-1", joined="1") is Change.MADE_BEFORE
    assert not await members.is_member("ben", "@m")
    await members.add("ben", "@m", "event-3", joined="1")
    assert await members.remove("ben", "@m", "event-2") is Change.MADE_BEFORE
    assert await members.is_member("ben", "@m")
    assert await members.list("@m") == ["ben"]


async def test_the_last_twenty_changes_are_remembered(members: Members) -> None:
    assert MAX_REMEMBERED_CHANGES == 20
    for number in range(12):
        await members.add("ben", "@m", f"add-{number}", joined="1")
        await members.remove("ben", "@m", f"remove-{number}")
    assert await members.add("ben", "@m", "add-2", joined="1") is Change.MADE_BEFORE
    assert await members.add("ben", "@m", "add-1", joined="1") is Change.MADE


@pytest.mark.usefixtures("no_change_is_under_way")
@pytest.mark.parametrize("writes", range(4))
async def test_a_process_that_dies_while_it_adds_leaves_no_member_that_nobody_sees(
    members: Members, azurite: Azurite, writes: int
) -> None:
    dying = Members(members.hub, StorageAccount(azurite.connection_string))
    dying.table = DyingTable(StorageAccount(azurite.connection_string), writes)
    if writes < 3:
        with pytest.raises(ProcessDiedError):
            await dying.add("ben", "@m", "event-1", joined="1")
    else:
        await dying.add("ben", "@m", "event-1", joined="1")
    await dying.aclose()
    is_member = await members.is_member("ben", "@m")
    assert is_member is (writes >= 2)
    assert len(await listed_rows(members, "@m")) == (writes >= 1)
    assert await members.list("@m") == (["ben"] if is_member else [])
    # The listing mended it.
    assert [row["isSure"] for row in await listed_rows(members, "@m")] == ([True] if is_member else [])
    assert await members.add("ben", "@m", "event-1", joined="1") is Change.MADE
    assert await members.list("@m") == ["ben"]


@pytest.mark.usefixtures("no_change_is_under_way")
@pytest.mark.parametrize("writes", range(4))
async def test_a_process_that_dies_while_it_removes_leaves_no_member_that_nobody_sees(
    members: Members, azurite: Azurite, writes: int
) -> None:
    await members.add("ben", "@m", "event-1", joined="1")
    dying = Members(members.hub, StorageAccount(azurite.connection_string))
    dying.table = DyingTable(StorageAccount(azurite.connection_string), writes)
    if writes < 3:
        with pytest.raises(ProcessDiedError):
            await dying.remove("ben", "@m", "event-2")
    else:
        await dying.remove("ben", "@m", "event-2")
    await dying.aclose()
    is_member = await members.is_member("ben", "@m")
    assert is_member is (writes < 2)
    assert await members.list("@m") == (["ben"] if is_member else [])
    assert len(await listed_rows(members, "@m")) == is_member
    assert await members.remove("ben", "@m", "event-2") is Change.MADE
    assert await members.list("@m") == []


async def test_whoever_adds_removes_and_lists_at_once_never_leaves_a_member_that_nobody_sees(
    members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat.backends.members, "_UNDER_WAY_SECONDS", -1.0)
    monkeypatch.setattr(chat.backends.members, "_MAX_TRIES", 100)
    monkeypatch.setattr(chat.backends.members, "_CHANGE_SECONDS", 60.0)
    for number in range(5):
        work: list[Any] = []
        for part in range(4):
            work.append(members.add("ben", "@m", f"add-{number}-{part}", joined="1"))
            work.append(members.remove("ben", "@m", f"remove-{number}-{part}"))
            work.append(members.list("@m"))
        await asyncio.gather(*work)
        assert await members.list("@m") == (["ben"] if await members.is_member("ben", "@m") else [])


@pytest.mark.usefixtures("no_change_is_under_way")
async def test_a_listing_that_finds_an_addition_under_way_makes_it_begin_again(
    members: Members, azurite: Azurite
) -> None:
    slow = Members(members.hub, StorageAccount(azurite.connection_string))
    slow.table = table = WaitingTable(StorageAccount(azurite.connection_string), 1)
    adding = asyncio.create_task(slow.add("ben", "@m", "event-1", joined="1"))
    await table.is_waiting()
    assert await members.list("@m") == []
    table.goes_on.set()
    assert await adding is Change.MADE
    await slow.aclose()
    assert await members.list("@m") == ["ben"]


async def test_a_removal_that_is_late_leaves_the_row_of_a_later_addition(members: Members, azurite: Azurite) -> None:
    await members.add("ben", "@m", "event-1", joined="1")
    slow = Members(members.hub, StorageAccount(azurite.connection_string))
    slow.table = table = WaitingTable(StorageAccount(azurite.connection_string), 2)
    removing = asyncio.create_task(slow.remove("ben", "@m", "event-2"))
    await table.is_waiting()
    assert await members.add("ben", "@m", "event-3", joined="2") is Change.MADE
    table.goes_on.set()
    assert await removing is Change.MADE
    await slow.aclose()
    assert await members.list("@m") == ["ben"]


async def test_the_row_of_a_change_that_is_under_way_is_left_alone(members: Members, azurite: Azurite) -> None:
    dying = Members(members.hub, StorageAccount(azurite.connection_string))
    dying.table = DyingTable(StorageAccount(azurite.connection_string), 1)
    with pytest.raises(ProcessDiedError):
        await dying.add("ben", "@m", "event-1", joined="1")
    await dying.aclose()
    assert await members.list("@m") == []
    assert len(await listed_rows(members, "@m")) == 1


async def test_a_change_that_others_get_in_the_way_of_again_and_again_is_given_up(
    members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def changed(*_: object) -> str | None:
        return None

    await members.add("ben", "@m", "event-1", joined="1")
    monkeypatch.setattr(members.table, "replace", changed)
    with pytest.raises(StoreUnavailableError):
        await members.remove("ben", "@m", "event-2")
    assert await members.is_member("ben", "@m")


async def test_who_joined_first_is_listed_first_and_becomes_the_creator_when_the_creator_is_gone(
    members: Members,
) -> None:
    await members.make(ROOM)
    for number, name in enumerate(["ana", "cleo", "ben"]):
        await members.add(name, "@m", "event-0", joined=str(number))
    assert await members.list("@m") == ["ana", "cleo", "ben"]
    assert await members.elect("@m") == ROOM
    await members.remove("ana", "@m", "event-1")
    assert (await members.elect("@m") or ROOM).creator == "cleo"
    assert (await members.room("@m") or ROOM).creator == "cleo"


async def test_the_last_creator_stays_one_when_nobody_is_a_member(members: Members) -> None:
    await members.make(ROOM)
    await members.add("ana", "@m", "event-0", joined="0")
    await members.remove("ana", "@m", "event-1")
    assert await members.elect("@m") == ROOM


async def test_two_users_who_make_one_room_make_it_once(members: Members) -> None:
    other = PrivateRoom("@m", "Another title", "ben", ROOM.time, "event-9")
    made = await asyncio.gather(members.make(ROOM), members.make(other))
    assert made[0] == made[1] == await members.room("@m")


async def test_people_whose_names_differ_in_case_or_look_like_keys_are_different(members: Members) -> None:
    names: Sequence[str] = ["ana", "Ana", "=61na", "a|b", "room", "members", "Ünser 👋", "'"]
    for name in names:
        await members.add(name, "@m", "event-0", joined="0")
    assert await members.list("@m") == sorted(names)
    assert not await members.is_member("ANA", "@m")
    assert not await members.is_member("ana", "@M")
    partitions = {user_partition(hub, name) for hub in ("h", "h-1") for name in names}
    assert len(partitions) == 2 * len(names)
