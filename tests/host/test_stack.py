"""The stack starts as one, stops as one, and says what is wrong."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

import local.stack
from local.azurite import free_port

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60


class Stack:
    """A running ``python -m local.stack`` and what it printed."""

    def __init__(self, process: asyncio.subprocess.Process, functions_port: int, ports: list[int]) -> None:
        self.process = process
        self.ports = ports
        self.app = f"http://localhost:{functions_port}/api"
        self.output = ""

    async def until(self, wanted: Callable[[str], bool]) -> None:
        """Read the output until it holds something."""
        assert self.process.stdout is not None
        async with asyncio.timeout(SECONDS):
            while not wanted(self.output):
                line = await self.process.stdout.readline()
                assert line, self.output
                self.output += line.decode()

    async def until_ready(self) -> None:
        await self.until(lambda output: "Ctrl+C stops everything" in output)

    async def end(self) -> int:
        """Read to the end and give the exit status."""
        async with asyncio.timeout(SECONDS):
            rest, _ = await self.process.communicate()
        self.output += rest.decode()
        assert self.process.returncode is not None
        return self.process.returncode


@asynccontextmanager
async def stack(data: Path, ports: list[int] | None = None) -> AsyncIterator[Stack]:
    ports = ports or [free_port() for _ in range(3)]
    flags = ["--functions-port", "--webpubsub-port", "--tables-port"]
    arguments = [text for flag, port in zip(flags, ports, strict=True) for text in (flag, str(port))]
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "local.stack", "--host", "builtin", "--data", str(data), *arguments],
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield Stack(process, ports[0], ports)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def children_of(pid: int) -> dict[int, str]:
    """Return the processes below one, with their command lines."""
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(") ")[2].split()[1])
            command = (folder / "cmdline").read_text().replace("\0", " ")
            if parent == pid:
                found |= {int(folder.name): command} | children_of(int(folder.name))
    return found


def all_processes() -> set[int]:
    return {int(folder.name) for folder in Path("/proc").glob("[0-9]*")}


async def test_it_tells_where_everything_is_and_a_message_goes_through(tmp_path: Path) -> None:
    async with stack(tmp_path) as running, aiohttp.ClientSession() as http:
        await running.until_ready()
        for shown in (
            "traffic view",
            "/api/demo/",
            "/api/negotiate?",
            "/api/eventhandler/{event}",
            "Endpoint=http://localhost:",
        ):
            assert shown in running.output
        await send(http, running.app, "through the whole stack")
        assert await history(http, running.app) == ["through the whole stack"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_everything_and_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    async with stack(tmp_path) as running:
        await running.until_ready()
        below = children_of(running.process.pid)
        assert len(below) >= 3
        running.process.send_signal(number)
        assert await running.end() == 0
        assert not [pid for pid in below if pid in all_processes()]
        assert all(map(is_free, running.ports))


@pytest.mark.parametrize(
    ("part", "command"),
    [("tables", "azurite"), ("webpubsub", "webpubsub_emulator"), ("functions", "local.functions_host")],
)
async def test_a_part_that_dies_ends_the_rest_and_is_named(tmp_path: Path, part: str, command: str) -> None:
    async with stack(tmp_path) as running:
        await running.until_ready()
        below = children_of(running.process.pid)
        victim = min(pid for pid, line in below.items() if command in line)
        os.kill(victim, signal.SIGKILL)
        assert await running.end() == 1
        assert re.search(rf"Error: {part} ended with exit status -9\. Its last lines:", running.output)
        assert all(map(is_free, running.ports))


async def test_a_taken_port_is_an_error_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with stack(tmp_path, [free_port(), port, free_port()]) as running:
            assert await running.end() == 1
    assert running.output.startswith(f"Error: port {port} for webpubsub is taken")
    assert "--webpubsub-port" in running.output


@pytest.mark.parametrize("port", [-1, 0, 65536])
async def test_an_impossible_port_is_an_error_that_names_its_flag(tmp_path: Path, port: int) -> None:
    async with stack(tmp_path, [free_port(), port, free_port()]) as running:
        assert await running.end() == 2
    assert f"argument --webpubsub-port: use a number from 1 to 65535, not '{port}'" in running.output


async def test_one_port_for_two_parts_is_an_error_before_anything_starts(tmp_path: Path) -> None:
    port = free_port()
    async with stack(tmp_path, [port, port, free_port()]) as running:
        assert await running.end() == 1
    assert running.output.startswith(f"Error: port {port} is for webpubsub and for functions: choose another with")
    assert "--functions-port" in running.output


async def test_a_folder_that_cannot_hold_the_data_is_an_error_that_names_the_flag(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with stack(tmp_path / "file") as running:
        assert await running.end() == 1
    assert running.output.startswith("Error: ")
    assert "choose another folder with --data" in running.output


@pytest.mark.parametrize(
    ("flags", "has_core_tools", "parts"),
    [
        ([], True, {"tables": "node", "blobs": "node", "webpubsub": "python", "functions": "func"}),
        ([], False, {"tables": "node", "webpubsub": "python", "functions": "python"}),
        (["--host", "builtin"], True, {"tables": "node", "webpubsub": "python", "functions": "python"}),
        (["--host", "none"], True, {"tables": "node", "blobs": "node", "webpubsub": "python"}),
    ],
)
def test_core_tools_run_the_app_where_they_are_and_nothing_else_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], has_core_tools: bool, parts: dict[str, str]
) -> None:
    if has_core_tools:
        (tmp_path / "func").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(local.stack, "azurite_command", lambda *_: ["node"])  # no look for Node on this PATH
    arguments = local.stack._parser().parse_args([*flags, "--data", str(tmp_path)])
    planned = local.stack.plan(arguments, "chat")
    assert {part.name: re.sub(r"[\d.]*(\.exe)?$", "", Path(part.command[0]).name) for part in planned} == parts


def test_core_tools_that_are_not_there_are_an_error_that_names_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "argv", ["run", "--host", "func", "--data", str(tmp_path)])
    assert local.stack.main() == 1
    assert capsys.readouterr().err.startswith("Error: func is not on PATH")


def test_settings_that_are_no_json_are_an_error_that_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "host.json").write_text("{")
    monkeypatch.setattr(local.stack, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["run"])
    assert local.stack.main() == 1
    assert capsys.readouterr().err.startswith(f"Error: {tmp_path / 'host.json'} is not JSON")


async def test_a_stop_before_everything_is_up_leaves_nothing_behind_and_shows_no_traceback(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        await running.until(lambda output: "functions |" in output)
        running.process.send_signal(signal.SIGINT)
        assert await running.end() == 0
    assert "Traceback" not in running.output
    assert all(map(is_free, running.ports))


async def test_messages_survive_a_restart(tmp_path: Path) -> None:
    ports = [free_port() for _ in range(3)]
    async with aiohttp.ClientSession() as http:
        async with stack(tmp_path, ports) as running:
            await running.until_ready()
            await send(http, running.app, "still here")
            running.process.send_signal(signal.SIGINT)
            assert await running.end() == 0
        async with stack(tmp_path, ports) as running:
            await running.until_ready()
            assert await history(http, running.app) == ["still here"]


async def send(http: aiohttp.ClientSession, app: str, text: str) -> None:
    async with http.get(f"{app}/negotiate", params={"room": "stack", "userId": "ana"}) as answer:
        url = (await answer.json())["url"]
    async with http.ws_connect(url, protocols=["json.webpubsub.azure.v1"]) as socket, asyncio.timeout(SECONDS):
        await socket.send_json({"type": "event", "event": "message", "ackId": 1, "dataType": "text", "data": text})
        while (frame := await socket.receive_json())["type"] != "ack":
            pass
        assert frame["success"], frame


async def history(http: aiohttp.ClientSession, app: str) -> list[str]:
    async with http.get(f"{app}/messages", params={"room": "stack"}) as answer:
        return [message["data"] for message in (await answer.json())["messages"]]
