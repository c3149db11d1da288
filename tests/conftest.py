"""What every test may use."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from hypothesis import settings
from playwright.async_api import Browser, async_playwright, expect

from local.azurite import Azurite
from local.node_tools import ensure_node
from tests.browser import running_chromium

pytest_plugins = ["webpubsub_emulator.pytest_plugin"]

# Hypothesis is imported here, before the first test: its plugin would do so after the last one, and a finalizer that
# formats a traceback meanwhile makes CPython 3.11 fail (python/cpython issue 106905).
settings.register_profile("tests", derandomize=True, database=None, deadline=None, max_examples=200)
settings.load_profile("tests")
# How long a page has until it shows what a test expects; a loaded machine needs more than the five seconds.
expect.set_options(timeout=30_000)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def azurite(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Azurite]:
    """One table service for all tests; each test has its own room in it."""
    async with Azurite(tmp_path_factory.mktemp("azurite")) as service:
        yield service


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One Chromium for all tests, started for the first that wants it; the URL of its DevTools."""
    # The Node that comes with Playwright wants libraries that not every machine has.
    os.environ["PLAYWRIGHT_NODEJS_PATH"] = str(ensure_node().node)
    with running_chromium(tmp_path_factory.mktemp("chromium")) as running:
        yield running.url


@pytest_asyncio.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """Playwright's hold on that Chromium, in the test's own event loop; each page of it starts without cookies.

    page = await browser.new_page()
    """
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(chromium)
        yield browser
        await browser.close()
