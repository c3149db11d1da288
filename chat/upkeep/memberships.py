"""What ``python -m chat.admin`` does with private rooms: list them, and export and erase who a person is there."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Final

from chat.backends.member_rows import Membership
from chat.backends.members import Members
from chat.backends.table import Table
from chat.backends.table_store import StoreUnavailableError
from chat.messaging.outbox import OUTBOX_TABLE_NAME
from chat.messaging.room_groups import write_record
from chat.model.keys import hub_partition, partition_range, room_of, user_partition, user_row_key
from chat.model.private_names import PrivateRoom
from chat.settings import StorageAccount

__all__ = ["Memberships"]

_SCAN_SECONDS: Final = 3600.0
_CALL_SECONDS: Final = 5.0
_PAGE: Final = 1000


class Memberships:
    """The private rooms of a hub, as an administrator sees them.

    Every method raises ``StoreUnavailableError`` when Table Storage does not answer. Call it again to continue.

    Args:
        hub: The hub whose rooms these are.
        account: Where the tables are.
    """

    def __init__(self, hub: str, account: StorageAccount) -> None:
        self._hub = hub
        self._members = Members(hub, account)
        self._outbox = Table(account, OUTBOX_TABLE_NAME)

    async def rooms(self) -> AsyncIterator[tuple[PrivateRoom, Sequence[str]]]:
        """Find every private room and its members."""
        for name in await self._found("PartitionKey gt @first and PartitionKey lt @last and RowKey eq 'room'"):
            room = await self._members.room(name)
            if room is not None:
                yield room, await self._members.list(name)

    async def of_user(self, user_id: str) -> Sequence[Membership]:
        """Return the rooms that a person is in, was in, or made, and where a process that died left the name."""
        found = {one.room: one for one in await self._members.rooms_of(user_id)}
        # The SDK finds its parameters between spaces.
        query = "PartitionKey gt @first and PartitionKey lt @last and ( RowKey eq @row or creator eq @user )"
        for room in await self._found(query, row=user_row_key(user_id), user=user_id):
            found.setdefault(room, Membership(room, is_member=False, is_made=False))
        return [found[room] for room in sorted(found)]

    async def erase(self, user_id: str) -> AsyncIterator[PrivateRoom]:
        """Take a person out of every private room, and leave no row that names the person; return each room.

        The app takes open connections out of the groups where nobody else does.
        """
        for one in await self.of_user(user_id):
            await self._record(user_id, one.room)
            await self._members.remove(user_id, one.room, f"erased-{uuid.uuid4().hex}")
            # Again, as the app may have followed the record before there was anything to follow.
            await self._record(user_id, one.room)
            room = await self._members.elect(one.room)
            if room is not None and room.creator == user_id:
                await self._members.disown(room)
            # A process that died may have left the row; nobody is a member by it.
            await self._members.list(one.room)
            table, partition = self._members.table, user_partition(self._hub, user_id)
            async with table.writes.limit(_CALL_SECONDS, StoreUnavailableError("a membership was not deleted")):
                await table.delete(partition, [one.room])
            if room is not None and one.is_member:
                yield room

    async def _found(self, query: str, **parameters: str) -> Sequence[str]:
        """Return the rooms of the rows that a query finds between ``@first`` and ``@last``."""
        first, last = (f"room|{key}" for key in partition_range(self._hub))
        found = {"first": first, "last": last, **parameters}
        async with self._members.table.reads.limit(_SCAN_SECONDS, StoreUnavailableError("the rooms were not read")):
            return [
                room_of(str(row["PartitionKey"]).removeprefix("room|"))
                async for row in self._members.table.query(query, found, page_size=_PAGE, select=["PartitionKey"])
            ]

    async def _record(self, user_id: str, room: str) -> None:
        await write_record(self._outbox, hub_partition(self._hub), user_id, room)

    async def aclose(self) -> None:
        """Close the running loop's clients."""
        await self._members.aclose()
        await self._outbox.close()
