"""Emulator and handler in the event loop of the session, which is that of the browser."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.emulator.conftest import Service, StartService, service_starter
from tests.emulator.fakes import RecordingHandler, recording_handler


@pytest_asyncio.fixture(loop_scope="session")
async def handler() -> AsyncIterator[RecordingHandler]:
    async with recording_handler() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def start_service(handler: RecordingHandler) -> AsyncIterator[StartService]:
    async with service_starter(handler) as start:
        yield start


@pytest_asyncio.fixture(loop_scope="session")
async def service(start_service: StartService) -> Service:
    return await start_service()
