"""Every check of ``python3 dev.py test``, all even when one fails, and a summary.

Half of the time of the tests is waiting, so types, fuzzing and the soak run beside them.

Standard library only: ``--help`` works before anything is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Final, Self

__all__ = ["Beside", "Outcome", "Result", "Step", "counts", "main", "steps", "summary"]

ROOT: Final = Path(__file__).resolve().parents[1]
REPORT: Final = ROOT / ".local" / "pytest.xml"
CODE: Final = (
    "function_app.py",
    "dev.py",
    "webpubsub_handler",
    "chat",
    "local",
    "webpubsub_emulator",
    "infra",
    "benchmarks",
    "tests",
)


class _TerminationError(KeyboardInterrupt):
    """This process was told to end by TERM or HUP; unlike Ctrl+C, that need not have reached its child."""


class Outcome(StrEnum):
    """How a step ended."""

    OK = "ok"
    FAILED = "FAILED"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Step:
    """One check: the arguments of Python, and about how many seconds it takes on two cores."""

    arguments: tuple[str, ...]
    seconds: int


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a step; ``note`` says why, where the output does not."""

    outcome: Outcome
    seconds: float = 0.0
    note: str = ""


CANNOT_RUN: Final[Mapping[str, Result]] = {
    "fuzz": Result(Outcome.SKIPPED, note="Atheris has no wheel for this platform or Python"),
    "soak": Result(Outcome.SKIPPED, note="it stops processes and looks into /proc, as only Linux lets it"),
}
STEPS: Final[Mapping[str, Step]] = {
    "lint": Step(("-m", "ruff", "check", *CODE), 1),
    "format": Step(("-m", "ruff", "format", "--check", *CODE), 1),
    "types": Step(("-m", "mypy", *CODE), 40),
    "tests": Step(("-m", "pytest", "--cov"), 590),
    "fuzz": Step(("-m", "tests.fuzz", "--seconds=60"), 70),
    "soak": Step(("-m", "tests.soak", "--minutes=1", "--seed=21"), 100),
}
# Those that take long, write no file that a test reads and listen at no port that a test wants.
BESIDE: Final = frozenset({"types", "fuzz", "soak"})
QUICK: Final = Step(("-m", "pytest", "-m", "not external", "--hypothesis-profile=quick"), 45)


def steps(arguments: Sequence[str]) -> dict[str, Step]:
    """Return what is to be run for the arguments of ``python3 dev.py test``; what is not ours is for pytest."""
    parser = argparse.ArgumentParser(
        prog="python3 dev.py test",
        usage=f"python3 dev.py test [--quick | --only {{{','.join(STEPS)}}}] [arguments for pytest]",
        description="Run lint, format, types, the tests with their coverage, a minute of fuzzing and one of faults.",
        epilog="All other arguments go to pytest, which then runs alone: test -k order, test --lf, test tests/unit.",
        allow_abbrev=False,
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--only", choices=STEPS, help="run this step alone")
    which.add_argument(
        "--quick",
        action="store_true",
        help="run the tests that need no process, no browser and no network: under a minute",
    )
    given, wanted = parser.parse_known_args(arguments)
    if given.only not in {None, "tests"} and wanted:
        parser.error(f"--only {given.only} takes no arguments for pytest: {' '.join(wanted)}")
    if given.quick:
        return {"tests": Step((*QUICK.arguments, *wanted), QUICK.seconds)}
    if wanted:
        # A part of the tests covers a part of the library: the bound is for the whole.
        return {"tests": Step(("-m", "pytest", *wanted), 0)}
    return {given.only: STEPS[given.only]} if given.only else dict(STEPS)


def main(arguments: Sequence[str]) -> int:
    """Run the steps and sum up; 1 when one has failed."""
    wanted = steps(arguments)
    aside = {name: step for name, step in wanted.items() if name in BESIDE and "tests" in wanted}
    seconds = sum(step.seconds for name, step in wanted.items() if name not in aside)
    if seconds:
        length = f"{round(seconds / 60)} minutes" if seconds > 90 else f"{seconds} seconds"
        print(f"This takes about {length} on two cores: {', '.join(wanted)}.", flush=True)
    results: dict[str, Result] = {}
    if "tests" in wanted and wanted["tests"] == STEPS["tests"]:
        # Before anything else: the soak needs it, too, and two processes would install it at once. If it fails, the
        # tests that need it fail and say so.
        print("\n== what the tests need", flush=True)
        call(["-m", "tests.node_packages"])
    REPORT.unlink(missing_ok=True)
    with Beside(aside) as beside:
        for name, step in wanted.items():
            if name == "tests":
                results |= run_tests(step)
            elif name not in aside:
                results[name] = run(name, step.arguments) if can_run(name) else CANNOT_RUN[name]
        results |= beside.finish()
    print("\n== summary")
    print(summary(results, REPORT.read_text("utf-8") if REPORT.is_file() else None))
    return int(any(result.outcome is Outcome.FAILED for result in results.values()))


class Beside:
    """Steps that run one after the other while something else does; what each prints is shown as a whole at the end.

    Leaving the context ends what still runs.
    """

    def __init__(self, wanted: Mapping[str, Step]) -> None:
        self._wanted = wanted
        self._done: dict[str, tuple[Result, str]] = {}
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._is_over = False
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        """Start with the first."""
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End what runs; nothing follows."""
        with self._lock:
            self._is_over = True
            if self._child is not None:
                self._child.terminate()
        self._thread.join()

    def finish(self) -> dict[str, Result]:
        """Wait for all of them and print what they printed."""
        self._thread.join()
        for name, (_, output) in self._done.items():
            print(f"{heading(name, self._wanted[name].arguments)}\n{output.rstrip()}", flush=True)
        return {name: result for name, (result, _) in self._done.items()}

    def _run(self) -> None:
        for name, step in self._wanted.items():
            if not can_run(name):
                self._done[name] = (CANNOT_RUN[name], "")
                continue
            start = time.monotonic()
            with self._lock:
                if self._is_over:
                    return
                self._child = subprocess.Popen(
                    # Unbuffered: what a step says on both outputs stays in order.
                    [sys.executable, "-u", *step.arguments],
                    cwd=ROOT,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    encoding="utf-8",
                    errors="replace",
                )
            output, _ = self._child.communicate()
            outcome = Outcome.FAILED if self._child.returncode else Outcome.OK
            self._done[name] = (Result(outcome, time.monotonic() - start), output)


def can_run(name: str) -> bool:
    """Whether this platform and this Python have what a step needs."""
    return sys.platform == "linux" if name == "soak" else name != "fuzz" or has_module("atheris")


def has_module(name: str) -> bool:
    """Whether a module is installed."""
    return importlib.util.find_spec(name) is not None


def run(name: str, arguments: Sequence[str]) -> Result:
    """Run one step with this Python and show what it prints."""
    print(heading(name, arguments), flush=True)
    start = time.monotonic()
    status = call(arguments)
    return Result(Outcome.FAILED if status else Outcome.OK, time.monotonic() - start)


def heading(name: str, arguments: Sequence[str]) -> str:
    """Return what stands over the output of a step."""
    return f"\n== {name}: python {' '.join(arguments)}"


def call(arguments: Sequence[str]) -> int:
    """Run this Python and return its exit status; after Ctrl+C, which is the child's too, no other step follows."""
    with subprocess.Popen([sys.executable, *arguments], cwd=ROOT) as child:
        try:
            return child.wait()
        except KeyboardInterrupt as interrupt:
            if isinstance(interrupt, _TerminationError):
                child.terminate()
            child.wait()
            raise


def run_tests(step: Step) -> dict[str, Result]:
    """Run pytest; without a browser, omit the tests of the pages and count them as one failure."""
    REPORT.parent.mkdir(exist_ok=True)
    arguments = (*step.arguments, f"--junit-xml={REPORT}")
    if step != STEPS["tests"]:
        # Fixtures fetch what these tests need.
        return {"tests": run("tests", arguments)}
    browser = subprocess.run(
        [sys.executable, "-m", "tests.browser"], cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False
    )
    if browser.returncode == 0:
        return {"tests": run("tests", arguments)}
    print(browser.stderr.strip(), flush=True)
    return {
        "tests": run("tests", (*arguments, "-m", "not browser")),
        "pages": Result(Outcome.FAILED, note=browser.stderr.strip().removeprefix("Error: ")),
    }


def summary(results: Mapping[str, Result], report: str | None) -> str:
    """Return a line for each step, and last ``N passed, N failed`` when there were tests."""
    lines = [
        f"  {name:<8}{result.outcome:<8}{result.seconds:7.1f} s  {result.note}".rstrip()
        for name, result in results.items()
    ]
    if "tests" in results:
        lines.append(counts(report, int("pages" in results)))
    return "\n".join(lines)


def counts(report: str | None, more_failed: int) -> str:
    """Sum up JUnit XML and what failed beside it in the plain form ``N passed, N failed``."""
    found = re.search(r"<testsuite [^>]*>", report) if report else None
    if found is None:
        return f"0 passed, {1 + more_failed} failed"
    numbers = {key: int(value) for key, value in re.findall(r'\b(errors|failures|skipped|tests)="(\d+)"', found[0])}
    failed = numbers["errors"] + numbers["failures"]
    passed = numbers["tests"] - failed - numbers["skipped"]
    skipped = f", {numbers['skipped']} skipped" if numbers["skipped"] else ""
    return f"{passed} passed, {failed + more_failed} failed{skipped}"


def terminate(*_: object) -> None:
    """End what runs and say so, for a signal."""
    raise _TerminationError


if __name__ == "__main__":
    if sys.platform != "win32":
        signal.signal(signal.SIGTERM, terminate)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, terminate)
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("Stopped; what had run is above.")
