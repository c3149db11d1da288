"""Who may be in a room, what may be sent there, how fast, and who may change private rooms. Edit this file first."""

from __future__ import annotations

from chat.model.authors import is_author
from chat.model.chat_client_protocol import MemberOperation
from chat.model.messages import Message
from chat.model.private_names import PrivateRoom
from webpubsub_handler import ConnectionContext

__all__ = ["max_messages_per_second", "may_change", "may_create_room", "may_join", "may_manage", "may_send"]


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


def may_create_room(user_id: str) -> bool:
    """Return whether this user may create private rooms. Only True allows it."""
    return True


def may_manage(user_id: str, room: PrivateRoom, operation: MemberOperation, other: str) -> bool:
    """Return whether a member of a private room may add somebody (``Add``) or end a membership (``Delete``).

    It is asked about members only. A member who ends their own membership leaves. Here, every member may add, the
    creator may remove, and everyone may leave. Only True allows it.
    """
    return operation == "Add" or user_id in (other, room.creator)
