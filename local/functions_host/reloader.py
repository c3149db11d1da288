"""Runs the worker that serves an app, and restarts it after each change of the app's files."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from watchfiles import Change, DefaultFilter, watch

from local.signals import interrupt_on_signals

__all__ = ["APP_BROKEN", "supervise"]

APP_BROKEN: Final = 4
"""The exit status of a worker whose app cannot start; the reloader then waits for a change."""
_DEBOUNCE_MILLISECONDS: Final = 300


class _AppFiles(DefaultFilter):
    """What ``func start`` watches: the app's code and settings, not its tests, tools and data."""

    ignore_dirs = (*DefaultFilter.ignore_dirs, ".local", "tests", "benchmarks", "infra")

    def __call__(self, change: Change, path: str) -> bool:
        name = Path(path).name
        is_settings = name in ("host.json", "local.settings.json", "local.settings.sample.json")
        return super().__call__(change, path) and (is_settings or name.endswith(".py"))


def supervise(folder: Path, arguments: Sequence[str]) -> int:
    """Run the worker until it is stopped; if the app is broken, wait for a change; at any other exit, return."""
    interrupt_on_signals()
    worker = _start(arguments)
    is_waiting = False
    try:
        for changed in _changes(folder):
            if changed:
                since = time.time()
                _stop(worker)
                worker = _start([*arguments, "--reload-of", ", ".join(sorted(changed)), "--reload-since", str(since)])
                is_waiting = False
            elif worker.poll() == APP_BROKEN:
                if not is_waiting:
                    print("Waiting for a change of the app's files.", flush=True)
                is_waiting = True
            elif worker.returncode is not None:
                return _status(worker.returncode)
    except KeyboardInterrupt:
        return 0
    finally:
        _stop(worker)
    return 0


def _start(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    # Without -B, a file saved twice within a second with the same size would run from the first save's .pyc.
    return subprocess.Popen([sys.executable, "-B", "-m", "local.functions_host", "--no-reload", *arguments])


def _status(returncode: int) -> int:
    if returncode < 0:
        print(f"Error: the app's process was killed ({signal.Signals(-returncode).name}).", file=sys.stderr)
        return 1
    return returncode


def _changes(folder: Path) -> Iterator[set[str]]:
    """Return the names of the files that changed, and an empty set each second in between."""
    watcher = watch(
        folder,
        watch_filter=_AppFiles(),
        debounce=_DEBOUNCE_MILLISECONDS,
        rust_timeout=1000,
        yield_on_timeout=True,
        raise_interrupt=True,
    )
    for changes in watcher:
        yield {Path(path).relative_to(folder).as_posix() for _, path in changes}


def _stop(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    try:
        worker.wait(timeout=10)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
