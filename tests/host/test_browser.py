"""The helper that finds Chromium for the tests of pages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from local.exceptions import NodeToolsError
from tests import browser, chromium_sources
from tests.browser import BrowserMissingError, running_chromium

NAMES = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "microsoft-edge-stable",
]
# What Chromium does first, and then nothing.
STAND_IN = f"""#!{sys.executable}
import pathlib, sys, time
[profile] = [argument.partition("=")[2] for argument in sys.argv if argument.startswith("--user-data-dir=")]
pathlib.Path(profile).mkdir()
pathlib.Path(profile, "DevToolsActivePort").write_text("4711\\n/devtools/browser/x")
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is installed or named; returns the one folder on ``PATH``."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.delenv("CHROMIUM_PATH", raising=False)
    monkeypatch.setenv("PATH", str(folder))
    for name in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(chromium_sources, "_MAC_APPLICATIONS", ())
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise NodeToolsError("no registry answers")

    monkeypatch.setattr(chromium_sources, "ensure_packages", fail)
    monkeypatch.setattr(chromium_sources, "ensure_node", fail)


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def taken(folder: Path) -> str:
    with running_chromium(folder) as running:
        assert running.url == "http://127.0.0.1:4711"
        return running.chromium.program


@pytest.mark.parametrize("name", NAMES)
def test_an_installed_browser_is_taken(name: str, bare_machine: Path, tmp_path: Path) -> None:
    chromium = program(bare_machine / name, STAND_IN)
    assert taken(tmp_path) == str(chromium)


def test_a_browser_of_windows_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROGRAMFILES(X86)", str(tmp_path))
    edge = program(tmp_path / "Microsoft" / "Edge" / "Application" / "msedge.exe", STAND_IN)
    assert taken(tmp_path) == str(edge)


def test_the_variable_goes_before_what_is_installed(
    bare_machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(bare_machine / "chromium", STAND_IN)
    mine = program(tmp_path / "mine", STAND_IN)
    monkeypatch.setenv("CHROMIUM_PATH", str(mine))
    assert taken(tmp_path) == str(mine)


def test_what_is_installed_but_does_not_start_is_passed_over(bare_machine: Path, tmp_path: Path) -> None:
    program(bare_machine / "chromium", f"#!{sys.executable}\nraise SystemExit('a snap that is not installed')")
    chrome = program(bare_machine / "google-chrome", STAND_IN)
    assert taken(tmp_path) == str(chrome)


def test_if_none_can_be_installed_each_attempt_is_named_with_the_fix(bare_machine: Path, tmp_path: Path) -> None:
    program(bare_machine / "chromium", f"#!{sys.executable}\nraise SystemExit('a snap that is not installed')")
    with pytest.raises(BrowserMissingError) as missing, running_chromium(tmp_path):
        pass
    for part in ("a snap that is not installed", "no registry answers", "apt-get install chromium", "CHROMIUM_PATH"):
        assert part in str(missing.value)


def test_a_browser_that_is_named_is_not_replaced_by_another(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program(bare_machine / "chromium", STAND_IN)
    monkeypatch.setenv("CHROMIUM_PATH", "/nowhere/chromium")
    assert browser.main() == 1
    assert "/nowhere/chromium (CHROMIUM_PATH) does not start" in capsys.readouterr().err


def test_the_program_says_which_one_is_taken(bare_machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chromium = program(bare_machine / "chromium", STAND_IN)
    assert browser.main() == 0
    assert f"{chromium} (installed)" in capsys.readouterr().out
