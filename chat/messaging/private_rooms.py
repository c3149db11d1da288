"""What can be done with private rooms: create one, add and remove members, leave, and receive their messages.

Who may do it is in ``chat/policy.py``; the rows are in ``chat/backends/members.py``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from chat import policy
from chat.backends.member_rows import Change
from chat.backends.members import Members
from chat.backends.service import Service, ServiceUnavailableError
from chat.backends.table_store import StoreUnavailableError
from chat.messaging.outbox import Outbox
from chat.messaging.room_groups import RoomGroups
from chat.model.chat_client_answers import encode_member, encode_room
from chat.model.chat_client_protocol import MAX_NAMED_MEMBERS, ChatError, Code, MemberOperation, NewRoom, RoomMember
from chat.model.messages import format_time
from chat.model.private_names import ALL_PRIVATE_ROOMS, PrivateRoom
from chat.model.rooms import can_be_member

__all__ = ["MAX_CREATED_ROOMS", "MAX_JOINED_ROOMS", "MAX_MEMBERS", "PrivateRooms"]

MAX_CREATED_ROOMS: Final = 100
MAX_JOINED_ROOMS: Final = 200
MAX_MEMBERS: Final = 1000

# The clocks of two processes may differ.
_CLOCK_SKEW: Final = timedelta(seconds=60)
_CONCURRENCY: Final = 8
# How long to wait before each retry if the service does not know a connection yet.
_RETRY_SECONDS: Final = (0.1, 0.3, 0.6, 1.0)
_NOT_FOUND: Final = "There is no such room, or you are not in it."

logger = logging.getLogger("chat")

T_ = TypeVar("T_")


class PrivateRooms:
    """The private rooms of a hub.

    Every method may raise ``StoreUnavailableError`` or ``ServiceUnavailableError``, and can then be called again for
    the same event: completed steps are not repeated.

    Args:
        outbox: Has the members, and records groups that may differ from them.
        service: Has the groups, and broadcasts to the clients.
    """

    def __init__(self, outbox: Outbox, service: Service) -> None:
        self._outbox = outbox
        self._members: Members = outbox.members
        self._groups: RoomGroups = outbox.groups
        self._service = service

    async def rooms_of(self, user_id: str) -> Sequence[str]:
        """Return the private rooms that a user is in and may be in."""
        return [
            one.room
            for one in await self._members.rooms_of(user_id)
            if one.is_member and policy.may_join(user_id, one.room) is True
        ]

    async def heard(self, user_id: str | None, name: str) -> Sequence[str] | None:
        """Return the rooms that a user may hear, of one room or of all (``@``); None if that is not allowed."""
        if name == ALL_PRIVATE_ROOMS:
            return await self.rooms_of(user_id) if can_be_member(user_id) else None
        return [name] if await self._groups.admits(user_id, name) else None

    async def hear(self, user_id: str, connection_id: str) -> Sequence[str]:
        """Put a connection into all rooms of its user; return them."""
        rooms = await self.rooms_of(user_id)
        if rooms:
            await self._service.add_to_groups(connection_id, rooms)
            # The user may have been removed between the read and the call.
            gone = set(rooms) - set(await self.rooms_of(user_id))
            await self._each(gone, lambda room: self._service.leave(connection_id, room))
            return [room for room in rooms if room not in gone]
        return rooms

    async def correct(self, user_id: str, connection_id: str, asked: Sequence[str], since: datetime) -> None:
        """Put a connection into the rooms that its user joined since a time, and take it out of the rooms left.

        ``asked`` are the rooms that the connection asked for.

        Raises:
            ServiceUnavailableError: Also if the service still does not know the connection.
        """
        changed = await self._members.rooms_of(user_id, changed_since=since - _CLOCK_SKEW)
        rooms = [one.room for one in changed if ALL_PRIVATE_ROOMS in asked or one.room in asked]
        await self._each(rooms, lambda room: self._correct(user_id, connection_id, room))

    async def room(self, user_id: str, name: str) -> PrivateRoom:
        """Return a room that a user is in.

        Raises:
            ChatError: It does not exist, or the user is not in it.
        """
        if await self._groups.admits(user_id, name):
            room = await self._members.room(name)
            if room is not None:
                return room
        raise ChatError(Code.ROOM_NOT_FOUND, _NOT_FOUND)

    async def members(self, room: PrivateRoom) -> Sequence[str]:
        """Return the members of a room in the order of joining."""
        return await self._members.list(room.name)

    async def is_created_by(self, user_id: str, wanted: NewRoom, event: str) -> bool:
        """Return whether an event already created a room, or opened it again."""
        name = _name_of(wanted, event)
        return _is_made_by(await self._members.room(name), event) or await self._is_changed_by(user_id, name, event)

    async def is_done_by(self, event: str, wanted: RoomMember) -> bool:
        """Return whether an event already changed a member."""
        return await self._is_changed_by(wanted.user_id, wanted.room, event)

    async def create(self, user_id: str, wanted: NewRoom, event: str, connection_id: str) -> PrivateRoom:
        """Create a room with its first members; a repeated event creates nothing more.

        Raises:
            ChatError: It may not be.
        """
        name = _name_of(wanted, event)
        others = [member for member in wanted.members if member != user_id]
        found = await self._members.room(name)
        if not (_is_made_by(found, event) or await self._is_changed_by(user_id, name, event)):
            await self._check_new(user_id, name, others, found)
        if found is None:
            new = PrivateRoom(name, wanted.title, user_id, format_time(datetime.now(UTC)), event)
            found = await self._members.make(new)
            if not _is_made_by(found, event):  # another event was faster
                raise _already_exists()
        # The creator joins first, because the creator adds the others.
        changes = [await self._members.add(user_id, name, event, joined=f"{found.time} 0", is_made=True)]
        changes += await self._each(
            others, lambda other: self._members.add(other, name, event, joined=f"{found.time} 1")
        )
        joined = [member for member, change in zip([user_id, *others], changes, strict=True) if change is Change.MADE]
        await self._each(joined, lambda member: self._follow_or_record(member, name))
        if joined:
            await self._tell(self._service.broadcast(name, encode_room("RoomJoined", found), unheard_by=connection_id))
        return found

    async def manage(self, user_id: str, wanted: RoomMember, event: str) -> None:
        """Add a member, remove one, or leave; a repeated event changes nothing more.

        Raises:
            ChatError: It may not be.
        """
        change = await self._members.last_change(wanted.user_id, wanted.room, event)
        room = await self._members.room(wanted.room)
        if change is Change.NOT_MADE:
            room = await self.room(user_id, wanted.room)
            room = await self._check_change(user_id, wanted, room)
        if room is None or change is Change.MADE_BEFORE:
            return
        if wanted.operation is MemberOperation.ADD:
            await self._add(wanted.user_id, room, event)
        else:
            await self._remove(wanted.user_id, room, event)

    async def _add(self, user_id: str, room: PrivateRoom, event: str) -> None:
        joined = f"{format_time(datetime.now(UTC))} 0"
        change = await self._members.add(user_id, room.name, event, joined=joined)
        if change is Change.NOT_MADE:
            raise ChatError(Code.USER_ALREADY_IN_ROOM, "This user is in the room already.")
        if change is Change.MADE_BEFORE:
            return
        await self._follow_or_record(user_id, room.name)
        await self._tell(self._service.tell_user(user_id, encode_room("RoomJoined", room)))
        await self._tell(
            self._service.tell_others(room.name, user_id, encode_member("RoomMemberJoined", room, user_id))
        )

    async def _remove(self, user_id: str, room: PrivateRoom, event: str) -> None:
        # First, so that the groups are corrected even if this process dies.
        await self._outbox.announce_groups(user_id, room.name)
        try:
            change = await self._members.remove(user_id, room.name, event)
            await self._outbox.record_groups(user_id, room.name)
            if change is Change.NOT_MADE:
                raise ChatError(Code.USER_NOT_IN_ROOM, "This user is not in the room.")
            if change is Change.MADE_BEFORE:
                return
            await self._groups.follow(user_id, room.name)
        finally:
            self._outbox.start_drain()
        if room.creator == user_id:
            await self._members.elect(room.name)
        await self._tell(self._service.tell_user(user_id, encode_room("RoomLeft", room)))
        await self._tell(self._service.broadcast(room.name, encode_member("RoomMemberLeft", room, user_id)))

    async def _check_new(self, user_id: str, name: str, others: Sequence[str], found: PrivateRoom | None) -> None:
        if policy.may_create_room(user_id) is not True:
            raise ChatError(Code.NO_PERMISSION_CREATE_ROOM, "You may not create a room.")
        # The creator may try again if a process died before the room had members.
        if found is not None and (found.creator != user_id or await self._members.list(name)):
            raise _already_exists()
        if len(others) > MAX_NAMED_MEMBERS:
            raise ChatError(Code.TOO_MANY_MEMBERS, f"A room is created with at most {MAX_NAMED_MEMBERS} others.")
        for member in (user_id, *others):
            if policy.may_join(member, name) is not True:
                raise ChatError(Code.NO_PERMISSION_IN_ROOM, "One of the users that you name may not be in this room.")
        rooms = await self._members.rooms_of(user_id)
        if found is None and sum(one.is_made for one in rooms) >= MAX_CREATED_ROOMS:
            raise ChatError(Code.TOO_MANY_ROOMS, f"You can create at most {MAX_CREATED_ROOMS} rooms.")
        await self._each((user_id, *others), self._check_joined)

    async def _check_change(self, user_id: str, wanted: RoomMember, room: PrivateRoom) -> PrivateRoom:
        is_added = wanted.operation is MemberOperation.ADD
        # A process that died may have left a creator who is not a member.
        room = await self._members.elect(room.name) or room
        if policy.may_manage(user_id, room, wanted.operation, wanted.user_id) is not True:
            raise ChatError(Code.NO_PERMISSION_IN_ROOM, "You may not do this in the room.")
        is_member = await self._members.is_member(wanted.user_id, room.name)
        if is_added and is_member:
            raise ChatError(Code.USER_ALREADY_IN_ROOM, "This user is in the room already.")
        if not is_added and not is_member:
            raise ChatError(Code.USER_NOT_IN_ROOM, "This user is not in the room.")
        if is_added:
            if policy.may_join(wanted.user_id, room.name) is not True:
                raise ChatError(Code.NO_PERMISSION_IN_ROOM, "This user may not be in the room.")
            await self._check_joined(wanted.user_id)
            if len(await self._members.list(room.name)) >= MAX_MEMBERS:
                raise ChatError(Code.TOO_MANY_MEMBERS, f"A room has at most {MAX_MEMBERS} members.")
        return room

    async def _check_joined(self, user_id: str) -> None:
        rooms = await self._members.rooms_of(user_id)
        if sum(one.is_member for one in rooms) >= MAX_JOINED_ROOMS:
            raise ChatError(
                Code.TOO_MANY_ROOMS, f"One of the users is in {MAX_JOINED_ROOMS} rooms, and cannot be in more."
            )

    async def _is_changed_by(self, user_id: str, room: str, event: str) -> bool:
        return await self._members.last_change(user_id, room, event) is not Change.NOT_MADE

    async def _follow_or_record(self, user_id: str, room: str) -> None:
        try:
            await self._groups.follow(user_id, room)
        except (ServiceUnavailableError, StoreUnavailableError) as error:
            logger.warning("%s: %r", error, error.__cause__)
            await self._outbox.record_groups(user_id, room)
            self._outbox.start_drain()

    async def _correct(self, user_id: str, connection_id: str, room: str) -> None:
        if not await self._groups.admits(user_id, room):
            await self._service.leave(connection_id, room)
            return
        for seconds in (*_RETRY_SECONDS, None):
            if await self._service.join(connection_id, room):
                break
            if seconds is None:
                raise ServiceUnavailableError("the service does not know the connection")
            await asyncio.sleep(seconds)
        if not await self._groups.admits(user_id, room):
            await self._service.leave(connection_id, room)

    async def _tell(self, telling: Awaitable[None]) -> None:
        """Send a notification, which is not stored: a client that misses it reads the rooms when it logs in."""
        try:
            await telling
        except ServiceUnavailableError as error:
            logger.warning("%s (members of a private room): %r", error, error.__cause__)

    async def _each(self, items: Iterable[str], do: Callable[[str], Awaitable[T_]]) -> list[T_]:
        slots = asyncio.Semaphore(_CONCURRENCY)

        async def one(item: str) -> T_:
            async with slots:
                return await do(item)

        return await asyncio.gather(*(one(item) for item in items))


def _name_of(wanted: NewRoom, event: str) -> str:
    return wanted.name or f"@{event}"


def _is_made_by(room: PrivateRoom | None, event: str) -> bool:
    return room is not None and room.event == event


def _already_exists() -> ChatError:
    return ChatError(Code.ROOM_ALREADY_EXISTS, "A room with this id exists already.")
