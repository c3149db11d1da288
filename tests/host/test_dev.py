"""The two commands' own logic; what they start is tested where it lives."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import dev
import local.signals
from local.exceptions import NodeToolsError
from local.node_tools import AZURITE, NodePackages, ensure_packages

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("flag", ["-r", "-c"])
def test_the_fingerprint_changes_with_a_file_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    (tmp_path / "a.txt").write_text(f"{flag} b.txt\nx==1\n")
    (tmp_path / "b.txt").write_text("y==1\n")
    before = dev.fingerprint(tmp_path / "a.txt")
    assert dev.fingerprint(tmp_path / "a.txt") == before
    (tmp_path / "b.txt").write_text("y==2\n")
    assert dev.fingerprint(tmp_path / "a.txt") != before


def test_an_environment_whose_making_was_interrupted_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setattr(dev, "VENV", tmp_path / ".venv")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("")
    venv.create(tmp_path / ".venv", with_pip=False)
    dev.ensure_environment(requirements)
    assert subprocess.run([dev.python(), "-m", "pip", "--version"], timeout=60, check=False).returncode == 0


def help_of(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "dev.py", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_help_names_both_commands() -> None:
    assert "run" in help_of("--help")
    assert "test" in help_of("--help")


@pytest.mark.parametrize(
    "flag", ["--host", "--functions-port", "--webpubsub-port", "--tables-port", "--blobs-port", "--data"]
)
def test_every_flag_of_run_is_explained(flag: str) -> None:
    assert f"{flag} " in help_of("run", "--help")


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"]])
def test_help_needs_nothing_installed_and_knows_no_markup(tmp_path: Path, arguments: list[str]) -> None:
    for name in ("dev.py", "local/__init__.py", "local/arguments.py", "local/signals.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    code = "import runpy, sys; sys.path.insert(0, '.'); runpy.run_path('dev.py', run_name='__main__')"
    command = [sys.executable, "-I", "-S", "-c", code, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert "usage: " in done.stdout
    assert "`" not in done.stdout
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("arguments", [["--functions-port", "0"], ["--data", ""], ["--hots", "none"], ["more"]])
def test_a_wrong_flag_is_an_error_before_anything_is_installed(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr(dev, "ensure_environment", lambda _: pytest.fail("installed something"))
    with pytest.raises(SystemExit) as ended:
        dev.run(arguments)
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("Collecting aiohttp<4,>=3.11 (from -r requirements.txt (line 6))\n", None),
        ("  Downloading aiohttp-3.13.2-cp311.whl (1.7 MB)\n", "Downloading aiohttp-3.13.2-cp311.whl (1.7 MB)"),
        ("Downloading aiohttp-3.13.2-cp311.whl.metadata (8.1 kB)\n", None),
        ("Using cached idna-3.11-py3-none-any.whl (71 kB)\n", "Using cached idna-3.11-py3-none-any.whl (71 kB)"),
        ("Installing collected packages: idna, yarl, aiohttp\n", "Installing 3 packages"),
        ("Requirement already satisfied: pip\n", None),
        (
            "WARNING: Retrying (Retry(total=4, connect=None)) after connection broken by 'Error': /simple/aiohttp/\n",
            "The package index does not answer; pip tries again",
        ),
    ],
)
def test_a_line_of_pip_is_shown_when_it_tells_of_progress(line: str, shown: str | None) -> None:
    assert dev.progress(line) == shown


def told_at_the_end(problem: BaseException, monkeypatch: pytest.MonkeyPatch, command: str) -> str:
    """Return what a command ends with when its environment cannot be made."""

    def fail(*_: object, **__: object) -> None:
        raise problem

    monkeypatch.setattr(local.signals, "interrupt_on_signals", lambda: None)
    monkeypatch.setattr(dev, "VENV", Path("/nowhere/.venv"))
    monkeypatch.setattr(venv, "create", fail)
    with pytest.raises(SystemExit) as ended:
        getattr(dev, command)([])
    return str(ended.value)


@pytest.mark.parametrize("command", ["run", "test"])
def test_what_keeps_it_from_installing_is_one_line_that_names_the_fix(
    monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    read_only = PermissionError(errno.EACCES, "Permission denied", "/nowhere/.venv")
    told = told_at_the_end(read_only, monkeypatch, command)
    assert told.startswith("Error: /nowhere/.venv cannot be made (Permission denied). ")
    assert "a folder that you may write to" in told
    told = told_at_the_end(subprocess.CalledProcessError(1, "ensurepip"), monkeypatch, command)
    assert "use a Python that has ensurepip" in told
    assert told_at_the_end(KeyboardInterrupt(), monkeypatch, command).startswith(
        "Stopped before everything was installed"
    )


def test_a_package_index_that_cannot_be_reached_is_said_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setattr(dev, "python", lambda: Path(sys.executable))
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("a-package-of-nobody\n")
    with pytest.raises(SystemExit) as ended:
        dev.install(requirements)
    assert "The package index does not answer" in capsys.readouterr().out
    assert "PIP_INDEX_URL" in str(ended.value).splitlines()[-1]


def test_packages_that_cannot_be_written_are_an_error_that_names_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    packages = NodePackages(AZURITE.lock, tmp_path / "file" / "node", "Azurite")
    with pytest.raises(NodeToolsError, match="must be a folder that you may write to"):
        ensure_packages(packages)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_it_installs_ends_pip_too(tmp_path: Path, number: signal.Signals) -> None:
    """Also SIGINT where a shell has started it in the background."""
    pip = tmp_path / "pip.sh"
    pip.write_text('#!/bin/sh\necho "Downloading $$ (1 MB)"\nexec sleep 600\n')
    pip.chmod(0o755)
    code = f"""
import sys, dev
dev.python = lambda: {str(pip)!r}
dev.ensure_environment = dev.install
dev.run([])
"""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        assert process.stdout is not None
        child = int(process.stdout.readline().split()[1])
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors == "Stopped before everything was installed; the next start continues.\n"
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_relative_folder_for_the_data_is_below_where_the_command_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    became: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(local.signals, "interrupt_on_signals", lambda: None)
    monkeypatch.setattr(dev, "ensure_environment", lambda _: None)
    monkeypatch.setattr(dev, "become", lambda *arguments: became.extend(arguments))
    dev.run(["--data", "mine"])
    assert became[-2:] == ["--data", str(tmp_path / "mine")]


def test_dev_needs_nothing_but_the_standard_library() -> None:
    code = "import sys; sys.path.insert(0, '.'); import dev"
    subprocess.run([sys.executable, "-S", "-E", "-c", code], cwd=ROOT, timeout=60, check=True)
