"""Who uses private rooms through the invocations of Microsoft's Chat client, and who decides who is in them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.soak.clients.chatter import Chatter, Person
from tests.soak.clients.lines import Access, Answer, Line
from tests.soak.clients.sockets import JsonLine
from tests.soak.ledger import Ledger, Message, token

__all__ = ["ChatUser", "Keeper"]

_NOT_IN_ROOM: Final = "UserNotInRoom"


class ChatUser(Chatter):
    """Somebody who sends with ``chat.sendTextMessage``, and with a key."""

    def __init__(self, person: Person, access: Access, ledger: Ledger, rng: random.Random, pause: float) -> None:
        super().__init__(person, access, JsonLine, ledger, rng, pause)

    async def enter(self, line: Line) -> None:
        """Log in, which the client does each time."""
        await self.ask(line, "chat.login", "")

    async def ask(self, line: Line, event: str, data: Mapping[str, Any] | str) -> Answer:
        """Invoke what the Chat client invokes, and send other events as usual."""
        assert isinstance(line, JsonLine)
        return await (line.invoke(event, data) if event.startswith("chat.") else line.ask(event, data))

    def message_event(self, message: Message) -> tuple[str, Mapping[str, Any]]:
        """Return the invocation that sends a message."""
        conversation = {"conversationId": message.room.removeprefix("@")}
        text = token(message)
        return "chat.sendTextMessage", {"conversation": conversation, "content": text, "key": message.key}


class Keeper(ChatUser):
    """Makes the private rooms, and removes and adds those who roam."""

    def __init__(
        self,
        person: Person,
        access: Access,
        ledger: Ledger,
        rng: random.Random,
        pause: float,
        members: Mapping[str, Sequence[Person]],
    ) -> None:
        super().__init__(person, access, ledger, rng, pause)
        self._members = members
        self._out: set[tuple[str, str]] = set()
        self._roamers = [(room, one.name) for room, persons in members.items() for one in persons if one.roams]

    async def make_rooms(self) -> None:
        """Create the rooms with all their members."""
        for room, persons in self._members.items():
            names = [person.name for person in persons]
            data = {"title": room, "roomId": room.removeprefix("@"), "members": names}
            answer = await self.insist("chat.createRoom", data)
            assert answer is not None
            assert answer.error in {None, "RoomAlreadyExists"}, answer

    async def act(self) -> None:
        """Remove or add somebody now and then; else send."""
        if self._roamers and self.rng.random() < 0.3:
            await self._move(*self.rng.choice(self._roamers))
        else:
            await super().act()

    async def _move(self, room: str, user: str) -> None:
        is_out = (room, user) in self._out
        if is_out:
            self.ledger.add(user, room)
        operation = "Add" if is_out else "Delete"
        data = {"roomId": room.removeprefix("@"), "operation": operation, "userId": user}
        answer = await self.insist("chat.manageRoomMember", data)
        if is_out:
            self._out.discard((room, user))
        elif answer is not None and answer.error in {None, _NOT_IN_ROOM}:
            self._out.add((room, user))
            # Who is told that there is nothing to remove does not hear whether the groups followed.
            if answer.error is None:
                self.ledger.remove(user, room, self.asked)
