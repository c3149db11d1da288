"""The service SDK for JavaScript against the emulator, each in a process of its own."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from local.node_tools import ROOT, ensure_node, ensure_packages
from tests.node_packages import TEST_PACKAGES

SCRIPT: Final = Path(__file__).parent / "service_sdk.mjs"
SCENARIOS: Final = re.findall(r'^scenario\("(.+)", async', SCRIPT.read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def connection_string() -> Iterator[str]:
    """Of an emulator that runs as a program."""
    command = [sys.executable, "-m", "webpubsub_emulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT) as program:
        assert program.stdout
        try:
            yield program.stdout.readline().partition("ready: ")[2].strip()
        finally:
            program.terminate()


@pytest.fixture(scope="module")
def problems(connection_string: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    """What went wrong in each scenario; all of them run once."""
    folder = tmp_path_factory.mktemp("service_sdk")
    (folder / "node_modules").symlink_to(ensure_packages(TEST_PACKAGES) / "node_modules", target_is_directory=True)
    script = shutil.copy(SCRIPT, folder)
    port = re.findall(r"localhost:(\d+)", connection_string)[0]
    command = [ensure_node().node, script, connection_string, f"http://127.0.0.1:{port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    return {result["name"]: result["problem"] for result in results}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_service_sdk_for_javascript(problems: dict[str, str | None], name: str) -> None:
    assert problems[name] is None, problems[name]


def test_every_scenario_is_looked_at(problems: dict[str, str | None]) -> None:
    assert list(problems) == SCENARIOS
