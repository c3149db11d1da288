"""What every test may use."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from hypothesis import settings
from playwright.async_api import Browser, async_playwright, expect

from local.azurite import Azurite
from local.node_tools import ensure_node
from tests.body_read import BodyRead
from tests.browser import running_chromium

if sys.platform != "win32":
    import resource

pytest_plugins = ["webpubsub_emulator.pytest_plugin"]

# What starts a process, drives a browser or listens on a port.
EXTERNAL_FIXTURES = frozenset({"azurite", "chromium", "express", "issuer", "webpubsub_emulator"})
OPEN_FILES = 8192
EXTERNAL_FOLDERS = frozenset({"e2e", "host", "page", "sdks"})
TESTS = Path(__file__).parent

# Hypothesis is imported here, before the first test: its plugin would do so after the last one, and a finalizer that
# formats a traceback meanwhile makes CPython 3.11 fail (python/cpython issue 106905).
settings.register_profile("tests", derandomize=True, database=None, deadline=None, max_examples=200)
settings.register_profile("quick", settings.get_profile("tests"), max_examples=20)  # for ``dev.py test --quick``
settings.load_profile("tests")
# How long a page has until it shows what a test expects; a loaded machine needs more than the five seconds.
expect.set_options(timeout=30_000)


def pytest_configure() -> None:
    """Let no test depend on how it was started.

    The limit of open files is raised where the machine lets us: a crowd of a thousand clients needs more than 1,024.
    """
    if sys.platform != "win32":
        # ``nohup`` ignores it, and so would all that tests start and hang up; a handler of ours they do not inherit.
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
            signal.signal(signal.SIGHUP, lambda *_: None)
        else:
            signal.signal(signal.SIGHUP, _interrupt)
        signal.signal(signal.SIGTERM, _interrupt)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def _interrupt(*_: object) -> None:
    """End as Ctrl+C does, so that what the fixtures started ends, too; once, or that would be cut off."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that a fixture makes so: those of the pages, and those that are not quick."""
    for item in items:
        used = set(getattr(item, "fixturenames", ()))
        if "chromium" in used:
            item.add_marker(pytest.mark.browser)
        folders = item.path.relative_to(TESTS).parts[:-1]
        # The handler of the emulator's tests listens; the one of the library's does not.
        is_external = (
            used & EXTERNAL_FIXTURES or EXTERNAL_FOLDERS & set(folders) or ("handler" in used and "emulator" in folders)
        )
        if is_external:
            item.add_marker(pytest.mark.external)


@pytest.fixture(autouse=True)
def kept_inside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test start a process or connect to anything that is not marked ``external``."""
    if request.node.get_closest_marker("external"):
        return

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("A test that starts a process or uses the network is marked @pytest.mark.external.")

    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", refuse)


@pytest.fixture
def body_read(monkeypatch: pytest.MonkeyPatch) -> BodyRead:
    """When a server of this process reads the body of a request."""
    seen = BodyRead()
    read = web.BaseRequest.read

    async def watched(request: web.BaseRequest) -> bytes:
        seen.begun.set()
        try:
            return await read(request)
        finally:
            seen.ended.set()

    monkeypatch.setattr(web.BaseRequest, "read", watched)
    return seen


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


# A hold starts a Node, so there is one for all tests; they share its event loop.
@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def held_browser(chromium: str) -> AsyncIterator[Browser]:
    """Playwright's hold on that Chromium, for tests in the session's event loop."""
    async with async_playwright() as playwright:
        yield await playwright.chromium.connect_over_cdp(chromium)


@pytest_asyncio.fixture(loop_scope="session")
async def browser(held_browser: Browser) -> AsyncIterator[Browser]:
    """A browser in which each new page or context starts without cookies, and is closed with the test.

    page = await browser.new_page()
    """
    before = list(held_browser.contexts)
    yield held_browser
    for context in held_browser.contexts:
        if context not in before:
            await context.close()
