"""``python -m tests.soak``: minutes of faults, and what was lost; ``… load``: how much the system carries."""

from __future__ import annotations

import argparse
import asyncio
import resource
import secrets
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from local.signals import stop_signals
from tests.soak.folder import run_folder
from tests.soak.load.measure import as_json as as_load_json
from tests.soak.load.measure import measure, page, plots, problems
from tests.soak.plan import make_plan
from tests.soak.report import as_json, as_table
from tests.soak.run import soak

_ROOT: Final = Path(__file__).resolve().parents[2]
_FOLDER: Final = _ROOT / ".local" / "soak"
_PAGE: Final = _ROOT / "docs" / "load.md"
_OPEN_FILES: Final = 8192
_MAX_MINUTES: Final = 24 * 60
T_ = TypeVar("T_")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, write; the exit status is 1 when a promise was broken."""
    parser = _parser()
    options = parser.parse_args(arguments)
    for name in ("minutes", "pause"):
        if not 0 < getattr(options, name) <= _MAX_MINUTES:
            parser.error(f"--{name} must be more than 0 and at most {_MAX_MINUTES}")
    _raise_limit()
    return int(options.command(options))


def _parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="python -m tests.soak",
        description="Break the local system for minutes while 20 clients talk, and count what was lost.",
    )
    result.set_defaults(command=_soak)
    add = result.add_argument
    add("--minutes", type=float, default=5.0, help="how long things break (default: 5); it takes 30 to 120 s more")
    add("--seed", type=int, help="what decides the faults; default: a random one, which is printed")
    add("--pause", type=float, default=1.0, metavar="SECONDS", help="between what a client does (default: 1)")
    add("--plan", action="store_true", help="print the schedule of the faults and end")
    load = result.add_subparsers().add_parser(
        "load", help=f"measure how much the local system carries, and write {_PAGE.relative_to(_ROOT)}"
    )
    load.set_defaults(command=_load)
    return result


def _soak(options: argparse.Namespace) -> int:
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    plan = make_plan(seed, options.minutes * 60)
    print(f"Seed {seed}: {len(plan)} faults in {options.minutes:g} minutes.", flush=True)
    print("\n".join(map(str, plan)), flush=True)
    if options.plan:
        return 0
    with run_folder(_FOLDER / f"{seed}") as folder:
        return _soak_in(folder, seed, options)


def _soak_in(folder: Path, seed: int, options: argparse.Namespace) -> int:
    report = asyncio.run(_until_stopped(soak(seed, options.minutes, folder, options.pause)))
    (folder / "report.json").write_text(as_json(report), "utf-8")
    print(f"\n{as_table(report)}\nLogs and the table as JSON: {folder}", flush=True)
    return 0 if report.is_kept else 1


def _load(_: argparse.Namespace) -> int:
    with run_folder(_FOLDER / "load") as folder:
        load = asyncio.run(_until_stopped(measure(folder)))
    _PAGE.write_text(page(load), "utf-8")
    _PAGE.with_suffix(".json").write_text(as_load_json(load), "utf-8")
    for name, svg in plots(load).items():
        _PAGE.with_name(name).write_text(svg, "utf-8")
    found = problems(load)
    print("\n".join([f"Wrote {_PAGE}.", *(f"Lost: {what}." for what in found)]), flush=True)
    return 1 if found else 0


async def _until_stopped(work: Coroutine[Any, Any, T_]) -> T_:
    """Do it until a signal comes; then end all that was started."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in stop_signals():
        loop.add_signal_handler(number, task.cancel)
    return await work


def _raise_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (asyncio.CancelledError, KeyboardInterrupt):
        sys.exit("Stopped.")
