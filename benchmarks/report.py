"""Figures, and how they become a table and a plot."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Final

__all__ = ["Figure", "NotMeasuredError", "Run", "compare", "document", "dump", "machine", "plot", "read", "text"]

_PACKAGES: Final = (
    "azure-core",
    "azure-data-tables",
    "azure-functions",
    "azure-messaging-webpubsubservice",
    "aiohttp",
)
_ROW: Final = 22
_LEFT: Final = 520
_WIDTH: Final = 260
# The bound stands in the middle; what is twice as far or farther ends at the edge.
_SCALE: Final = 2.0
_FONT: Final = 'font-family="system-ui, sans-serif" font-size="12"'


class NotMeasuredError(Exception):
    """Raised when something did not do what was to be measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What was measured: ``ours`` and ``baseline`` to read, ``value`` to hold against a bound.

    A figure without a bound is there to know.
    """

    what: str
    ours: str
    baseline: str = "–"
    value: float = 0.0
    unit: str = "×"
    at_most: float | None = None
    at_least: float | None = None

    @property
    def is_met(self) -> bool:
        """Return whether the value is within its bound."""
        is_low_enough = self.at_most is None or self.value <= self.at_most
        return is_low_enough and (self.at_least is None or self.value >= self.at_least)

    @property
    def bound(self) -> str:
        """The bound to read."""
        if self.at_most is not None and self.at_least is not None:
            return f"{self.at_least:g} to {self.at_most:g} {self.unit}"
        if self.at_most is not None:
            return f"≤ {self.at_most:g} {self.unit}"
        return f"≥ {self.at_least:g} {self.unit}" if self.at_least is not None else "–"

    @property
    def measured(self) -> str:
        """The value to read."""
        return "–" if self.bound == "–" else f"{self.value:.2f} {self.unit}"

    @property
    def verdict(self) -> str:
        """Whether the bound is kept, to read."""
        if self.bound == "–":
            return ""
        return "yes" if self.is_met else "**no**"


def compare(
    what: str,
    pairs: Sequence[tuple[float, float]],
    form: str,
    baseline: str,
    *,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Figure:
    """Return the ratio of what was measured in pairs, ours first; ``form`` writes a value, such as ``{:.1f} ms``."""
    ours, theirs = (form.format(statistics.median(pair[side] for pair in pairs)) for side in (0, 1))
    return Figure(
        what=what,
        ours=ours,
        baseline=f"{theirs} ({baseline})",
        value=statistics.median(ours / theirs for ours, theirs in pairs),
        at_most=at_most,
        at_least=at_least,
    )


def text(figure: Figure) -> str:
    """Return a figure as lines for the console."""
    line = f"  {figure.what}: {figure.ours}"
    if figure.baseline != "–":
        line += f"; {figure.baseline}"
    if figure.bound != "–":
        line += f"\n    {figure.measured} ({figure.bound}){'' if figure.is_met else '  NOT MET'}"
    return line


@dataclass(frozen=True, slots=True)
class Run:
    """The figures of one benchmark, and on what they were measured."""

    name: str
    machine: str
    figures: Sequence[Figure]


def machine() -> str:
    """Say when this is, and what it runs on."""
    load = f"{os.getloadavg()[1]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    python = f"Python {platform.python_version()}"
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M}, {os.cpu_count()} cores, load average {load}; {python}, {versions}"


def dump(runs: Iterable[Run]) -> str:
    """Return runs as JSON, for ``read``."""
    return json.dumps([asdict(run) for run in runs], indent=1, ensure_ascii=False) + "\n"


def read(path: Path) -> dict[str, Run]:
    """Return the runs of a file by their names; none when there is no file.

    Raises:
        ValueError: The file holds something else.
    """
    runs = json.loads(path.read_text("utf-8")) if path.exists() else []
    if not isinstance(runs, list):
        raise ValueError("it is not a list of runs")  # noqa: TRY004 - a file, not an argument
    try:
        return {
            run["name"]: Run(run["name"], run["machine"], [Figure(**figure) for figure in run["figures"]])
            for run in runs
        }
    except (KeyError, TypeError) as error:
        raise ValueError(f"it has something that is not a run: {error!r}") from error


def document(runs: Iterable[Run], descriptions: Mapping[str, str], plot_name: str) -> str:
    """Return the page of the runs that there are, in Markdown; what has a description and no run is said to miss."""
    runs = list(runs)
    missing = [f"`{name}`" for name in descriptions if name not in {run.name for run in runs}]
    lines = [
        "# Benchmarks",
        "",
        "`python -m benchmarks` wrote this page; `python -m benchmarks --help` names the parts that run alone. Each",
        "figure stands beside its baseline, which was measured in the same run, in turns with ours. A ratio is the",
        "median of the ratios of the pairs. All servers ran on the same machine: rates are for comparison, not for",
        "planning, which is what [scaling.md](scaling.md) is for.",
        "",
        f"![How much of its bound each figure uses up]({plot_name})",
    ]
    if missing:
        lines += ["", f"Not measured yet: {', '.join(missing)}."]
    for run in runs:
        lines += ["", f"## {run.name}", "", descriptions[run.name].strip(), "", f"{run.machine}.", ""]
        lines += ["| what | ours | baseline | measured | bound | kept |", "|---|---|---|---|---|---|"]
        lines += [
            f"| {figure.what} | {figure.ours} | {figure.baseline} | {figure.measured} | {figure.bound} "
            f"| {figure.verdict} |"
            for figure in run.figures
        ]
    return "\n".join(lines) + "\n"


def plot(runs: Iterable[Run]) -> str:
    """Return a bar for each figure that has a bound, as SVG: a bar that keeps its bound ends before the line.

    The length is the share of the bound that is used up, so shorter is better for all.
    """
    bars = [(run.name, figure) for run in runs for figure in run.figures if figure.bound != "–"]
    height = (len(bars) + 2) * _ROW
    line = _LEFT + _WIDTH / _SCALE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 130} {height}" {_FONT}>',
        "<title>How much of its bound each figure uses up</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for row, (name, figure) in enumerate(bars):
        top = (row + 1) * _ROW
        length = min(_used(figure), _SCALE) / _SCALE * _WIDTH
        values = f"{figure.measured} ({figure.bound})"
        colour = "#2e7d5b" if figure.is_met else "#b3372f"
        parts += [
            f'<text x="{_LEFT - 8}" y="{top + 13}" text-anchor="end">{escape(f"{name}: {figure.what}")}</text>',
            f'<rect x="{_LEFT}" y="{top + 3}" width="{length:.1f}" height="14" fill="{colour}"/>',
            f'<text x="{_LEFT + max(length, _WIDTH / _SCALE) + 6:.1f}" y="{top + 13}">{escape(values)}</text>',
        ]
    bottom = height - _ROW + 4
    parts += [
        f'<path d="M{line} {_ROW - 4}V{bottom}" stroke="#222" stroke-dasharray="3 3"/>',
        f'<text x="{line}" y="{bottom + 13}" text-anchor="middle">bound</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _used(figure: Figure) -> float:
    if figure.at_most is not None:
        return max(figure.value, 0.0) / figure.at_most
    return (figure.at_least or 0.0) / figure.value if figure.value else _SCALE
