"""The ``edit`` and ``delete`` events: replace a message and tell its room.

An edit passes every check of a message. A deletion is final. A redelivered event changes nothing. It tells the room
what the message is now, in case the first delivery did not get that far.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from chat import policy
from chat.backends.change_store import ChangeStore, MessageDeletedError, MessageNotFoundError, RequestedChange
from chat.backends.history import History
from chat.backends.table_store import StoreUnavailableError, TableStore
from chat.messaging.checks import MessageRefusedError
from chat.messaging.delivery import Delivery, event_message_id
from chat.model.answers import sender_error, unavailable
from chat.model.broadcasts import of_change, of_message
from chat.model.incoming import InvalidMessageError, read_edit, read_message_id, subject_of
from chat.model.keys import body_digest
from chat.model.messages import ChangeKind, DeletedMessage, Message, change_time
from webpubsub_handler import ConnectionContext, EventErrorResponse, UserEventRequest, UserEventResponse

__all__ = ["Changes"]

_KINDS: Final = {"edit": ChangeKind.EDITED, "delete": ChangeKind.DELETED}


class Changes:
    """Edits and deletes messages.

    The answer None means that the change is stored, and broadcast or recorded in the outbox. A user's mistake or a
    refusal is a sender error. 503 asks the service to deliver the event again, which does not change the message twice.

    Args:
        store: Where messages are kept.
        delivery: Broadcasts changes, and has the checks.
    """

    def __init__(self, store: TableStore, delivery: Delivery) -> None:
        self._store = ChangeStore(store)
        self._history = History(store)
        self._delivery = delivery
        self._checks = delivery.checks

    async def edit(self, request: UserEventRequest, room: str) -> UserEventResponse | EventErrorResponse | None:
        """Replace the content of a message."""
        try:
            incoming = read_edit(request)
            self._checks.check(incoming)
        except (InvalidMessageError, MessageRefusedError) as error:
            return sender_error(error.code, str(error), subject_of(request))

        def revise(message: Message) -> Message:
            _ask_policy(request.context, message)
            edited = replace(
                message,
                data_type=incoming.data_type,
                content_type=incoming.content_type,
                body=incoming.body,
                edited_at=change_time(message, datetime.now(UTC)),
            )
            self._checks.check_envelope(of_message(edited).body)
            self._checks.ask_policy(edited)
            return edited

        return await self._change(request, room, revise)

    async def delete(self, request: UserEventRequest, room: str) -> UserEventResponse | EventErrorResponse | None:
        """Delete the content of a message."""

        def revise(message: Message) -> DeletedMessage:
            _ask_policy(request.context, message)
            return DeletedMessage(
                id=message.id,
                time=message.time,
                room=message.room,
                user_id=message.user_id,
                connection_id=message.connection_id,
                key=message.key,
                deleted_at=change_time(message, datetime.now(UTC)),
            )

        return await self._change(request, room, revise)

    async def refuse(
        self, request: UserEventRequest, room: str, error: UserEventResponse
    ) -> UserEventResponse | EventErrorResponse | None:
        """Answer a refused change with ``error``, or tell the room again if the change was already made."""
        try:
            return await self._tell_again(request, _wanted(request, room), error)
        except InvalidMessageError:
            return error

    async def _change(
        self, request: UserEventRequest, room: str, revise: Callable[[Message], Message | DeletedMessage]
    ) -> UserEventResponse | EventErrorResponse | None:
        subject = subject_of(request)
        try:
            wanted = _wanted(request, room)
            revised = await self._store.apply(wanted, revise)
        except InvalidMessageError as error:
            return sender_error(error.code, str(error), subject)
        except MessageRefusedError as error:
            return await self._tell_again(request, wanted, sender_error(error.code, str(error), subject))
        except MessageNotFoundError as error:
            is_done = wanted.kind is ChangeKind.DELETED and isinstance(error, MessageDeletedError)
            not_found = sender_error("not_found", "There is no such message in this room.", subject)
            return await self._tell_again(request, wanted, None if is_done else not_found)
        except StoreUnavailableError as error:
            return unavailable(error, request.context)
        if revised is None:
            return await self._tell_again(request, wanted, None)
        return await self._delivery.deliver(wanted, of_change(revised))

    async def _tell_again(
        self, request: UserEventRequest, wanted: RequestedChange, otherwise: UserEventResponse | None
    ) -> UserEventResponse | EventErrorResponse | None:
        """Tell the room what the message is now if this change was made before; if it was not, return ``otherwise``.

        The message may also have later changes.
        """
        try:
            broadcast = await self._history.broadcast(wanted.room, wanted.id)
        except StoreUnavailableError as error:
            return unavailable(error, request.context)
        return otherwise if broadcast is None else await self._delivery.deliver(wanted, broadcast)


def _wanted(request: UserEventRequest, room: str) -> RequestedChange:
    kind, message_id = _KINDS[request.context.event_name.lower()], read_message_id(request)
    # No digest of the text: a deletion must not leave that either. No message has an id that cannot be encoded.
    digest = body_digest(kind, message_id.encode(errors="replace"))
    return RequestedChange(event_message_id(request.context, room, digest), room, kind, message_id)


def _ask_policy(context: ConnectionContext, message: Message) -> None:
    verdict = policy.may_change(context, message)
    if verdict is not True:
        reason = verdict if isinstance(verdict, str) and verdict else "You may not change this message."
        raise MessageRefusedError("not_the_author", reason)
