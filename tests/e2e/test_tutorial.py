"""Every local step of docs/tutorial.md, as it is written there, in the terminals that it names."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from local.azurite import free_port
from local.node_tools import ensure_node, ensure_packages
from tests.node_packages import TEST_PACKAGES
from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
BLOCKS = dict(re.findall(r"^```\w+ tutorial(?: ([^\n]+))?\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))


class Terminal:
    """A terminal in the folder of the checkout, with the virtual environment activated."""

    def __init__(self, folder: Path, ports: dict[str, str]) -> None:
        self._folder = folder
        self._ports = ports
        self._process: asyncio.subprocess.Process | None = None
        self.output = ""

    def as_here(self, text: str) -> str:
        for port, free in self._ports.items():
            text = text.replace(port, free)
        return text

    async def enter(self, block: str) -> None:
        path = os.pathsep.join([str(Path(sys.executable).parent), str(ensure_node().node.parent), os.environ["PATH"]])
        self.output = ""
        self._process = await asyncio.create_subprocess_exec(
            "bash",
            "-ec",
            self.as_here(BLOCKS[block]),
            cwd=self._folder,
            env={**os.environ, "PATH": path},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )

    async def until(self, text: str) -> None:
        """Read on until it shows ``text``."""
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while text not in self.output:
                line = await self._process.stdout.readline()
                assert line, self.output
                self.output += line.decode()
        # What comes later must be said again.
        self.output = self.output.partition(text)[2]

    async def interrupt(self) -> None:
        """Press Ctrl+C, which every program in the terminal gets."""
        if self._process is None:
            return
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGINT)
        await self._process.communicate()


class Tutorial:
    """What a reader of the page has: a checkout, three terminals, and an editor."""

    def __init__(self, folder: Path) -> None:
        for entry in ROOT.iterdir():
            (folder / entry.name).symlink_to(entry, target_is_directory=entry.is_dir())
        ports = {"7071": str(free_port()), "8080": str(free_port())}
        self._folder = folder / "eventHandlerDemo"
        self.server, self.service, self.client = (Terminal(folder, ports) for _ in range(3))

    def make_folder(self) -> None:
        """Do the first step, with the packages of the tests in the place of those that npm would load again."""
        assert BLOCKS[""].startswith("mkdir eventHandlerDemo\nnpm install --prefix eventHandlerDemo @azure/web-pubsub-")
        self._folder.mkdir()
        modules = ensure_packages(TEST_PACKAGES) / "node_modules"
        (self._folder / "node_modules").symlink_to(modules, target_is_directory=True)

    def create(self, *files: str) -> None:
        for file in files:
            (self._folder / file).write_text(self.server.as_here(BLOCKS[file]))

    def append(self, file: str) -> None:
        with (self._folder / file).open("a") as opened:
            opened.write(BLOCKS[f"append {file}"])


@pytest_asyncio.fixture
async def tutorial(tmp_path: Path) -> AsyncIterator[Tutorial]:
    made = Tutorial(tmp_path)
    yield made
    for terminal in (made.client, made.service, made.server):
        await terminal.interrupt()


async def test_the_server_prints_who_connected_and_what_was_sent(tutorial: Tutorial) -> None:
    tutorial.make_folder()
    tutorial.create("client.mjs", "client_url.py", "host.json", "function_app.py")
    await tutorial.server.enter("server")
    await tutorial.server.until("/eventhandler/{event?}")
    await tutorial.service.enter("service")
    await tutorial.service.until("ready")

    await tutorial.client.enter("client")
    await tutorial.client.until("is connected.")
    await tutorial.server.until("ana connected")
    await tutorial.client.interrupt()

    tutorial.append("client.mjs")
    tutorial.append("function_app.py")
    await tutorial.server.until("Reloaded")
    await tutorial.client.enter("client again")
    await tutorial.server.until("Received message: sending custom event!")
    await tutorial.client.interrupt()

    assert BLOCKS["pip"] == "pip install azure-messaging-webpubsubclient\n"
    tutorial.create("client.py")
    await tutorial.client.enter("client in python")
    await tutorial.client.until("is connected.")
    await tutorial.server.until("Received message: sending custom event!")
