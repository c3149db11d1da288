"""The way of a message: checked, stored once, then broadcast, or recorded in the outbox."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from chat.backends.service import Service, ServiceUnavailableError
from chat.backends.table_store import KeyTakenError, StoreUnavailableError, TableStore
from chat.messaging.checks import Checks, MessageRefusedError
from chat.messaging.outbox import Outbox
from chat.model.answers import sender_error, unavailable
from chat.model.broadcasts import Broadcast, of_message
from chat.model.incoming import Incoming, InvalidMessageError, read_incoming, subject_of
from chat.model.keys import body_digest, message_id, partition_key
from chat.model.messages import Broadcastable, DeletedMessage, Message, encode_told
from chat.model.private_names import is_private
from webpubsub_handler import ConnectionContext, EventErrorResponse, UserEventRequest, UserEventResponse

__all__ = ["Delivery", "event_message_id"]

logger = logging.getLogger("chat")


class Delivery:
    """Stores messages and broadcasts them.

    Args:
        store: Where messages are kept.
        service: What reaches the clients.
        outbox: Where a message waits that the service did not take.
        checks: What may be stored.
    """

    def __init__(self, store: TableStore, service: Service, outbox: Outbox, checks: Checks) -> None:
        self._store = store
        self._service = service
        self._outbox = outbox
        self.checks = checks

    async def publish(self, request: UserEventRequest, room: str) -> UserEventResponse | EventErrorResponse | None:
        """Store a message of a member of a room and broadcast it there.

        None means stored, and broadcast or recorded in the outbox. The user's mistakes, and what may not pass, are
        sender errors; 503 asks the service to deliver again, which stores nothing twice.
        """
        subject = subject_of(request)
        try:
            incoming = read_incoming(request)
            self.checks.check(incoming)
            received = _received(request.context, incoming, room)
            broadcast = of_message(received)
            self.checks.check_envelope(broadcast.body)
        except (InvalidMessageError, MessageRefusedError) as error:
            return sender_error(error.code, str(error), subject)
        try:
            self.checks.ask_policy(received)
        except MessageRefusedError as error:
            return await self.refuse(request, room, sender_error(error.code, str(error), subject))
        try:
            # The row first: what was broadcast is in the history, and a redelivered event finds its own row.
            stored = await self._store.append(received)
        except KeyTakenError:
            return sender_error("key_taken", "Another message was sent with this key.", subject)
        except StoreUnavailableError as error:
            return unavailable(error, request.context)
        if stored is None:  # it was stored and is deleted since: there is nothing to tell any more
            return _accepted(received)
        answer = await self.deliver(stored, broadcast if stored is received else of_message(stored))
        return answer or _accepted(stored)

    async def refuse(
        self, request: UserEventRequest, room: str, error: UserEventResponse
    ) -> UserEventResponse | EventErrorResponse | None:
        """Answer a refusal that a message met which may be stored in this room already.

        A redelivery must not be refused when the first delivery passed: the others read the message, so its sender is
        told so, too.
        """
        try:
            incoming = read_incoming(request)
        except InvalidMessageError:
            return error
        try:
            stored = await self._store.find(_received(request.context, incoming, room))
        except StoreUnavailableError as failure:
            return unavailable(failure, request.context)
        if stored is None:
            return error
        answer = None if isinstance(stored, DeletedMessage) else await self.deliver(stored, of_message(stored))
        return answer or _accepted(stored)

    async def tell(self, room: str, event: Mapping[str, object]) -> None:
        """Broadcast ``event`` with its ``room`` to a room; nothing is stored.

        What is not told now is not told later: a failure is only logged.
        """
        try:
            await self._service.broadcast(room, encode_told(event, room))
        except ServiceUnavailableError as error:
            logger.warning("%s (%r): %r", error, event.get("type"), error.__cause__)

    async def deliver(self, stored: Broadcastable, broadcast: Broadcast) -> EventErrorResponse | None:
        """Broadcast what is stored, or record that it is still to be broadcast; 503 when neither can be done."""
        must_wait = self._outbox.holds_back(stored)
        if must_wait and await self._is_recorded(stored):
            return None
        try:
            await self._service.broadcast(stored.room, broadcast.body, unheard_by=broadcast.unheard_by)
        except ServiceUnavailableError as error:
            logger.warning("%s (message %s): %r", error, stored.id, error.__cause__)
            return None if not must_wait and await self._is_recorded(stored) else EventErrorResponse(503, "Try again.")
        return None

    async def _is_recorded(self, stored: Broadcastable) -> bool:
        try:
            await self._outbox.record(stored)
        except StoreUnavailableError as error:
            logger.error("%s (message %s): %r", error, stored.id, error.__cause__)
            return False
        return True


def event_message_id(context: ConnectionContext, room: str, digest: str) -> str:
    """Return the id of what an event stores in a room; a redelivered event has the same one.

    ``digest`` is the ``body_digest`` of what tells it from another event of the same number.
    """
    # An MQTT client keeps its connection id when it comes back, and its events may be counted from one again.
    counted = context.physical_connection_id or context.connection_id
    return message_id(partition_key(context.hub, room), context.time, counted, context.event_id, digest)


def _received(context: ConnectionContext, incoming: Incoming, room: str) -> Message:
    return Message(
        id=event_message_id(context, room, body_digest(incoming.data_type, incoming.body)),
        time=datetime.now(UTC),
        room=room,
        user_id=context.user_id,
        connection_id=context.connection_id,
        event_id=context.event_id,
        event_name=context.event_name,
        data_type=incoming.data_type,
        content_type=incoming.content_type,
        body=incoming.body,
        key=incoming.key,
    )


def _accepted(stored: Broadcastable) -> UserEventResponse | None:
    """Tell the sender in a private room the message's id; in an open room it is what the sender hears."""
    return UserEventResponse({"id": stored.id}) if is_private(stored.room) else None
