"""Private rooms and who is in them: the table ``members``.

It has three kinds of rows. The *truth* of a person and a room says whether the person is a member, and stays, marked,
after a removal. The *list* of a room has a row for each member. The *room* itself has one row, which nobody deletes.

Somebody is added to the list first and to the truth second; a removal goes the other way. So a process that dies can
leave a listed person who is not a member, never a member that nobody sees. For that, whoever deletes a row of the list
changed the truth after reading that row, and deletes it only as it was read: an addition that is under way fails on one
of the two, and begins again.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from chat.backends.member_rows import (
    Change,
    Listed,
    Membership,
    changes_of,
    keyed,
    made_by,
    own_properties,
    timestamp,
    to_room,
)
from chat.backends.table import Table, etag_of
from chat.backends.table_store import StoreUnavailableError
from chat.model.keys import members_partition, user_of_row, user_partition, user_row_key
from chat.model.messages import format_time
from chat.model.private_names import PrivateRoom
from chat.settings import StorageAccount

__all__ = ["MAX_REMEMBERED_CHANGES", "MEMBERS_TABLE_NAME", "Members"]

MEMBERS_TABLE_NAME: Final = "members"
MAX_REMEMBERED_CHANGES: Final = 20

_READ_SECONDS: Final = 2.0
_LIST_SECONDS: Final = 4.0
_CHANGE_SECONDS: Final = 4.0
_PAGE: Final = 1000
_MAX_TRIES: Final = 8
# A row of the list that is younger may be of a change that is still under way.
_UNDER_WAY_SECONDS: Final = 30.0
_ROOM_ROW: Final = "room"
_FIRST_MEMBER: Final = "member-"
_BEHIND_MEMBERS: Final = "member."


class Members:
    """The members of a hub's private rooms.

    Every method raises ``StoreUnavailableError`` when Table Storage does not answer; all can be repeated. An event is
    named by an id that a redelivered one has, too.

    Args:
        hub: The hub whose rooms these are.
        account: Where the table is.
    """

    def __init__(self, hub: str, account: StorageAccount) -> None:
        self.hub = hub
        self.table = Table(account, MEMBERS_TABLE_NAME)

    async def is_member(self, user_id: str, room: str) -> bool:
        """Return whether a person is a member of a room now: one point read."""
        async with self.table.reads.limit(_READ_SECONDS, StoreUnavailableError("the membership was not read")):
            truth = await self.table.get(user_partition(self.hub, user_id), room)
        return truth is not None and truth.get("isMember") is True

    async def rooms_of(self, user_id: str, *, changed_since: datetime | None = None) -> Sequence[Membership]:
        """Return the rooms that a person is in, or was in; only those where that changed since a time, if there is one.

        One look at a partition, which is the person's own.
        """
        query, parameters = "PartitionKey eq @partition", {"partition": user_partition(self.hub, user_id)}
        if changed_since is not None:
            query += " and changed ge @since"
            parameters["since"] = format_time(changed_since)
        async with self.table.reads.limit(_LIST_SECONDS, StoreUnavailableError("the rooms of a user were not read")):
            return [
                Membership(str(row["RowKey"]), row.get("isMember") is True, row.get("isMade") is True)
                async for row in self.table.query(query, parameters, page_size=_PAGE)
            ]

    async def room(self, name: str) -> PrivateRoom | None:
        """Return a room, or None if there is none."""
        async with self.table.reads.limit(_READ_SECONDS, StoreUnavailableError("the room was not read")):
            row = await self.table.get(members_partition(self.hub, name), _ROOM_ROW)
        return None if row is None else to_room(name, row)

    async def make(self, room: PrivateRoom) -> PrivateRoom:
        """Make a room; return the one that has the name, which may be another."""
        entity = {
            "PartitionKey": members_partition(self.hub, room.name),
            "RowKey": _ROOM_ROW,
            "title": room.title,
            "creator": room.creator,
            "time": room.time,
            "event": room.event,
        }
        async with self.table.writes.limit(_CHANGE_SECONDS, StoreUnavailableError("the room was not made")):
            if await self.table.insert(entity):
                return room
            found = await self.table.get(entity["PartitionKey"], _ROOM_ROW)
            if found is None:
                raise StoreUnavailableError("the room was not made")
            return to_room(room.name, found)

    async def list(self, room: str) -> Sequence[str]:
        """Return the members of a room, the one who joined first comes first.

        What a process that died left unsure is looked up and repaired.
        """
        listed = [row async for row in self._rows(room)]
        unsure = {row.user_id: await self._mend(room, row) for row in listed if not row.is_sure}
        members = [row for row in listed if unsure.get(row.user_id, True)]
        return [row.user_id for row in sorted(members, key=lambda row: (row.joined, row.user_id))]

    async def last_change(self, user_id: str, room: str, event: str) -> Change:
        """Return whether an event changed the membership of a person before."""
        async with self.table.reads.limit(_READ_SECONDS, StoreUnavailableError("the membership was not read")):
            truth = await self.table.get(user_partition(self.hub, user_id), room)
        return made_by(truth, event)

    async def add(self, user_id: str, room: str, event: str, *, joined: str, is_made: bool = False) -> Change:
        """Make a person a member of a room; ``is_made`` says that the person made it.

        ``joined`` sorts the members: who has the least one is the first.
        """
        partition, row = members_partition(self.hub, room), user_row_key(user_id)
        listed = {"userId": user_id, "joined": joined, "isSure": False, "changed": timestamp()}
        async with self.table.writes.limit(_CHANGE_SECONDS, StoreUnavailableError("the member was not added")):
            for _ in range(_MAX_TRIES):
                truth = await self.table.get(user_partition(self.hub, user_id), room)
                made = made_by(truth, event)
                if made is not Change.NOT_MADE or (truth is not None and truth.get("isMember") is True):
                    return made
                etag = await self._write(partition, row, listed, await self.table.get(partition, row))
                if etag is None:
                    continue
                was_made = truth is not None and truth.get("isMade") is True
                if await self._tell_truth(user_id, room, truth, event, is_member=True, is_made=is_made or was_made):
                    await self.table.replace(keyed(partition, row, listed | {"isSure": True}), etag)
                    return Change.MADE
        raise StoreUnavailableError("the member was not added: others changed the same at the same time")

    async def remove(self, user_id: str, room: str, event: str) -> Change:
        """End a person's membership of a room."""
        partition, row = members_partition(self.hub, room), user_row_key(user_id)
        async with self.table.writes.limit(_CHANGE_SECONDS, StoreUnavailableError("the member was not removed")):
            for _ in range(_MAX_TRIES):
                truth = await self.table.get(user_partition(self.hub, user_id), room)
                made = made_by(truth, event)
                if made is not Change.NOT_MADE or truth is None or truth.get("isMember") is not True:
                    return made
                found = await self.table.get(partition, row)
                etag = None
                if found is not None:
                    # A listing looks it up from now on.
                    listed = own_properties(found) | {"isSure": False, "changed": timestamp()}
                    etag = await self._write(partition, row, listed, found)
                    if etag is None:
                        continue
                if await self._tell_truth(user_id, room, truth, event, is_member=False):
                    if etag is not None:
                        await self.table.delete_unchanged(partition, row, etag)
                    return Change.MADE
        raise StoreUnavailableError("the member was not removed: others changed the same at the same time")

    async def elect(self, name: str) -> PrivateRoom | None:
        """Return a room whose creator is a member: who joined first becomes it where the creator left."""
        partition = members_partition(self.hub, name)
        for _ in range(_MAX_TRIES):
            async with self.table.reads.limit(_READ_SECONDS, StoreUnavailableError("the room was not read")):
                row = await self.table.get(partition, _ROOM_ROW)
            if row is None:
                return None
            room = to_room(name, row)
            if await self.is_member(room.creator, name):
                return room
            members = await self.list(name)
            if not members:
                return room
            changed = own_properties(row) | {"creator": members[0]}
            async with self.table.writes.limit(_CHANGE_SECONDS, StoreUnavailableError("the room was not changed")):
                await self.table.replace(keyed(partition, _ROOM_ROW, changed), etag_of(row))
        raise StoreUnavailableError("the room was not changed: others changed it at the same time")

    async def disown(self, room: PrivateRoom) -> None:
        """Leave a room without members with no creator, as that person is erased."""
        partition = members_partition(self.hub, room.name)
        async with self.table.writes.limit(_CHANGE_SECONDS, StoreUnavailableError("the room was not changed")):
            row = await self.table.get(partition, _ROOM_ROW)
            if row is not None and row.get("creator") == room.creator:
                await self.table.replace(
                    keyed(partition, _ROOM_ROW, own_properties(row) | {"creator": ""}), etag_of(row)
                )

    async def aclose(self) -> None:
        """Close the running loop's client."""
        await self.table.close()

    async def _rows(self, room: str) -> AsyncIterator[Listed]:
        query = "PartitionKey eq @partition and RowKey ge @first and RowKey lt @behind"
        parameters = {
            "partition": members_partition(self.hub, room),
            "first": _FIRST_MEMBER,
            "behind": _BEHIND_MEMBERS,
        }
        async with self.table.reads.limit(_LIST_SECONDS, StoreUnavailableError("the members were not read")):
            rows = [row async for row in self.table.query(query, parameters, page_size=_PAGE)]
        for row in rows:
            user_id = user_of_row(str(row["RowKey"]))
            joined, changed = str(row.get("joined", "")), str(row.get("changed", ""))
            yield Listed(user_id, joined, row.get("isSure") is True, changed, etag_of(row))

    async def _mend(self, room: str, listed: Listed) -> bool:
        """Return whether somebody is a member whose row is of a change that did not come to its end; end it."""
        partition, row = members_partition(self.hub, room), user_row_key(listed.user_id)
        is_old = listed.changed < format_time(datetime.now(UTC) - timedelta(seconds=_UNDER_WAY_SECONDS))
        async with self.table.writes.limit(_CHANGE_SECONDS, StoreUnavailableError("the members were not read")):
            truth = await self.table.get(user_partition(self.hub, listed.user_id), room)
            if truth is not None and truth.get("isMember") is True:
                if is_old:
                    sure = {"userId": listed.user_id, "joined": listed.joined, "isSure": True, "changed": timestamp()}
                    await self.table.replace(keyed(partition, row, sure), listed.etag)
                return True
            if is_old and await self._tell_truth(listed.user_id, room, truth, None, is_member=False):
                await self.table.delete_unchanged(partition, row, listed.etag)
        return False

    async def _tell_truth(
        self,
        user_id: str,
        room: str,
        truth: Mapping[str, Any] | None,
        event: str | None,
        *,
        is_member: bool,
        is_made: bool | None = None,
    ) -> bool:
        """Write a row of the truth in place of the one that was read; return False if it is another one now."""
        changes = changes_of(truth) + ([] if event is None else [event])
        entity = {
            "isMember": is_member,
            "isMade": (truth is not None and truth.get("isMade") is True) if is_made is None else is_made,
            "changed": timestamp(),
            "changes": json.dumps(changes[-MAX_REMEMBERED_CHANGES:]),
        }
        return await self._write(user_partition(self.hub, user_id), room, entity, truth) is not None

    async def _write(
        self, partition: str, row: str, properties: Mapping[str, Any], found: Mapping[str, Any] | None
    ) -> str | None:
        """Write a row in place of what was found; return its ETag, None if it is another one, or is there, now."""
        entity = keyed(partition, row, properties)
        if found is not None:
            return await self.table.replace(entity, etag_of(found))
        return await self.table.insert_one(entity)
