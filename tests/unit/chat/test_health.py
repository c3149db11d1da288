"""Health is asked by anyone, so the back ends are asked at most once in a few seconds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chat.backends.service import ServiceUnavailableError
from chat.backends.table_store import StoreUnavailableError
from chat.health import MAX_AGE_SECONDS, Health
from chat.messaging.outbox_rows import Waiting
from tests.clock import Clock


class BackEnds:
    """Both back ends and the outbox; counts what they are asked."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.asked = 0
        self.is_outbox_down = False
        self.count = 0
        self.drains = 0
        self.written = 0

    async def check(self) -> None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure

    async def waiting(self) -> Waiting:
        if self.is_outbox_down:
            raise StoreUnavailableError("the outbox was not read")
        return Waiting(self.count, None)

    def start_drain(self) -> None:
        self.drains += 1

    def write_log(self) -> None:
        self.written += 1


def health_of(back_ends: Any, clock: Clock) -> Health:
    return Health(back_ends, back_ends, back_ends, clock)


async def test_both_back_ends_are_asked_once_in_three_seconds_however_many_ask() -> None:
    back_ends, clock = BackEnds(), Clock(0)
    health = health_of(back_ends, clock)
    await asyncio.gather(*(health.state() for _ in range(50)))
    clock.now = MAX_AGE_SECONDS - 0.1
    await health.state()
    assert back_ends.asked == 2
    clock.now = MAX_AGE_SECONDS
    await health.state()
    assert back_ends.asked == 4


@pytest.mark.parametrize("failure", [StoreUnavailableError("down"), ServiceUnavailableError("down")])
async def test_a_back_end_that_is_down_is_asked_again_only_later_too(failure: Exception) -> None:
    back_ends, clock = BackEnds(), Clock(0)
    back_ends.failure = failure
    health = health_of(back_ends, clock)
    assert not (await health.state()).is_ok
    back_ends.failure = None
    assert not (await health.state()).is_ok
    clock.now = MAX_AGE_SECONDS
    assert (await health.state()).is_ok


async def test_a_caller_who_goes_away_takes_the_answer_from_nobody() -> None:
    health = health_of(BackEnds(), Clock(0))
    leaving, staying = asyncio.create_task(health.state()), asyncio.create_task(health.state())
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).is_ok


async def test_messages_that_wait_are_not_an_illness_but_are_sent() -> None:
    back_ends = BackEnds()
    back_ends.count = 3
    state = await health_of(back_ends, Clock(0)).state()
    assert (state.is_ok, state.waiting, back_ends.drains) == (True, Waiting(3, None), 1)


async def test_an_outbox_that_does_not_answer_is_unknown_not_empty() -> None:
    back_ends = BackEnds()
    back_ends.is_outbox_down = True
    state = await health_of(back_ends, Clock(0)).state()
    assert state.waiting is None
    assert back_ends.drains == 0


async def test_what_the_background_had_to_say_is_written_by_a_question_for_health_too() -> None:
    back_ends = BackEnds()
    await health_of(back_ends, Clock(0)).state()
    assert back_ends.written == 1


def test_a_loop_that_ended_while_it_asked_leaves_the_question_to_the_next_one() -> None:
    class SilentAtFirst(BackEnds):
        async def check(self) -> None:
            self.asked += 1
            if self.asked <= 2:
                is_asked.set()
                await asyncio.Event().wait()

    back_ends, is_asked = SilentAtFirst(), asyncio.Event()
    health = health_of(back_ends, Clock(0))

    async def leave() -> None:
        question = asyncio.create_task(health.state())
        await is_asked.wait()
        question.cancel()

    asyncio.run(leave())
    assert asyncio.run(health.state()).is_ok
