"""Two commands for everything: ``python3 dev.py run`` and ``python3 dev.py test``.

Standard library only: this runs before anything is installed. It makes ``.venv``, installs what the command needs
(again only when the requirements change), and goes on inside it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
MIN_PYTHON = (3, 11)


def python() -> Path:
    """Return the Python of the virtual environment."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def fingerprint(requirements: Path) -> str:
    """Return a hash of a requirements file, of those it includes, and of this Python."""
    text = requirements.read_text(encoding="utf-8")
    parts = [sys.version, text]
    parts += [fingerprint(ROOT / name) for name in re.findall(r"^-r (\S+)", text, re.MULTILINE)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def ensure_environment(requirements: Path) -> None:
    """Make the virtual environment and install the requirements, unless it was done for just these."""
    marker = VENV / f"{requirements.stem}.installed"
    wanted = fingerprint(requirements)
    if python().exists() and marker.is_file() and marker.read_text(encoding="utf-8") == wanted:
        return
    if not has_pip():
        print("Making the virtual environment .venv …", flush=True)
        venv.create(VENV, with_pip=True, clear=VENV.exists())
    print(f"Installing {requirements.name} (once, and when it changes) …", flush=True)
    install(requirements)
    marker.write_text(wanted, encoding="utf-8")


def has_pip() -> bool:
    """Whether the virtual environment is there as a whole: pip is what comes last."""
    command = [str(python()), "-m", "pip", "--version"]
    return python().exists() and subprocess.run(command, capture_output=True, check=False).returncode == 0


def install(requirements: Path) -> None:
    """Run pip, and show one line for each package that it gets."""
    command = [str(python()), "-m", "pip", "install", "--disable-pip-version-check", "-r", str(requirements)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    ) as pip:
        lines = []
        for line in pip.stdout or ():
            lines.append(line)
            if line.startswith(("Collecting ", "Installing ")):
                print(f"  {line.strip()[:100]}", flush=True)
    if pip.returncode:
        sys.exit(f"{''.join(lines[-20:])}Error: pip could not install {requirements.name}; its last lines are above.")


def run(arguments: list[str]) -> int:
    """Start the whole system; what it takes is told by ``python dev.py run --help``."""
    ensure_environment(ROOT / "requirements-local.txt")
    return call("-m", "local.stack", *arguments)


def call(*arguments: str) -> int:
    """Run the environment's Python in its place and give its exit status; Ctrl+C is the child's to handle."""
    with subprocess.Popen([str(python()), *arguments], cwd=ROOT) as child:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                continue


def test(arguments: list[str]) -> int:
    """Run every check; what it takes is told by ``python3 dev.py test --help``."""
    if {"-h", "--help"} & set(arguments):
        return subprocess.run([sys.executable, "-m", "tests.checks", "--help"], cwd=ROOT, check=False).returncode
    ensure_environment(ROOT / "requirements-dev.txt")
    return call("-m", "tests.checks", *arguments)


def main() -> int:
    """Read the command and do it."""
    if sys.version_info < MIN_PYTHON:
        sys.exit(
            f"Error: Python {'.'.join(map(str, MIN_PYTHON))} or newer is needed; this is {sys.version.split()[0]}."
        )
    commands = {"run": run, "test": test}
    parser = argparse.ArgumentParser(prog="python3 dev.py", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("command", choices=commands, help="run: the whole system; test: every check")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="passed on; see `python3 dev.py run --help`")
    if len(sys.argv) == 1:
        parser.print_help()
        return 2
    given = parser.parse_args()
    return commands[given.command](given.arguments)


if __name__ == "__main__":
    sys.exit(main())
