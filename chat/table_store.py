"""The messages in Azure Table Storage."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from azure.core import MatchConditions
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from chat.azure_clients import HTTP_OPTIONS, REPEATABLE_POST, Calls, make_credential
from chat.entities import read_entity, to_entity, to_key_entity
from chat.keys import (
    BEHIND_MESSAGES,
    body_part,
    check_cursor,
    idempotency_row_key,
    oldest_row_key,
    partition_key,
    row_key,
)
from chat.messages import Message, Page, encode_envelope
from chat.per_loop import PerLoop
from chat.settings import StorageAccount

__all__ = [
    "REDELIVERY_WINDOW_SECONDS",
    "TABLE_NAME",
    "KeyTakenError",
    "StoreUnavailableError",
    "Table",
    "TableStore",
    "make_client",
]

TABLE_NAME: Final = "messages"
# A redelivered message can arrive behind newer ones: a reader that was away reads again from so long before.
REDELIVERY_WINDOW_SECONDS: Final = 120

# One event has 10 s for everything: to store (or to find what is stored), to broadcast, to record.
_APPEND_SECONDS: Final = 4.5
_FIND_SECONDS: Final = 2.0
_HISTORY_SECONDS: Final = 10.0
_CHECK_SECONDS: Final = 3.0
# What a conditional call is answered when the entity is another one now, or gone.
_CHANGED: Final = (404, 412)
_MAX_TRANSACTION: Final = 100
_MAX_PAGE_BYTES: Final = 4 * 1024 * 1024
# What an event is answered goes to the client as one frame.
_MAX_ANSWER_BYTES: Final = 512 * 1024

logger = logging.getLogger("chat")


class StoreUnavailableError(Exception):
    """Raised when Table Storage did not do what it was asked; ``__cause__`` says why."""


class KeyTakenError(Exception):
    """Raised when an idempotency key belongs to a message with another body."""


class Table:
    """A table, which is made when it is missing; ``reads`` and ``writes`` bound what is called.

    Args:
        account: Where the table is.
        name: Its name.
    """

    def __init__(self, account: StorageAccount, name: str) -> None:
        self._name = name
        self._clients = PerLoop(lambda: make_client(account, name))
        self.reads = Calls()
        self.writes = Calls()

    async def insert(self, *entities: Mapping[str, Any]) -> bool:
        """Insert entities of one partition, all or none; return False when one of them is there already."""
        try:
            try:
                await self._create(entities)
            except HttpResponseError as error:
                if error.status_code != 404:
                    raise
                await self.create()
                await self._create(entities)
        except HttpResponseError as error:
            if error.status_code == 409:
                return False
            raise
        return True

    async def get(self, partition: str, row: str) -> Mapping[str, Any] | None:
        """Read an entity, None when there is none."""
        try:
            return await self._clients.get().get_entity(partition, row)
        except ResourceNotFoundError:
            return None

    async def query(
        self, query: str, parameters: dict[str, Any], *, page_size: int, select: Sequence[str] | None = None
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Read the entities that an OData filter selects, in the order of their keys; a missing table has none."""
        entities = self._clients.get().query_entities(
            query, parameters=parameters, results_per_page=page_size, select=list(select) if select else None
        )
        try:
            async for entity in entities:
                yield entity
        except ResourceNotFoundError:
            return

    async def merge(self, entity: Mapping[str, Any]) -> None:
        """Change some properties of an entity; one that is gone stays so."""
        try:
            await self._clients.get().update_entity(dict(entity), UpdateMode.MERGE)
        except ResourceNotFoundError:
            return

    async def put(self, entity: Mapping[str, Any]) -> None:
        """Write an entity, in place of one with the same keys."""
        await self._clients.get().upsert_entity(dict(entity), UpdateMode.REPLACE)

    async def insert_one(self, entity: Mapping[str, Any]) -> str | None:
        """Insert an entity; return its ETag, None when there is one with its keys."""
        client = self._clients.get()
        try:
            try:
                inserted = await client.create_entity(dict(entity), **REPEATABLE_POST)
            except HttpResponseError as error:
                if error.status_code != 404:
                    raise
                await self.create()
                inserted = await client.create_entity(dict(entity), **REPEATABLE_POST)
        except HttpResponseError as error:
            if error.status_code == 409:
                return None
            raise
        return str(inserted["etag"])

    async def replace(self, entity: Mapping[str, Any], etag: str) -> str | None:
        """Write an entity in place of the one that has this ETag; return the new one, None if there is none any more.

        None may also mean that it was written: a call that got no answer is made again.
        """
        try:
            replaced = await self._clients.get().update_entity(
                dict(entity), UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified
            )
        except HttpResponseError as error:
            if error.status_code in _CHANGED:
                return None
            raise
        return str(replaced["etag"])

    async def delete_unchanged(self, partition: str, row: str, etag: str) -> None:
        """Delete an entity if it still has this ETag."""
        try:
            await self._clients.get().delete_entity(
                partition, row, etag=etag, match_condition=MatchConditions.IfNotModified
            )
        except HttpResponseError as error:
            if error.status_code not in _CHANGED:
                raise

    async def delete(self, partition: str, rows: Sequence[str]) -> None:
        """Delete entities of one partition; those that are gone do not matter."""
        client = self._clients.get()
        for start in range(0, len(rows), _MAX_TRANSACTION):
            batch = rows[start : start + _MAX_TRANSACTION]
            keys = [{"PartitionKey": partition, "RowKey": row} for row in batch]
            try:
                await client.submit_transaction([("delete", key) for key in keys], **REPEATABLE_POST)
            except HttpResponseError as error:
                if error.status_code != 404:
                    raise
                # One that is gone ends a transaction; alone, it is no error.
                for row in batch:
                    await client.delete_entity(partition, row)

    async def create(self) -> None:
        """Make the table if it is missing."""
        try:
            await self._clients.get().create_table()
            logger.info("Created the table %r.", self._name)
        except ResourceExistsError:
            pass

    async def check(self) -> None:
        """Ask for an entity that is not there, and make the table if it is missing."""
        try:
            await self._clients.get().get_entity("health", "health")
        except ResourceNotFoundError as error:
            if getattr(error, "error_code", None) == "TableNotFound":
                await self.create()

    async def close(self) -> None:
        """Close the running loop's client."""
        client = self._clients.pop()
        if client is not None:
            await client.close()
            if isinstance(client.credential, AsyncTokenCredential):
                await client.credential.close()

    async def _create(self, entities: Sequence[Mapping[str, Any]]) -> None:
        client = self._clients.get()
        if len(entities) == 1:
            await client.create_entity(dict(entities[0]), **REPEATABLE_POST)
        else:
            await client.submit_transaction([("create", dict(entity)) for entity in entities], **REPEATABLE_POST)


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
        idempotency key has a row, made in one transaction with the message's. None means that the key's message was
        stored and is gone since.

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
            return await self._stored(partition, message)

    async def find(self, message: Message) -> Message | None:
        """Return what is stored of an event that may have been delivered before, or of its key; None for nothing.

        Ask before a message is refused: its sender must not be told "refused" of what the others read.

        Raises:
            StoreUnavailableError: Table Storage did not answer.
        """
        partition = partition_key(self.hub, message.room)
        async with self.table.reads.limit(_FIND_SECONDS, StoreUnavailableError("no stored message was looked for")):
            try:
                return await self._stored(partition, message)
            except (KeyTakenError, StoreUnavailableError):
                return None

    async def get(self, room: str, cursor: str) -> Message | None:
        """Read one message, None when it is gone.

        Raises:
            StoreUnavailableError: Table Storage did not answer.
        """
        partition = partition_key(self.hub, room)
        async with self.table.reads.limit(_FIND_SECONDS, StoreUnavailableError("the message was not read")):
            entity = await self.table.get(partition, row_key(cursor))
        return None if entity is None else read_entity(entity, room)

    async def history(
        self, room: str, *, limit: int, before: str | None, after: str | None, reach_back_seconds: int = 0
    ) -> Page:
        """Read one page, newest first: older than the message ``before``, newer than ``after``.

        ``after`` reaches back by so many seconds; readers merge by id. A page ends when its JSON is large, too.

        Raises:
            InvalidCursorError: A cursor is not this room's.
            StoreUnavailableError: Table Storage did not answer.
        """
        partition = partition_key(self.hub, room)
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
        async with self.table.reads.limit(_HISTORY_SECONDS, StoreUnavailableError("the history was not read")):
            return await self._page(" and ".join(clauses), parameters, room, limit)

    async def between(
        self, room: str, *, limit: int, start: str | None, end: str | None, before: str | None
    ) -> tuple[Sequence[Message], str | None]:
        """Read one page of messages, newest first: from ``start`` to ``end``, both included, older than ``before``.

        Return them and what is ``before`` of the next page, None at the end. A page ends when it is large, too.

        Raises:
            InvalidCursorError: A cursor is not this room's.
            StoreUnavailableError: Table Storage did not answer.
        """
        partition = partition_key(self.hub, room)
        clauses = ["PartitionKey eq @partition", "RowKey lt @behind"]
        parameters: dict[str, Any] = {"partition": partition, "behind": BEHIND_MESSAGES}
        for cursor, comparison, name in ((start, "le", "oldest"), (end, "ge", "newest"), (before, "gt", "last")):
            if cursor is not None:
                check_cursor(partition, cursor)
                clauses.append(f"RowKey {comparison} @{name}")
                parameters[name] = row_key(cursor)
        messages: list[Message] = []
        size = 0
        async with self.table.reads.limit(_HISTORY_SECONDS, StoreUnavailableError("the history was not read")):
            async for entity in self.table.query(" and ".join(clauses), parameters, page_size=limit + 1):
                message = read_entity(entity, room)
                if message is None:
                    continue
                size += len(encode_envelope(message))
                if len(messages) == limit or (messages and size > _MAX_ANSWER_BYTES):
                    return messages, messages[-1].id
                messages.append(message)
        return messages, None

    async def check(self) -> None:
        """Ask the table for a row that is not there.

        Raises:
            StoreUnavailableError: It did not answer.
        """
        # Health is asked to find out, so it is asked while the others are refused, too.
        async with Calls().limit(_CHECK_SECONDS, StoreUnavailableError("the table does not answer")):
            await self.table.check()

    async def aclose(self) -> None:
        """Close the running loop's client."""
        await self.table.close()

    async def _page(self, query: str, parameters: dict[str, Any], room: str, limit: int) -> Page:
        envelopes: list[bytes] = []
        last = None
        size = 0
        async for entity in self.table.query(query, parameters, page_size=limit + 1):
            message = read_entity(entity, room)
            if message is None:
                continue
            envelope = encode_envelope(message)
            size += len(envelope)
            if len(envelopes) == limit or (envelopes and size > _MAX_PAGE_BYTES):
                return Page(envelopes, last)
            envelopes.append(envelope)
            last = message.id
        return Page(envelopes, None)

    async def _stored(self, partition: str, message: Message) -> Message | None:
        sent = None
        if message.key is not None:
            row = idempotency_row_key(message.user_id, message.connection_id, message.key)
            sent = await self.table.get(partition, row)
        stored_id = message.id if sent is None else str(sent.get("messageId"))
        entity = await self.table.get(partition, row_key(stored_id))
        stored = None if entity is None else read_entity(entity, message.room)
        if sent is not None:
            digest = body_part(stored_id)
            # Ids of older versions do not tell the body.
            is_same = digest == body_part(message.id) if digest else stored is None or stored.body == message.body
            if not is_same:
                raise KeyTakenError("the key belongs to another message")
        elif entity is None:
            raise StoreUnavailableError("the stored message was not found")
        return stored


def make_client(account: StorageAccount, table: str = TABLE_NAME) -> TableClient:
    """Make the SDK's client of a table for the running loop."""
    if account.connection_string is not None:
        return TableClient.from_connection_string(account.connection_string, table, **HTTP_OPTIONS)
    return TableClient(account.table_url or "", table, credential=make_credential(), **HTTP_OPTIONS)
