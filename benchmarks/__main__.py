"""Runs all benchmarks, or those that are named: ``python -m benchmarks --help``.

A run of all writes ``docs/benchmarks.md`` and its plot. The exit status is 1 when a figure is out of its bound.
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
from benchmarks.report import Figure, document, plot, text

# In the order of the page.
NAMES: Final = ("start", "messages", "history", "memory", "idle_page", "handler", "presence", "fanout")
_PAGE: Final = ROOT / "docs" / "benchmarks.md"
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
    figures = {name: run(name) for name in names or NAMES}
    if not names:
        descriptions = {name: importlib.import_module(f"benchmarks.{name}").__doc__ or "" for name in NAMES}
        _PAGE.write_text(document(figures, descriptions, _PLOT.name), "utf-8")
        _PLOT.write_text(plot(figures), "utf-8")
        print(f"Wrote {_PAGE.relative_to(ROOT)} and {_PLOT.relative_to(ROOT)}.")
    return 0 if all(figure.is_met for of_one in figures.values() for figure in of_one) else 1


def summary() -> str:
    """Return what can be run."""
    return f"Measure what the app costs: {', '.join(NAMES)}. `python -m benchmarks.capacity` plans instead."


def run(name: str) -> list[Figure]:
    """Run one benchmark and print its figures."""
    print(f"{name} …", flush=True)
    start = time.monotonic()
    figures: list[Figure] = asyncio.run(importlib.import_module(f"benchmarks.{name}").measure())
    for figure in figures:
        print(text(figure))
    print(f"  {time.monotonic() - start:.0f} s", flush=True)
    return figures


if __name__ == "__main__":
    sys.exit(main())
