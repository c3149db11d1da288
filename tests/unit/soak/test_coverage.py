"""A run in which what is counted never happened proves nothing, and fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from tests.soak.coverage import cover
from tests.soak.ledger import Author, Ledger, Message, Source, token
from tests.soak.verdict import Figure

ROOM: Final = "@red"


class Run:
    """A small run in which all that is counted happened: ana removes ben, and hal has a plain WebSocket."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ledger = Ledger(clock=lambda: self.now)
        for client in ("ana", "hal"):
            self.ledger.listen(client, ROOM)
        self.ledger.listen("ben", "lobby")
        first = self.send("ana")
        first.edited = first.deleted = self.ledger.done(self.now)
        self.send("ben", room="lobby")
        self.send("hal", Author.UNTOLD).acknowledged = None
        self.ledger.remove("ben", ROOM, self.now)
        self.ledger.stays[0].refusals = 1
        self.send("ana", to=("ana", "hal"))
        self.now += 1
        self.ledger.add("ben", ROOM)

    def send(
        self,
        user: str,
        author: Author = Author.INSISTENT,
        room: str = ROOM,
        to: tuple[str, ...] = ("ana", "ben", "hal"),
    ) -> Message:
        self.now += 1
        message = self.ledger.send(user, author, room, has_key=True)
        message.acknowledged = self.ledger.done(self.now)
        for client in to:
            self.ledger.hear(client, f"{message.number:02}", token(message), Source.LIVE)
        return message

    def broken(self) -> dict[str, Figure]:
        return {figure.name: figure for figure in cover(self.ledger) if not figure.is_kept}


def test_a_run_in_which_all_of_it_happened_is_covered() -> None:
    assert Run().broken() == {}


def test_a_run_in_which_nothing_happened_is_not() -> None:
    assert {"clients", "edits acknowledged", "deletions acknowledged", "removals"} <= {
        figure.name for figure in cover(Ledger()) if not figure.is_kept
    }


def never_edited(ledger: Ledger) -> None:
    ledger.messages[1].edited = None


def never_deleted(ledger: Ledger) -> None:
    ledger.messages[1].deleted = None


def never_answered(ledger: Ledger) -> None:
    ledger.messages[2].acknowledged = None


def plain_that_nobody_heard(ledger: Ledger) -> None:
    for heard in ledger.heard.values():
        del heard[3]


def deaf(ledger: Ledger) -> None:
    ledger.live = [one for one in ledger.live if one[0] != "hal"]


def never_a_member(ledger: Ledger) -> None:
    ledger.live = [one for one in ledger.live if one[0] != "ben" or one[1] == 2]


def never_refused(ledger: Ledger) -> None:
    ledger.stays[0].refusals = 0


def sent_before_the_removal(ledger: Ledger) -> None:
    ledger.messages[4].sent = 0.5


def answered_after_the_return(ledger: Ledger) -> None:
    ledger.messages[4].acknowledged = ledger.done(1.0)


@pytest.mark.parametrize(
    ("leave_out", "name"),
    [
        (never_edited, "edits acknowledged"),
        (never_deleted, "deletions acknowledged"),
        (never_answered, "clients of which no message arrived"),
        (plain_that_nobody_heard, "clients of which no message arrived"),
        (deaf, "clients that heard nothing over a connection"),
        (never_a_member, "removed members that never heard the room as members"),
        (never_refused, "history that a removed member was refused"),
        (sent_before_the_removal, "messages into a room that somebody was removed from"),
        (answered_after_the_return, "messages into a room that somebody was removed from"),
    ],
)
def test_what_never_happened_is_named(leave_out: Callable[[Ledger], None], name: str) -> None:
    run = Run()
    leave_out(run.ledger)
    assert set(run.broken()) == {name}


def test_a_silent_client_is_named() -> None:
    run = Run()
    never_answered(run.ledger)
    assert run.broken()["clients of which no message arrived"].examples == ("ben",)
