"""How a message is broadcast: in an open room as its envelope, in a private one as the Chat client's notification."""

from __future__ import annotations

from chat.chat_client_protocol import encode_message, unheard_by
from chat.messages import Message, encode_envelope
from chat.private_names import is_private
from chat.service import Service

__all__ = ["broadcast", "encode_broadcast"]


def encode_broadcast(message: Message) -> bytes:
    """Write what the clients of the message's room hear."""
    return encode_message(message) if is_private(message.room) else encode_envelope(message)


async def broadcast(service: Service, message: Message) -> None:
    """Broadcast a stored message to its room.

    Raises:
        ServiceUnavailableError: The service did not accept it.
    """
    await service.broadcast(message.room, encode_broadcast(message), unheard_by=unheard_by(message))
