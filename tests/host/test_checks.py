"""What ``python3 dev.py test`` runs for its arguments, and how it sums up."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import checks
from tests.checks import ROOT, Outcome, Result, Step
from tests.host.test_stack import all_processes, children_of
from tests.patience import PATIENCE_SECONDS


@pytest.fixture(autouse=True)
def report_of_this_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "REPORT", tmp_path / "pytest.xml")


def arguments_of(*arguments: str) -> list[str]:
    """What pytest alone gets."""
    [(name, step)] = checks.steps(arguments).items()
    assert (name, step.arguments[:2]) == ("tests", ("-m", "pytest"))
    return list(step.arguments[2:])


def test_without_arguments_every_step_runs_and_the_coverage_is_measured() -> None:
    wanted = checks.steps([])
    assert list(wanted) == ["lint", "format", "types", "tests", "fuzz", "soak"]
    assert "--cov" in wanted["tests"].arguments


@pytest.mark.parametrize("arguments", [["-k", "order"], ["--lf"], ["tests/unit", "-x"], ["--only", "tests", "--lf"]])
def test_arguments_for_pytest_run_pytest_alone(arguments: list[str]) -> None:
    assert arguments_of(*arguments) == [a for a in arguments if a not in {"--only", "tests"}]


def test_quick_leaves_out_what_is_marked_external() -> None:
    assert arguments_of("--quick", "-x") == ["-m", "not external", "--hypothesis-profile=quick", "-x"]


@pytest.mark.parametrize("name", ["lint", "format", "types", "tests", "fuzz", "soak"])
def test_one_step_can_run_alone(name: str) -> None:
    assert checks.steps(["--only", name]) == {name: checks.STEPS[name]}


@pytest.mark.parametrize("arguments", [["--only", "all"], ["--only", "lint", "-x"], ["--only", "lint", "--quick"]])
def test_what_makes_no_sense_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        checks.steps(arguments)
    assert refused.value.code == 2
    assert "--only" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_what_was_started_leaves_no_process(number: signal.Signals) -> None:
    code = "import sys, dev; dev.python = lambda: sys.executable; dev.prepare = lambda _: None; dev.test(sys.argv[1:])"
    waiting = "tests/host/test_stack.py::test_messages_survive_a_restart"
    with subprocess.Popen(
        [sys.executable, "-c", code, waiting],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + PATIENCE_SECONDS
        # The checks, pytest, the stack, Azurite.
        below = children_of(process.pid)
        while not any("azurite" in line for line in below.values()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
            below = children_of(process.pid)
        process.send_signal(number)
        output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert "! KeyboardInterrupt !" in output
    assert "Stopped; what had run is above." in output
    assert not [pid for pid in below if pid in all_processes()]


@pytest.mark.parametrize(
    ("report", "line"),
    [
        ('<testsuite name="pytest" errors="0" failures="0" skipped="0" tests="7" time="1">', "7 passed, 0 failed"),
        ('<testsuite errors="1" failures="2" skipped="3" tests="10">', "4 passed, 3 failed, 3 skipped"),
        (None, "0 passed, 1 failed"),
    ],
)
def test_the_last_line_counts_what_the_report_says(report: str | None, line: str) -> None:
    assert checks.summary({"tests": Result(Outcome.OK)}, report).splitlines()[-1] == line


def test_pages_without_a_browser_are_one_failure_that_names_the_fix() -> None:
    results = {"tests": Result(Outcome.OK, 12.3), "pages": Result(Outcome.FAILED, note="Install one.")}
    text = checks.summary(results, '<testsuite errors="0" failures="0" skipped="0" tests="7">')
    assert text.splitlines() == [
        "  tests   ok         12.3 s",
        "  pages   FAILED      0.0 s  Install one.",
        "7 passed, 1 failed",
    ]


def test_where_nothing_was_fuzzed_the_summary_says_skipped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checks, "has_module", lambda _: False)
    assert checks.main(["--only", "fuzz"]) == 0
    assert "fuzz    skipped" in capsys.readouterr().out


def test_where_nothing_can_be_frozen_and_killed_the_summary_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert checks.main(["--only", "soak"]) == 0
    assert "soak    skipped" in capsys.readouterr().out


def test_a_step_that_fails_does_not_keep_the_next_from_running(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = {"lint": Step(("-c", "raise SystemExit(3)"), 1), "format": Step(("-c", ""), 1)}
    monkeypatch.setattr(checks, "STEPS", steps)
    assert checks.main([]) == 1
    printed = capsys.readouterr().out
    assert "This takes about 2 seconds on two cores: lint, format." in printed
    assert "lint    FAILED" in printed
    assert "format  ok" in printed


def test_without_a_browser_all_else_runs_and_the_pages_have_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHROMIUM_PATH", "/nowhere/chromium")
    fails_with_pages = Step(("-c", "import sys; sys.exit(sys.argv[-2:] != ['-m', 'not browser'])"), 1)
    monkeypatch.setattr(checks, "STEPS", {"tests": fails_with_pages})
    assert checks.main([]) == 1
    printed = capsys.readouterr().out
    assert "tests   ok" in printed
    assert "pages   FAILED" in printed
    assert "/nowhere/chromium (CHROMIUM_PATH) does not start" in printed
    assert printed.endswith("0 passed, 2 failed\n")


def test_what_runs_beside_the_tests_is_printed_as_a_whole_after_them_and_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    started = tmp_path / "started"
    types = f"import pathlib, sys; pathlib.Path({str(started)!r}).touch(); print('of types'); sys.exit('in vain')"

    def run_tests(_: Step) -> dict[str, Result]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not started.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        sys.stdout.write("of tests\n")
        return {"tests": Result(Outcome.OK)}

    monkeypatch.setattr(checks, "run_tests", run_tests)
    monkeypatch.setattr(checks, "STEPS", {"types": Step(("-c", types), 1), "tests": Step((), 1)})
    assert checks.main([]) == 1
    printed = capfd.readouterr().out
    assert re.search(r"of tests\n\n== types: python -c .*\nof types\nin vain\n\n== summary\n", printed)
    assert "types   FAILED" in printed


def test_what_runs_beside_the_tests_ends_with_them_when_they_are_stopped(tmp_path: Path) -> None:
    started = tmp_path / "started"
    waits = f"import pathlib, time; pathlib.Path({str(started)!r}).touch(); time.sleep(600)"
    start = time.monotonic()
    with checks.Beside({"types": Step(("-c", waits), 1), "fuzz": Step(("-c", waits), 1)}):
        while not started.exists():
            assert time.monotonic() < start + PATIENCE_SECONDS
            time.sleep(0.01)
        assert [line for line in children_of(os.getpid()).values() if str(started) in line]
    assert not [line for line in children_of(os.getpid()).values() if str(started) in line]
