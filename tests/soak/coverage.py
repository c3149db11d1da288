"""What must have happened in a run before a zero of the verdict says anything. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.soak.ledger import Author, Ledger
from tests.soak.verdict import Figure

__all__ = ["cover"]


def cover(ledger: Ledger) -> list[Figure]:
    """Return what happened, each with what it must be at least."""
    return list(_figures(ledger))


def _figures(ledger: Ledger) -> Iterator[Figure]:
    messages = ledger.messages.values()
    clients = sorted({one.client for one in ledger.listening})
    yield Figure("clients", len(clients), least=1)
    # A plain WebSocket is told nothing: others say that its message arrived.
    heard = {number for numbers in ledger.heard.values() for number in numbers}
    spoke = {m.user for m in messages if m.acknowledged is not None}
    spoke |= {m.user for m in messages if m.author is Author.UNTOLD and m.number in heard}
    listened = {client for client, _, _ in ledger.live}
    yield _without("clients of which no message arrived", clients, spoke)
    yield _without("clients that heard nothing over a connection", clients, listened)
    yield _at_least_one("edits acknowledged", sum(m.edited is not None for m in messages))
    yield _at_least_one("deletions acknowledged", sum(m.deleted is not None for m in messages))
    yield _at_least_one("removals", len(ledger.stays))
    yield _at_least_one("messages into a room that somebody was removed from", _messages_past_the_removed(ledger))
    yield _at_least_one("history that a removed member was refused", sum(stay.refusals for stay in ledger.stays))
    rooms = {(stay.user, stay.room) for stay in ledger.stays}
    told = {(client, ledger.messages[number].room) for client, number, _ in ledger.live}
    deaf = [f"{user} in {room}" for user, room in sorted(rooms - told)]
    yield Figure("removed members that never heard the room as members", len(deaf), 0, tuple(deaf))


def _messages_past_the_removed(ledger: Ledger) -> int:
    return sum(
        stay.room == message.room
        and message.acknowledged is not None
        and stay.removed.at < message.sent
        and (stay.until is None or message.acknowledged.at < stay.until)
        for stay in ledger.stays
        for message in ledger.messages.values()
    )


def _at_least_one(name: str, count: int) -> Figure:
    return Figure(name, count, least=1)


def _without(name: str, clients: Sequence[str], found: set[str]) -> Figure:
    missing = [client for client in clients if client not in found]
    return Figure(name, len(missing), 0, tuple(missing))
