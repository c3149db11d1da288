"""``python -m local.functions_host`` as a process: it serves, restarts, says what is wrong, and ends."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from local.azurite import free_port
from tests.host.raw_http import ask

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 30
BROKEN = "this cannot be Python\n"
AT_IMPORT = """
import json
import os
from pathlib import Path
import azure.functions as func

NAMES = ("FROM_FILE", "FROM_OUTSIDE", "AZURE_FUNCTIONS_ENVIRONMENT", "WEBSITE_HOSTNAME")
SEEN = {name: os.environ.get(name) for name in NAMES} | {"cwd": str(Path.cwd())}
app = func.FunctionApp()

@app.route("x")
async def x(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(SEEN))
"""

QUIET = """
import azure.functions as func

app = func.FunctionApp()

@app.route("polled")
async def polled(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("polled")

@app.route("failing")
async def failing(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError

@app.route("loud")
async def loud(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("loud")
"""


def answering(text: str) -> str:
    """Return an app whose function tells this text and its own process."""
    return f"""
import os
import azure.functions as func

app = func.FunctionApp()

@app.route("x", methods=["GET", "POST"])
async def x(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("{text} " + str(os.getpid()))
"""


class Running:
    """A started process: what it printed, and what its app answers."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.port = port
        self.output = ""
        self._reading = asyncio.create_task(self._read())

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.output += line.decode()

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Wait until something holds, while the process lives."""
        try:
            async with asyncio.timeout(SECONDS):
                while not await holds():
                    assert self.process.returncode is None, self.output
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"not within {SECONDS} s; printed was:\n{self.output}")

    async def until_printed(self, text: str) -> None:
        async def printed() -> bool:
            return text in self.output

        await self.until(printed)

    async def until_answers(self, word: str, target: str = "/api/x") -> str:
        """Return the rest of the first answer that begins with a word."""
        answer = ""

        async def answers() -> bool:
            nonlocal answer
            try:
                answer = (await ask(self, "GET", target)).body.decode()
            except OSError:
                return False
            return answer.startswith(word)

        await self.until(answers)
        return answer.removeprefix(word)

    async def end(self) -> int:
        """Wait for the end and give the exit status."""
        try:
            async with asyncio.timeout(SECONDS):
                await asyncio.shield(self._reading)
                return await self.process.wait()
        except TimeoutError:
            pytest.fail(f"did not end within {SECONDS} s; printed was:\n{self.output}")


@asynccontextmanager
async def started(app: Path, *flags: str, port: int | None = None) -> AsyncIterator[Running]:
    port = port or free_port()
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "local.functions_host", "--app", str(app), "--port", str(port), *flags],
        cwd=ROOT,
        # Bytecode is written, as it is for most people.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONUNBUFFERED": "1", "FROM_OUTSIDE": "outside"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    running = Running(process, port)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.terminate()
        await running.end()


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A folder with a working app."""
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "function_app.py").write_text(answering("one"))
    return tmp_path


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def write_settings(app: Path, document: Any) -> None:
    (app / "local.settings.json").write_text(json.dumps(document))


@pytest.mark.parametrize("flags", [[], ["--no-reload"]])
async def test_it_serves_and_lists_its_functions_as_func_does(app: Path, flags: list[str]) -> None:
    async with started(app, *flags) as running:
        await running.until_answers("one")
        await running.until_printed(f"\nFunctions:\n\n\tx: [GET,POST] {running.url}/api/x\n\n")


async def test_a_change_of_the_code_is_served(app: Path) -> None:
    async with started(app) as running:
        first = await running.until_answers("one")
        (app / "function_app.py").write_text(answering("two"))
        second = await running.until_answers("two")
    assert first != second


async def test_a_reload_is_one_line_with_its_time(app: Path) -> None:
    async with started(app) as running:
        await running.until_answers("one")
        await running.until_printed("stand-in for `func start`")
        before = running.output
        (app / "function_app.py").write_text(answering("two"))
        await running.until_answers("two")
        await running.until_printed("Reloaded")
        running.process.terminate()
        await running.end()
    (line,) = [
        line for line in running.output.removeprefix(before).splitlines() if "Executed 'Functions.x'" not in line
    ]
    assert re.fullmatch(r"\S+ \S+ INFO +Reloaded in \d+\.\d s after a change of function_app\.py\.", line)


async def test_files_saved_again_in_the_same_second_at_the_same_size_are_served(app: Path) -> None:
    def save(text: str) -> None:
        (app / "words.py").write_text(f"TEXT = {text!r}\n")
        os.utime(app / "words.py", (1_700_000_000, 1_700_000_000))

    save("one")
    source = answering("one").replace('"one "', "words.TEXT").replace("import os", "import os\nimport words")
    (app / "function_app.py").write_text(source)
    async with started(app) as running:
        await running.until_answers("one")
        for word in ("two", "six"):
            save(word)
            await running.until_answers(word)


async def test_a_change_of_host_json_is_served(app: Path) -> None:
    async with started(app) as running:
        await running.until_answers("one")
        (app / "host.json").write_text('{"version": "2.0", "extensions": {"http": {"routePrefix": "v2"}}}')
        await running.until_answers("one", "/v2/x")


async def test_a_broken_app_is_shown_and_recovers_once_mended(app: Path) -> None:
    async with started(app) as running:
        await running.until_answers("one")
        (app / "function_app.py").write_text(BROKEN)
        await running.until_printed("SyntaxError")
        await running.until_printed("Error: function_app.py could not be imported")
        await running.until_printed("Waiting for a change of the app's files.")
        (app / "function_app.py").write_text(answering("mended"))
        await running.until_answers("mended")


async def test_an_import_error_begins_with_the_developers_own_files(app: Path) -> None:
    (app / "rules.py").write_text("raise ValueError('my mistake')\n")
    (app / "function_app.py").write_text("import rules\n")
    async with started(app) as running:
        await running.until_printed("Waiting for a change of the app's files.")
    frames = re.findall(r'File "(.+?)", line', running.output)
    assert frames == [str(app / "function_app.py"), str(app / "rules.py")]
    assert "ValueError: my mistake" in running.output


async def test_an_app_that_is_broken_from_the_start_is_waited_for(app: Path) -> None:
    (app / "function_app.py").write_text("import nothing_of_that_name\n")
    async with started(app) as running:
        await running.until_printed("No module named 'nothing_of_that_name'")
        await running.until_printed("Error: function_app.py could not be imported")
        await running.until_printed("Waiting for a change of the app's files.")
        (app / "function_app.py").write_text(answering("mended"))
        await running.until_answers("mended")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("function_app.py", BROKEN, "Error: function_app.py could not be imported; the traceback above says why."),
        ("function_app.py", "raise SystemExit('no key')\n", "Error: function_app.py could not be imported"),
        ("function_app.py", "x = 1\n", "Error: function_app.py must have exactly one FunctionApp"),
        ("function_app.py", answering("x").replace('"x", ', '"admin", '), "must not begin with admin"),
        ("function_app.py", answering("x").replace('"x", ', '"{x", '), "has a part that is not a parameter"),
        ("host.json", "{", "host.json is not JSON"),
        ("host.json", "{}", 'no "version": "2.0"'),
        ("local.settings.json", "{", "local.settings.json is not JSON"),
    ],
)
async def test_without_reload_a_broken_app_ends_with_a_sentence(app: Path, name: str, text: str, message: str) -> None:
    (app / name).write_text(text)
    async with started(app, "--no-reload") as running:
        assert await running.end() == 4
    assert message in running.output.splitlines()[-1]


@pytest.mark.parametrize("flags", [[], ["--no-reload"]])
async def test_a_taken_port_ends_with_a_sentence_that_names_port_and_flag(app: Path, flags: list[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with started(app, *flags, port=port) as running:
            assert await running.end() == 3
    assert running.output.splitlines()[-1].startswith(f"Error: port {port} is taken")
    assert "--port" in running.output
    assert "Traceback" not in running.output


async def test_an_address_that_is_not_ours_ends_it_with_a_sentence(app: Path) -> None:
    async with started(app, "--host", "192.0.2.1") as running:
        assert await running.end() == 3
    last = running.output.splitlines()[-1]
    assert last.startswith(f"Error: port {running.port} on 192.0.2.1 cannot be used")
    assert "Traceback" not in running.output


async def test_a_worker_that_is_killed_ends_it_and_the_signal_is_named(app: Path) -> None:
    async with started(app) as running:
        os.kill(int(await running.until_answers("one")), signal.SIGKILL)
        assert await running.end() == 1
    assert running.output.splitlines()[-1] == "Error: the app's process was killed (SIGKILL)."


@pytest.mark.parametrize("flags", [[], ["--no-reload"]])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_ends_it_and_its_worker(app: Path, number: signal.Signals, flags: list[str]) -> None:
    async with started(app, *flags) as running:
        worker = int(await running.until_answers("one"))
        assert is_alive(worker)
        running.process.send_signal(number)
        assert await running.end() == 0
    assert not is_alive(worker)
    assert is_free(running.port)
    assert "Traceback" not in running.output


@pytest.mark.parametrize("flags", [[], ["--no-reload"]])
async def test_a_signal_ends_it_where_a_shell_has_started_it_in_the_background(app: Path, flags: list[str]) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        async with started(app, *flags) as running:
            await running.until_answers("one")
            running.process.send_signal(signal.SIGINT)
            assert await running.end() == 0
    finally:
        signal.signal(signal.SIGINT, before)


async def test_a_signal_ends_it_while_it_waits_for_a_broken_app(app: Path) -> None:
    (app / "function_app.py").write_text(BROKEN)
    async with started(app) as running:
        await running.until_printed("Error: function_app.py could not be imported")
        running.process.send_signal(signal.SIGTERM)
        assert await running.end() == 0


async def test_what_the_app_relies_on_is_there_before_its_import(app: Path) -> None:
    write_settings(app, {"Values": {"FROM_FILE": "file", "FROM_OUTSIDE": "file"}})
    (app / "function_app.py").write_text(AT_IMPORT)
    async with started(app, "--no-reload") as running:
        seen = json.loads("{" + await running.until_answers("{"))
        await running.until_printed("Skipping 'FROM_OUTSIDE' from local settings as it's already defined")
    assert seen == {
        "FROM_FILE": "file",
        "FROM_OUTSIDE": "outside",
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "WEBSITE_HOSTNAME": f"localhost:{running.port}",
        "cwd": str(app),
    }


async def test_it_outlives_its_terminal_where_it_was_started_with_nohup(app: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        async with started(app) as running:
            await running.until_answers("one")
            running.process.send_signal(signal.SIGHUP)
            (app / "function_app.py").write_text(answering("two"))
            await running.until_answers("two")
    finally:
        signal.signal(signal.SIGHUP, before)


async def test_values_of_the_sample_that_the_environment_has_are_not_worth_a_word(app: Path) -> None:
    (app / "local.settings.sample.json").write_text(json.dumps({"Values": {"FROM_OUTSIDE": "sample"}}))
    async with started(app, "--no-reload") as running:
        await running.until_answers("one")
    assert "Skipping" not in running.output


async def test_a_call_to_a_quiet_path_is_logged_only_when_it_fails(app: Path) -> None:
    (app / "function_app.py").write_text(QUIET)
    async with started(app, "--no-reload", "--quiet", "polled", "failing") as running:
        await running.until_answers("polled", "/api/polled")
        assert (await ask(running, "GET", "/api/failing")).status == 500
        await running.until_answers("loud", "/api/loud")
        await running.until_printed("'Functions.loud' (Succeeded")
    assert "'Functions.failing' (Failed" in running.output
    assert "'Functions.polled'" not in running.output


async def test_a_key_in_a_query_is_nowhere_in_the_output(app: Path) -> None:
    async with started(app, "--no-reload") as running:
        await running.until_answers("one", "/api/x?code=hush-hush")
        await running.until_printed("Executed 'Functions.x' (Succeeded")
        running.process.terminate()
        await running.end()
    assert "hush-hush" not in running.output
