"""The messages in Azure Table Storage."""

from __future__ import annotations

from typing import Final

from chat.backends.azure_clients import Calls
from chat.backends.table import Table
from chat.model.entities import first_digest, read_entity, read_key_entity, to_entity, to_key_entity
from chat.model.keys import body_part, idempotency_row_key, partition_key, row_key
from chat.model.messages import Change, DeletedMessage, Message
from chat.settings import StorageAccount

__all__ = ["TABLE_NAME", "KeyTakenError", "StoreUnavailableError", "TableStore"]

TABLE_NAME: Final = "messages"

# One event has 10 s for everything: to store (or to find what is stored), to broadcast, to record.
_APPEND_SECONDS: Final = 4.5
_FIND_SECONDS: Final = 2.0
_CHECK_SECONDS: Final = 3.0


class StoreUnavailableError(Exception):
    """Raised when Table Storage did not do what it was asked; ``__cause__`` says why."""


class KeyTakenError(Exception):
    """Raised when an idempotency key belongs to a message with another body."""


class TableStore:
    """Messages, one entity each; a room is a partition, newest first.

    Args:
        hub: The hub whose messages these are.
        account: Where the table is.
    """

    def __init__(self, hub: str, account: StorageAccount) -> None:
        self.hub = hub
        self.account = account
        self.table = Table(account, TABLE_NAME)

    async def append(self, message: Message) -> Message | None:
        """Store a message once and return what is stored: for a repeated one, the first with its id and time.

        A redelivered event has the row key of the first. A message that its sender sends again is another event; its
        idempotency key has a row, made in one transaction with the message's. None means that the message was stored
        and is deleted since.

        Raises:
            KeyTakenError: The key belongs to a message with another body.
            StoreUnavailableError: Table Storage did not confirm the row.
        """
        partition = partition_key(self.hub, message.room)
        rows = [to_entity(partition, message)]
        if message.key is not None:
            rows.append(to_key_entity(partition, message, message.key))
        async with self.table.writes.limit(_APPEND_SECONDS, StoreUnavailableError("the message was not stored")):
            if await self.table.insert(*rows):
                return message
            stored = await self._stored(partition, message)
        return stored if isinstance(stored, Message) else None

    async def find(self, message: Message) -> Message | DeletedMessage | None:
        """Return what is stored of an event that may have been delivered before, or of its key; None for nothing.

        Ask before a message is refused: its sender must not be told "refused" of what the others read.

        Raises:
            StoreUnavailableError: Table Storage did not answer.
        """
        partition = partition_key(self.hub, message.room)
        async with self.table.reads.limit(
            _FIND_SECONDS, StoreUnavailableError("the stored message was not looked for")
        ):
            try:
                return await self._stored(partition, message)
            except (KeyTakenError, StoreUnavailableError):
                return None

    async def check(self) -> None:
        """Ask the table for a row that is not there.

        Raises:
            StoreUnavailableError: It did not answer.
        """
        # Health is asked to find out, so it is asked while the others are refused, too.
        async with Calls().limit(_CHECK_SECONDS, StoreUnavailableError("the table does not answer")):
            await self.table.check()

    def open(self) -> None:
        """Make the running loop's client now; else the first call does."""
        self.table.open()

    async def aclose(self) -> None:
        """Close the running loop's client."""
        await self.table.close()

    async def _stored(self, partition: str, message: Message) -> Message | DeletedMessage | None:
        sent = None
        if message.key is not None:
            row = idempotency_row_key(message.user_id, message.connection_id, message.key)
            sent = await self.table.get(partition, row)
        stored_id = message.id if sent is None else read_key_entity(sent)
        if stored_id is None:  # "stored already" would lose the message that comes with the key
            raise KeyTakenError("the key belongs to an unknown message")
        entity = await self.table.get(partition, row_key(stored_id))
        stored = None if entity is None else read_entity(entity, message.room)
        if isinstance(stored, Change):  # somebody edited the key's row by hand
            raise KeyTakenError("the key does not belong to a message")
        if sent is not None:
            # A key stands for its first body, whatever the message says now; ids of older versions do not tell it.
            digest = body_part(stored_id) or (entity and first_digest(entity))
            is_first = not isinstance(stored, Message) or stored.body == message.body
            if not (digest == body_part(message.id) if digest else is_first):
                raise KeyTakenError("the key belongs to another message")
        elif entity is None:
            raise StoreUnavailableError("the stored message was not found")
        return stored
