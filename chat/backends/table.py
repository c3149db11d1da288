"""Tables of Azure Table Storage: how they are read, written and created."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from azure.core import MatchConditions
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableClient

from chat.backends.azure_clients import REPEATABLE_POST, Calls, make_credential, make_pipeline
from chat.backends.per_loop import PerLoop
from chat.settings import StorageAccount

__all__ = ["RowExistsError", "Table", "etag_of", "make_client"]

# What an identity's token is requested for, in every cloud.
_SCOPE: Final = "https://storage.azure.com/.default"
# Without it, Table Storage sends the row back.
_NO_CONTENT: Final = {"Prefer": "return-no-content"}
# The answers to a conditional call when the entity was changed or is gone.
_CHANGED: Final = (404, 412)
_MAX_TRANSACTION: Final = 100

logger = logging.getLogger("chat")


class RowExistsError(Exception):
    """Raised when a row that was to be inserted together with a change already exists."""


class Table:
    """A table, which is created when it is missing; ``reads`` and ``writes`` limit its calls.

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
        """Insert entities of one partition, all or none; return False when one of them already exists."""
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

    async def insert_and_replace(self, inserted: Mapping[str, Any], replaced: Mapping[str, Any], etag: str) -> bool:
        """Insert an entity and replace another one of its partition, both or neither.

        Return False if the entity to replace no longer has this ETag.

        Raises:
            RowExistsError: The entity to insert already exists.
        """
        condition = {"mode": UpdateMode.REPLACE, "etag": etag, "match_condition": MatchConditions.IfNotModified}
        try:
            await self._clients.get().submit_transaction(
                [("create", dict(inserted)), ("update", dict(replaced), condition)], **REPEATABLE_POST
            )
        except HttpResponseError as error:
            if error.status_code == 409:
                raise RowExistsError from error
            if error.status_code not in (404, 412):
                raise
            return False
        return True

    async def get(self, partition: str, row: str) -> TableEntity | None:
        """Read an entity, or return None if there is none."""
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

    async def first(self, query: str, parameters: dict[str, Any], count: int) -> Sequence[Mapping[str, Any]]:
        """Read the first ``count`` entities that a filter selects, in the order of their keys."""
        found: list[Mapping[str, Any]] = []
        async for entity in self.query(query, parameters, page_size=count):
            found.append(entity)
            if len(found) == count:
                break
        return found

    async def merge(self, entity: Mapping[str, Any]) -> None:
        """Change some properties of an entity, if it still exists."""
        try:
            await self._clients.get().update_entity(dict(entity), UpdateMode.MERGE)
        except ResourceNotFoundError:
            return

    async def put(self, entity: Mapping[str, Any]) -> None:
        """Insert an entity, or replace the one with the same keys."""
        await self._clients.get().upsert_entity(dict(entity), UpdateMode.REPLACE)

    async def insert_one(self, entity: Mapping[str, Any]) -> str | None:
        """Insert an entity; return its ETag, or None if one with its keys exists."""
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
        """Replace the entity that has this ETag; return the new ETag, or None if no entity has it any more.

        None may also mean that the entity was written: a call that got no answer is repeated.
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
        """Delete entities of one partition; those that do not exist are ignored."""
        client = self._clients.get()
        for start in range(0, len(rows), _MAX_TRANSACTION):
            batch = rows[start : start + _MAX_TRANSACTION]
            keys = [{"PartitionKey": partition, "RowKey": row} for row in batch]
            try:
                await client.submit_transaction([("delete", key) for key in keys], **REPEATABLE_POST)
            except HttpResponseError as error:
                if error.status_code != 404:
                    raise
                # A missing entity makes a transaction fail; deleting it alone is not an error.
                for row in batch:
                    await client.delete_entity(partition, row)

    async def create(self) -> None:
        """Create the table if it is missing."""
        try:
            await self._clients.get().create_table()
            logger.info("Created the table %r.", self._name)
        except ResourceExistsError:
            pass

    async def check(self) -> None:
        """Read an entity that does not exist, and create the table if it is missing."""
        try:
            await self._clients.get().get_entity("health", "health")
        except ResourceNotFoundError as error:
            if getattr(error, "error_code", None) == "TableNotFound":
                await self.create()

    def open(self) -> None:
        """Make the running loop's client now; otherwise, the first call does."""
        self._clients.get()

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
            await client.create_entity(dict(entities[0]), headers=dict(_NO_CONTENT), **REPEATABLE_POST)
        else:
            await client.submit_transaction([("create", dict(entity)) for entity in entities], **REPEATABLE_POST)


def etag_of(entity: Mapping[str, Any]) -> str:
    """Return the ETag that a row was read with."""
    return str(entity.metadata["etag"])  # type: ignore[attr-defined]


def make_client(account: StorageAccount, table: str) -> TableClient:
    """Make the SDK's client of a table for the running loop."""
    if account.connection_string is None:
        url, credential = account.table_url or "", make_credential()
        return TableClient(url, table, credential=credential, **make_pipeline(credential, _SCOPE))
    # The SDK understands everything that a connection string can contain.
    parsed = TableClient.from_connection_string(account.connection_string, table)
    return TableClient.from_connection_string(
        account.connection_string, table, **make_pipeline(parsed.credential, _SCOPE)
    )
