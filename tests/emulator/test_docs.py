"""The page about the emulator says what is true: flags, keys, faults, and its own code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from webpubsub_emulator import Fault, FaultKind
from webpubsub_emulator.command_line import parser
from webpubsub_emulator.configuration import KEYS, read_configuration
from webpubsub_emulator.upstream.faults import FIELDS
from webpubsub_emulator.upstream.traffic import MAX_BYTES, MAX_ENTRIES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "webpubsub_emulator" / "README.md").read_text("utf-8")


def rows(head: str) -> list[list[str]]:
    """The cells of the table that begins with this cell, without back-ticks around the first."""
    table = PAGE.partition(f"\n| {head} |")[2].partition("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return [[first.strip("`"), *rest] for first, *rest in cells]


def block(info: str) -> str:
    found: list[str] = re.findall(rf"^```{info}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return found[0]


def test_every_flag_is_documented_and_no_other() -> None:
    flags = [flag for action in parser()._actions for flag in action.option_strings if flag.startswith("--")]
    assert [row[0] for row in rows("flag")] == [flag for flag in flags if flag != "--help"]


def test_every_key_is_documented_and_no_other() -> None:
    assert [row[0] for row in rows("key below `WebPubSub`")] == list(KEYS)


def test_every_documented_key_is_taken() -> None:
    values = {"AccessKey": "k", "Type": "None", "UrlTemplate": "http://h", "AnonymousConnectPolicy": "allow"}
    lists = {"SystemEvents": "connect", "EventNames": "joined"}
    environ = {}
    for key in KEYS:
        path = key.format(hub="chat", n="0").split(":")
        value = lists.get(path[-2] if len(path) > 1 else "") or values.get(path[-1], "true")
        environ["__".join(("WebPubSub", *path))] = value
    assert len(environ) == len(KEYS)
    [handler] = read_configuration(environ).event_handlers["chat"]
    assert handler.group_filters == ("true",)


def test_the_settings_file_of_the_page_is_one(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text(block("json"))
    [handler] = read_configuration({}, file).event_handlers["chat"]
    assert handler.group_filters == ("room-*",)


def test_every_fault_is_documented_with_its_fields_and_no_other() -> None:
    documented = {row[0]: set(re.findall(r"`(\w+)`", row[1])) for row in rows("`fault`")}
    assert documented == {str(kind): set(fields) for kind, fields in FIELDS.items()}
    assert set(FIELDS) == set(FaultKind)


def test_the_list_of_supported_features_names_every_fault() -> None:
    features = (ROOT / "webpubsub_emulator" / "SUPPORTED_FEATURES.md").read_text("utf-8")
    section = features.partition("\n## Faults and traffic\n")[2].partition("\n## ")[0]
    assert [name for name in FaultKind if f"`{name}`" not in section] == []


def test_the_fault_of_the_page_is_one() -> None:
    [text] = re.findall(r"-d '(.*?)'", PAGE)
    assert Fault.from_json(json.loads(text)) == Fault(FaultKind.DROP_ANSWER, event="message", count=3)


def test_the_bounds_of_the_traffic_are_those_of_the_page() -> None:
    assert f"The last {MAX_ENTRIES:,}\nentries are kept, or fewer that hold {MAX_BYTES // 2**20} MiB" in PAGE


@pytest.mark.external
def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    (tmp_path / "test_page.py").write_text(block("python pytest"))
    plugins = ["-p", "webpubsub_emulator.pytest_plugin", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto"]
    command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", *plugins, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
