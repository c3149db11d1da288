"""What every client did and heard, as the clients saw it. It knows nothing of what is stored."""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

__all__ = ["Author", "AzuriteLoss", "Ledger", "Listening", "Message", "Source", "Stay", "token", "tokens_in"]

_TOKEN: Final = re.compile(r"soak-(\d+)-v\d+")


class Source(StrEnum):
    """How a client got to know a message."""

    LIVE = "live"
    HISTORY = "history"


class Author(StrEnum):
    """What kind of sender a message has."""

    INSISTENT = "insistent"
    """Sends with a key, and again until it is answered."""
    ONCE = "once"
    """Sends once, without a key; what is answered is final."""
    UNTOLD = "untold"
    """A plain WebSocket: sends once, and is answered nothing."""
    BURST = "burst"
    """One event that is posted many times at once."""


@dataclass(slots=True)
class Message:
    """A message that somebody sent. Times are seconds of the ledger's clock; None is: it did not happen."""

    number: int
    user: str
    author: Author
    room: str
    key: str | None
    sent: float
    acknowledged: float | None = None
    failed: bool = False
    """Its sender was told so, and gave up."""
    overtaken: bool = False
    """Its sender was told that it failed, sent others, and then sent it again."""
    refused: str | None = None
    id: str | None = None
    version: int = 1
    edited: float | None = None
    deleted: float | None = None


@dataclass(frozen=True, slots=True)
class Listening:
    """A client that is in a room from a time on, and hears all of it, sooner or later."""

    client: str
    room: str
    since: float


@dataclass(slots=True)
class Stay:
    """A time in which somebody is not a member of a private room.

    It begins when a removal is answered that was ``asked`` for earlier, and lasts ``until`` they are added again, if
    they are.
    """

    user: str
    room: str
    asked: float
    since: float
    until: float | None = None


@dataclass(frozen=True, slots=True)
class AzuriteLoss:
    """A kill of Azurite, and from when on it had not written what it answered for."""

    since: float
    killed: float


@dataclass(slots=True)
class Ledger:
    """The books of a run; ``clock`` gives seconds that only grow."""

    clock: Callable[[], float] = time.monotonic
    messages: dict[int, Message] = field(default_factory=dict)
    heard: dict[str, dict[int, Source]] = field(default_factory=lambda: defaultdict(dict))
    """By client: how it got to know each message first."""
    heard_deleted: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By client: the ids of the messages that it heard are deleted."""
    live: list[tuple[str, int, float]] = field(default_factory=list)
    """Client, number and time of every delivery over a connection, repeated ones too."""
    changes: list[tuple[str, int, float]] = field(default_factory=list)
    """The same of what told that a message was edited or deleted."""
    repeats: int = 0
    numbers_of: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """By message id: which messages were heard with it."""
    listening: list[Listening] = field(default_factory=list)
    stays: list[Stay] = field(default_factory=list)
    read_while_out: int = 0
    losses: list[AzuriteLoss] = field(default_factory=list)
    unknown_5xx: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    broken_requests: int = 0

    def send(self, user: str, author: Author, room: str, *, has_key: bool) -> Message:
        """Enter a message before it is sent for the first time."""
        number = len(self.messages) + 1
        message = Message(number, user, author, room, f"k{number}" if has_key else None, self.clock())
        self.messages[number] = message
        return message

    def acknowledge(self, message: Message) -> None:
        """Note that the sender was told that it is stored."""
        message.acknowledged = self.clock()

    def hear(self, client: str, message_id: str, text: str, source: Source) -> None:
        """Note that a client got a message whose text this is."""
        for number in tokens_in(text):
            now = self.clock()
            self.numbers_of[message_id].add(number)
            if source is Source.LIVE:
                self.live.append((client, number, now))
            if number in self.heard[client]:
                self.repeats += source is Source.LIVE
            else:
                self.heard[client][number] = source
            message = self.messages.get(number)
            if message is not None and message.id is None:
                message.id = message_id

    def hear_edited(self, client: str, text: str) -> None:
        """Note that a client was told over its connection that a message says this now."""
        self.changes += [(client, number, self.clock()) for number in tokens_in(text)]

    def hear_deleted(self, client: str, message_id: str, source: Source) -> None:
        """Note that a client got to know that a message is deleted."""
        self.heard_deleted[client].add(message_id)
        if source is Source.LIVE:
            self.changes += [(client, number, self.clock()) for number in self.numbers_of[message_id]]

    def listen(self, client: str, room: str) -> None:
        """Note that a client is in a room now, and stays there."""
        self.listening.append(Listening(client, room, self.clock()))

    def remove(self, user: str, room: str, asked: float) -> None:
        """Note that somebody was removed from a room: the removal, first asked for at that time, is answered."""
        self.stays.append(Stay(user, room, asked, self.clock()))

    def add(self, user: str, room: str) -> None:
        """Note that somebody is about to be added to a room."""
        for stay in self.stays:
            if (stay.user, stay.room, stay.until) == (user, room, None):
                stay.until = self.clock()

    def is_out(self, user: str, room: str) -> bool:
        """Return whether somebody is removed from a room now."""
        return any((stay.user, stay.room, stay.until) == (user, room, None) for stay in self.stays)

    @property
    def acknowledged(self) -> Iterator[Message]:
        """The messages whose senders were told that they are stored."""
        return (message for message in self.messages.values() if message.acknowledged is not None)

    @property
    def live_deliveries(self) -> int:
        """How often a message came over a connection."""
        return len(self.live)


def token(message: Message) -> str:
    """Return the text that no other message and no other version of this one has."""
    return f"soak-{message.number}-v{message.version}"


def tokens_in(text: str) -> list[int]:
    """Return the numbers of the messages whose tokens stand in a text."""
    return [int(number) for number in _TOKEN.findall(text)]
