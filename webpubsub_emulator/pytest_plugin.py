"""A pytest fixture that runs the emulator in the test's own process.

pytest finds it if the wheel is installed; in a checkout the root ``conftest.py`` names it: ``pytest_plugins =
["webpubsub_emulator.pytest_plugin"]``. Then, with pytest-asyncio:

    async def test_a_message_arrives(webpubsub_emulator: StartEmulator) -> None:
        emulator = await webpubsub_emulator()                                   # defaults, on a free port
        other = await webpubsub_emulator(EmulatorSettings(port=0, ack_delay=0))  # or your own settings
        client = WebPubSubServiceClient.from_connection_string(emulator.connection_string, hub="chat")

    async def test_a_lost_answer_does_no_harm(webpubsub_emulator: StartEmulator) -> None:
        handlers = {"chat": [EventHandler("http://127.0.0.1:7071/api/eventhandler/{event}")]}
        emulator = await webpubsub_emulator(
            EmulatorSettings(port=0, event_handlers=handlers), faults=[Fault(FaultKind.DROP_ANSWER, event="message")]
        )
        ...
        emulator.inject(Fault(FaultKind.CUT_CONNECTIONS))            # or later, when the test is ready for it
        assert len(emulator.traffic.exchanges("message")[0].attempts) == 2

Every emulator stops with its test.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Protocol

import pytest_asyncio

from webpubsub_emulator.emulator import Emulator
from webpubsub_emulator.settings import EmulatorSettings
from webpubsub_emulator.upstream.faults import Fault

__all__ = ["StartEmulator", "webpubsub_emulator"]


class StartEmulator(Protocol):
    """Starts an emulator with these settings, by default on a free port; ``faults`` are added to theirs."""

    async def __call__(self, settings: EmulatorSettings | None = None, *, faults: Sequence[Fault] = ()) -> Emulator:
        """Start one more."""
        ...


@pytest_asyncio.fixture
async def webpubsub_emulator() -> AsyncIterator[StartEmulator]:
    """Return a function that starts an emulator."""
    async with AsyncExitStack() as stack:

        async def start(settings: EmulatorSettings | None = None, *, faults: Sequence[Fault] = ()) -> Emulator:
            settings = settings or EmulatorSettings(port=0)
            settings = replace(settings, faults=(*settings.faults, *faults))
            return await stack.enter_async_context(Emulator(settings))

        yield start
