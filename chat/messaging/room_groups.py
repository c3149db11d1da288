"""Updates the groups of the service to match the members of private rooms, and records which are still to be updated.

A record says that the groups of a person and a room may differ from the truth. It is followed twice: immediately, and
after ``SECOND_LOOK_SECONDS``, because an answer to a connect event that named the group may have been on its way. It is
never given up. A removal is announced before it is made, and recorded afterwards.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from chat import policy
from chat.backends.members import Members
from chat.backends.service import Service, ServiceUnavailableError
from chat.backends.table import Table, etag_of
from chat.backends.table_store import StoreUnavailableError
from chat.model.messages import format_time
from chat.model.private_names import is_private_room_name
from chat.model.rooms import can_be_member

__all__ = [
    "BEHIND_GROUP_RECORDS",
    "SECOND_LOOK_SECONDS",
    "Followed",
    "GroupRecords",
    "RoomGroups",
    "announce_record",
    "is_followed_once",
    "write_record",
]

SECOND_LOOK_SECONDS: Final = 30.0
# Messages have row keys of hex digits, which sort after this.
BEHIND_GROUP_RECORDS: Final = "!~"

_FIRST: Final = "!"
_WRITE_SECONDS: Final = 2.0
_READ_SECONDS: Final = 5.0
_PAGE: Final = 64
_CONCURRENCY: Final = 8
_MAX_TRIES: Final = 5

Say = Callable[[int, str], None]


class RoomGroups:
    """Who is in a private room, according to the policy and the members, and the groups that follow from it.

    Args:
        members: The members of private rooms.
        service: Has the groups.
    """

    def __init__(self, members: Members, service: Service) -> None:
        self._members = members
        self._service = service

    async def admits(self, user_id: str | None, room: str) -> bool:
        """Return whether a user is in a private room and may be, with at most one point read.

        Raises:
            StoreUnavailableError: Table Storage did not answer.
        """
        if not can_be_member(user_id) or not is_private_room_name(room):
            return False
        if policy.may_join(user_id, room) is not True:
            return False
        return await self._members.is_member(user_id, room)

    async def follow(self, user_id: str, room: str) -> None:
        """Put all connections of a user into a room's group, or take them out; both can be repeated.

        Raises:
            ServiceUnavailableError: The service did not do it.
            StoreUnavailableError: Table Storage did not answer.
        """
        is_in = await self.admits(user_id, room)
        for _ in range(_MAX_TRIES):
            if is_in:
                await self._service.admit(user_id, room)
            else:
                await self._service.remove(user_id, room)
            was_in, is_in = is_in, await self.admits(user_id, room)
            if was_in is is_in:
                return
        raise ServiceUnavailableError("the groups could not be updated: the membership keeps changing")


@dataclass(slots=True)
class Followed:
    """The result of one pass over the records: rooms whose groups may still differ, and when (UTC) to look again."""

    rooms: set[str] = field(default_factory=set)
    due: datetime | None = None


class GroupRecords:
    """The records of a hub, in the table of the outbox.

    Args:
        table: That table.
        partition: The hub's partition of it.
        groups: Updates the groups.
    """

    def __init__(self, table: Table, partition: str, groups: RoomGroups) -> None:
        self._table = table
        self._partition = partition
        self._groups = groups

    async def write(self, user_id: str, room: str) -> None:
        """Record that the groups of a user and a room may differ; an existing record starts over.

        Raises:
            StoreUnavailableError: Table Storage did not confirm the row.
        """
        await write_record(self._table, self._partition, user_id, room)

    async def announce(self, user_id: str, room: str) -> None:
        """Record that the groups are about to differ; it is followed late, unless it is written again before.

        Raises:
            StoreUnavailableError: Table Storage did not confirm the row.
        """
        await announce_record(self._table, self._partition, user_id, room)

    async def follow(self, say: Say) -> Followed:
        """Follow every record that is due; ``say`` is called with what fails.

        Raises:
            StoreUnavailableError: Table Storage did not answer.
        """
        followed = Followed()
        after = _FIRST
        while rows := await self._page(after):
            after = str(rows[-1]["RowKey"])
            slots = asyncio.Semaphore(_CONCURRENCY)
            await asyncio.gather(*(self._follow(row, followed, slots, say) for row in rows))
        return followed

    async def _page(self, after: str) -> Sequence[Mapping[str, Any]]:
        query = "PartitionKey eq @hub and RowKey gt @after and RowKey lt @behind"
        parameters = {"hub": self._partition, "after": after, "behind": BEHIND_GROUP_RECORDS}
        async with self._table.reads.limit(_READ_SECONDS, StoreUnavailableError("the outbox was not read")):
            return await self._table.first(query, parameters, _PAGE)

    async def _follow(self, row: Mapping[str, Any], followed: Followed, slots: asyncio.Semaphore, say: Say) -> None:
        user_id, room = str(row.get("userId", "")), str(row.get("room", ""))
        due = _due(row)
        if due is not None and due > datetime.now(UTC):
            _look_again(followed, due)
            return
        async with slots:
            try:
                # A row may have been edited by hand, and must not change the path of a call.
                if can_be_member(user_id) and is_private_room_name(room):
                    await self._groups.follow(user_id, room)
                    if due is None:
                        due = datetime.now(UTC) + timedelta(seconds=SECOND_LOOK_SECONDS)
                        await self._postpone(row, due)
                        _look_again(followed, due)
                        return
                async with self._table.writes.limit(
                    _WRITE_SECONDS, StoreUnavailableError("a row of the outbox was not deleted")
                ):
                    # A record that was written again in the meantime stays.
                    await self._table.delete_unchanged(self._partition, str(row["RowKey"]), etag_of(row))
            except (ServiceUnavailableError, StoreUnavailableError) as error:
                followed.rooms.add(room)
                say(logging.WARNING, f"The outbox waits: {error}: {error.__cause__!r}")

    async def _postpone(self, row: Mapping[str, Any], due: datetime) -> None:
        async with self._table.writes.limit(
            _WRITE_SECONDS, StoreUnavailableError("a row of the outbox was not updated")
        ):
            await self._table.replace({**row, "due": format_time(due)}, etag_of(row))


async def write_record(table: Table, partition: str, user_id: str, room: str) -> None:
    """Write a record into the table of the outbox; an existing one starts over.

    Raises:
        StoreUnavailableError: Table Storage did not confirm the row.
    """
    await _put(table, _record(partition, user_id, room))


async def announce_record(table: Table, partition: str, user_id: str, room: str) -> None:
    """Write the record of a removal before the removal: it is followed after ``SECOND_LOOK_SECONDS``.

    If it were followed immediately, the user would still be a member, and a call that the service finishes late would
    put the user back after the removal.

    Raises:
        StoreUnavailableError: Table Storage did not confirm the row.
    """
    due = datetime.now(UTC) + timedelta(seconds=SECOND_LOOK_SECONDS)
    await _put(table, {**_record(partition, user_id, room), "due": format_time(due)})


def _record(partition: str, user_id: str, room: str) -> dict[str, Any]:
    return {
        "PartitionKey": partition,
        "RowKey": _FIRST + hashlib.sha256(f"{user_id}\n{room}".encode()).hexdigest()[:32],
        "userId": user_id,
        "room": room,
        "recorded": format_time(datetime.now(UTC)),
    }


async def _put(table: Table, entity: dict[str, Any]) -> None:
    async with table.writes.limit(_WRITE_SECONDS, StoreUnavailableError("the outbox did not accept a row")):
        if await table.insert_one(entity) is None:
            await table.put(entity)


def is_followed_once(row: Mapping[str, Any]) -> bool:
    """Return whether a row of the outbox is a record that was followed once, and is kept only for the second time."""
    return str(row.get("RowKey", "")) < BEHIND_GROUP_RECORDS and _due(row) is not None


def _due(row: Mapping[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(str(row["due"])).astimezone(UTC)
    except (KeyError, ValueError):
        return None


def _look_again(followed: Followed, due: datetime) -> None:
    followed.due = due if followed.due is None else min(due, followed.due)
