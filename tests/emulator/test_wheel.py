"""The emulator's wheel alone, in an environment that has nothing but what the wheel declares, away from this checkout.

Nothing comes from the network: declared dependencies are copied from the environment of the tests.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from webpubsub_emulator import __version__

pytestmark = pytest.mark.external

SOURCE = Path(__file__).resolve().parents[2] / "webpubsub_emulator"
SURFACE = Path(__file__).with_name("test_public_surface.py")
NOT_IN_THE_PACKAGE = {"LICENSE", "README.md", "pyproject.toml"}


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, and an empty folder to work in."""

    wheel: Path
    folder: Path
    programs: Path

    def run(self, program: str, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(program, *arguments),
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip

    def command(self, program: str, *arguments: str) -> list[str]:
        return [str(self.programs / program), *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """Without what could lead back to this checkout."""
        return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "COV"))}


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", *arguments, "--no-index", "--no-deps", "--quiet", "--no-input"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def needed(dist: Distribution) -> Iterator[Distribution]:
    """What a distribution needs, and what that needs, each once."""
    found: dict[str, Distribution] = {}
    waiting = [dist]
    while waiting:
        for text in waiting.pop().requires or ():
            requirement = Requirement(text)
            if (requirement.marker is None or requirement.marker.evaluate({"extra": ""})) and (
                requirement.name not in found
            ):
                found[requirement.name] = distribution(requirement.name)
                assert found[requirement.name].version in requirement.specifier
                waiting.append(found[requirement.name])
    yield from found.values()


def copy(dist: Distribution, site_packages: Path) -> None:
    for file in dist.files or ():
        if ".." not in file.parts and file.suffix != ".pyc":
            target = site_packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(file.locate()), target)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    # setuptools writes into the folder that it builds.
    shutil.copytree(SOURCE, folder / "source", ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(folder), str(folder / "source"))
    [wheel] = folder.glob("*.whl")
    environment = folder / "environment"
    venv.create(environment, symlinks=os.name != "nt")
    [site_packages] = environment.glob("lib/python*/site-packages")
    python = str(environment / "bin" / "python")
    pip("--python", python, "install", str(wheel))
    [metadata] = site_packages.glob("webpubsub_emulator-*.dist-info")
    for dist in needed(Distribution.at(metadata)):
        copy(dist, site_packages)
    work = folder / "work"
    work.mkdir()
    return Installed(wheel, work, environment / "bin")


def test_the_wheel_has_every_file_of_the_package_and_its_licence(installed: Installed) -> None:
    names = set(ZipFile(installed.wheel).namelist())
    files = {
        file.relative_to(SOURCE.parent).as_posix()
        for file in SOURCE.rglob("*")
        if file.is_file() and not {"__pycache__", "build"} & set(file.parts) and ".egg-info" not in str(file)
    }
    expected = {file for file in files if file.removeprefix("webpubsub_emulator/") not in NOT_IN_THE_PACKAGE}
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert [name for name in names if name.endswith("licenses/LICENSE")]


def test_the_metadata_says_what_it_is_and_shows_the_readme(installed: Installed) -> None:
    with ZipFile(installed.wheel) as wheel:
        [name] = [name for name in wheel.namelist() if name.endswith("/METADATA")]
        metadata = wheel.read(name).decode()
    assert f"\nVersion: {__version__}\n" in metadata
    assert "\nLicense-Expression: MIT\n" in metadata
    assert "\nClassifier: Typing :: Typed\n" in metadata
    assert "\nProject-URL: " in metadata
    assert (SOURCE / "README.md").read_text("utf-8").strip() in metadata


def test_nothing_of_this_checkout_is_there(installed: Installed) -> None:
    for package in ("webpubsub_handler", "chat", "local", "tests", "azure"):
        done = installed.run("python", "-c", f"import {package}")
        assert f"No module named '{package}'" in done.stderr
    where = installed.run("python", "-c", "import webpubsub_emulator; print(webpubsub_emulator.__file__)").stdout
    assert Path(where).is_relative_to(installed.programs.parent)


@pytest.mark.parametrize("program", [["webpubsub-emulator"], ["python", "-m", "webpubsub_emulator"]])
def test_the_command_serves_until_it_is_interrupted(installed: Installed, program: list[str]) -> None:
    command = installed.command(*program, "--port", "0")
    with subprocess.Popen(
        command,
        cwd=installed.folder,
        env=installed.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert re.match(r"Web PubSub emulator is ready: Endpoint=http://localhost:\d+;AccessKey=", line)
        process.terminate()
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("program", "shown"),
    [
        (["webpubsub-emulator"], "webpubsub-emulator"),
        (["python", "-m", "webpubsub_emulator"], "python -m webpubsub_emulator"),
    ],
)
def test_the_command_is_called_by_its_name_in_its_help(installed: Installed, program: list[str], shown: str) -> None:
    assert installed.run(*program, "--help").stdout.startswith(f"usage: {shown} [-h]")
    assert installed.run(*program, "check", "--help").stdout.startswith(f"usage: {shown} check [-h]")


def test_the_command_says_its_version(installed: Installed) -> None:
    assert installed.run("webpubsub-emulator", "--version").stdout == f"webpubsub-emulator {__version__}\n"


def test_the_tests_of_the_public_surface_pass_with_the_wheel_alone(installed: Installed) -> None:
    shutil.copy(SURFACE, installed.folder)
    done = installed.run(
        "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", SURFACE.name
    )
    assert done.returncode == 0, done.stdout + done.stderr
    wanted = len(re.findall(r"^(?:async )?def test_", SURFACE.read_text("utf-8"), re.MULTILINE))
    assert f"{wanted} passed" in done.stdout
