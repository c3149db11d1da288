"""What waits in the outbox of a storage, and how to wait until nothing does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from azure.core.exceptions import ResourceExistsError

from chat.backends.table import make_client
from chat.messaging.outbox import OUTBOX_TABLE_NAME
from chat.settings import StorageAccount
from local.azurite import Azurite
from tests.patience import PATIENCE_SECONDS

__all__ = ["change", "empty", "eventually", "is_drained", "rows"]


async def rows(storage: Azurite, table: str = OUTBOX_TABLE_NAME) -> list[Any]:
    """Return the rows of the outbox, or of another table."""
    async with make_client(StorageAccount(storage.connection_string), table) as client:
        return [row async for row in client.list_entities()]


async def change(storage: Azurite, **properties: Any) -> None:
    """Change properties of all rows."""
    async with make_client(StorageAccount(storage.connection_string), OUTBOX_TABLE_NAME) as client:
        async for row in client.list_entities():
            await client.update_entity({**row, **properties}, "merge")


async def empty(storage: Azurite) -> None:
    """Delete all rows; make the table if it is missing."""
    async with make_client(StorageAccount(storage.connection_string), OUTBOX_TABLE_NAME) as client:
        with contextlib.suppress(ResourceExistsError):
            await client.create_table()
        async for row in client.list_entities():
            await client.delete_entity(row)


async def is_drained(storage: Azurite) -> bool:
    """Return whether nothing waits."""
    return await rows(storage) == []


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a check is true."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if await check():
                return
            await asyncio.sleep(0.02)
