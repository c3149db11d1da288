"""The way of a message: checked, stored once, then broadcast, or recorded in the outbox."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from chat import policy
from chat.answers import sender_error
from chat.broadcasts import encode_broadcast
from chat.chat_client_protocol import unheard_by
from chat.incoming import Incoming, InvalidMessageError, read_incoming, subject_of
from chat.keys import body_digest, message_id, partition_key
from chat.messages import Message, encode_told
from chat.outbox import Outbox
from chat.private_names import is_private
from chat.service import MAX_BROADCAST_BYTES, Service, ServiceUnavailableError
from chat.table_store import KeyTakenError, StoreUnavailableError, TableStore
from webpubsub_handler import ConnectionContext, EventErrorResponse, UserEventRequest, UserEventResponse

__all__ = ["Delivery"]

logger = logging.getLogger("chat")

_CONTENT_TYPES: Final = ("text/plain", "application/json", "application/octet-stream")
_UNAVAILABLE: Final = EventErrorResponse(503, "Try again.")


class Delivery:
    """Stores messages and broadcasts them.

    Args:
        store: Where messages are kept.
        service: What reaches the clients.
        outbox: Where a message waits that the service did not take.
        max_message_bytes: The largest body of a message.
    """

    def __init__(self, store: TableStore, service: Service, outbox: Outbox, *, max_message_bytes: int) -> None:
        self._store = store
        self._service = service
        self._outbox = outbox
        self._max_message_bytes = max_message_bytes

    async def publish(self, request: UserEventRequest, room: str) -> UserEventResponse | EventErrorResponse | None:
        """Store a message of a member of a room and broadcast it there.

        None means stored, and broadcast or recorded in the outbox. The user's mistakes, and what may not pass, are
        sender errors; 503 asks the service to deliver again, which stores nothing twice.
        """
        subject = subject_of(request)
        try:
            incoming = read_incoming(request)
        except InvalidMessageError as error:
            return sender_error("invalid_message", str(error), subject)
        if incoming.content_type not in _CONTENT_TYPES:
            return sender_error("unsupported_type", "A message is text, JSON or binary.", subject)
        if not incoming.body:
            return sender_error("empty", "The message is empty.", subject)
        received = _received(request.context, incoming, room)
        envelope = encode_broadcast(received)
        if len(received.body) > self._max_message_bytes or len(envelope) > MAX_BROADCAST_BYTES:
            return sender_error("too_large", f"A message has at most {self._max_message_bytes} bytes.", subject)
        verdict = policy.may_send(received)
        if verdict is not True:
            reason = verdict if isinstance(verdict, str) and verdict else "This message may not be sent here."
            return await self.refuse(request, room, sender_error("refused", reason, subject))
        try:
            # The row first: what was broadcast is in the history, and a redelivered event finds its own row.
            stored = await self._store.append(received)
        except KeyTakenError:
            return sender_error("key_taken", "Another message was sent with this key.", subject)
        except StoreUnavailableError as error:
            return _unavailable(error, request.context)
        if stored is None:  # it was stored and is deleted since: there is nothing to hear any more
            return _accepted(received)
        return await self._deliver(stored, envelope if stored is received else encode_broadcast(stored))

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
        except StoreUnavailableError as unavailable:
            return _unavailable(unavailable, request.context)
        return error if stored is None else await self._deliver(stored, encode_broadcast(stored))

    async def tell(self, room: str, event: Mapping[str, object]) -> None:
        """Broadcast ``event`` with its ``room`` to a room; nothing is stored.

        What is not told now is not told later: a failure is only logged.
        """
        try:
            await self._service.broadcast(room, encode_told(event, room))
        except ServiceUnavailableError as error:
            logger.warning("%s (%s): %r", error, event.get("type"), error.__cause__)

    async def _deliver(self, stored: Message, envelope: bytes) -> UserEventResponse | EventErrorResponse | None:
        """Broadcast what is stored, or record that it is still to be broadcast; 503 when neither can be done."""
        must_wait = self._outbox.holds_back(stored)
        if must_wait and await self._is_recorded(stored):
            return _accepted(stored)
        try:
            await self._service.broadcast(stored.room, envelope, unheard_by=unheard_by(stored))
        except ServiceUnavailableError as error:
            logger.warning("%s (message %s): %r", error, stored.id, error.__cause__)
            return _accepted(stored) if not must_wait and await self._is_recorded(stored) else _UNAVAILABLE
        self._outbox.saw_broadcast()
        return _accepted(stored)

    async def _is_recorded(self, stored: Message) -> bool:
        try:
            await self._outbox.record(stored)
        except StoreUnavailableError as error:
            logger.error("%s (message %s): %r", error, stored.id, error.__cause__)
            return False
        return True


def _received(context: ConnectionContext, incoming: Incoming, room: str) -> Message:
    # An MQTT client keeps its connection id when it comes back, and its events may be counted from one again.
    counted = context.physical_connection_id or context.connection_id
    digest = body_digest(incoming.data_type, incoming.body)
    return Message(
        id=message_id(partition_key(context.hub, room), context.time, counted, context.event_id, digest),
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


def _accepted(stored: Message) -> UserEventResponse | None:
    """Tell the sender in a private room the message's id; in an open room it is what the sender hears."""
    return UserEventResponse({"id": stored.id}) if is_private(stored.room) else None


def _unavailable(error: Exception, context: ConnectionContext) -> EventErrorResponse:
    logger.error("%s (event %s of %s): %r", error, context.event_id, context.connection_id, error.__cause__)
    return _UNAVAILABLE
