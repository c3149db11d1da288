"""Runs all benchmarks, or those that are named: ``python -m benchmarks --help``.

The figures go to ``docs/benchmarks.json``, and from there to ``docs/benchmarks.md`` and its plot; those of a benchmark
that did not run stay. The exit status is 1 when a figure is out of its bound or could not be measured.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.backends import ROOT
from benchmarks.report import Figure, Run, document, dump, machine, plot, read, text

# In the order of the page.
NAMES: Final = ("start", "messages", "history", "memory", "idle_page", "handler", "presence", "fanout")
_PAGE: Final = ROOT / "docs" / "benchmarks.md"
_DATA: Final = ROOT / "docs" / "benchmarks.json"
_PLOT: Final = ROOT / "docs" / "benchmarks.svg"
# The longest one takes three minutes on an idle machine.
_MAX_SECONDS: Final = 1800


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, write; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=summary())
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to run; all without a name")
    names = parser.parse_args(arguments).names
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(NAMES)}")
    try:
        read(_DATA)
    except ValueError as error:
        parser.error(f"{_DATA.relative_to(ROOT)} cannot be read; restore it, or delete it to begin again: {error}")
    if is_busy():
        print("The machine is busy: rates and times will be worse than on an idle one, and bounds may be missed.")
    is_written, is_met = False, True
    for name in names or NAMES:
        try:
            result = run(name)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others can be measured
            print(f"  {name} was not measured: {error!r}", flush=True)
            is_met = False
            continue
        # After each, so that what is interrupted loses nothing.
        write(result)
        is_written = True
        is_met = is_met and all(figure.is_met for figure in result.figures)
    if is_written:
        print(f"Wrote {_PAGE.relative_to(ROOT)}, {_PLOT.relative_to(ROOT)} and {_DATA.relative_to(ROOT)}.")
    return 0 if is_met else 1


def write(result: Run) -> None:
    """Put the figures of a benchmark on the page, in place of those that it had."""
    runs = read(_DATA) | {result.name: result}
    runs = {name: runs[name] for name in NAMES if name in runs}
    texts = {
        _DATA: dump(runs.values()),
        _PAGE: document(runs.values(), descriptions(), _PLOT.name),
        _PLOT: plot(runs.values()),
    }
    # All of each file, or nothing: the page must survive that the command is stopped here.
    with tempfile.TemporaryDirectory(dir=_PAGE.parent) as folder:
        for path, content in texts.items():
            (Path(folder) / path.name).write_text(content, "utf-8")
        for path in texts:
            (Path(folder) / path.name).replace(path)


def summary() -> str:
    """Return what can be run."""
    return (
        f"Measure what the app costs: {', '.join(NAMES)}. The figures go to {_PAGE.relative_to(ROOT)}. All together "
        "take ten minutes on an idle machine. `python -m benchmarks.capacity` plans instead."
    )


def is_busy() -> bool:
    """Return whether others use more than half of the cores now."""
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > (os.cpu_count() or 1) / 2


def descriptions() -> dict[str, str]:
    """Return what each benchmark measures."""
    return {name: importlib.import_module(f"benchmarks.{name}").__doc__ or "" for name in NAMES}


def run(name: str) -> Run:
    """Run one benchmark and print its figures."""
    print(f"{name} …", flush=True)
    start = time.monotonic()
    measure = importlib.import_module(f"benchmarks.{name}").measure
    figures: list[Figure] = asyncio.run(asyncio.wait_for(measure(), _MAX_SECONDS))
    for figure in figures:
        print(text(figure))
    print(f"  {time.monotonic() - start:.0f} s", flush=True)
    return Run(name, machine(), figures)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted: what was measured before is on the page.")
