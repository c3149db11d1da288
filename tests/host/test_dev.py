"""The two commands' own logic; what they start is tested where it lives."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

import dev

ROOT = Path(__file__).resolve().parents[2]


def test_the_fingerprint_changes_with_an_included_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    (tmp_path / "a.txt").write_text("-r b.txt\nx==1\n")
    (tmp_path / "b.txt").write_text("y==1\n")
    before = dev.fingerprint(tmp_path / "a.txt")
    assert dev.fingerprint(tmp_path / "a.txt") == before
    (tmp_path / "b.txt").write_text("y==2\n")
    assert dev.fingerprint(tmp_path / "a.txt") != before


def test_an_environment_whose_making_was_interrupted_is_made_anew(
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


def test_dev_needs_nothing_but_the_standard_library() -> None:
    code = "import sys; sys.path.insert(0, '.'); import dev"
    subprocess.run([sys.executable, "-S", "-E", "-c", code], cwd=ROOT, timeout=60, check=True)
