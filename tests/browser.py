"""Chromium for the tests of pages: found on this machine, started once, driven by Playwright.

``python -m tests.browser`` says whether there is one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
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
    """There is no Chromium; the text names the fix."""


def chromium_path() -> str:
    """Return the program that ``CHROMIUM_PATH`` names, else the first Chromium on ``PATH``.

    Raises:
        BrowserMissingError: There is none.
    """
    wanted = os.environ.get("CHROMIUM_PATH")
    found = next(filter(None, map(shutil.which, [wanted] if wanted else _NAMES)), None)
    if found is None:
        looked_for = f"CHROMIUM_PATH={wanted}, which is no program" if wanted else f"{', '.join(_NAMES)} on PATH"
        raise BrowserMissingError(
            f"The tests of the pages need Chromium (looked for {looked_for}). Install it (Debian and Ubuntu: "
            "`sudo apt-get install chromium`; others: chromium or Google Chrome), or set CHROMIUM_PATH to its program."
        )
    return found


@contextmanager
def running_chromium(profile: Path) -> Iterator[str]:
    """Run a Chromium on the empty folder ``profile``; yield its DevTools URL, for ``connect_over_cdp``."""
    with (profile.parent / f"{profile.name}.log").open("wb") as log:
        process = subprocess.Popen(
            [chromium_path(), *_FLAGS, f"--user-data-dir={profile}", "about:blank"], stdout=log, stderr=log
        )
        try:
            yield f"http://127.0.0.1:{_port(process, profile, Path(log.name))}"
        finally:
            process.terminate()
            process.wait(timeout=30)


def _port(process: subprocess.Popen[bytes], profile: Path, log: Path) -> str:
    """The port that Chromium has written into its profile, once it listens."""
    announcement = profile / "DevToolsActivePort"
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        lines = announcement.read_text().splitlines() if announcement.exists() else []
        if len(lines) == 2:
            return lines[0]
        time.sleep(0.02)
    raise RuntimeError(f"Chromium did not start; it said: {log.read_text(errors='replace')[-2000:]}")


def main() -> int:
    """Say where Chromium is; the exit status is 1 when there is none."""
    try:
        print(chromium_path())
    except BrowserMissingError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
