"""Each run of the soak has a folder of its own, also beside another one with its seed."""

from __future__ import annotations

from pathlib import Path

from tests.soak.folder import run_folder


def test_two_runs_at_once_have_two_folders(tmp_path: Path) -> None:
    with run_folder(tmp_path / "a b" / "7") as one, run_folder(tmp_path / "a b" / "7") as two:
        assert [one.name, two.name] == ["7", "7-2"]
    with run_folder(tmp_path / "a b" / "7") as again:
        assert again == one


def test_what_a_run_left_is_gone_in_the_next(tmp_path: Path) -> None:
    with run_folder(tmp_path / "7") as folder:
        (folder / "host0.log").touch()
        (folder / "azurite-x").mkdir()
        (folder / "azurite-x" / "data").touch()
    assert (folder / "host0.log").exists()
    with run_folder(tmp_path / "7") as folder:
        assert [path.name for path in folder.iterdir()] == ["lock"]
