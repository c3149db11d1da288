"""A pytest fixture that runs the emulator in the test's own process.

In the root `conftest.py`: `pytest_plugins = ["local.webpubsub.pytest_plugin"]`. Then, with pytest-asyncio:

    async def test_a_message_arrives(webpubsub_emulator: StartEmulator) -> None:
        emulator = await webpubsub_emulator()                                   # defaults, on a free port
        other = await webpubsub_emulator(EmulatorSettings(port=0, ack_delay=0))  # or your own settings
        client = WebPubSubServiceClient.from_connection_string(emulator.connection_string, hub="chat")

Every emulator stops with its test.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest_asyncio

from local.webpubsub.emulator import Emulator
from local.webpubsub.settings import EmulatorSettings

StartEmulator = Callable[..., Awaitable[Emulator]]


@pytest_asyncio.fixture
async def webpubsub_emulator() -> AsyncIterator[StartEmulator]:
    """A function that starts an emulator; its argument is the settings, by default those of a free port."""
    async with AsyncExitStack() as stack:

        async def start(settings: EmulatorSettings | None = None) -> Emulator:
            return await stack.enter_async_context(Emulator(settings or EmulatorSettings(port=0)))

        yield start
