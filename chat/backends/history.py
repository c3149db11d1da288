"""Pages of a room's messages and changes, as they are now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence, Set
from typing import Any, Final

from chat.backends.table_store import StoreUnavailableError, TableStore
from chat.model.broadcasts import Broadcast, of_change, of_message
from chat.model.entities import read_entity
from chat.model.keys import BEHIND_MESSAGES, check_cursor, oldest_row_key, partition_key, row_key
from chat.model.messages import Change, DeletedMessage, Message, Page, encode_change, encode_envelope

__all__ = ["REDELIVERY_WINDOW_SECONDS", "History"]

# A redelivered message can arrive behind newer ones: a reader that was away reads again from so long before.
REDELIVERY_WINDOW_SECONDS: Final = 120

_HISTORY_SECONDS: Final = 10.0
_FIND_SECONDS: Final = 2.0
_MAX_PAGE_BYTES: Final = 4 * 1024 * 1024
# What an event is answered goes to the client as one frame.
_MAX_ANSWER_BYTES: Final = 512 * 1024
# What is read at once stays in memory until it is written.
_MAX_READS: Final = 50


class History:
    """Reads what is stored: a message is in it as it is now, and a change as the message that it changed.

    Args:
        store: Where the messages are.
    """

    def __init__(self, store: TableStore) -> None:
        self._hub = store.hub
        self._table = store.table

    async def page(
        self, room: str, *, limit: int, before: str | None, after: str | None, reach_back_seconds: int = 0
    ) -> Page:
        """Read one page, newest first: older than the message or change ``before``, newer than ``after``.

        ``after`` reaches back by so many seconds; readers merge by id. A page ends when its JSON is large, too. Several
        changes of one message in a page are one, as they say the same.

        Raises:
            InvalidCursorError: A cursor is not this room's.
            StoreUnavailableError: Table Storage did not answer.
        """
        partition = partition_key(self._hub, room)
        clauses = ["PartitionKey eq @partition", "RowKey lt @oldest"]
        parameters: dict[str, Any] = {"partition": partition, "oldest": BEHIND_MESSAGES}
        if before is not None:
            check_cursor(partition, before)
            clauses.append("RowKey gt @newest")
            parameters["newest"] = row_key(before)
        if after is not None:
            check_cursor(partition, after)
            reaches_back = reach_back_seconds > 0
            parameters["oldest"] = oldest_row_key(after, reach_back_seconds) if reaches_back else row_key(after)
        async with self._table.reads.limit(_HISTORY_SECONDS, StoreUnavailableError("the history was not read")):
            rows, has_more = await self._rows(" and ".join(clauses), parameters, room, limit)
            return await self._page(partition, room, rows, has_more=has_more)

    async def broadcast(self, room: str, cursor: str) -> Broadcast | None:
        """Return what a room must be told of a message or a change, as it is now; None for nothing any more.

        Raises:
            StoreUnavailableError: Table Storage did not answer.
        """
        partition = partition_key(self._hub, room)
        async with self._table.reads.limit(_FIND_SECONDS, StoreUnavailableError("the message was not read")):
            row = await self._read(partition, room, cursor)
            if not isinstance(row, Change):
                return of_message(row) if isinstance(row, Message) else None
            changed = await self._read(partition, room, row.message_id)
        return None if changed is None or isinstance(changed, Change) else of_change(changed)

    async def between(
        self, room: str, *, limit: int, start: str | None, end: str | None, before: str | None
    ) -> tuple[Sequence[Message], str | None]:
        """Read one page of messages that are not deleted, newest first, as they are now.

        They are from ``start`` to ``end``, both included, and older than ``before``. Return them and what is ``before``
        of the next page, None at the end. A page ends when it is large, too.

        Raises:
            InvalidCursorError: A cursor is not this room's.
            StoreUnavailableError: Table Storage did not answer.
        """
        partition = partition_key(self._hub, room)
        clauses = ["PartitionKey eq @partition", "RowKey lt @behind"]
        parameters: dict[str, Any] = {"partition": partition, "behind": BEHIND_MESSAGES}
        for cursor, comparison, name in ((start, "le", "oldest"), (end, "ge", "newest"), (before, "gt", "last")):
            if cursor is not None:
                check_cursor(partition, cursor)
                clauses.append(f"RowKey {comparison} @{name}")
                parameters[name] = row_key(cursor)
        messages: list[Message] = []
        size = 0
        async with self._table.reads.limit(_HISTORY_SECONDS, StoreUnavailableError("the history was not read")):
            async for entity in self._table.query(" and ".join(clauses), parameters, page_size=limit + 1):
                message = read_entity(entity, room)
                if not isinstance(message, Message):
                    continue
                size += len(of_message(message).body)
                if len(messages) == limit or (messages and size > _MAX_ANSWER_BYTES):
                    return messages, messages[-1].id
                messages.append(message)
        return messages, None

    async def _rows(
        self, query: str, parameters: dict[str, Any], room: str, limit: int
    ) -> tuple[Sequence[Message | DeletedMessage | Change], bool]:
        """Return the rows of a page, and whether there are more."""
        rows: list[Message | DeletedMessage | Change] = []
        size = 0
        async for entity in self._table.query(query, parameters, page_size=limit + 1):
            row = read_entity(entity, room)
            if row is None:
                continue
            if len(rows) == limit or (rows and size > _MAX_PAGE_BYTES):
                return rows, True
            rows.append(row)
            size += len(row.body) if isinstance(row, Message) else 0
        return rows, False

    async def _page(
        self, partition: str, room: str, rows: Sequence[Message | DeletedMessage | Change], *, has_more: bool
    ) -> Page:
        messages: dict[str, Message | DeletedMessage] = {row.id: row for row in rows if not isinstance(row, Change)}
        told: set[str] = set()
        envelopes: list[bytes] = []
        size = 0
        newest = rows[0].id if rows else None
        for start in range(0, len(rows), _MAX_READS):
            part = rows[start : start + _MAX_READS]
            changed = await self._changed(partition, room, part, messages.keys(), told)
            for number, row in enumerate(part, start):
                if isinstance(row, Message):
                    envelope = encode_envelope(row)
                elif isinstance(row, DeletedMessage):
                    envelope = encode_change(row)
                elif row.message_id in told:
                    continue
                elif message := changed.get(row.message_id) or messages.get(row.message_id):
                    envelope = encode_change(message)
                    told.add(row.message_id)
                else:  # the message is old, or its author is erased
                    continue
                size += len(envelope)
                if envelopes and size > _MAX_PAGE_BYTES:
                    return Page(envelopes, rows[number - 1].id, newest)
                envelopes.append(envelope)
        return Page(envelopes, rows[-1].id if has_more else None, newest)

    async def _changed(
        self,
        partition: str,
        room: str,
        rows: Sequence[Message | DeletedMessage | Change],
        messages: Set[str],
        told: Set[str],
    ) -> Mapping[str, Message | DeletedMessage]:
        """Read the messages that some rows changed and that are not in the page, at once.

        A page is read newest first, and not in one moment: only a message that comes after its change is newer than it.
        """
        ids = {
            row.message_id: None
            for row in rows
            if isinstance(row, Change)
            and row.message_id not in told
            and not (row.message_id in messages and row.message_id < row.id)
        }
        found = await asyncio.gather(*(self._read(partition, room, cursor) for cursor in ids))
        return {row.id: row for row in found if row is not None and not isinstance(row, Change)}

    async def _read(self, partition: str, room: str, cursor: str) -> Message | DeletedMessage | Change | None:
        entity = await self._table.get(partition, row_key(cursor))
        return None if entity is None else read_entity(entity, room)
