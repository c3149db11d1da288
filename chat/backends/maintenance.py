"""What goes through whole rooms: which there are, and the deletion of what is in them with the rows of its keys.

Nothing here scans rows that stay: rooms are found by skipping from one partition to the next, what is old is a range of
keys.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from chat.backends.table_store import StoreUnavailableError, TableStore
from chat.model.keys import (
    BEHIND_MESSAGES,
    InvalidCursorError,
    check_cursor,
    hub_partition,
    id_in_partition,
    idempotency_row_key,
    idempotency_row_keys,
    older_than,
    partition_range,
    row_key,
)

__all__ = ["Maintenance", "count_messages"]

# A transaction takes 100 rows, and a message may have one more for its key.
_PAGE: Final = 50
_CALL_SECONDS: Final = 5.0
# A filter by user looks at every row of a room.
_SCAN_SECONDS: Final = 3600.0
_KEYS: Final = ("PartitionKey", "RowKey", "userId", "connectionId", "key", "time", "kind", "deletedAt")


class Maintenance:
    """Goes through the stored messages of a hub.

    Every method raises ``StoreUnavailableError`` when Table Storage does not answer. Call it again to continue.

    Args:
        store: Where the messages are.
    """

    def __init__(self, store: TableStore) -> None:
        self._table = store.table
        self._hub = store.hub

    @property
    def roomless(self) -> str:
        """The partition of what older versions stored without a room."""
        return hub_partition(self._hub)

    async def partitions(self, start: str = "") -> AsyncIterator[str]:
        """Find the partitions that hold something, in their order, beginning at one: first what is in no room."""
        if start <= self.roomless and await self._first("PartitionKey eq @start", {"start": self.roomless}):
            yield self.roomless
        first, last = partition_range(self._hub)
        found = await self._first(
            "PartitionKey ge @start and PartitionKey lt @last", {"start": max(start, first), "last": last}
        )
        while found:
            partition = str(found[0]["PartitionKey"])
            yield partition
            query = "PartitionKey gt @start and PartitionKey lt @last"
            found = await self._first(query, {"start": partition, "last": last})

    async def messages(
        self, partition: str, *, before: datetime | None = None, user_id: str | None = None, with_body: bool = False
    ) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
        """Read pages of a partition's messages, newest first: those sent before a time, those of a user, or all.

        What is left of deleted messages and the rows of changes are among them: of a change, the time is its own and
        the user the author of what was changed.
        """
        query = "PartitionKey eq @partition and RowKey gt @after and RowKey lt @end"
        parameters = {
            "partition": partition,
            "after": "" if before is None else older_than(before),
            "end": BEHIND_MESSAGES,
        }
        if user_id is not None:
            query += " and userId eq @user"
            parameters["user"] = user_id
        while page := await self._page(query, parameters, None if with_body else _KEYS):
            yield page
            if len(page) < _PAGE:
                return
            parameters["after"] = str(page[-1]["RowKey"])

    async def delete(self, partition: str, entities: Sequence[Mapping[str, Any]]) -> None:
        """Delete the messages of one page, each with the row of its key."""
        rows = dict.fromkeys(row for entity in entities for row in _rows_of(entity))
        async with self._table.writes.limit(_CALL_SECONDS, StoreUnavailableError("the messages were not deleted")):
            await self._table.delete(partition, list(rows))

    async def move(self, entity: Mapping[str, Any], partition: str) -> bool:
        """Move a message and its key into another partition; return False for a row that is not a message."""
        source, cursor = str(entity["PartitionKey"]), row_key(str(entity["RowKey"]))
        try:
            check_cursor(source, cursor)
        except InvalidCursorError:
            return False
        moved_id = id_in_partition(partition, cursor)
        moved = {**entity, "PartitionKey": partition, "RowKey": row_key(moved_id)}
        rows = [moved]
        if isinstance(entity.get("key"), str):
            row = idempotency_row_key(entity.get("userId"), str(entity.get("connectionId")), entity["key"])
            rows.append({"PartitionKey": partition, "RowKey": row, "messageId": moved_id})
        async with self._table.writes.limit(_CALL_SECONDS, StoreUnavailableError("a message was not moved")):
            # The key may be taken in the other room; and one that was interrupted finds its row.
            if not await self._table.insert(*rows):
                await self._table.insert(moved)
        await self.delete(source, [entity])
        return True

    async def bookmark(self) -> str:
        """Return the partition that the last retention stopped at, "" when it came to its end."""
        async with self._table.reads.limit(_CALL_SECONDS, StoreUnavailableError("the bookmark was not read")):
            entity = await self._table.get(*self._bookmark_key())
        return "" if entity is None else str(entity.get("partition", ""))

    async def set_bookmark(self, partition: str) -> None:
        """Remember where a retention stopped."""
        keys = dict(zip(("PartitionKey", "RowKey"), self._bookmark_key(), strict=True))
        async with self._table.writes.limit(_CALL_SECONDS, StoreUnavailableError("the bookmark was not written")):
            await self._table.put({**keys, "partition": partition})

    def _bookmark_key(self) -> tuple[str, str]:
        # No hub's name begins so.
        return "=retention", hub_partition(self._hub)

    async def _first(self, query: str, parameters: dict[str, Any]) -> Sequence[Mapping[str, Any]]:
        async with self._table.reads.limit(_CALL_SECONDS, StoreUnavailableError("the rooms were not read")):
            async for entity in self._table.query(query, parameters, page_size=1, select=["PartitionKey"]):
                return [entity]
        return []

    async def _page(
        self, query: str, parameters: dict[str, Any], select: Sequence[str] | None
    ) -> Sequence[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        seconds = _SCAN_SECONDS if "user" in parameters else _CALL_SECONDS
        async with self._table.reads.limit(seconds, StoreUnavailableError("the messages were not read")):
            async for entity in self._table.query(query, parameters, page_size=_PAGE, select=select):
                found.append(entity)
                if len(found) == _PAGE:
                    break
        return found


def count_messages(page: Sequence[Mapping[str, Any]]) -> int:
    """Return how many rows of a page are messages: neither changes nor what is left of deleted ones."""
    # A row has only some of the properties that were selected, or has them as None.
    return sum(entity.get("kind") is None and entity.get("deletedAt") is None for entity in page)


def _rows_of(entity: Mapping[str, Any]) -> Iterator[str]:
    row, key = str(entity["RowKey"]), entity.get("key")
    yield row
    if isinstance(key, str):
        yield from idempotency_row_keys(row_key(row), entity.get("userId"), str(entity.get("connectionId")), key)
