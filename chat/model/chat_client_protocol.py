"""What Microsoft's Chat client SDK invokes: names, shapes, and the codes of refusals.

Source: ``sdk/webpubsub-chat-client`` of the public repository ``Azure/azure-webpubsub``, version 1.0.0-beta.2
(2026-06-30), which calls itself a preview. An invocation is a user event whose answer is the result. A room is known by
its name without ``@`` there, and its one conversation by the same id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from chat.model.private_names import is_private_room_name
from chat.model.rooms import MAX_TITLE_BYTES, can_be_member, is_title
from webpubsub_handler import InvalidDataError, UserEventRequest

__all__ = [
    "MAX_NAMED_MEMBERS",
    "ChatError",
    "Code",
    "HistoryQuery",
    "Invocation",
    "MemberOperation",
    "NewRoom",
    "RoomMember",
    "read_history_query",
    "read_member_operation",
    "read_new_room",
    "read_room_query",
    "read_text_message",
]

MAX_NAMED_MEMBERS: Final = 100
_MAX_COUNT: Final = 200
_DEFAULT_COUNT: Final = 100


class Invocation(StrEnum):
    """The user events that the SDK sends."""

    LOGIN = "chat.login"
    CREATE_ROOM = "chat.createRoom"
    GET_ROOM = "chat.getRoom"
    MANAGE_ROOM_MEMBER = "chat.manageRoomMember"
    SEND_TEXT_MESSAGE = "chat.sendTextMessage"
    QUERY_MESSAGE_HISTORY = "chat.queryMessageHistory"


class MemberOperation(StrEnum):
    """What ``chat.manageRoomMember`` does; a user who deletes their own membership leaves."""

    ADD = "Add"
    DELETE = "Delete"


class Code(StrEnum):
    """What a refusal says; the SDK throws it as ``ChatError``. Those from ``InvalidRequest`` on are our own."""

    ROOM_ALREADY_EXISTS = "RoomAlreadyExists"
    ROOM_NOT_FOUND = "RoomNotFound"
    USER_ALREADY_IN_ROOM = "UserAlreadyInRoom"
    USER_NOT_IN_ROOM = "UserNotInRoom"
    NO_PERMISSION_IN_ROOM = "NoPermissionInRoom"
    NO_PERMISSION_CREATE_ROOM = "NoPermissionCreateRoom"
    NO_ANONYMOUS = "NoAnonymous"
    INVALID_REQUEST = "InvalidRequest"
    INVALID_USER_ID = "InvalidUserId"
    TOO_MANY_ROOMS = "TooManyRooms"
    TOO_MANY_MEMBERS = "TooManyMembers"
    TOO_MANY_REQUESTS = "TooManyRequests"


class ChatError(Exception):
    """Raised when an invocation is refused; code and message may be told to the client."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def result(self) -> Mapping[str, str]:
        """What the invocation is answered."""
        return {"code": self.code, "message": str(self)}


@dataclass(frozen=True, slots=True)
class NewRoom:
    """A room to create: its name (None if the client names none), its title, and its first members."""

    name: str | None
    title: str
    members: Sequence[str]


@dataclass(frozen=True, slots=True)
class RoomMember:
    """A change of a room's members."""

    room: str
    operation: MemberOperation
    user_id: str


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """A range of a room's messages, newest first: from ``start`` to ``end``, both included, None without a bound.

    ``before`` is the bound of a following page, which is excluded.
    """

    room: str
    start: str | None
    end: str | None
    before: str | None
    max_count: int


def read_new_room(request: UserEventRequest) -> NewRoom:
    """Read the data of ``chat.createRoom``: ``{title, members, roomId?}``.

    Raises:
        ChatError: It is something else, or beyond a limit.
    """
    fields = _fields(request)
    title, members, wanted = fields.get("title"), fields.get("members", []), fields.get("roomId")
    if not isinstance(title, str) or not is_title(title):
        raise ChatError(Code.INVALID_REQUEST, f"title must be printable text of 1 to {MAX_TITLE_BYTES} bytes.")
    if not isinstance(members, list):
        raise ChatError(Code.INVALID_REQUEST, "members must be a list of user ids.")
    # The SDK names the caller, too.
    if len(members) > MAX_NAMED_MEMBERS + 1:
        raise ChatError(Code.TOO_MANY_MEMBERS, f"A room is created with at most {MAX_NAMED_MEMBERS} others.")
    return NewRoom(
        None if wanted is None else _room(wanted), title, tuple(dict.fromkeys(_user_id(member) for member in members))
    )


def read_room_query(request: UserEventRequest) -> tuple[str, bool]:
    """Read the data of ``chat.getRoom``: ``{id, withMembers}``; return the room and whether its members are asked for.

    Raises:
        ChatError: It is something else.
    """
    fields = _fields(request)
    return _room(fields.get("id")), fields.get("withMembers") is True


def read_member_operation(request: UserEventRequest) -> RoomMember:
    """Read the data of ``chat.manageRoomMember``: ``{roomId, operation, userId}``.

    Raises:
        ChatError: It is something else.
    """
    fields = _fields(request)
    operation = fields.get("operation")
    if operation not in tuple(MemberOperation):
        raise ChatError(Code.INVALID_REQUEST, "operation must be Add or Delete.")
    return RoomMember(_room(fields.get("roomId")), MemberOperation(operation), _user_id(fields.get("userId")))


def read_text_message(request: UserEventRequest) -> tuple[str, str]:
    """Read the data of ``chat.sendTextMessage``: ``{conversation: {conversationId}, content}``; return room and text.

    The schema of the SDK calls the content ``message``.

    Raises:
        ChatError: It is something else.
    """
    fields = _fields(request)
    text = fields.get("content", fields.get("message"))
    if not isinstance(text, str):
        raise ChatError(Code.INVALID_REQUEST, "content must be the text of the message.")
    return _conversation(fields), text


def read_history_query(request: UserEventRequest) -> HistoryQuery:
    """Read the data of ``chat.queryMessageHistory``: ``{conversation, start, end, maxCount}``.

    ``start`` may be ``"0"``, from the beginning. What ``nextQuery`` said is read here, too.

    Raises:
        ChatError: It is something else.
    """
    fields = _fields(request)
    start, end, before = (fields.get(name) for name in ("start", "end", "before"))
    for cursor in (start, end, before):
        if cursor is not None and not isinstance(cursor, str):
            raise ChatError(Code.INVALID_REQUEST, "start and end must be ids of messages, or null.")
    count = fields.get("maxCount")
    if count is None:
        count = _DEFAULT_COUNT
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ChatError(Code.INVALID_REQUEST, "maxCount must be a whole number above 0.")
    return HistoryQuery(_conversation(fields), None if start == "0" else start, end, before, min(count, _MAX_COUNT))


def _fields(request: UserEventRequest) -> Mapping[str, Any]:
    try:
        fields: Any = request.data
    except InvalidDataError as error:
        raise ChatError(Code.INVALID_REQUEST, str(error)) from None
    if not isinstance(fields, dict):
        raise ChatError(Code.INVALID_REQUEST, "The data must be a JSON object.")
    return fields


def _room(value: object) -> str:
    if not isinstance(value, str) or not is_private_room_name(f"@{value}"):
        raise ChatError(Code.INVALID_REQUEST, "The id of a room must have 1 to 64 letters, digits, _ or -.")
    return f"@{value}"


def _conversation(fields: Mapping[str, Any]) -> str:
    conversation = fields.get("conversation")
    return _room(conversation.get("conversationId") if isinstance(conversation, dict) else None)


def _user_id(value: object) -> str:
    if not isinstance(value, str) or not can_be_member(value):
        raise ChatError(Code.INVALID_USER_ID, "A user id must be printable text of 1 to 128 bytes without / \\ # ? : ;")
    return value
