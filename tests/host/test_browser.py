"""The helper that finds Chromium for the tests of pages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import browser


def test_the_variable_goes_before_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMIUM_PATH", sys.executable)
    assert browser.chromium_path() == sys.executable


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome"])
def test_a_browser_on_the_path_is_found(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / name
    program.touch(mode=0o755)
    monkeypatch.delenv("CHROMIUM_PATH", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert browser.chromium_path() == str(program)


@pytest.mark.parametrize("wanted", ["", "/nowhere/chromium"])
def test_a_missing_browser_is_an_error_that_names_the_fix(
    wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHROMIUM_PATH", wanted)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert browser.main() == 1
    said = capsys.readouterr().err
    assert "apt-get install chromium" in said
    assert wanted in said
