"""A child process that can be killed, ended, frozen and started again, and what it takes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from tests.patience import PATIENCE_SECONDS

__all__ = ["Process", "Usage"]

ROOT: Final = Path(__file__).resolve().parents[3]
_END_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process takes: resident memory in MiB, open files, and asyncio's tasks where it was asked for them."""

    memory: float
    files: int
    tasks: int | None


class Process:
    """One program of the system. Its output goes to ``{folder}/{name}.log``.

    Args:
        name: What it is called in the report.
        command: How it is started, each time.
        environment: What is set for it beside what is inherited.
        folder: Where its log is.
        url: Answers as soon as it is ready, with any status below 500.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path, url: str
    ) -> None:
        self.name = name
        self.lock = asyncio.Lock()
        """Held by whoever breaks it, so that one who kills it does not meet one who freezes it."""
        self._tasks_file = folder / f"{name}.tasks"
        self._command, self._url, self._log = command, url, folder / f"{name}.log"
        self._environment = {**os.environ, **environment, "SOAK_TASKS_FILE": str(self._tasks_file)}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            TimeoutError: It did not.
            RuntimeError: It ended.
        """
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                cwd=ROOT,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl+C is for this program, which ends the others in their order.
                start_new_session=True,
            )
        async with asyncio.timeout(PATIENCE_SECONDS), aiohttp.ClientSession() as http:
            while not await _answers(http, self._url):
                self.check()
                await asyncio.sleep(0.05)

    async def end(self, number: signal.Signals) -> None:
        """End it with a signal, and wait until it is gone; it is killed where that takes too long or is cancelled."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            _send(process, number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_SECONDS):
                    await process.wait()
        finally:
            _send(process, signal.SIGKILL)
            await process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal that it survives, such as SIGSTOP."""
        if self._process is not None:
            _send(self._process, number)

    def check(self) -> None:
        """Fail where it ended although nobody ended it.

        Raises:
            RuntimeError: It did.
        """
        if self._process is not None and self._process.returncode is not None:
            raise RuntimeError(f"{self.name} ended by itself with {self._process.returncode}: see {self._log}")

    async def usage(self) -> Usage:
        """Return what it takes now; it must run."""
        assert self._process is not None
        memory, files = await asyncio.to_thread(_taken, Path("/proc") / str(self._process.pid))
        return Usage(memory, files, await self._tasks())

    async def _tasks(self) -> int | None:
        """Ask a program that runs under ``watched``; others are not Python, and have no tasks."""
        if "tests.soak.system.watched" not in self._command:
            return None
        self._tasks_file.unlink(missing_ok=True)
        self.signal(signal.SIGUSR2)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                while not self._tasks_file.exists():  # noqa: ASYNC110 - another process writes it
                    await asyncio.sleep(0.05)
                return int(self._tasks_file.read_text("utf-8"))
        return None


def _send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it is gone already
        process.send_signal(number)


def _taken(process: Path) -> tuple[float, int]:
    """Return the resident memory of a process in MiB, and how many files it has open."""
    memory = re.search(r"VmRSS:\s+(\d+) kB", (process / "status").read_text("utf-8"))
    return int(memory[1]) / 1024 if memory else 0.0, sum(1 for _ in (process / "fd").iterdir())


async def _answers(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url, timeout=aiohttp.ClientTimeout(total=5)) as answer:
            return answer.status < 500
    except (aiohttp.ClientError, TimeoutError):
        return False
