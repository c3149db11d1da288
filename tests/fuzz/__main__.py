"""Look for inputs that break something, target by target, by coverage and from the corpus on.

    python -m tests.fuzz --seconds 60            all targets, which share the time
    python -m tests.fuzz odata --seconds 600     one target

What is found is kept in ``.local/fuzz`` in a folder for each target; an input that fails is called ``failure-…`` there.
Atheris has wheels for Linux on x86-64 and Python up to 3.13.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from local.signals import interrupt_on_signals
from tests.fuzz.places import TARGETS

ROOT: Final = Path(__file__).resolve().parents[2]


def main() -> int:
    """Fuzz each target in a process of its own, as libFuzzer ends the one that it runs in; 1 when one has failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Look for inputs that break something.")
    parser.add_argument("targets", nargs="*", help=f"{', '.join(TARGETS)}; all when none is named")
    parser.add_argument("--seconds", type=int, default=60, help="for all of them together (default: %(default)s)")
    given = parser.parse_args()
    if unknown := set(given.targets) - set(TARGETS):
        parser.error(f"there is no target {', '.join(sorted(unknown))}")
    if importlib.util.find_spec("atheris") is None:
        if os.environ.get("CI") == "true":
            sys.exit("Error: CI needs atheris; it has wheels for Linux on x86-64 and Python 3.11 to 3.13")
        print("Not fuzzed: atheris has no wheel for this platform or Python. CI fuzzes on Linux.")
        return 0
    interrupt_on_signals()
    targets = given.targets or list(TARGETS)
    seconds = max(1, given.seconds // len(targets))
    # All of them, even when one has failed.
    failed = [target for target in targets if not _passes(target, seconds)]
    return int(bool(failed))


def _passes(target: str, seconds: int) -> bool:
    print(f"{target}: {seconds} s", flush=True)
    command = [sys.executable, "-m", "tests.fuzz.fuzzer", target, f"-max_total_time={seconds}", "-verbosity=0"]
    with subprocess.Popen(command, cwd=ROOT) as child:
        try:
            return child.wait() == 0
        except KeyboardInterrupt:
            child.terminate()
            raise


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Stopped.")
