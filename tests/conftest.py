"""What every test may use."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import settings

from local.azurite import Azurite

pytest_plugins = ["local.webpubsub.pytest_plugin"]

# Hypothesis is imported here, before the first test: its plugin would do so after the last one, and a finalizer that
# formats a traceback meanwhile makes CPython 3.11 fail (python/cpython issue 106905).
settings.register_profile("tests", derandomize=True, database=None, deadline=None, max_examples=200)
settings.load_profile("tests")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def azurite(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Azurite]:
    """One table service for all tests; each test has its own room in it."""
    async with Azurite(tmp_path_factory.mktemp("azurite")) as service:
        yield service
