"""Who may be in an open room, and what a message has to pass before it is stored or replaces another."""

from __future__ import annotations

from typing import Final

from chat import policy
from chat.backends.service import MAX_BROADCAST_BYTES
from chat.model.incoming import Incoming
from chat.model.messages import Message
from chat.model.private_names import is_private
from chat.model.rooms import is_room_name

__all__ = ["Checks", "MessageRefusedError", "admits"]

_CONTENT_TYPES: Final = ("text/plain", "application/json", "application/octet-stream")


def admits(room: str, user_id: str | None) -> bool:
    """Return whether this user may be in this open room now; ``RoomGroups`` knows who may be in a private one.

    The policy is asked only about names that a room can have. Only its True admits: a rule that forgets to return, or
    that was written as ``async def``, must not let everybody in.
    """
    return is_room_name(room) and not is_private(room) and policy.may_join(user_id, room) is True


class MessageRefusedError(Exception):
    """Raised when a message does not pass; ``code`` and the text may be answered to its sender."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Checks:
    """The checks; each raises ``MessageRefusedError``.

    Args:
        max_message_bytes: The largest body of a message.
    """

    def __init__(self, max_message_bytes: int) -> None:
        self._max_message_bytes = max_message_bytes

    def check(self, incoming: Incoming) -> None:
        """Refuse what has another type than messages have, nothing in it, or too much."""
        if incoming.content_type not in _CONTENT_TYPES:
            raise MessageRefusedError("unsupported_type", "A message must be text, JSON or binary.")
        if not incoming.body:
            raise MessageRefusedError("empty", "The message is empty.")
        if len(incoming.body) > self._max_message_bytes:
            raise self._too_large()

    def check_envelope(self, envelope: bytes) -> None:
        """Refuse what is too large for a broadcast once it is encoded."""
        if len(envelope) > MAX_BROADCAST_BYTES:
            raise self._too_large()

    def ask_policy(self, message: Message) -> None:
        """Refuse what the policy does not let pass."""
        verdict = policy.may_send(message)
        if verdict is not True:
            reason = verdict if isinstance(verdict, str) and verdict else "This message may not be sent here."
            raise MessageRefusedError("refused", reason)

    def _too_large(self) -> MessageRefusedError:
        return MessageRefusedError("too_large", f"A message must have at most {self._max_message_bytes} bytes.")
