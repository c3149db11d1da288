"""Runs all benchmarks, or those that are named: ``python -m benchmarks --help``.

The figures go to ``docs/benchmarks.json``, and from there to ``docs/benchmarks.md`` and its plot; those of a benchmark
that did not run stay. The exit status is 1 when a figure is out of its bound or could not be measured.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import sys
import time
from collections.abc import Sequence
from typing import Final

from benchmarks.backends import ROOT
from benchmarks.report import Figure, Run, document, dump, machine, plot, read, text

# In the order of the page.
NAMES: Final = ("start", "messages", "history", "memory", "idle_page", "handler", "presence", "fanout")
_PAGE: Final = ROOT / "docs" / "benchmarks.md"
_DATA: Final = ROOT / "docs" / "benchmarks.json"
_PLOT: Final = ROOT / "docs" / "benchmarks.svg"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, write; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=summary())
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="what to run; without names all, and the page is written"
    )
    names = parser.parse_args(arguments).names
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(NAMES)}")
    is_met = True
    for name in names or NAMES:
        try:
            result = run(name)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others can be measured
            print(f"  {name} was not measured: {error!r}", flush=True)
            is_met = False
            continue
        # After each, so that what is interrupted loses nothing.
        write(result)
        is_met = is_met and all(figure.is_met for figure in result.figures)
    print(f"Wrote {_PAGE.relative_to(ROOT)}, {_PLOT.relative_to(ROOT)} and {_DATA.relative_to(ROOT)}.")
    return 0 if is_met else 1


def write(result: Run) -> None:
    """Put the figures of a benchmark on the page, in place of those that it had."""
    runs = read(_DATA) | {result.name: result}
    runs = {name: runs[name] for name in NAMES if name in runs}
    _DATA.write_text(dump(runs.values()), "utf-8")
    _PAGE.write_text(document(runs.values(), descriptions(), _PLOT.name), "utf-8")
    _PLOT.write_text(plot(runs.values()), "utf-8")


def summary() -> str:
    """Return what can be run."""
    return f"Measure what the app costs: {', '.join(NAMES)}. `python -m benchmarks.capacity` plans instead."


def descriptions() -> dict[str, str]:
    """Return what each benchmark measures."""
    return {name: importlib.import_module(f"benchmarks.{name}").__doc__ or "" for name in NAMES}


def run(name: str) -> Run:
    """Run one benchmark and print its figures."""
    print(f"{name} …", flush=True)
    start = time.monotonic()
    figures: list[Figure] = asyncio.run(importlib.import_module(f"benchmarks.{name}").measure())
    for figure in figures:
        print(text(figure))
    print(f"  {time.monotonic() - start:.0f} s", flush=True)
    return Run(name, machine(), figures)


if __name__ == "__main__":
    sys.exit(main())
