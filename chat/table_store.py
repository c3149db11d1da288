"""The messages table in Azure Table Storage."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables.aio import TableClient

from chat.azure_options import HTTP_OPTIONS, make_credential
from chat.keys import (
    BEHIND_MESSAGES,
    check_cursor,
    idempotency_row_key,
    oldest_row_key,
    partition_key,
    row_key,
)
from chat.messages import Message, Page, format_time
from chat.per_loop import PerLoop
from chat.settings import StorageAccount
from webpubsub_handler import DataType

__all__ = ["REDELIVERY_WINDOW_SECONDS", "TABLE_NAME", "StoreUnavailableError", "TableStore", "make_client"]

TABLE_NAME: Final = "messages"
# A redelivered message can arrive behind newer ones: `after` reaches back so far.
REDELIVERY_WINDOW_SECONDS: Final = 120

# Readable in the portal, but XML could not carry them: such text goes into binary properties.
_UNREADABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_MAX_TEXT_UNITS: Final = 32 * 1024
_CHUNK_BYTES: Final = 64 * 1024
_MAX_PAGE_BYTES: Final = 4 * 1024 * 1024

logger = logging.getLogger("chat")


class StoreUnavailableError(Exception):
    """Raised when Table Storage did not do what it was asked; ``__cause__`` says why."""


class TableStore:
    """Messages, one entity each; a room is a partition, newest first.

    Args:
        hub: The hub whose messages these are.
        account: Where the table is.
    """

    def __init__(self, hub: str, account: StorageAccount) -> None:
        self._hub = hub
        self._clients = PerLoop(lambda: make_client(account))

    async def append(self, message: Message) -> Message:
        """Store a message once and give what is stored: for a repeated one, the first with its id and time.

        A redelivered event has the row key of the first. A message that its sender sends again is another event; its
        idempotency key has a row, made in one transaction with the message's.

        Raises:
            StoreUnavailableError: Table Storage did not confirm the row.
        """
        entity = _to_entity(partition_key(self._hub, message.room), message)
        client = self._clients.get()
        try:
            try:
                await _create(client, entity, message)
            except HttpResponseError as error:
                if error.status_code != 404:
                    raise
                await self._create_table(client)
                await _create(client, entity, message)
        except AzureError as error:
            if _is_conflict(error):
                return await self._stored(client, entity, message)
            raise StoreUnavailableError("the message was not stored") from error
        return message

    async def history(self, room: str, *, limit: int, before: str | None, after: str | None) -> Page:
        """Read one page, newest first: older than the message ``before``, newer than ``after``.

        ``after`` reaches back by the redelivery window, so readers merge by id. A page also ends when it is large.

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
            parameters["oldest"] = oldest_row_key(after, REDELIVERY_WINDOW_SECONDS)
        try:
            return await self._page(" and ".join(clauses), parameters, room, limit)
        except ResourceNotFoundError:
            return Page((), None)
        except AzureError as error:
            raise StoreUnavailableError("the history was not read") from error

    async def check(self) -> None:
        """Ask the table for a row that is not there.

        Raises:
            StoreUnavailableError: It did not answer.
        """
        client = self._clients.get()
        try:
            await client.get_entity("health", "health")
        except ResourceNotFoundError as error:
            if _is_table_missing(error):
                await self._create_table(client)
        except AzureError as error:
            raise StoreUnavailableError("the table does not answer") from error

    async def aclose(self) -> None:
        """Close the running loop's client."""
        client = self._clients.pop()
        if client is not None:
            await client.close()

    async def _page(self, query: str, parameters: dict[str, Any], room: str, limit: int) -> Page:
        messages: list[Message] = []
        size = 0
        entities = self._clients.get().query_entities(query, parameters=parameters, results_per_page=limit + 1)
        async for entity in entities:
            if len(messages) == limit or size > _MAX_PAGE_BYTES:
                return Page(messages, messages[-1].id)
            message = _to_message(entity, room)
            messages.append(message)
            size += len(message.body)
        return Page(messages, None)

    @staticmethod
    async def _stored(client: TableClient, entity: Mapping[str, Any], message: Message) -> Message:
        partition = entity["PartitionKey"]
        try:
            stored_key = entity["RowKey"]
            if message.key is not None:
                sent = await client.get_entity(partition, idempotency_row_key(message.user_id, message.key))
                stored_key = row_key(sent["messageId"])
            return _to_message(await client.get_entity(partition, stored_key), message.room)
        except AzureError as error:
            raise StoreUnavailableError("the stored message was not read") from error

    @staticmethod
    async def _create_table(client: TableClient) -> None:
        try:
            await client.create_table()
            logger.info("Created the table %r.", TABLE_NAME)
        except ResourceExistsError:
            pass
        except AzureError as error:
            raise StoreUnavailableError("the table is missing and could not be created") from error


def make_client(account: StorageAccount) -> TableClient:
    """Make the SDK's client of the messages table for the running loop."""
    if account.connection_string is not None:
        return TableClient.from_connection_string(account.connection_string, TABLE_NAME, **HTTP_OPTIONS)
    return TableClient(account.table_url or "", TABLE_NAME, credential=make_credential(), **HTTP_OPTIONS)


async def _create(client: TableClient, entity: dict[str, Any], message: Message) -> None:
    if message.key is None:
        await client.create_entity(entity)
        return
    sent = {
        "PartitionKey": entity["PartitionKey"],
        "RowKey": idempotency_row_key(message.user_id, message.key),
        "messageId": message.id,
    }
    await client.submit_transaction([("create", entity), ("create", sent)])


def _is_conflict(error: AzureError) -> bool:
    return isinstance(error, HttpResponseError) and error.status_code == 409


def _is_table_missing(error: HttpResponseError) -> bool:
    return getattr(error, "error_code", None) == "TableNotFound"


def _to_entity(partition: str, message: Message) -> dict[str, Any]:
    entity = {
        "PartitionKey": partition,
        "RowKey": row_key(message.id),
        "connectionId": message.connection_id,
        "eventId": message.event_id,
        "eventName": message.event_name,
        "time": format_time(message.time),
        "dataType": message.data_type.value,
        "contentType": message.content_type,
    }
    if message.user_id is not None:
        entity["userId"] = message.user_id
    if message.key is not None:
        entity["key"] = message.key
    return entity | _body_properties(message)


def _body_properties(message: Message) -> dict[str, Any]:
    if message.data_type is not DataType.BINARY:
        text = message.body.decode()
        if _fits_one_property(text) and not _UNREADABLE.search(text):
            return {"text": text}
    chunks = range(0, len(message.body), _CHUNK_BYTES)
    return {f"data{number}": message.body[start : start + _CHUNK_BYTES] for number, start in enumerate(chunks)}


def _fits_one_property(text: str) -> bool:
    return len(text) <= _MAX_TEXT_UNITS // 2 or len(text.encode("utf-16-le")) // 2 <= _MAX_TEXT_UNITS


def _to_message(entity: Mapping[str, Any], room: str) -> Message:
    text = entity.get("text")
    return Message(
        id=row_key(entity["RowKey"]),
        time=datetime.fromisoformat(entity["time"]),
        room=room,
        user_id=entity.get("userId"),
        connection_id=entity["connectionId"],
        event_id=entity["eventId"],
        event_name=entity["eventName"],
        data_type=DataType(entity["dataType"]),
        content_type=entity["contentType"],
        body=b"".join(_chunks(entity)) if text is None else text.encode(),
        key=entity.get("key"),
    )


def _chunks(entity: Mapping[str, Any]) -> list[bytes]:
    chunks: list[bytes] = []
    while (chunk := entity.get(f"data{len(chunks)}")) is not None:
        chunks.append(chunk)
    return chunks
