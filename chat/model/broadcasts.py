"""How a message is broadcast: in an open room as its envelope, in a private one as the Chat client's notification."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from chat.model.chat_client_answers import encode_created, encode_deleted, encode_revised, unheard_by
from chat.model.messages import DeletedMessage, Message, encode_change, encode_deletion, encode_envelope
from chat.model.private_names import is_private

__all__ = ["Broadcast", "of_change", "of_deletion", "of_message"]


@dataclass(frozen=True, slots=True)
class Broadcast:
    """JSON for everyone in a room, except a connection that already shows it, if there is one."""

    body: bytes
    unheard_by: str | None = None


def of_message(message: Message) -> Broadcast:
    """Return what a room is told of a message."""
    if is_private(message.room):
        return Broadcast(encode_created(message), unheard_by(message))
    return Broadcast(encode_envelope(message))


def of_deletion(message_id: str, room: str, time: datetime) -> Broadcast:
    """Return what a room is told of a message that is no longer stored."""
    return Broadcast(encode_deleted(room, message_id) if is_private(room) else encode_deletion(message_id, room, time))


def of_change(message: Message | DeletedMessage) -> Broadcast:
    """Return what a room is told of a message that was edited or deleted."""
    return Broadcast(encode_revised(message) if is_private(message.room) else encode_change(message))
