"""What a run's ledger and the tables say together: the figures, and whether the promises held. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from tests.soak.ledger import Author, Done, Ledger, Message, Source, Stay
from tests.soak.system.rows import Row, Rows

__all__ = ["Figure", "has_unheard", "judge"]

# How long a frame may be on its way to a client that was sent before the sender was removed from the room.
_FRAME_SECONDS: Final = 5.0
_EXAMPLES: Final = 5
_UNHEARD: Final = "acknowledged and never heard by a connected client"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of a run, and what it must be.

    ``promised`` is the only number that it may be, and ``least`` the smallest one: what counts nothing proves nothing.
    None is: nothing is promised. ``examples`` are messages.
    """

    name: str
    value: int
    promised: int | None = None
    examples: tuple[str, ...] = ()
    least: int | None = None

    @property
    def is_kept(self) -> bool:
        """Return whether the promise was kept, if there is one."""
        return self.promised in {None, self.value} and (self.least is None or self.value >= self.least)


def judge(ledger: Ledger, rows: Rows) -> list[Figure]:
    """Return all figures, in the order of the table."""
    return list(_Books(ledger, rows).figures())


def has_unheard(ledger: Ledger, rows: Rows) -> bool:
    """Return whether somebody has not heard yet what they will hear when the promise holds."""
    return bool(_Books(ledger, rows).unheard())


class _Books:
    """Ledger and tables, side by side."""

    def __init__(self, ledger: Ledger, rows: Rows) -> None:
        self._ledger = ledger
        self._rows = rows
        self._by_number: dict[int, list[Row]] = defaultdict(list)
        numbers: dict[object, int] = {m.id: m.number for m in ledger.messages.values() if m.id is not None}
        numbers |= {(m.user, m.key): m.number for m in ledger.messages.values() if m.key is not None}
        for row in rows.messages:
            # Nothing of a deleted message says which one it was but its id and its key.
            number = numbers.get((row.user, row.key)) or numbers.get(row.id)
            for found in set(row.numbers) or ({number} if number else set()):
                self._by_number[found].append(row)

    def figures(self) -> Iterator[Figure]:
        ledger, messages = self._ledger, list(self._ledger.messages.values())
        acknowledged = list(ledger.acknowledged)
        yield Figure("messages sent", len(messages))
        yield Figure("acknowledged", len(acknowledged))
        yield Figure("stored", len(self._rows.messages))
        yield Figure("live deliveries", ledger.live_deliveries)
        yield Figure("… of them repeated, which clients drop", ledger.repeats)
        yield Figure("read from the history instead", self._read_instead())
        yield Figure("connections made", ledger.connections)
        yield Figure("requests broken on their way to storage and service", ledger.broken_requests)

        lost, excused = self._split(acknowledged, self._is_lost, self._what_is_lost)
        yield _promise("acknowledged and not stored", lost)
        yield Figure("… apart: what Azurite had not written when it was killed", len(excused))
        unheard = self.unheard()
        yield _promise(_UNHEARD, [m for _, m in unheard], unheard)
        yield _promise("two rows for one key or one event", self._repeated_rows())
        told = [m for m in messages if (m.failed or m.refused) and self._by_number[m.number]]
        yield _promise('stored though told "failed" for good, sent again until answered', _by(told, Author.INSISTENT))
        yield Figure("… by who sends once, without a key", len(_by(told, Author.ONCE)))
        open_ends = [m for m in _by(messages, Author.INSISTENT, Author.BURST) if not (m.acknowledged or m.refused)]
        yield _promise("never answered, sent again until answered", open_ends)
        yield _promise("refused without a reason", [m for m in messages if m.refused or self._is_change_refused(m)])
        removed, forgotten = self._told_while_removed()
        yield Figure("heard or read by a removed member", len(removed), 0, tuple(removed[:_EXAMPLES]))
        yield Figure("… apart: after removals that Azurite had not written when it was killed", len(forgotten))
        kept, excused = self._split(messages, self._is_kept_though_deleted, lambda m: m.deleted)
        yield _promise("deleted texts found in a row", kept)
        yield Figure("… apart: deletions that Azurite had not written when it was killed", len(excused))
        yield Figure("ids that are not unique", self._repeated_ids(), 0)
        yield _promise("order broken within a connection", self._broken_order())
        yield Figure("left in the outbox", self._rows.outbox, 0)
        yield Figure(
            "5xx with other texts than ours", ledger.unknown_5xx.total(), 0, tuple(ledger.unknown_5xx)[:_EXAMPLES]
        )

    def _read_instead(self) -> int:
        return sum(source is Source.HISTORY for heard in self._ledger.heard.values() for source in heard.values())

    def _is_lost(self, message: Message) -> bool:
        """Return whether nothing is stored of what was acknowledged: the message, its edit, its deletion."""
        rows = self._by_number[message.number]
        if message.edited is not None and not any(row.is_edited or row.is_deleted for row in rows):
            return True
        return not rows

    def _what_is_lost(self, message: Message) -> Done | None:
        return message.edited if self._by_number[message.number] else message.acknowledged

    def _is_kept_though_deleted(self, message: Message) -> bool:
        return message.deleted is not None and message.number in self._rows.numbers

    def _is_change_refused(self, message: Message) -> bool:
        return message.refused_change is not None and not self._may_be_forgotten(message.acknowledged)

    def _split(
        self, messages: Iterable[Message], is_wrong: Callable[[Message], bool], what: Callable[[Message], Done | None]
    ) -> tuple[list[Message], list[Message]]:
        """Return what is wrong, and what is, too, but may be what a killed Azurite had not written."""
        wrong = [message for message in messages if is_wrong(message)]
        excused = [message for message in wrong if self._may_be_forgotten(what(message))]
        return [message for message in wrong if message not in excused], excused

    def _may_be_forgotten(self, done: Done | None) -> bool:
        """Return whether a killed Azurite may have forgotten it: it was answered after the last write."""
        return done is not None and any(
            done.asked <= loss.killed and loss.since <= done.at for loss in self._ledger.losses
        )

    def unheard(self) -> list[tuple[str, Message]]:
        """Return who did not hear what of all that is stored."""
        lost = {message.number for message in self._ledger.acknowledged if self._is_lost(message)}
        return [(client, message) for client, message in self._unheard() if message.number not in lost]

    def _unheard(self) -> Iterator[tuple[str, Message]]:
        """Return who did not hear what: each listener hears all that is sent into the room from then on."""
        forgotten = {m.number for m in self._ledger.acknowledged if self._may_be_forgotten(m.acknowledged)}
        for one in self._ledger.listening:
            heard, deleted = self._ledger.heard[one.client], self._ledger.heard_deleted[one.client]
            for message in self._ledger.acknowledged:
                is_for = message.room == one.room and message.sent > one.since and message.user != one.client
                if not is_for or message.number in heard or message.number in forgotten:
                    continue
                if message.deleted is None or message.id not in deleted:
                    yield one.client, message

    def _repeated_rows(self) -> list[Message]:
        """Return the messages that are stored twice: their texts, or their keys, stand in two rows."""
        keys = Counter((row.room, row.user, row.key) for row in self._rows.messages if row.key is not None)
        doubled = {key for (_, _, key), count in keys.items() if count > 1}
        return [m for m in self._ledger.messages.values() if len(self._by_number[m.number]) > 1 or m.key in doubled]

    def _told_while_removed(self) -> tuple[list[str], list[str]]:
        """Return what somebody heard or read who was removed, and what of it is Azurite's doing."""
        found: list[str] = []
        forgotten: list[str] = []
        told: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for user, number, at in [*self._ledger.live, *self._ledger.changes]:
            told[user].append((number, at))
        for stay in self._ledger.stays:
            who = f"{stay.user}, removed at {stay.removed.at:.1f} s"
            heard = [
                f"{who}, heard at {at:.1f} s: {_told(self._ledger.messages[number])}"
                for number, at in told[stay.user]
                if self._is_heard_in(stay, number, at)
            ]
            read = [f"{who}, read the history of {stay.room}"] * stay.reads
            (forgotten if self._may_be_forgotten(stay.removed) else found).extend(heard + read)
        return found, forgotten

    def _is_heard_in(self, stay: Stay, number: int, at: float) -> bool:
        message, since = self._ledger.messages[number], stay.removed.at
        if message.room != stay.room or at < since:
            return False
        if stay.until is not None and at >= stay.until:
            return False
        return message.sent > since or at > since + _FRAME_SECONDS

    def _repeated_ids(self) -> int:
        heard = sum(len(numbers) > 1 for numbers in self._ledger.numbers_of.values())
        stored = Counter(row.id for row in self._rows.messages)
        return heard + sum(count > 1 for count in stored.values())

    def _broken_order(self) -> list[Message]:
        """Return the messages that stand behind one that was sent later over the same connection."""
        connections: dict[tuple[str, str], list[tuple[str, Message]]] = defaultdict(list)
        for number, rows in self._by_number.items():
            for row in rows:
                connections[row.room, row.connection].append((row.id, self._ledger.messages[number]))
        orders = ([message for _, message in sorted(rows, key=_id)] for rows in connections.values())
        return [two for order in orders for one, two in pairwise(order) if two.number < one.number]


def _id(row: tuple[str, Message]) -> str:
    return row[0]


def _by(messages: Iterable[Message], *authors: Author) -> list[Message]:
    return [message for message in messages if message.author in authors]


def _promise(name: str, messages: Sequence[Message], clients: Sequence[tuple[str, Message]] = ()) -> Figure:
    examples = [f"{client}: {_told(message)}" for client, message in clients] or [_told(m) for m in messages]
    return Figure(name, len(messages), 0, tuple(examples[:_EXAMPLES]))


def _told(message: Message) -> str:
    told = f"{message.number} by {message.user} in {message.room}, sent at {message.sent:.1f} s"
    refused = message.refused or message.refused_change
    return told if refused is None else f"{told}: {refused}"
