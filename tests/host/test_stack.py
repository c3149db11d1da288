"""The stack starts as one, stops as one, and says what is wrong."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import shutil
import signal
import sys
import termios
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

import local.stack
from local.arguments import parser
from local.azurite import free_port
from local.data_lock import lock_data
from webpubsub_emulator.listeners import LOOPBACK_ADDRESSES, bind

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60


class Stack:
    """A running ``python -m local.stack`` and what it printed."""

    def __init__(self, process: asyncio.subprocess.Process, functions_port: int, ports: list[int], data: Path) -> None:
        self.process = process
        self.data = data
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


PROGRAM = ("-m", "local.stack")
# dev.py in an environment that has everything.
DEV = (
    "-c",
    """
import sys, dev
dev.python = lambda: sys.executable
dev.ensure_environment = lambda _: None
sys.exit(dev.run(sys.argv[1:]))
""",
)


@asynccontextmanager
async def stack(
    data: Path, ports: list[int] | None = None, program: Sequence[str] = PROGRAM, folder: Path = ROOT
) -> AsyncIterator[Stack]:
    ports = ports or [free_port() for _ in range(3)]
    flags = ["--functions-port", "--webpubsub-port", "--tables-port"]
    arguments = [text for flag, port in zip(flags, ports, strict=True) for text in (flag, str(port))]
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, *program, "--host", "builtin", "--data", str(data), *arguments],
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield Stack(process, ports[0], ports, data)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()


def copy_of_the_app(folder: Path) -> Path:
    """Return a copy of the repository, as far as the stack needs it, to change files in."""
    app = folder / "app"
    for name in ("chat", "demo", "local", "webpubsub_emulator", "webpubsub_handler"):
        shutil.copytree(ROOT / name, app / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("function_app.py", "host.json", "local.settings.sample.json"):
        shutil.copyfile(ROOT / name, app / name)
    (app / ".local").mkdir()
    (app / ".local" / "node").symlink_to(ROOT / ".local" / "node")
    return app


def is_free(port: int) -> bool:
    for address in LOOPBACK_ADDRESSES:
        try:
            bind(address, port).close()
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def untouched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """One stack for all tests that look at it and leave it as it is; its output is that of its first start."""
    async with stack(tmp_path_factory.mktemp("untouched")) as running:
        await running.until_ready()
        yield running


@pytest.mark.asyncio(loop_scope="module")
async def test_it_tells_where_everything_is_and_a_message_goes_through(untouched: Stack) -> None:
    for shown in (
        "traffic view",
        "/api/demo/",
        "/api/negotiate?",
        "/api/eventhandler/{event}",
        "Endpoint=http://localhost:",
    ):
        assert shown in untouched.output
    async with aiohttp.ClientSession() as http:
        await send(http, untouched.app, "through the whole stack")
        assert await history(http, untouched.app) == ["through the whole stack"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_to_what_was_started_leaves_no_process_and_no_port(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with stack(tmp_path, program=DEV) as running:
        await running.until_ready()
        below = children_of(running.process.pid)
        assert len(below) >= 4  # Azurite, the emulator, the host and its worker
        assert not any(map(is_free, running.ports))
        running.process.send_signal(number)
        assert await running.end() == 0
        assert not [pid for pid in below if pid in all_processes()]
        assert all(map(is_free, running.ports))


@pytest.mark.parametrize("number", ["INT", "TERM", "HUP"])
async def test_a_signal_ends_everything_also_where_a_shell_has_started_it_in_the_background(
    tmp_path: Path, number: str
) -> None:
    ports = [free_port() for _ in range(3)]
    shell = await asyncio.create_subprocess_exec(
        *["sh", "-c", '"$@" & echo "pid $!"; wait', "sh", sys.executable, *DEV, "--host", "builtin"],
        *["--data", str(tmp_path), "--functions-port", str(ports[0]), "--webpubsub-port", str(ports[1])],
        *["--tables-port", str(ports[2])],
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    running = Stack(shell, ports[0], ports, tmp_path)
    await running.until(lambda output: "pid " in output)
    started = int(running.output.partition("pid ")[2].split()[0])
    try:
        await running.until_ready()
    finally:
        below = children_of(started)
        os.kill(started, getattr(signal, f"SIG{number}"))
    assert await running.end() == 0
    assert len(below) >= 4
    assert not [pid for pid in (started, *below) if pid in all_processes()]
    assert all(map(is_free, ports))


async def test_a_terminal_that_closes_ends_everything(tmp_path: Path) -> None:
    """Whatever is printed while it stops reaches nobody, which must not keep it from stopping."""
    ports = [free_port() for _ in range(3)]
    keeper, terminal = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, *PROGRAM, "--host", "builtin", "--data", str(tmp_path), "--functions-port", str(ports[0])],
        *["--webpubsub-port", str(ports[1]), "--tables-port", str(ports[2])],
        cwd=ROOT,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=take_terminal,
    )
    os.close(terminal)
    shown = ""
    async with asyncio.timeout(SECONDS):
        while "Ctrl+C stops everything" not in shown:
            shown += (await asyncio.to_thread(os.read, keeper, 1024)).decode(errors="replace")
    below = children_of(process.pid)
    os.close(keeper)
    async with asyncio.timeout(SECONDS):
        await process.wait()
    assert len(below) >= 4
    assert not [pid for pid in below if pid in all_processes()]
    assert all(map(is_free, ports))


def take_terminal() -> None:
    """Make standard input the terminal that the new session gets its signals from."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


async def test_a_reader_that_goes_away_ends_everything(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        await running.until(lambda output: "webpubsub |" in output)
        below = children_of(running.process.pid)
        transport = running.process._transport  # type: ignore[attr-defined]
        transport.get_pipe_transport(1).close()
        async with asyncio.timeout(SECONDS):
            await running.process.wait()
        assert below
        assert not [pid for pid in below if pid in all_processes()]
        assert all(map(is_free, running.ports))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("azurite", "Error: tables was killed (SIGKILL). Its last lines:"),
        ("webpubsub_emulator", "Error: webpubsub was killed (SIGKILL). Its last lines:"),
        ("-m local.functions_host", "Error: functions was killed (SIGKILL). Its last lines:"),
        ("--no-reload", "Error: the app's process was killed (SIGKILL)."),
    ],
)
async def test_a_part_that_dies_ends_the_rest_and_is_named(tmp_path: Path, command: str, said: str) -> None:
    async with stack(tmp_path) as running:
        await running.until_ready()
        below = children_of(running.process.pid)
        victim = min(pid for pid, line in below.items() if command in line)
        os.kill(victim, signal.SIGKILL)
        assert await running.end() == 1
        assert said in running.output
        assert not [pid for pid in below if pid in all_processes()]
        assert all(map(is_free, running.ports))


@pytest.mark.parametrize(("address", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("::", "127.0.0.1")])
async def test_a_port_taken_at_either_address_is_an_error_before_anything_starts(
    tmp_path: Path, address: str, shown: str
) -> None:
    with bind(address, 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        async with stack(tmp_path, [free_port(), port, free_port()]) as running:
            assert await running.end() == 1
    assert running.output.startswith(f"Error: port {port} for webpubsub is taken at {shown}: stop the program there")
    assert "--webpubsub-port" in running.output


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]"])
async def test_the_app_and_the_emulator_are_at_both_addresses_of_localhost(untouched: Stack, address: str) -> None:
    async with aiohttp.ClientSession() as http:
        for port in untouched.ports[:2]:
            async with http.head(f"http://{address}:{port}/") as answer:
                assert answer.status < 500


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


@pytest.mark.asyncio(loop_scope="module")
async def test_a_second_stack_on_a_folder_is_told_who_holds_it_and_the_flag(untouched: Stack, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(untouched.data)
    async with stack(tmp_path / "link") as second:
        assert await second.end() == 1
    assert second.output == (
        f"Error: the data in {untouched.data / 'azurite'} is in use by process {untouched.process.pid} (dev.py): "
        "stop it, or choose another folder with --data\n"
    )
    assert untouched.process.returncode is None


async def test_a_folder_is_free_again_after_a_kill_once_nothing_writes_there(tmp_path: Path) -> None:
    async with stack(tmp_path) as first:
        await first.until_ready()
        below = children_of(first.process.pid)
        azurite = next(pid for pid, line in below.items() if "azurite" in line)
        first.process.kill()
        await first.process.wait()
        async with stack(tmp_path) as second:
            assert await second.end() == 1
        for pid in below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        assert f"in use by process {azurite} (tables): stop it" in second.output
        async with asyncio.timeout(SECONDS):
            while set(below) & all_processes():  # noqa: ASYNC110 - nothing tells when a stranger's process ends
                await asyncio.sleep(0.05)
    async with stack(tmp_path) as third:
        await third.until_ready()


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
    with lock_data(tmp_path / "azurite") as lock:
        planned = local.stack.plan(parser().parse_args(flags), "chat", lock)
    assert {part.name: re.sub(r"[\d.]*(\.exe)?$", "", Path(part.command[0]).name) for part in planned} == parts


def test_core_tools_that_are_not_there_are_an_error_that_names_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "argv", ["run", "--host", "func", "--data", str(tmp_path)])
    monkeypatch.setattr(local.stack, "interrupt_on_signals", lambda: None)
    assert local.stack.main() == 1
    assert capsys.readouterr().err.startswith("Error: func is not on PATH")


def test_settings_that_are_not_json_are_an_error_that_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "host.json").write_text("{")
    monkeypatch.setattr(local.stack, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["run"])
    monkeypatch.setattr(local.stack, "interrupt_on_signals", lambda: None)
    assert local.stack.main() == 1
    assert capsys.readouterr().err.startswith(f"Error: {tmp_path / 'host.json'} is not JSON")


async def test_a_stop_before_everything_is_up_leaves_nothing_behind_and_shows_no_traceback(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        await running.until(lambda output: "functions |" in output)
        running.process.send_signal(signal.SIGINT)
        assert await running.end() == 0
    assert "Traceback" not in running.output
    assert all(map(is_free, running.ports))


async def test_wrong_settings_are_one_text_and_then_silence_until_they_are_mended(tmp_path: Path) -> None:
    app = copy_of_the_app(tmp_path)
    settings = app / "local.settings.sample.json"
    right = settings.read_text()
    settings.write_text(right.replace('"anonymous"', '"anonymus"'))
    async with stack(tmp_path / "data", folder=app) as running, aiohttp.ClientSession() as http:
        await running.until(lambda output: "functions |   - CLIENT_AUTH: use one of" in output)
        # As many looks at its health as the stack has in 5 seconds.
        for _ in range(50):
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with http.get(f"{running.app}/health") as answer:
                    assert answer.status == 503
        settings.write_text(right)
        await running.until_ready()
        assert running.output.count("CLIENT_AUTH") == 1
        since_start = running.output.partition("This is a stand-in for")[2]
        assert since_start.partition("Reloaded in ")[0].count("\n") == 1
        await send(http, running.app, "mended")


async def test_a_broken_app_is_waited_for(tmp_path: Path) -> None:
    app = copy_of_the_app(tmp_path)
    events = app / "chat" / "events.py"
    right = events.read_text()
    events.write_text(f"import nothing_of_that_name\n{right}")
    async with stack(tmp_path / "data", folder=app) as running:
        await running.until(lambda output: "Waiting for a change of the app's files." in output)
        events.write_text(right)
        await running.until_ready()
        assert running.output.count("Traceback") == 1


async def test_all_parts_log_in_one_format_and_what_is_polled_is_omitted(tmp_path: Path) -> None:
    async with stack(tmp_path) as running, aiohttp.ClientSession() as http:
        await running.until_ready()
        first = running.output
        await send(http, running.app, "logged")
        async with http.get(f"{running.app}/presence", params={"room": "stack"}) as answer:
            assert answer.status == 200
        await history(http, running.app)
        await running.until(lambda output: "'Functions.messages'" in output)
        running.process.send_signal(signal.SIGINT)
        assert await running.end() == 0
    logged = running.output.removeprefix(first)
    lines = [line for line in logged.splitlines() if line.startswith(("webpubsub |", "functions |"))]
    assert {line.partition(" ")[0] for line in lines} == {"webpubsub", "functions"}
    line_format = r"(webpubsub|functions) \| \d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING|ERROR) +\S.*"
    assert [line for line in lines if not re.fullmatch(line_format, line)] == []
    assert not [line for line in lines if re.search(r"Functions\.(health|negotiate|presence)", line)]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_first_start_warns_of_nothing_that_its_developer_has_not_set(untouched: Stack) -> None:
    assert not re.search("warning|skipping|anonymous:", untouched.output, re.IGNORECASE)


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
