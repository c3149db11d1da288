"""All processes of a run, and how each of them is broken and mended."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from local.azurite import azurite_command, free_port, table_connection_string
from tests.soak.plan import HOSTS
from tests.soak.system.front import Front
from tests.soak.system.processes import Process
from tests.soak.system.proxy import Proxy

__all__ = ["ACCESS_KEY", "Stack", "Written"]

ACCESS_KEY: Final = "a-key-of-the-soak-long-enough-for-HS256"
_WATCHED: Final = (sys.executable, "-m", "tests.soak.system.watched")
# A file is written a moment after what is in it was collected.
_WRITING_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Written:
    """A kill of Azurite: when it was, and how many seconds before that it last wrote its file."""

    killed: float
    age: float


class Stack:
    """Azurite, the emulator, the Functions hosts, and the proxies between them.

    Hosts reach storage and service through proxies; the service and all clients reach the hosts through the front.
    Use as an async context manager. ``folder`` gets the logs and Azurite's data.
    """

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self._folder, self._rng = folder, rng
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start everything, or nothing."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop everything."""
        for process in self.processes:
            process.signal(signal.SIGCONT)
        await self._stack.aclose()

    @property
    def processes(self) -> list[Process]:
        """All processes, in the order in which they start."""
        return [self.azurite, self.emulator, *self.hosts]

    async def wait_until_written(self) -> None:
        """Wait until Azurite has written what it has answered for until now."""
        now = time.time()
        while not (self._file.exists() and self._file.stat().st_mtime > now + _WRITING_SECONDS):  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.2)

    async def kill_azurite(self) -> Written:
        """Kill Azurite, and tell how old what it wrote is: it writes every five seconds, and forgets the rest."""
        age = time.time() - self._file.stat().st_mtime + _WRITING_SECONDS
        await self.azurite.end(signal.SIGKILL)
        return Written(time.monotonic(), age)

    async def _start(self) -> None:
        storage_port, service_port, front_port = free_port(), free_port(), free_port()
        self.data = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="azurite-", dir=self._folder)))
        self._file = self.data / "__azurite_db_table__.json"
        self.storage_connection_string = table_connection_string(storage_port)
        self.storage = await self._stack.enter_async_context(Proxy(storage_port, self._rng))
        self.service = await self._stack.enter_async_context(Proxy(service_port, self._rng))
        self.service_url = f"http://localhost:{service_port}"
        self.azurite = Process(
            "azurite",
            azurite_command("table", storage_port, self.data),
            {},
            self._folder,
            f"http://127.0.0.1:{storage_port}/",
        )
        webhook = f"chat=http://localhost:{front_port}/api/eventhandler/{{event}}"
        self.emulator = Process(
            "emulator",
            [
                *(*_WATCHED, "webpubsub_emulator", "--port", str(service_port), "--access-key", ACCESS_KEY),
                *("--known-endpoint", f"http://localhost:{self.service.port}", "--event-handler", webhook),
                *("--retry-delays", "0.5,1,2", "--upstream-timeout", "20"),
            ],
            {},
            self._folder,
            f"{self.service_url}/api/health",
        )
        ports = [free_port() for _ in range(HOSTS)]
        self.hosts = [self._host(number, port) for number, port in enumerate(ports)]
        for process in self.processes:
            self._stack.push_async_callback(process.end, signal.SIGINT)
            print(f"Starting {process.name} …", flush=True)
            await process.start()
        urls = [f"http://localhost:{port}" for port in ports]
        self.front = await self._stack.enter_async_context(Front(urls, front_port))

    def _host(self, number: int, port: int) -> Process:
        settings = {
            "AzureWebJobsStorage": table_connection_string(self.storage.port),
            "WebPubSubConnectionString": (
                f"Endpoint=http://localhost:{self.service.port};AccessKey={ACCESS_KEY};Version=1.0;"
            ),
            "CLIENT_AUTH": "anonymous",
        }
        command = [*_WATCHED, "local.functions_host", "--port", str(port), "--no-reload"]
        return Process(f"host{number}", command, settings, self._folder, f"http://localhost:{port}/api/demo/")
