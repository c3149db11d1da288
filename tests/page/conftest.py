"""The page in a real browser, against the whole local stack."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
from playwright.async_api import Browser, ConsoleMessage, Page, ViewportSize, expect

from local.azurite import Azurite, free_port
from local.node_tools import ensure_packages
from tests.e2e.conftest import System, running_system
from tests.node_packages import TEST_PACKAGES
from tests.page.scripts import Script, run_script
from tests.patience import PATIENCE_SECONDS
from webpubsub_emulator import Emulator, EmulatorSettings
from webpubsub_emulator.upstream.event_handlers import EventHandler

ROOT = Path(__file__).resolve().parents[2]
WIDE, NARROW = ViewportSize(width=1400, height=900), ViewportSize(width=360, height=640)

expect.set_options(timeout=PATIENCE_SECONDS * 1000)


class Tab:
    """The page as one person has it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    async def until_connected(self) -> None:
        await expect(self.page.locator("#status")).to_have_text("Connected")

    async def until_state(self, text: str) -> None:
        await expect(self.page.locator("#status")).to_have_text(text)

    async def write(self, text: str) -> None:
        """Write a message and press Enter; it may not be stored yet."""
        await self.page.fill("#text", text)
        await self.page.press("#text", "Enter")

    async def say(self, text: str) -> None:
        """Write a message and wait until it is stored."""
        await self.write(text)
        await expect(self.page.locator(".message", has_text=text).locator(".badge.stored")).to_be_attached()

    async def see(self, text: str) -> None:
        """Wait for one message with just this text."""
        await expect(self.page.locator(".bubble", has=self.page.get_by_text(text, exact=True))).to_have_count(1)

    async def texts(self) -> list[str]:
        """Return what is in the bubbles, from the top."""
        return await self.page.locator(".bubble").all_text_contents()

    async def people(self) -> list[str]:
        return await self.page.locator("#people .name").all_inner_texts()


async def announce(system: System, room: str, envelope: Any) -> None:
    """Send what the app would send to a room."""
    async with WebPubSubServiceClient.from_connection_string(system.emulator.connection_string, "chat") as service:
        await service.send_to_group(room, envelope, content_type="application/json")


async def inject(emulator: Emulator, **fault: Any) -> None:
    """Let something go wrong."""
    async with aiohttp.ClientSession() as http, http.post(f"{emulator.url}/emulator/faults", json=fault) as answer:
        assert answer.status == 200, await answer.text()


async def cut(system: System, room: str, user: str) -> None:
    """Cut the connection of a user in a room."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:  # the app asks the service who is there now and then only
            _, answer = await system.get("presence", room=room)
            for connection in answer["connections"]:
                if connection["userId"] == user:
                    return await inject(
                        system.emulator, fault="cut_connections", connectionId=connection["connectionId"]
                    )
            await asyncio.sleep(0.1)


OpenTab = Callable[..., Awaitable[Tab]]


# All tests of the page share one loop and one system; each has its own room.
@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core."""
    return (ensure_packages(TEST_PACKAGES) / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def azurite(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Azurite]:
    """One table service for the tests of the page: Azurite goes through all rows for each query, so few are faster."""
    async with Azurite(tmp_path_factory.mktemp("azurite")) as service:
        yield service


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def system(azurite: Azurite) -> AsyncIterator[System]:
    async with running_system(azurite) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def fragile_system(azurite: Azurite) -> AsyncIterator[System]:
    """A system for one test, which may break it."""
    async with running_system(azurite) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def open_tab(browser: Browser) -> AsyncIterator[OpenTab]:
    """A function that opens the page; afterwards no tab may have had an error that it was not to have."""
    tabs: list[tuple[Tab, tuple[str, ...]]] = []

    async def open_tab(
        url: str,
        room: str,
        user: str | None,
        *,
        viewport: ViewportSize = WIDE,
        theme: Any = "light",
        may_log: tuple[str, ...] = (),
        has_own_clock: bool = False,
    ) -> Tab:
        context = await browser.new_context(viewport=viewport, color_scheme=theme, reduced_motion="reduce")
        tab = Tab(await context.new_page())
        tabs.append((tab, may_log))
        if has_own_clock:
            await tab.page.clock.install()
        await tab.page.goto(f"{url}/api/demo/?room={room}" + (f"&user={user}" if user else ""))
        return tab

    yield open_tab
    for tab, may_log in tabs:
        errors = [error for error in tab.errors if not any(part in error for part in may_log)]
        await tab.page.context.close()
        assert errors == []


@pytest_asyncio.fixture(loop_scope="session")
async def join(system: System, open_tab: OpenTab) -> OpenTab:
    """A function that opens the page in a room of one running system and waits until it is connected."""

    async def join(room: str, user: str | None = None, **options: Any) -> Tab:
        tab = await open_tab(system.url, room, user, **options)
        await tab.until_connected()
        return tab

    return join


@dataclass
class MortalApp:
    """The system with the app in a process of its own, which can be killed."""

    url: str
    environment: dict[str, str]
    port: int
    emulator: Emulator
    process: asyncio.subprocess.Process | None = field(default=None)

    async def start(self) -> None:
        """Start the app and wait until it is healthy."""
        command = [sys.executable, "-m", "local.functions_host", "--port", str(self.port), "--no-reload"]
        null = asyncio.subprocess.DEVNULL
        self.process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env={**os.environ, **self.environment}, stdout=null, stderr=null
        )
        async with asyncio.timeout(PATIENCE_SECONDS), aiohttp.ClientSession() as http:
            while True:
                with contextlib.suppress(aiohttp.ClientConnectionError):
                    async with http.get(f"{self.url}/api/health") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """End the app without a chance to clean up."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            await self.process.wait()
            self.process = None

    async def history(self, room: str) -> list[str]:
        """Return the data of a room's messages, oldest first."""
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{self.url}/api/messages?room={room}&limit=200") as answer,
        ):
            return [message["data"] for message in reversed((await answer.json())["messages"])]


@pytest_asyncio.fixture(loop_scope="session")
async def mortal_app(azurite: Azurite) -> AsyncIterator[MortalApp]:
    app_port, port = free_port(), free_port()
    handler = EventHandler(f"http://localhost:{app_port}/api/eventhandler/{{event}}")
    settings = EmulatorSettings(port=port, event_handlers={"chat": [handler]}, retry_delays=(0.05, 0.1, 0.2))
    async with Emulator(settings) as emulator:
        environment = {
            "AzureWebJobsStorage": azurite.connection_string,
            "WebPubSubConnectionString": emulator.connection_string,
            "WebPubSubHub": "chat",
            "CLIENT_AUTH": "anonymous",
        }
        app = MortalApp(f"http://localhost:{app_port}", environment, app_port, emulator)
        await app.start()
        yield app
        await app.kill()


@pytest.fixture
def script(system: System, tmp_path: Path) -> Script:
    """A function that runs a script beside the client in Node and returns its result."""
    return lambda code: run_script(tmp_path, system, code)
