"""The rows of the outbox: one for each message or change that is stored and not yet broadcast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from chat.backends.table import Table
from chat.backends.table_store import StoreUnavailableError
from chat.messaging.room_groups import is_followed_once
from chat.model.messages import Broadcastable, format_time

__all__ = ["OutboxRow", "OutboxRows", "Waiting"]

_WRITE_SECONDS: Final = 2.0
_READ_SECONDS: Final = 5.0
_PAGE: Final = 64
_MAX_COUNTED: Final = 1000


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many messages wait, counted up to ``_MAX_COUNTED``, and since when the oldest has waited (ISO 8601)."""

    count: int
    since: str | None


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A message or change that waits, its room, and how often the service rejected the message itself."""

    message_id: str
    room: str
    refusals: int


class OutboxRows:
    """The rows of a hub.

    Every method raises ``StoreUnavailableError`` when Table Storage does not answer.

    Args:
        table: The table of the outbox.
        partition: The hub's partition of it.
    """

    def __init__(self, table: Table, partition: str) -> None:
        self._table = table
        self._partition = partition

    async def insert(self, message: Broadcastable) -> None:
        """Insert the row of a message, unless there is one."""
        entity = {
            "PartitionKey": self._partition,
            # Message ids sort in the order in which the messages were sent.
            "RowKey": message.id,
            "room": message.room,
            "recorded": format_time(datetime.now(UTC)),
            "refusals": 0,
        }
        async with self._table.writes.limit(_WRITE_SECONDS, StoreUnavailableError("the outbox did not accept a row")):
            await self._table.insert(entity)

    async def after(self, message_id: str) -> Sequence[OutboxRow]:
        """Return the next page of rows, oldest first."""
        return [_to_row(entity) for entity in await self._first(message_id, _PAGE)]

    async def waiting(self) -> Waiting:
        """Return how much waits, including records of groups."""
        rows = [row for row in await self._first("", _MAX_COUNTED) if not is_followed_once(row)]
        recorded = [str(row["recorded"]) for row in rows if row.get("recorded")]
        return Waiting(len(rows), min(recorded, default=None))

    async def note_refusals(self, row: OutboxRow, refusals: int) -> None:
        """Note how often the service rejected the message itself."""
        entity = {"PartitionKey": self._partition, "RowKey": row.message_id, "refusals": refusals}
        async with self._table.writes.limit(
            _WRITE_SECONDS, StoreUnavailableError("a row of the outbox was not updated")
        ):
            await self._table.merge(entity)

    async def remove(self, row: OutboxRow) -> None:
        """Delete a row that is done."""
        async with self._table.writes.limit(
            _WRITE_SECONDS, StoreUnavailableError("a row of the outbox was not deleted")
        ):
            await self._table.delete(self._partition, [row.message_id])

    async def _first(self, after: str, limit: int) -> Sequence[Mapping[str, Any]]:
        query, parameters = "PartitionKey eq @hub and RowKey gt @after", {"hub": self._partition, "after": after}
        async with self._table.reads.limit(_READ_SECONDS, StoreUnavailableError("the outbox was not read")):
            return await self._table.first(query, parameters, limit)


def _to_row(entity: Mapping[str, Any]) -> OutboxRow:
    refusals = entity.get("refusals")
    return OutboxRow(str(entity["RowKey"]), str(entity.get("room", "")), refusals if isinstance(refusals, int) else 0)
