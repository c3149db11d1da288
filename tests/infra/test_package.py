"""What is deployed is what runs, and nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pathspec
import pytest

from tests.infra.infra import ROOT

IGNORED = pathspec.PathSpec.from_lines("gitignore", (ROOT / ".funcignore").read_text().splitlines())

# What is downloaded and mounted before anything starts; the packages of requirements.txt are added in Azure.
MAX_PACKAGE_BYTES = 1024 * 1024

SETTINGS = {
    "WebPubSubConnectionString": "Endpoint=https://x.webpubsub.azure.com;AccessKey=k;",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}


def package(root: Path = ROOT, folder: Path | None = None) -> Iterator[Path]:
    """Return the files that are packed, as azd finds them: an ignored folder is not looked into."""
    for path in sorted((folder or root).iterdir()):
        name = path.relative_to(root).as_posix()
        if path.is_dir():
            if not IGNORED.match_file(f"{name}/"):
                yield from package(root, path)
        elif not IGNORED.match_file(name):
            yield path.relative_to(root)


def test_the_package_is_the_app(tmp_path: Path) -> None:
    top = {path.parts[0] for path in package()}
    requirements = {"constraints.txt", "requirements.txt"}
    assert top == {"chat", "demo", "function_app.py", "host.json", "webpubsub_handler"} | requirements


def test_what_tools_leave_behind_is_not_packed(tmp_path: Path) -> None:
    kept = ["function_app.py", "chat/api.py", "webpubsub_handler/__init__.py"]
    left = ["venv/pyvenv.cfg", "env/lib/a.py", "prod_env/.env", "build/lib/chat/api.py", "a.egg-info/PKG-INFO"]
    left += ["webpubsub_emulator/__main__.py", "chat/__pycache__/api.pyc", "infra/main.bicep", "local.settings.json"]
    for path in kept + left:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert {path.as_posix() for path in package(tmp_path)} == set(kept)


@pytest.mark.parametrize(
    "path",
    [
        ".azure/dev/.env",
        ".env",
        ".venv/bin/python",
        "LICENSE",
        "LICENSE.md",
        "build/lib/chat/api.py",
        "dist/webpubsub_handler-0.1.0-py3-none-any.whl",
        "env/bin/python",
        "my_env/bin/python",
        "prod_env/.env",
        "venv/bin/python",
        "webpubsub_emulator/core/hub.py",
        "webpubsub_handler.egg-info/PKG-INFO",
        "chat/__pycache__/api.cpython-312.pyc",
        "local.settings.json",
        "local/node/node_modules/azurite/package.json",
        "node_modules/a/b.js",
        "tests/wire.py",
    ],
)
def test_private_files_of_a_developer_are_not_packed(path: str) -> None:
    assert IGNORED.match_file(path)


@pytest.mark.external
def test_the_app_starts_from_the_package_alone(tmp_path: Path) -> None:
    for path in package():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    code = (
        "import function_app, sys; print(*sorted(f.get_function_name() for f in function_app.app.get_functions()));"
        "print({getattr(sys.modules[name], '__file__', '') for name in ('chat', 'webpubsub_handler', 'function_app')})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PATH": ""} | SETTINGS,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "demo eventhandler health messages negotiate presence"
    assert str(tmp_path) in done.stdout
    assert str(ROOT) not in done.stdout.splitlines()[1]


def test_the_requirements_name_no_file_that_is_not_packed() -> None:
    named = re.findall(r"^(-.*)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    # Read beside requirements.txt, wherever the build calls pip from.
    assert named == ["-c constraints.txt"]
    assert Path("constraints.txt") in set(package())


def test_the_package_stays_small(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {path: (ROOT / path).stat().st_size for path in package()}
    code = sum(size for path, size in sizes.items() if path.suffix == ".py")
    total = sum(sizes.values())
    with capsys.disabled():
        print(f"\nThe package: {len(sizes)} files, {total / 1024:.0f} KiB, {code / 1024:.0f} of them Python.")  # noqa: T201
    assert total < MAX_PACKAGE_BYTES
