"""What the tables hold at the end, read past the app."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables.aio import TableServiceClient

from chat.model.keys import BEHIND_MESSAGES, room_of, row_key
from tests.soak.ledger import tokens_in

__all__ = ["Row", "Rows", "read_rows", "to_row"]

_MESSAGES: Final = "messages"


@dataclass(frozen=True, slots=True)
class Row:
    """A message's row. ``numbers`` are those of the messages whose text stands in it: none once it is deleted."""

    id: str
    room: str
    user: str | None
    connection: str
    key: str | None
    numbers: tuple[int, ...]
    is_edited: bool
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class Rows:
    """All message rows, and, of every row of every table, the numbers of the messages whose text stands in it."""

    messages: list[Row]
    numbers: list[int]
    outbox: int = 0


async def read_rows(connection_string: str) -> Rows:
    """Read every table."""
    messages: list[Row] = []
    numbers: list[int] = []
    outbox = 0
    async with TableServiceClient.from_connection_string(connection_string) as service:
        names = [table.name async for table in service.list_tables()]
        for name in names:
            try:
                async for entity in service.get_table_client(name).list_entities():
                    numbers += tokens_in(_text(entity))
                    # Records of groups stay for half a minute after they were followed.
                    outbox += name == "outbox" and not str(entity["RowKey"]).startswith("!")
                    if name == _MESSAGES and (row := to_row(entity)) is not None:
                        messages.append(row)
            except ResourceNotFoundError:
                continue
    return Rows(messages, numbers, outbox)


def to_row(entity: Mapping[str, Any]) -> Row | None:
    """Return the row of a message; None for the row of a change or of a key."""
    if "kind" in entity or str(entity["RowKey"]) > BEHIND_MESSAGES:
        return None
    return Row(
        id=row_key(str(entity["RowKey"])),
        room=room_of(str(entity["PartitionKey"])),
        user=entity.get("userId"),
        connection=str(entity["connectionId"]),
        key=entity.get("key"),
        numbers=tuple(tokens_in(_text(entity))),
        is_edited="editedAt" in entity,
        is_deleted="deletedAt" in entity,
    )


def _text(entity: Mapping[str, Any]) -> str:
    values = (value.decode(errors="replace") if isinstance(value, bytes) else str(value) for value in entity.values())
    return "\n".join(values)
