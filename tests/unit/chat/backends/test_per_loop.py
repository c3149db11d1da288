"""A client for each event loop, and none for a loop that has ended."""

from __future__ import annotations

import asyncio
import gc
import weakref

from chat.backends.per_loop import PerLoop


class Client:
    """What keeps the loop that made it, as the sessions of aiohttp do."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()


async def once(clients: PerLoop[Client]) -> weakref.ref[Client]:
    client = clients.get()
    assert client is clients.get()
    assert client.loop is asyncio.get_running_loop()
    return weakref.ref(client)


def test_each_loop_has_its_own_and_that_of_a_closed_one_is_forgotten() -> None:
    clients = PerLoop(Client)
    first, second = asyncio.run(once(clients)), asyncio.run(once(clients))
    gc.collect()
    assert first() is None
    assert second() is not None


def test_two_loops_that_run_in_turns_keep_theirs() -> None:
    clients = PerLoop(Client)
    with asyncio.Runner() as one, asyncio.Runner() as other:
        first, second = one.run(once(clients)), other.run(once(clients))
        assert first() is not second()
        assert one.run(once(clients))() is first()


async def test_what_was_taken_away_is_made_again() -> None:
    clients = PerLoop(Client)
    first = clients.get()
    assert clients.pop() is first
    assert clients.pop() is None
    assert clients.get() is not first
