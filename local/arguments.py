"""What ``python dev.py run`` takes. Standard library only: the help is shown before anything is installed."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import Final

__all__ = ["parser"]

ROOT: Final = Path(__file__).resolve().parent.parent
_PYTHON: Final = "py" if os.name == "nt" else "python3"


def parser() -> argparse.ArgumentParser:
    """Return the flags of the stack."""
    result = argparse.ArgumentParser(
        prog=f"{_PYTHON} dev.py run",
        description="Starts the table service (Azurite), the emulator and the Functions app, and stops them "
        "together on Ctrl+C. The first run installs what they need.",
    )
    add = result.add_argument
    add(
        "--host",
        choices=["func", "builtin", "none"],
        default="func" if shutil.which("func") else "builtin",
        help="what runs the app: Azure Functions Core Tools, the stand-in for it, or nothing, so that you can run "
        "'func start' in another terminal (default: func where it is installed, else builtin)",
    )
    add("--functions-port", metavar="PORT", type=_port, default=7071, help="the app's port (default: 7071)")
    add("--webpubsub-port", metavar="PORT", type=_port, default=8080, help="the emulator's port (default: 8080)")
    add("--tables-port", metavar="PORT", type=_port, default=10002, help="the table service's port (default: 10002)")
    add(
        "--blobs-port",
        metavar="PORT",
        type=_port,
        default=10000,
        help="the blob service's port (default: 10000); only with --host func or none, because the real host needs it",
    )
    add(
        "--data",
        metavar="FOLDER",
        type=_folder,
        default=ROOT / ".local",
        help="where data lives; one system at a time can use a folder (default: .local)",
    )
    return result


def _folder(text: str) -> Path:
    # A variable of a shell that is not set; as a path it would be the folder that the shell is in.
    if text:
        return Path(text)
    raise argparse.ArgumentTypeError("name a folder")


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"use a number from 1 to 65535, not {text!r}")
