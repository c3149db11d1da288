"""What the benchmarks run against: Azurite and the emulator, each in a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from benchmarks.report import NotMeasuredError
from chat.settings import Settings
from local.azurite import Azurite, free_port
from webpubsub_emulator import DEFAULT_ACCESS_KEY

__all__ = ["ROOT", "azurite", "emulator", "environment", "python", "read_line", "settings_of"]

ROOT: Final = Path(__file__).resolve().parent.parent
_START_SECONDS: Final = 60
# One user sends all that is measured.
_OPEN: Final = {"CLIENT_AUTH": "anonymous", "MAX_MESSAGES_PER_SECOND": "0"}


def environment(storage: str, service: str) -> dict[str, str]:
    """Return the app's settings for two connection strings."""
    return {"AzureWebJobsStorage": storage, "WebPubSubConnectionString": service, **_OPEN}


@asynccontextmanager
async def azurite() -> AsyncIterator[str]:
    """Run Azurite with an empty folder; give its connection string."""
    with tempfile.TemporaryDirectory() as folder:
        async with Azurite(Path(folder)) as storage:
            yield storage.connection_string


@asynccontextmanager
async def emulator() -> AsyncIterator[str]:
    """Run the emulator; give its connection string."""
    port = free_port()
    async with python("-m", "webpubsub_emulator", "--port", str(port)) as process:
        async with asyncio.timeout(_START_SECONDS):
            while b"is ready" not in await read_line(process):
                pass
        yield f"Endpoint=http://localhost:{port};AccessKey={DEFAULT_ACCESS_KEY};Version=1.0;"


@asynccontextmanager
async def python(
    *arguments: str,
    settings: dict[str, str] | None = None,
    cwd: Path = ROOT,
    stdout: int = asyncio.subprocess.PIPE,
    stderr: int = asyncio.subprocess.DEVNULL,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a Python process until the end of the block; a pipe that nobody reads stops it once that is full."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=cwd,
        env={**os.environ, **(settings or {})},
        stdin=asyncio.subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def read_line(process: asyncio.subprocess.Process) -> bytes:
    """Return the next line that a process of the benchmark prints."""
    line = await process.stdout.readline() if process.stdout else b""
    if not line:
        raise NotMeasuredError("a process of the benchmark ended before it was ready")
    return line


def settings_of(storage: str, service: str) -> Settings:
    """Return the app's settings, read as the app reads them."""
    return Settings.from_env(environment(storage, service))
