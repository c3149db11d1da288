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
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
MIN_PYTHON = (3, 11)
# Measured on Linux x64: what pip loads, and what .venv takes then.
SIZES = {
    "requirements-local.txt": "11 MB to load, 80 MB on disk; ",
    "requirements-dev.txt": "135 MB to load, 530 MB on disk; ",
}


def python() -> Path:
    """Return the Python of the virtual environment."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def fingerprint(requirements: Path) -> str:
    """Return a hash of a requirements file, of those that it names, and of this Python."""
    text = requirements.read_text(encoding="utf-8")
    parts = [sys.version, text]
    parts += [fingerprint(ROOT / name) for name in re.findall(r"^-[cr] (\S+)", text, re.MULTILINE)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def prepare(requirements: str) -> None:
    """Install what a command needs, or end with one line that says what keeps it from that."""
    try:
        ensure_environment(ROOT / requirements)
    except KeyboardInterrupt:
        sys.exit("Stopped before everything was installed; the next start continues.")
    except OSError as error:
        sys.exit(
            f"Error: {error.filename or VENV} cannot be made ({error.strerror}). What a command needs is installed "
            f"into {ROOT}: it must be a folder that you may write to, on a disk with free space."
        )
    except subprocess.CalledProcessError:
        sys.exit(
            f"Error: {sys.executable} cannot make a virtual environment with pip: use a Python that has ensurepip."
        )


def ensure_environment(requirements: Path) -> None:
    """Make the virtual environment and install the requirements, unless it was done for just these."""
    marker = VENV / f"{requirements.stem}.installed"
    wanted = fingerprint(requirements)
    if python().exists() and marker.is_file() and marker.read_text(encoding="utf-8") == wanted:
        return
    if not has_pip():
        print("Making the virtual environment .venv …", flush=True)
        venv.create(VENV, with_pip=True, clear=VENV.exists())
    size = SIZES.get(requirements.name, "")
    print(f"Installing {requirements.name} ({size}once, and when it changes) …", flush=True)
    start = time.monotonic()
    install(requirements)
    print(f"Installed in {time.monotonic() - start:.0f} s.", flush=True)
    marker.write_text(wanted, encoding="utf-8")


def has_pip() -> bool:
    """Return whether the virtual environment is there as a whole: pip is what comes last."""
    command = [str(python()), "-m", "pip", "--version"]
    return python().exists() and subprocess.run(command, capture_output=True, check=False).returncode == 0


def install(requirements: Path) -> None:
    """Run pip, and show one line for each package that it loads."""
    command = [str(python()), "-m", "pip", "install", "--disable-pip-version-check", "-r", str(requirements)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    ) as pip:
        lines = []
        try:
            for line in pip.stdout or ():
                lines.append(line)
                if shown := progress(line):
                    print(f"  {shown}", flush=True)
        except BaseException:
            pip.terminate()
            raise
    if pip.returncode:
        sys.exit(
            f"{''.join(lines[-20:])}Error: pip could not install {requirements.name}; its last lines are above. "
            "If the package index cannot be reached, set PIP_PROXY or PIP_INDEX_URL, and start again."
        )


def progress(line: str) -> str | None:
    """Return what a line of pip's output tells about its progress, in short, or None."""
    line = line.strip()
    if line.startswith("WARNING: Retrying "):
        return "The package index does not answer; pip tries again"
    if line.startswith(("Downloading ", "Using cached ")) and ".metadata" not in line:
        return line
    if line.startswith("Installing collected packages:"):
        return f"Installing {line.count(',') + 1} packages"
    return None


def run(arguments: list[str]) -> int:
    """Become the whole system, once what it needs is installed: a signal sent to this process is the system's."""
    from local.arguments import parser  # noqa: PLC0415 - an older Python gets its message from main instead
    from local.signals import interrupt_on_signals  # noqa: PLC0415

    # Here already: --help and a wrong flag need nothing installed.
    data = parser().parse_args(arguments).data.resolve()
    interrupt_on_signals()
    prepare("requirements-local.txt")
    # The system runs in this folder, where a relative --data would be another one. The last of a flag counts.
    return become("-m", "local.stack", *arguments, "--data", str(data))


def become(*arguments: str) -> int:
    """Let the environment's Python take the place of this process; on Windows, which cannot, run it as a child."""
    if os.name != "nt":
        os.chdir(ROOT)
        os.execv(python(), [str(python()), *arguments])  # noqa: S606 - the arguments are this command's own
    return call(*arguments)


def call(*arguments: str) -> int:
    """Run the environment's Python in its place and return its exit status; Ctrl+C is the child's to handle."""
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
    prepare("requirements-dev.txt")
    return become("-m", "tests.checks", *arguments)


def main() -> int:
    """Read the command and do it."""
    if sys.version_info < MIN_PYTHON:
        sys.exit(
            f"Error: Python {'.'.join(map(str, MIN_PYTHON))} or newer is needed; this is {sys.version.split()[0]}."
        )
    commands = {"run": run, "test": test}
    program = f"{'py' if os.name == 'nt' else 'python3'} dev.py"
    parser = argparse.ArgumentParser(
        prog=program,
        description="Two commands for everything. The first use of each installs what it needs into this folder.",
        epilog=f"The flags of each: {program} run --help, {program} test --help",
    )
    parser.add_argument("command", choices=commands, help="run: the whole system; test: every check")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="the command's own")
    if len(sys.argv) == 1:
        parser.print_help()
        return 2
    given = parser.parse_args()
    return commands[given.command](given.arguments)


if __name__ == "__main__":
    sys.exit(main())
