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

from local.data_lock import DataLock
from local.exceptions import StackError

__all__ = ["TOLD", "Part", "answers", "prefix", "say"]

ROOT: Final = Path(__file__).resolve().parent.parent
TOLD: Final = ""
"""The problem of a part that has told it in its own words."""
_NO_ANSWER: Final = "no answer"
_START_SECONDS: Final = 90
_PATIENCE_SECONDS: Final = 10
_STOP_SECONDS: Final = 10
_LAST_LINES: Final = 15
_KILL: Final = getattr(signal, "SIGKILL", signal.SIGTERM)
_COLOURS: Final = {"tables": "36", "blobs": "34", "webpubsub": "35", "functions": "32"}
_PREFIX_WIDTH: Final = max(map(len, _COLOURS))


@dataclass
class Part:
    """One child process: how it is called, and how one sees that it is healthy.

    ``health_problem`` returns what is wrong, or None. ``start_seconds`` None waits for as long as it takes: what keeps
    the app from starting its developer must fix. ``lock`` is the one of the data that it writes.
    """

    name: str
    port: int
    flag: str
    command: Sequence[str]
    health_problem: Callable[[aiohttp.ClientSession], Awaitable[str | None]]
    environment: Mapping[str, str] = field(default_factory=dict)
    start_seconds: float | None = _START_SECONDS
    lock: DataLock | None = None
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
            pass_fds=(self.lock.descriptor,) if self.lock is not None and sys.platform != "win32" else (),
        )
        if self.lock is not None:
            self.lock.add_holder(self.name, self.process.pid)

    async def until_healthy(self, http: aiohttp.ClientSession) -> None:
        """Wait until it is healthy, and tell once what it waits for if that takes long and nobody has told it yet.

        Raises:
            StackError: It takes too long.
        """
        clock = asyncio.get_running_loop().time
        start = clock()
        told = {TOLD}
        while (problem := await self.health_problem(http)) is not None:
            waited = clock() - start
            if self.start_seconds is not None and waited > self.start_seconds:
                raise StackError(f"{self.name} was not healthy after {self.start_seconds:g} s: {problem}")
            # A part without an answer that has printed why needs no second voice.
            is_silent = not (problem == _NO_ANSWER and self.last_lines)
            if waited > _PATIENCE_SECONDS and problem not in told and is_silent:
                say(f"{prefix(self.name)} still waiting: {problem}")
                told.add(problem)
            await asyncio.sleep(0.1 if waited < _PATIENCE_SECONDS else 1)

    async def stream(self) -> int:
        """Print what it prints, prefixed, until it ends; return its exit status."""
        process = self._started()
        printing = asyncio.create_task(self._print())
        while process.returncode is None:  # noqa: ASYNC110 - wait() also waits for a grandchild that holds the pipe
            await asyncio.sleep(0.05)
        await asyncio.wait([printing], timeout=0.5)
        printing.cancel()
        return process.returncode

    def describe_end(self, status: int) -> str:
        """Return how it ended, for a status as ``stream`` returns it; a signal goes by its name."""
        if status >= 0:
            return f"{self.name} ended with exit status {status}"
        try:
            by = signal.Signals(-status).name
        except ValueError:
            by = f"signal {-status}"
        return f"{self.name} was killed ({by})"

    async def stop(self) -> None:
        """End it and what it started as Ctrl+C does: at any other signal Azurite forgets the last five seconds."""
        if self.process is None:
            return
        _signal(self.process, signal.SIGINT)
        for _ in range(_STOP_SECONDS * 20):
            if not _is_alive(self.process):
                return
            await asyncio.sleep(0.05)
        _signal(self.process, _KILL)

    async def _print(self) -> None:
        stream = self._started().stdout
        while stream is not None and (line := await _read_line(stream)):
            text = line.decode(errors="replace").rstrip()
            self.last_lines.append(text)
            say(f"{prefix(self.name)} {text}")

    def _started(self) -> asyncio.subprocess.Process:
        if self.process is None:
            raise RuntimeError("the part was not started")
        return self.process


async def _read_line(stream: asyncio.StreamReader) -> bytes:
    try:
        return await stream.readline()
    except ValueError:
        # Once nobody reads here, the part stops, too, as soon as the pipe is full.
        return b"(part of a very long line)\n"


def _signal(process: asyncio.subprocess.Process, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.terminate()
        else:
            os.killpg(process.pid, number)


def _is_alive(process: asyncio.subprocess.Process) -> bool:
    if sys.platform == "win32":
        return process.returncode is None
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


def say(text: str) -> None:
    """Print; where nobody reads any more, ask the stack to stop, as it would if the terminal had told it."""
    try:
        print(text, flush=True)
    except OSError:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        if sys.platform != "win32":
            signal.raise_signal(signal.SIGTERM)


def prefix(name: str) -> str:
    """Return the beginning of a part's lines, coloured on a terminal."""
    text = f"{name:<{_PREFIX_WIDTH}} |"
    is_plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ
    return text if is_plain else f"\x1b[{_COLOURS[name]}m{text}\x1b[0m"


async def answers(http: aiohttp.ClientSession, method: str, url: str, most: int = 299) -> str | None:
    """Return None when a URL answers with at most a status, else what is wrong with it."""
    try:
        async with http.request(method, url) as response:
            return None if response.status <= most else f"{response.status} {(await response.text())[:500]}"
    except (aiohttp.ClientError, TimeoutError):
        return _NO_ANSWER
