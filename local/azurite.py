"""Azurite's table service as a child process."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import signal
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp

from local.node_tools import ensure_node, ensure_packages
from webpubsub_emulator.listeners import ABSENT, LOOPBACK_ADDRESSES, bind

__all__ = ["ACCOUNT_KEY", "Azurite", "azurite_command", "free_port", "table_connection_string"]

# The account of every storage emulator; public, so it protects nothing.
ACCOUNT_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_START_SECONDS: Final = 60
# Below those that systems hand out to whoever asks for any: such a port may be gone before it is bound.
_CANDIDATES: Final = itertools.cycle(secrets.SystemRandom().sample(range(20_000, 32_768), 12_768))


def azurite_command(service: str, port: int, folder: Path) -> list[str]:
    """Return the command that serves ``table`` or ``blob`` on a port with its data in a folder."""
    main = ensure_packages() / "node_modules" / "azurite" / "dist" / "src" / service / "main.js"
    address = [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(port)]
    quiet = ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    return [str(ensure_node().node), str(main), *address, "--location", str(folder), *quiet]


def table_connection_string(port: int) -> str:
    """Return the connection string of a table service on this machine."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={ACCOUNT_KEY};"
        f"TableEndpoint=http://127.0.0.1:{port}/devstoreaccount1;"
    )


def free_port() -> int:
    """Return a port that nobody listens on at any address of ``localhost``, another one at each call."""
    return next(port for port in _CANDIDATES if all(_can_be_had(address, port) for address in LOOPBACK_ADDRESSES))


def _can_be_had(address: str, port: int) -> bool:
    try:
        bind(address, port).close()
    except OSError as error:
        return error.errno in ABSENT
    return True


class Azurite:
    """A table service on a free port; ``stop`` and ``start`` again keep port and data.

    Args:
        folder: Where the data lives.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    @property
    def connection_string(self) -> str:
        """What the storage SDKs need."""
        return table_connection_string(self.port)

    async def start(self) -> None:
        """Start and wait until it answers.

        Raises:
            TimeoutError: It did not.
        """
        command = azurite_command("table", self.port, self._folder)
        self._process = await asyncio.create_subprocess_exec(*command)
        async with asyncio.timeout(_START_SECONDS), aiohttp.ClientSession() as http:
            while True:
                with contextlib.suppress(aiohttp.ClientConnectionError):
                    async with http.get(f"http://127.0.0.1:{self.port}/"):
                        return
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """Stop as Ctrl+C does: at any other signal Azurite forgets the last five seconds."""
        if self._process is not None:
            # Ctrl+C in a terminal has reached it, too, and it may have ended.
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGINT)
            await self._process.wait()
            self._process = None

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()
