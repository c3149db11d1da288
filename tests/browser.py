"""Chromium for the tests of pages: found or fetched, started once, driven by Playwright.

``python -m tests.browser`` says which one is taken, and fetches one first where the machine has none.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.exceptions import NodeToolsError
from tests.chromium_sources import Chromium, FetchError, sources

__all__ = ["BrowserMissingError", "RunningChromium", "running_chromium"]

_START_SECONDS: Final = 60
_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)


class BrowserMissingError(Exception):
    """There is no Chromium that starts; the text names the fix."""


class _StartError(Exception):
    """One Chromium did not start."""


@dataclass(frozen=True, slots=True)
class RunningChromium:
    """A Chromium that runs, and the URL of its DevTools for ``connect_over_cdp``."""

    chromium: Chromium
    url: str
    process: subprocess.Popen[bytes]


@contextmanager
def running_chromium(folder: Path) -> Iterator[RunningChromium]:
    """Run the first Chromium that starts; profile and log are in ``folder``.

    Raises:
        BrowserMissingError: There is none, and none can be fetched.
    """
    running = _first_that_starts(folder)
    try:
        yield running
    finally:
        _end(running.process)


def _first_that_starts(folder: Path) -> RunningChromium:
    failures = []
    for source in sources():
        try:
            for chromium in source():
                try:
                    return _start(chromium, Path(tempfile.mkdtemp(dir=folder)))
                except _StartError as error:
                    failures.append(f"{chromium.program} ({chromium.origin}) does not start: {error}.")
        except (FetchError, NodeToolsError, OSError) as error:
            failures.append(str(error))
    raise BrowserMissingError(
        f"The tests of the pages need a Chromium, Chrome or Edge. {' '.join(failures)} Install one (Debian and Ubuntu: "
        "`sudo apt-get install chromium`), or set CHROMIUM_PATH to its program."
    )


def _start(chromium: Chromium, folder: Path) -> RunningChromium:
    profile, log = folder / "profile", folder / "log"
    command = [chromium.program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                command, stdout=output, stderr=output, env={**os.environ, **chromium.environment}
            )
        except OSError as error:
            raise _StartError(error.strerror) from None
    # Chromium writes its port into its profile once it listens.
    announcement = profile / "DevToolsActivePort"
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        lines = announcement.read_text().splitlines() if announcement.exists() else []
        if len(lines) == 2:
            return RunningChromium(chromium, f"http://127.0.0.1:{lines[0]}", process)
        time.sleep(0.02)
    _end(process)
    said = log.read_text("utf-8", errors="replace").strip()
    raise _StartError(f"it said {said[-500:]!r}" if said else f"it ended with {process.returncode}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> int:
    """Say which Chromium is taken; the exit status is 1 when there is none."""
    try:
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
            running_chromium(Path(folder)) as running,
        ):
            chromium = running.chromium
    except BrowserMissingError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(f"Chromium for the tests of the pages: {chromium.program} ({chromium.origin})", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
