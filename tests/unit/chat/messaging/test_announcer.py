"""What happens in one room at about the same time is told at once."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from chat.backends.service import ServiceUnavailableError
from chat.messaging import presence
from chat.messaging.presence import MAX_BATCH, Announcer
from webpubsub_handler import ConnectionContext, Headers
from webpubsub_handler.protocol.connection_state import ConnectionState

TIME = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def context(name: str, event: str = "connected") -> ConnectionContext:
    return ConnectionContext("chat", f"conn-{name}", name, event, "1", TIME, None, ConnectionState(), Headers({}))


class RecordingService:
    """Keeps what each room is told, and refuses while it is down."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.is_down = False

    async def broadcast(self, room: str, envelope: bytes, *, unheard_by: str | None = None) -> None:  # noqa: ARG002
        if self.is_down:
            raise ServiceUnavailableError("the service does not answer")
        self.told.append((room, json.loads(envelope)))


@pytest.fixture
def service() -> RecordingService:
    return RecordingService()


@pytest.fixture
def announcer(service: RecordingService) -> Announcer:
    return Announcer(service)  # type: ignore[arg-type]


@pytest.fixture
def endless_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """No batch ends by the time: one that is told was full."""
    monkeypatch.setattr(presence, "BATCH_SECONDS", 3600)


async def test_what_happens_in_a_room_together_is_one_broadcast_in_its_order(
    announcer: Announcer, service: RecordingService
) -> None:
    events = [context("ana"), context("ben"), context("ana", "disconnected")]
    assert await asyncio.gather(*(announcer.announce(one, one.event_name, ["lobby"]) for one in events)) == [None] * 3
    [(room, told)] = service.told
    assert (room, told["type"], told["room"]) == ("lobby", "presence", "lobby")
    assert [(one["event"], one["userId"]) for one in told["events"]] == [
        ("connected", "ana"),
        ("connected", "ben"),
        ("disconnected", "ana"),
    ]


async def test_one_room_is_told_nothing_of_another(announcer: Announcer, service: RecordingService) -> None:
    await asyncio.gather(
        announcer.announce(context("ana"), "connected", ["a"]), announcer.announce(context("ben"), "connected", ["b"])
    )
    assert {room: [one["userId"] for one in told["events"]] for room, told in service.told} == {
        "a": ["ana"],
        "b": ["ben"],
    }


async def test_every_room_of_a_connection_is_told(announcer: Announcer, service: RecordingService) -> None:
    await announcer.announce(context("ana"), "connected", ["a", "b"])
    assert sorted(room for room, _ in service.told) == ["a", "b"]


@pytest.mark.usefixtures("endless_window")
async def test_five_hundred_clients_that_come_back_at_once_are_told_in_five_broadcasts(
    announcer: Announcer, service: RecordingService
) -> None:
    await asyncio.gather(*(announcer.announce(context(f"user {n}"), "connected", ["lobby"]) for n in range(500)))
    frames = sum(500 for _ in service.told)
    assert frames == 2_500
    assert [len(told["events"]) for _, told in service.told] == [MAX_BATCH] * 5


async def test_a_connection_that_comes_after_a_batch_was_sent_is_told_with_the_next_one(
    announcer: Announcer, service: RecordingService
) -> None:
    await announcer.announce(context("ana"), "connected", ["lobby"])
    await announcer.announce(context("ben"), "connected", ["lobby"])
    assert [[one["userId"] for one in told["events"]] for _, told in service.told] == [["ana"], ["ben"]]


async def test_a_broadcast_that_fails_is_503_for_each_of_its_events_and_one_line_of_the_log(
    announcer: Announcer, service: RecordingService, caplog: pytest.LogCaptureFixture
) -> None:
    service.is_down = True
    answers = await asyncio.gather(*(announcer.announce(context(name), "connected", ["lobby"]) for name in "abc"))
    assert [answer and answer.status for answer in answers] == [503] * 3
    assert len(caplog.records) == 1
    service.is_down = False
    assert await announcer.announce(context("again"), "connected", ["lobby"]) is None


async def test_an_event_that_is_cancelled_takes_the_announcement_from_nobody(
    announcer: Announcer, service: RecordingService
) -> None:
    cancelled = asyncio.create_task(announcer.announce(context("ana"), "connected", ["lobby"]))
    waiting = asyncio.create_task(announcer.announce(context("ben"), "connected", ["lobby"]))
    await asyncio.sleep(0)
    cancelled.cancel()
    assert await waiting is None
    assert [one["userId"] for one in service.told[0][1]["events"]] == ["ana", "ben"]


@pytest.mark.parametrize("is_down", [False, True])
async def test_nothing_of_a_room_is_kept_after_it_was_told(
    announcer: Announcer, service: RecordingService, is_down: bool
) -> None:
    service.is_down = is_down
    await asyncio.gather(*(announcer.announce(context("ana"), "connected", [f"room {n}"]) for n in range(1000)))
    assert vars(announcer)["_batches"] == {}


@pytest.mark.usefixtures("endless_window")
async def test_nothing_is_kept_of_a_room_whose_batch_was_full(announcer: Announcer) -> None:
    await asyncio.gather(*(announcer.announce(context(str(n)), "connected", ["lobby"]) for n in range(MAX_BATCH)))
    assert vars(announcer)["_batches"] == {}
