"""Each figure of a soak becomes non-zero when its promise is broken, and stays zero when it is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from tests.soak.ledger import Author, AzuriteLoss, Ledger, Message, Source, token
from tests.soak.system.rows import Row, Rows
from tests.soak.verdict import Figure, has_unheard, judge

LOST: Final = "acknowledged and not stored"
FORGOTTEN: Final = "… apart: what Azurite had not written when it was killed"
UNHEARD: Final = "acknowledged and never heard by a connected client"
TWICE: Final = "two rows for one key or one event"
FAILED: Final = 'stored though told "failed" for good, sent again until answered'
FAILED_ONCE: Final = "… by who sends once, without a key"
REMOVED: Final = "heard or read by a removed member"
REMOVED_APART: Final = "… apart: after removals that Azurite had not written when it was killed"
DELETED: Final = "deleted texts found in a row, sent with a key"
DELETED_APART: Final = "… apart: deletions that Azurite had not written when it was killed"
IDS: Final = "ids that are not unique"
ORDER: Final = "order broken within a connection"


class Run:
    """A small run in which every promise was kept: ana sends three messages into a room that ben hears."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ledger = Ledger(clock=lambda: self.now)
        self.rows: list[Row] = []
        self.others: list[int] = []
        self.outbox = 0
        for client, room in (("ana", "lobby"), ("ben", "lobby"), ("ben", "@red")):
            self.ledger.listen(client, room)
        for _ in range(3):
            self.send("lobby")

    def send(self, room: str, author: Author = Author.INSISTENT) -> Message:
        """Send a message that is stored, acknowledged and heard, a second after the one before."""
        self.now += 1
        message = self.ledger.send("ana", author, room, has_key=author is Author.INSISTENT)
        self.rows.append(row_of(message))
        self.ledger.acknowledge(message)
        for client in ("ana", "ben"):
            self.ledger.hear(client, f"{message.number:02}", token(message), Source.LIVE)
        return message

    def hear_late(self, client: str, message: Message) -> None:
        assert message.id is not None
        self.ledger.hear(client, message.id, token(message), Source.LIVE)

    def change(self, number: int, **fields: object) -> None:
        """Change the row of a message."""
        self.rows[number - 1] = replace(self.rows[number - 1], **fields)  # type: ignore[arg-type]

    def figures(self) -> dict[str, Figure]:
        texts = [number for row in self.rows for number in row.numbers]
        return {figure.name: figure for figure in judge(self.ledger, Rows(self.rows, texts + self.others, self.outbox))}

    def broken(self) -> set[str]:
        """The figures whose promise was broken."""
        return {name for name, figure in self.figures().items() if not figure.is_kept}


def row_of(message: Message) -> Row:
    number = message.number
    return Row(f"{number:02}", message.room, message.user, "conn-1", message.key, (number,), False, False)


def test_every_promise_is_kept_in_a_run_in_which_nothing_went_wrong() -> None:
    run = Run()
    figures = run.figures()
    assert run.broken() == set()
    assert [figures[name].value for name in ("messages sent", "acknowledged", "stored")] == [3, 3, 3]
    assert figures["live deliveries"].value == 6


def test_a_message_that_was_acknowledged_and_has_no_row_is_lost() -> None:
    run = Run()
    del run.rows[1]
    assert run.broken() == {LOST}
    assert run.figures()[LOST].examples == ("2 by ana in lobby, sent at 2.0 s",)


def test_an_acknowledged_edit_that_the_row_does_not_show_is_lost() -> None:
    run = Run()
    run.ledger.messages[1].edited = run.now
    assert run.broken() == {LOST}
    run.change(1, is_edited=True)
    assert run.broken() == set()


@pytest.mark.parametrize(
    ("since", "killed", "is_excused"), [(1.5, 2.5, True), (2.5, 3.5, False), (0.0, 1.5, False), (2.0, 2.0, True)]
)
def test_only_what_azurite_had_not_written_when_it_was_killed_is_counted_apart(
    since: float, killed: float, is_excused: bool
) -> None:
    run = Run()
    del run.rows[1]  # sent and acknowledged at 2
    run.ledger.losses.append(AzuriteLoss(since, killed))
    figures = run.figures()
    assert (figures[LOST].value, figures[FORGOTTEN].value) == (int(not is_excused), int(is_excused))


def test_a_message_that_a_listener_neither_heard_nor_read_is_unheard() -> None:
    run = Run()
    del run.ledger.heard["ben"][2]
    assert run.broken() == {UNHEARD}
    assert run.figures()[UNHEARD].examples == ("ben: 2 by ana in lobby, sent at 2.0 s",)
    assert has_unheard(run.ledger, Rows(run.rows, []))
    run.ledger.hear("ben", "02", token(run.ledger.messages[2]), Source.HISTORY)
    assert run.broken() == set()
    assert not has_unheard(run.ledger, Rows(run.rows, []))


def test_a_message_that_was_deleted_before_it_was_heard_is_heard_with_its_deletion() -> None:
    run = Run()
    del run.ledger.heard["ben"][2]
    run.ledger.messages[2].deleted = run.now
    run.change(2, numbers=(), is_deleted=True)
    assert run.broken() == {UNHEARD}
    run.ledger.hear_deleted("ben", "02", Source.HISTORY)
    assert run.broken() == set()


def test_two_rows_for_one_key_are_counted_whatever_their_texts_are() -> None:
    run = Run()
    run.rows.append(replace(run.rows[0], id="99", numbers=()))
    assert TWICE in run.broken()


def test_two_rows_for_one_event_without_a_key_are_counted() -> None:
    run = Run()
    message = run.send("lobby", Author.BURST)
    run.rows.append(replace(row_of(message), id="99", connection="conn-2"))
    assert run.broken() == {TWICE}


@pytest.mark.parametrize(("author", "is_promised"), [(Author.INSISTENT, True), (Author.ONCE, False)])
def test_a_message_that_is_stored_though_its_sender_was_told_that_it_failed_is_counted(
    author: Author, is_promised: bool
) -> None:
    run = Run()
    message = run.send("lobby", author)
    message.failed = True
    assert run.broken() == ({FAILED} if is_promised else set())
    assert run.figures()[FAILED_ONCE].value == int(not is_promised)


def test_a_sender_who_sends_again_is_answered_in_the_end() -> None:
    run = Run()
    run.ledger.messages[3].acknowledged = None
    assert run.broken() == {"never answered, sent again until answered"}


def test_a_refusal_of_what_is_allowed_is_a_broken_promise_and_one_of_what_is_stored_two() -> None:
    run = Run()
    run.ledger.messages[3].refused = "key_taken"
    assert run.broken() == {"refused without a reason", FAILED}
    run.ledger.messages[3].acknowledged = None
    run.rows.pop()
    assert run.broken() == {"refused without a reason"}


def test_a_removed_member_hears_nothing_that_is_sent_later() -> None:
    run = Run()
    run.ledger.remove("ben", "@red", run.now)
    run.ledger.listening = []
    message = run.send("@red")
    assert run.broken() == {REMOVED}
    assert run.figures()[REMOVED].examples == (
        "ben, removed at 3.0 s, heard at 4.0 s: 4 by ana in @red, sent at 4.0 s",
    )
    run.now += 1
    run.ledger.add("ben", "@red")
    run.hear_late("ben", message)
    assert run.figures()[REMOVED].value == 1


def test_what_was_on_its_way_when_a_member_was_removed_is_not_a_broken_promise_but_what_waited_for_minutes_is() -> None:
    run = Run()
    message = run.send("@red")
    run.ledger.remove("ben", "@red", run.now)
    run.now += 1
    run.hear_late("ben", message)
    assert run.broken() == set()
    run.now += 60
    run.hear_late("ben", message)
    assert run.broken() == {REMOVED}


@pytest.mark.parametrize(
    "tell",
    [
        lambda ledger, message: ledger.hear_edited("ben", token(message)),
        lambda ledger, message: ledger.hear_deleted("ben", message.id, Source.LIVE),
    ],
    ids=["edited", "deleted"],
)
def test_a_removed_member_hears_of_no_change(tell: Callable[[Ledger, Message], None]) -> None:
    run = Run()
    message = run.send("@red")
    run.ledger.remove("ben", "@red", run.now)
    run.now += 60
    tell(run.ledger, message)
    assert run.broken() == {REMOVED}


def test_a_member_who_was_added_again_hears_the_room_again() -> None:
    run = Run()
    run.ledger.remove("ben", "@red", run.now)
    run.now += 10
    run.ledger.add("ben", "@red")
    run.now += 1
    run.send("@red")
    assert run.broken() == set()


def test_a_removal_that_azurite_forgot_is_counted_apart() -> None:
    run = Run()
    run.now += 2
    run.ledger.remove("ben", "@red", asked=run.now - 2)
    run.ledger.losses.append(AzuriteLoss(run.now - 3, run.now - 1))
    run.send("@red")
    assert run.broken() == set()
    assert run.figures()[REMOVED_APART].value == 1
    run.ledger.losses[0] = AzuriteLoss(run.now - 30, run.now - 20)
    assert run.broken() == {REMOVED}


def test_history_that_a_removed_member_could_read_is_a_broken_promise() -> None:
    run = Run()
    run.ledger.read_while_out += 1
    assert run.broken() == {REMOVED}


def test_a_deleted_text_in_a_row_of_any_table_is_found() -> None:
    run = Run()
    run.ledger.messages[2].deleted = run.now
    run.change(2, numbers=(), is_deleted=True)
    assert run.broken() == set()
    run.others.append(2)
    assert run.broken() == {DELETED}
    run.ledger.losses.append(AzuriteLoss(run.now - 1, run.now + 1))
    assert run.broken() == set()
    assert run.figures()[DELETED_APART].value == 1


@pytest.mark.parametrize(
    "repeat",
    [
        lambda run: run.ledger.hear("ben", "01", "soak-2-v1", Source.LIVE),
        lambda run: run.rows.append(replace(run.rows[0], room="attic", key=None, user="cem", numbers=())),
    ],
    ids=["heard", "stored"],
)
def test_an_id_that_two_messages_have_is_found(repeat: Callable[[Run], None]) -> None:
    run = Run()
    repeat(run)
    assert IDS in run.broken()


def test_messages_of_one_connection_that_change_places_are_found() -> None:
    run = Run()
    run.change(2, id="04")
    assert run.broken() == {ORDER}
    run.change(2, connection="conn-2")
    assert run.broken() == set()


def test_a_message_that_its_sender_sent_again_after_later_ones_has_lost_its_place() -> None:
    run = Run()
    run.change(2, id="04")
    run.ledger.messages[2].overtaken = True
    assert run.broken() == set()


def test_what_is_left_in_the_outbox_and_what_failed_in_other_words_is_a_broken_promise() -> None:
    run = Run()
    run.outbox = 1
    run.ledger.unknown_5xx["/api/messages: 500"] += 2
    assert run.broken() == {"left in the outbox", "5xx with other texts than ours"}
    assert run.figures()["5xx with other texts than ours"].value == 2
