"""One part of the local stack: a child process whose health and output are watched."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp

__all__ = ["Part", "StackError", "answers"]

ROOT: Final = Path(__file__).resolve().parent.parent
_START_SECONDS: Final = 90
_CHECKS_A_SECOND: Final = 10
_STOP_SECONDS: Final = 10
_LAST_LINES: Final = 15
_COLOURS: Final = {"tables": "36", "blobs": "34", "webpubsub": "35", "functions": "32"}
_PREFIX_WIDTH: Final = max(map(len, _COLOURS))


class StackError(Exception):
    """Raised when the stack cannot start or a part of it died; the text says which and why."""


@dataclass
class Part:
    """One child process: how it is called, and how one sees that it is healthy."""

    name: str
    port: int
    flag: str
    command: Sequence[str]
    is_healthy: Callable[[aiohttp.ClientSession], Awaitable[str | None]]
    environment: Mapping[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_LINES))

    async def start(self) -> None:
        """Start in a process group of its own, so that Ctrl+C reaches it through the stack only."""
        self.process = await asyncio.create_subprocess_exec(
            *self.command,
            cwd=ROOT,
            env={**os.environ, **self.environment, "PYTHONUNBUFFERED": "1"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=1024 * 1024,
            start_new_session=sys.platform != "win32",
        )

    async def until_healthy(self, http: aiohttp.ClientSession) -> None:
        """Wait until it is healthy, and say so when that takes long.

        Raises:
            StackError: It takes too long.
        """
        for attempt in range(1, _START_SECONDS * _CHECKS_A_SECOND + 1):
            problem = await self.is_healthy(http)
            if problem is None:
                return
            if attempt % (10 * _CHECKS_A_SECOND) == 0:
                print(f"{prefix(self.name)} still waiting: {problem}", flush=True)
            await asyncio.sleep(1 / _CHECKS_A_SECOND)
        raise StackError(f"{self.name} was not healthy after {_START_SECONDS} s: {problem}")

    async def stream(self) -> int:
        """Print what it prints, prefixed, until it ends; give its exit status."""
        if self.process is None or self.process.stdout is None:
            raise RuntimeError("the part was not started")
        while line := await self.process.stdout.readline():
            text = line.decode(errors="replace").rstrip()
            self.last_lines.append(text)
            print(f"{prefix(self.name)} {text}", flush=True)
        return await self.process.wait()

    async def stop(self) -> None:
        """End it and what it started."""
        process = self.process
        if process is None or process.returncode is not None:
            return
        _signal(process, signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            _signal(process, getattr(signal, "SIGKILL", signal.SIGTERM))
            await process.wait()


def _signal(process: asyncio.subprocess.Process, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.terminate()
        else:
            os.killpg(process.pid, number)


def prefix(name: str) -> str:
    text = f"{name:<{_PREFIX_WIDTH}} |"
    is_plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ
    return text if is_plain else f"\x1b[{_COLOURS[name]}m{text}\x1b[0m"


async def answers(http: aiohttp.ClientSession, method: str, url: str, most: int = 299) -> str | None:
    """Give None when a URL answers with at most a status, else what is wrong with it."""
    try:
        async with http.request(method, url) as response:
            return None if response.status <= most else f"{response.status} {(await response.text())[:500]}"
    except (aiohttp.ClientError, TimeoutError):
        return "no answer"
