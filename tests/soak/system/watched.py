"""Runs a module as a program that tells on SIGUSR2 how many asyncio tasks it has: ``watched MODULE ARGUMENTS``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import runpy
import signal
import sys
from pathlib import Path


def _tell(*_: object) -> None:
    file = Path(os.environ["SOAK_TASKS_FILE"])
    # Before and after its loop there are none to tell of.
    with contextlib.suppress(RuntimeError):
        written = file.with_suffix(".part")
        written.write_text(str(len(asyncio.all_tasks())), "utf-8")
        written.rename(file)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, _tell)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
