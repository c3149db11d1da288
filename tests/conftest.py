"""What every test may use."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from local.azurite import Azurite

pytest_plugins = ["local.webpubsub.pytest_plugin"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def azurite(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Azurite]:
    """One table service for all tests; each test has its own room in it."""
    async with Azurite(tmp_path_factory.mktemp("azurite")) as service:
        yield service
