"""Who wrote a message."""

from __future__ import annotations

from chat.model.keys import is_of_connection
from chat.model.messages import Message
from webpubsub_handler import ConnectionContext

__all__ = ["is_author"]


def is_author(context: ConnectionContext, message: Message) -> bool:
    """Return whether the user of a connection wrote a message.

    Users without a name are told apart by their connections. An MQTT client chooses its connection id, so another
    client may have had the same one; the message's id tells them apart.
    """
    if message.user_id is not None or context.user_id is not None:
        return message.user_id == context.user_id
    counted = context.physical_connection_id or context.connection_id
    return message.connection_id == context.connection_id and is_of_connection(message.id, counted)
