"""Somebody who is connected, sends, changes and hears: whatever breaks, they come back and read what they missed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from tests.soak.clients.lines import Access, Answer, Hear, Line, LineLostError
from tests.soak.ledger import Author, Ledger, Message, Source, token

__all__ = ["Chatter", "MakeLine", "Person"]

MakeLine: TypeAlias = Callable[[Access, Hear], Line]

# Said by the service or an SDK of an event that failed; every other error is a code of the app.
_FAILURES: Final = frozenset({"InternalServerError", "", "Timeout", "None"})
_PAGE: Final = "200"
_KEPT: Final = 20
# How many messages with a key are sent once more although they are stored.
_DOUBT: Final = 0.1


@dataclass(frozen=True, slots=True)
class Person:
    """Who somebody is: the open and private rooms that they are in, how they send, and whether they change messages."""

    name: str
    rooms: tuple[str, ...]
    author: Author = Author.INSISTENT
    changes: bool = False
    roams: bool = False
    """They are removed from their private rooms and added again, and only listen there."""


class Chatter:
    """A person at one connection after the other.

    Args:
        person: Who it is.
        access: The routes of the app, for them.
        make_line: Makes a connection.
        ledger: Where it is noted what they did and heard.
        rng: What they decide with.
        pause: How many seconds they wait between what they do, on average.
    """

    def __init__(
        self, person: Person, access: Access, make_line: MakeLine, ledger: Ledger, rng: random.Random, pause: float
    ) -> None:
        self.person = person
        self.ledger, self.rng = ledger, rng
        self.is_quiet = False
        """Set to let them only listen: what is under way ends."""
        self.is_idle = False
        self._access, self._make_line, self._pause = access, make_line, pause
        self._line: Line | None = None
        self._cursors: dict[str, str] = {}
        self._own: list[Message] = []
        self._asked = 0.0

    @property
    def asked(self) -> float:
        """When that was last sent which was answered last."""
        return self._asked

    @property
    def line(self) -> Line | None:
        """The connection of now, None without one."""
        return self._line if self._line is not None and not self._line.lost.is_set() else None

    async def run(self) -> None:
        """Live until cancelled."""
        while True:
            try:
                line = await self._connected()
            except LineLostError:
                await self._wait(self.rng.uniform(0.2, 1.0))
                continue
            if self.is_quiet:
                self.is_idle = True
                await line.lost.wait()
                self.is_idle = False
                continue
            with contextlib.suppress(LineLostError):
                await self.act()
            await self._wait(self.rng.uniform(0.2, 1.8) * self._pause)

    async def close(self) -> None:
        """End the connection."""
        if self._line is not None:
            with contextlib.suppress(LineLostError):
                await self._line.close()

    async def act(self) -> None:
        """Do one thing, and insist on it where that is this person's way."""
        changeable = [message for message in self._own if message.id is not None]
        outside = [room for room in self.person.rooms if self.ledger.stay(self.person.name, room) is not None]
        choice = self.rng.random()
        if outside and choice < 0.5:
            await self._catch_up(self.rng.choice(outside))
        elif self.person.changes and changeable and choice < 0.3:
            message = self.rng.choice(changeable)
            await (self._delete(message) if choice < 0.12 else self._edit(message))
        else:
            await self._send(self.rng.choice(self._rooms_to_send_to()))

    async def insist(self, event: str, data: Mapping[str, Any] | str) -> Answer | None:
        """Ask until it is answered for good; None is for who asks once and does not hear what became of it."""
        while True:
            try:
                line = await self._connected()
                self._asked = self.ledger.clock()
                answer = await self.ask(line, event, data)
            except LineLostError:
                if self.person.author is not Author.INSISTENT:
                    return None
            else:
                is_told_to_wait = answer.error == "rate_limited"
                is_final = self.person.author is not Author.INSISTENT and not is_told_to_wait
                if is_final or not (is_told_to_wait or answer.error in _FAILURES):
                    return answer
                await self._wait(answer.retry_after)
            await self._wait(self.rng.uniform(0.1, 0.8))

    async def ask(self, line: Line, event: str, data: Mapping[str, Any] | str) -> Answer:
        """Ask once."""
        return await line.ask(event, data)

    def message_event(self, message: Message) -> tuple[str, Mapping[str, Any] | str]:
        """Return the event that sends a message, and its data."""
        if message.key is None:
            return "message", token(message)
        return "send", {"key": message.key, "room": message.room, **_content(message)}

    def hear(self, data: Any) -> None:
        """Note what came over the connection."""
        if not isinstance(data, dict):
            return
        body = data.get("body") or {}
        match data.get("type") or data.get("notificationType"):
            case "message":
                self.ledger.hear(self.person.name, data["id"], json.dumps(data["data"]), Source.LIVE)
            case "edited":
                self.ledger.hear_edited(self.person.name, json.dumps(data["data"]))
            case "deleted":
                self.ledger.hear_deleted(self.person.name, data["id"], Source.LIVE)
            case "MessageCreated":
                told = body["message"]
                self.ledger.hear(self.person.name, told["messageId"], str(told["content"]["text"]), Source.LIVE)
            case "MessageUpdated":
                self.ledger.hear_edited(self.person.name, str(body["message"]["content"]["text"]))
            case "MessageDeleted":
                self.ledger.hear_deleted(self.person.name, body["messageId"], Source.LIVE)

    async def _connected(self) -> Line:
        """Return the connection; without one, connect and read what was missed.

        Raises:
            LineLostError: It did not work.
        """
        if self.line is not None:
            return self.line
        await self.close()
        line = self._line = self._make_line(self._access, self.hear)
        try:
            await line.open()
            self.ledger.connections += 1
            await self.enter(line)
            for room in self.person.rooms:
                await self._catch_up(room)
        except LineLostError:
            line.lost.set()
            raise
        return line

    async def enter(self, line: Line) -> None:
        """Do what a new connection needs beside its URL."""

    async def _catch_up(self, room: str) -> None:
        """Read what came since the last reading, as the page does: first all of it, then it counts."""
        stay = self.ledger.stay(self.person.name, room)
        pages: list[Mapping[str, Any]] = []
        before: str | None = None
        cursor = self._cursors.get(room)
        newest = cursor
        while not pages or before is not None:
            query = [("room", room), ("limit", _PAGE)]
            query += [("after", cursor), ("overlap", "true")] if cursor is not None else []
            query += [("before", before)] if before is not None else []
            status, page = await self._access.get("messages", query)
            if status == 403 and room.startswith("@"):
                if stay is not None:
                    stay.refusals += 1
                return  # a room that is not made yet, or that one is removed from
            if status != 200:
                await self._wait(0.3)
                if self.line is None:
                    raise LineLostError("the line is lost while history is read")
                continue
            if not pages:
                newest = page["newest"] or cursor
            pages.append(page)
            before = page["next"]
        if stay is not None and stay.until is None:
            stay.reads += 1
        for page in reversed(pages):
            for entry in reversed(page["messages"]):
                self._read(entry)
        if newest is not None:
            self._cursors[room] = newest

    def _read(self, entry: Mapping[str, Any]) -> None:
        if entry["type"] == "message":
            self.ledger.hear(self.person.name, entry["id"], json.dumps(entry["data"]), Source.HISTORY)
        elif entry["type"] == "deleted":
            self.ledger.hear_deleted(self.person.name, entry["id"], Source.HISTORY)

    def _rooms_to_send_to(self) -> Sequence[str]:
        return [room for room in self.person.rooms if not (self.person.roams and room.startswith("@"))]

    async def _send(self, room: str) -> None:
        has_key = self.person.author is Author.INSISTENT
        message = self.ledger.send(self.person.name, self.person.author, room, has_key=has_key)
        answer = await self.insist(*self.message_event(message))
        if has_key and self.rng.random() < _DOUBT:
            # As after a crash: nobody remembers that it was answered.
            answer = await self.insist(*self.message_event(message))
        if answer is None or self.person.author is Author.UNTOLD:
            return
        if answer.error is None:
            message.acknowledged = self.ledger.done(self._asked)
            if isinstance(answer.data, dict) and "id" in answer.data:
                message.id = answer.data["id"]
            self._own = [*self._own[-_KEPT:], message]
        elif answer.error in _FAILURES:
            message.failed = True
        else:
            message.refused = answer.error

    async def _edit(self, message: Message) -> None:
        message.version += 1
        answer = await self.insist("edit", {"id": message.id, "room": message.room, **_content(message)})
        if answer is not None and answer.error is None:
            message.edited = self.ledger.done(self._asked)
        elif answer is not None:
            message.refused_change = f"edit: {answer.error}"

    async def _delete(self, message: Message) -> None:
        self._own.remove(message)
        answer = await self.insist("delete", {"id": message.id, "room": message.room})
        if answer is not None and answer.error is None:
            message.deleted = self.ledger.done(self._asked)
        elif answer is not None:
            message.refused_change = f"delete: {answer.error}"

    async def _wait(self, seconds: float) -> None:
        """Wait so long, or until the connection is lost; without one, so long."""
        lost = asyncio.Event() if self.line is None else self.line.lost
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await lost.wait()


def _content(message: Message) -> Mapping[str, str]:
    """Return the data of a message in the form of ``send``; some are text and some JSON."""
    text = token(message)
    if message.number % 3:
        return {"dataType": "text", "data": text + " " + "x" * (message.number % 200)}
    return {"dataType": "json", "data": json.dumps({"text": text, "number": message.number})}
