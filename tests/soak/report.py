"""The table of a run, for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.soak.system.processes import Usage
from tests.soak.verdict import Figure

__all__ = ["Report", "as_json", "as_table"]


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a run. ``usage`` is by process what it took before and after; ``faults`` how often each was done."""

    seed: int
    minutes: float
    figures: Sequence[Figure]
    faults: Mapping[str, int]
    usage: Mapping[str, tuple[Usage, Usage]]

    @property
    def is_kept(self) -> bool:
        """Return whether every promise held."""
        return all(figure.is_kept for figure in self.figures)


def as_table(report: Report) -> str:
    """Return it as Markdown."""
    outcome = "every promise held" if report.is_kept else "**a promise was broken**"
    lines = [
        f"{report.minutes:g} minutes, seed {report.seed}, {sum(report.faults.values())} faults: {outcome}.",
        "",
        "| what | count | promised |",
        "|---|---|---|",
    ]
    lines += [f"| {figure.name} | {figure.value:,} | {_promised(figure)} |" for figure in report.figures]
    for figure in report.figures:
        if not figure.is_kept and figure.examples:
            lines += ["", f"{figure.name}:", *(f"- {example}" for example in figure.examples)]
    lines += ["", "| process | memory before → after | open files | tasks |", "|---|---|---|---|"]
    for name, (before, after) in report.usage.items():
        tasks = "–" if after.tasks is None else f"{before.tasks} → {after.tasks}"
        memory = f"{before.memory:.0f} → {after.memory:.0f} MiB"
        lines.append(f"| {name} | {memory} | {before.files} → {after.files} | {tasks} |")
    lines += ["", "| fault | times |", "|---|---|"]
    lines += [f"| {kind} | {count} |" for kind, count in report.faults.items()]
    return "\n".join(lines) + "\n"


def _promised(figure: Figure) -> str:
    if figure.least is not None:
        text = f"at least {figure.least}"
    else:
        text = "" if figure.promised is None else f"{figure.promised}"
    return text if figure.is_kept else f"{text} **broken**"


def as_json(report: Report) -> str:
    """Return it as JSON."""
    fields: dict[str, Any] = {
        "seed": report.seed,
        "minutes": report.minutes,
        "isKept": report.is_kept,
        "figures": [asdict(figure) for figure in report.figures],
        "faults": dict(report.faults),
        "usage": {name: {"before": asdict(one), "after": asdict(two)} for name, (one, two) in report.usage.items()},
    }
    return json.dumps(fields, indent=1, ensure_ascii=False) + "\n"
