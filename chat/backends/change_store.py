"""Changes of messages in the messages table: the message replaced and a row for the change, in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from chat.backends.table import RowExistsError
from chat.backends.table_store import StoreUnavailableError, TableStore
from chat.model.entities import read_entity, to_change_entity, to_revised_entity
from chat.model.keys import InvalidCursorError, check_cursor, partition_key, row_key
from chat.model.messages import Change, ChangeKind, DeletedMessage, Message

__all__ = ["ChangeStore", "MessageDeletedError", "MessageNotFoundError", "RequestedChange", "Revise"]

# One event has 10 s for everything: to change, or to find what was changed before, to broadcast, to record.
_CHANGE_SECONDS: Final = 2.9
# Each lost race is one that somebody else won.
_MAX_TRIES: Final = 10

Revise: TypeAlias = Callable[[Message], Message | DeletedMessage]


@dataclass(frozen=True, slots=True)
class RequestedChange:
    """What an event wants: ``id`` is made of the event as a message id is; ``message_id`` is what the client named."""

    id: str
    room: str
    kind: ChangeKind
    message_id: str


class MessageNotFoundError(Exception):
    """Raised when a room has no message with this id."""


class MessageDeletedError(MessageNotFoundError):
    """Raised when the message is deleted, which is final."""


class ChangeStore:
    """Replaces messages.

    Args:
        store: Where they are.
    """

    def __init__(self, store: TableStore) -> None:
        self._hub = store.hub
        self._table = store.table

    async def apply(self, wanted: RequestedChange, revise: Revise) -> Message | DeletedMessage | None:
        """Replace a message with what ``revise`` returns; None if this change was made before.

        ``revise`` is asked again when somebody else changed the message meanwhile. What it raises ends the attempt.

        Raises:
            MessageDeletedError: The message is deleted.
            MessageNotFoundError: There is no such message in this room.
            StoreUnavailableError: Table Storage did not confirm the transaction.
        """
        partition = partition_key(self._hub, wanted.room)
        try:
            check_cursor(partition, wanted.message_id)
        except InvalidCursorError:
            raise MessageNotFoundError from None
        unavailable = StoreUnavailableError("the change was not stored")
        async with self._table.writes.limit(_CHANGE_SECONDS, unavailable):
            for _ in range(_MAX_TRIES):
                entity = await self._table.get(partition, row_key(wanted.message_id))
                stored = None if entity is None else read_entity(entity, wanted.room)
                if isinstance(stored, DeletedMessage):
                    raise MessageDeletedError
                if entity is None or not isinstance(stored, Message):
                    raise MessageNotFoundError
                revised = revise(stored)
                try:
                    if await self._table.insert_and_replace(
                        to_change_entity(partition, _change(wanted, revised)),
                        to_revised_entity(partition, revised, entity, stored.body),
                        str(entity.metadata["etag"]),
                    ):
                        return revised
                except RowExistsError:
                    # Storage has other conflicts, too: "done already" would lose the change.
                    if await self._table.get(partition, row_key(wanted.id)) is None:
                        raise unavailable from None
                    return None
        raise unavailable


def _change(wanted: RequestedChange, revised: Message | DeletedMessage) -> Change:
    time = revised.deleted_at if isinstance(revised, DeletedMessage) else revised.edited_at or revised.time
    return Change(wanted.id, wanted.room, wanted.kind, wanted.message_id, time, revised.user_id)
