"""The library's wheel, in environments that have nothing of this checkout: what is in it, and its README's code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zipfile import ZipFile

import pytest

import webpubsub_handler

pytestmark = pytest.mark.external

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = ROOT / "webpubsub_handler"
README: Final = (PACKAGE / "README.md").read_text("utf-8")
BLOCKS: Final = dict(re.findall(r"^```python (\w+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE))
SETTINGS: Final = {"WebPubSubConnectionString": "Endpoint=https://x.webpubsub.azure.com;AccessKey=k;"}


@dataclass(frozen=True)
class Environment:
    """A Python with the wheel."""

    wheel: Path
    python: Path
    folder: Path

    def run(self, code: str) -> subprocess.CompletedProcess[str]:
        # Nothing may lead back to this checkout.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "COV"))}
        return subprocess.run(
            [self.python, "-c", code],
            cwd=self.folder,
            env=kept | SETTINGS,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", *map(str, arguments), "--no-index", "--no-deps", "--quiet", "--no-input"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the wheel and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    # setuptools writes into the folder that it builds.
    source = folder / "source"
    shutil.copytree(PACKAGE, source / "webpubsub_handler", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip("wheel", "--no-build-isolation", "--wheel-dir", folder, source)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "environment", symlinks=os.name != "nt")
    python = folder / "environment" / "bin" / "python"
    pip("--python", python, "install", wheel)
    work = folder / "work"
    work.mkdir()
    return Environment(wheel, python, work)


@pytest.fixture(scope="module")
def with_frameworks(empty: Environment) -> Environment:
    """The same with what the tests have installed, such as FastAPI; the library stays the wheel's."""
    (site_packages,) = empty.python.parents[1].glob("lib/python*/site-packages")
    (site_packages / "installed-for-the-tests.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return empty


def test_the_wheel_has_every_module_and_the_licence(empty: Environment) -> None:
    names = set(ZipFile(empty.wheel).namelist())
    modules = {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py")}

    assert {name for name in names if ".dist-info/" not in name} == modules | {"webpubsub_handler/py.typed"}
    assert [name for name in names if name.endswith("licenses/LICENSE")]


def test_its_metadata_says_what_it_is_and_shows_the_readme(empty: Environment) -> None:
    with ZipFile(empty.wheel) as wheel:
        (name,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
        metadata = wheel.read(name).decode()

    for line in (
        f"Version: {webpubsub_handler.__version__}",
        "License-Expression: MIT",
        "Classifier: Typing :: Typed",
        "Provides-Extra: azure-functions",
        "Provides-Extra: entra",
    ):
        assert f"\n{line}\n" in metadata
    assert "\nProject-URL: " in metadata
    assert "Requires-Dist: " not in re.sub(r"Requires-Dist: .*extra == .*\n", "", metadata)
    assert README.strip() in metadata


def test_the_library_needs_nothing_but_python(empty: Environment) -> None:
    done = empty.run("import webpubsub_handler, webpubsub_handler.asgi, webpubsub_handler.testing")
    missing = empty.run("import azure.functions")

    assert (done.returncode, done.stderr) == (0, "")
    assert "No module named 'azure'" in missing.stderr


FUNCTIONS: Final = f"""
{BLOCKS["functions"]}
import asyncio, sys
import webpubsub_handler
assert webpubsub_handler.__file__.startswith(sys.prefix), webpubsub_handler.__file__
(function,) = app.get_functions()
asked = func.HttpRequest("OPTIONS", "/", headers={{"WebHook-Request-Origin": "x.webpubsub.azure.com"}}, body=b"")
answer = asyncio.run(function.get_user_function()(asked))
assert (answer.status_code, answer.headers["WebHook-Allowed-Origin"]) == (200, "x.webpubsub.azure.com")
"""
FASTAPI: Final = f"""
{BLOCKS["functions"].partition("app = ")[0]}
{BLOCKS["fastapi"]}
from fastapi.testclient import TestClient
for path in ("/eventhandler", "/eventhandler/validate"):
    asked = {{"WebHook-Request-Origin": "x.webpubsub.azure.com"}}
    assert TestClient(app, follow_redirects=False).options(path, headers=asked).status_code == 200
"""
TEST: Final = f"""
{BLOCKS["functions"].partition("app = ")[0]}
{BLOCKS["test"]}
import asyncio
asyncio.run(test_a_message_is_answered())
"""


@pytest.mark.parametrize("code", [FUNCTIONS, FASTAPI, TEST], ids=["Functions", "FastAPI", "test"])
def test_the_code_of_the_readme_runs(with_frameworks: Environment, code: str) -> None:
    done = with_frameworks.run(code)

    assert done.returncode == 0, done.stderr


def test_every_block_of_the_readme_is_run() -> None:
    assert set(BLOCKS) == {"functions", "fastapi", "test"}
    assert len(re.findall(r"^```\S", README, re.MULTILINE)) == len(BLOCKS)
