"""Who may be in a room, what may be sent there, and how fast. Edit this file first."""

from __future__ import annotations

from chat.authors import is_author
from chat.messages import Message
from webpubsub_handler import ConnectionContext

__all__ = ["max_messages_per_second", "may_change", "may_join", "may_send"]


def may_join(user_id: str | None, room: str) -> bool:
    """Return whether this user may be in this room; None is a user without a name.

    It is asked at negotiate, for history and presence, at connect and for each event of a connection. Only True lets
    the user in.
    """
    return True


def may_send(message: Message) -> bool | str:
    """Return True to let this message pass; a text refuses it, and its sender is told that text.

    It is asked before the message is stored, when type and size are right and the sender may be in the room. False
    refuses with a general text. It is asked about an edit, too, with the message as it would be: ``edited_at`` is set.
    """
    return True


def may_change(context: ConnectionContext, message: Message) -> bool | str:
    """Return True to let this connection edit or delete this message; a text refuses it, and the sender is told that.

    ``message`` is as it is now, and the user is in its room. To let moderators do so, too::

        return is_author(context, message) or context.user_id in MODERATORS
    """
    return is_author(context, message)


def max_messages_per_second(user_id: str | None, configured: float) -> float:
    """Return how many messages a second this user may send, twice as many in a burst; 0 means no limit.

    ``configured`` is the setting ``MAX_MESSAGES_PER_SECOND``. Users without a name are told apart by their connections.
    """
    return configured
