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
from chat.model.keys import hub_partition, partition_range, room_of, user_partition
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
        first, last = (f"room|{key}" for key in partition_range(self._hub))
        query = "PartitionKey gt @first and PartitionKey lt @last and RowKey eq 'room'"
        parameters = {"first": first, "last": last}
        async with self._members.table.reads.limit(_SCAN_SECONDS, StoreUnavailableError("the rooms were not read")):
            names = [
                room_of(str(row["PartitionKey"]).removeprefix("room|"))
                async for row in self._members.table.query(query, parameters, page_size=_PAGE, select=["PartitionKey"])
            ]
        for name in names:
            room = await self._members.room(name)
            if room is not None:
                yield room, await self._members.list(name)

    async def of_user(self, user_id: str) -> Sequence[Membership]:
        """Return the rooms that a person is in, was in, or made."""
        return await self._members.rooms_of(user_id)

    async def erase(self, user_id: str) -> int:
        """Take a person out of every private room, and leave no row that names the person; return how many there were.

        Connections that are open are taken out of the groups by the app, within about a minute.
        """
        found = await self.of_user(user_id)
        for one in found:
            await write_record(self._outbox, hub_partition(self._hub), user_id, one.room)
            await self._members.remove(user_id, one.room, f"erased-{uuid.uuid4().hex}")
            room = await self._members.elect(one.room)
            if room is not None and room.creator == user_id:
                await self._members.disown(room)
            # A process that died may have left the row; nobody is a member by it.
            await self._members.list(one.room)
            table, partition = self._members.table, user_partition(self._hub, user_id)
            async with table.writes.limit(_CALL_SECONDS, StoreUnavailableError("a membership was not deleted")):
                await table.delete(partition, [one.room])
        return len(found)

    async def aclose(self) -> None:
        """Close the running loop's clients."""
        await self._members.aclose()
        await self._outbox.close()
