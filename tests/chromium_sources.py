"""Where a Chromium for the tests of pages may come from, the first choice first."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from local.node_tools import ROOT, ensure_node, ensure_packages
from tests.node_packages import CHROMIUM

__all__ = ["Chromium", "FetchError", "sources"]

_NAMES: Final = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "microsoft-edge-stable",
)
_MAC_APPLICATIONS: Final = ("Chromium", "Google Chrome", "Microsoft Edge")
_WINDOWS_PROGRAMS: Final = ("Google/Chrome/Application/chrome.exe", "Microsoft/Edge/Application/msedge.exe")
_WINDOWS_FOLDERS: Final = ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")
# Beside its node_modules; the package's own unpacking would put it into a temporary folder that all users share.
_UNPACKED: Final = CHROMIUM.folder / "unpacked"
_DOWNLOADED: Final = ROOT / ".local" / "playwright"
_UNBROTLI: Final = """
const [source, target] = process.argv.slice(1);
const { createReadStream, createWriteStream } = require("node:fs");
const { createBrotliDecompress } = require("node:zlib");
require("node:stream").pipeline(createReadStream(source), createBrotliDecompress(), createWriteStream(target),
  (error) => { if (error) throw error; });
"""
# The one that comes with it names folders of another machine.
_FONTS_CONF: Final = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir prefix="relative">fonts</dir><cachedir prefix="xdg">fontconfig</cachedir></fontconfig>
"""


class FetchError(Exception):
    """A Chromium could not be downloaded."""


@dataclass(frozen=True, slots=True)
class Chromium:
    """A program that may be a Chromium, where it comes from, and the environment variables that it needs."""

    program: str
    origin: str
    environment: Mapping[str, str] = field(default_factory=dict)


def sources() -> list[Callable[[], Iterator[Chromium]]]:
    """Return what gives programs to try, in order; each fetches only when it is asked. What is named is the only one.

    The last two raise ``FetchError``, ``NodeToolsError`` or ``OSError`` when they cannot fetch.
    """
    return [_named] if os.environ.get("CHROMIUM_PATH") else [_installed, _from_npm, _from_playwright]


def _named() -> Iterator[Chromium]:
    wanted = os.environ["CHROMIUM_PATH"]
    yield Chromium(shutil.which(wanted) or wanted, "CHROMIUM_PATH")


def _installed() -> Iterator[Chromium]:
    known = [Path(found) for found in map(shutil.which, _NAMES) if found]
    known += [Path(f"/Applications/{name}.app/Contents/MacOS/{name}") for name in _MAC_APPLICATIONS]
    folders = [os.environ[name] for name in _WINDOWS_FOLDERS if name in os.environ]
    known += [Path(folder, program) for program in _WINDOWS_PROGRAMS for folder in folders]
    yield from (Chromium(str(path), "installed") for path in known if path.is_file())


def _from_npm() -> Iterator[Chromium]:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return
    packed = ensure_packages(CHROMIUM) / "node_modules" / "@sparticuz" / "chromium"
    version = json.loads((packed / "package.json").read_text("utf-8"))["version"]
    # The package's own unpacking would put it into a temporary folder that all users of the machine share.
    folder = CHROMIUM.folder / version
    if not folder.is_dir():
        _unpack(packed / "bin", folder)
    environment = {"LD_LIBRARY_PATH": str(folder / "lib"), "FONTCONFIG_PATH": str(folder)}
    yield Chromium(str(folder / "chromium"), "npm package @sparticuz/chromium", environment)


def _from_playwright() -> Iterator[Chromium]:
    if not (found := _downloaded()):
        print("Downloading a Chromium with Playwright (about 110 MB, once) …", flush=True)
        places = {"PLAYWRIGHT_BROWSERS_PATH": str(_DOWNLOADED), "PLAYWRIGHT_NODEJS_PATH": str(ensure_node().node)}
        command = [sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"]
        if subprocess.run(command, cwd=ROOT, env={**os.environ, **places}, check=False).returncode:
            raise FetchError("`playwright install chromium` failed; its output is above.")
        found = _downloaded()
    yield from (Chromium(program, "downloaded by Playwright") for program in found)


def _downloaded() -> list[str]:
    found = _DOWNLOADED.glob("chromium_headless_shell-*/*/*headless*shell*")
    return [str(path) for path in found if path.suffix in {"", ".exe"}]


def _unpack(packed: Path, folder: Path) -> None:
    """Unpack a Chromium with the libraries and fonts that come with it."""
    print("Unpacking it …", flush=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent))
    for name in ("al2023.tar", "fonts.tar", "chromium"):
        command: list[str | Path] = [ensure_node().node, "-e", _UNBROTLI, packed / f"{name}.br", unfinished / name]
        if subprocess.run(command, check=False).returncode:
            raise FetchError(f"{packed / name}.br could not be unpacked; what Node said is above.")
        if name.endswith(".tar"):
            with tarfile.open(unfinished / name) as archive:
                # Not an argument: Python 3.11 has it since 3.11.4 only, and Debian 12 has 3.11.2.
                archive.extraction_filter = getattr(tarfile, "data_filter", None)
                archive.extractall(unfinished)
            (unfinished / name).unlink()
    (unfinished / "fonts.conf").write_text(_FONTS_CONF, encoding="utf-8")
    (unfinished / "chromium").chmod(0o755)
    unfinished.rename(folder)
