"""Every step of docs/quickstart.md, as it is written there."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from local.azurite import free_port
from local.node_tools import ensure_node, ensure_packages
from tests.node_packages import TEST_PACKAGES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "quickstart.md").read_text()
SECONDS = 60


def block(info: str) -> str:
    found = re.search(rf"^```{info}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert found, info
    return found[1]


class Program:
    """A program of the quickstart and what it printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.output = ""

    @classmethod
    async def start(cls, *command: object) -> Program:
        pipe, stdout = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
        return cls(await asyncio.create_subprocess_exec(*map(str, command), cwd=ROOT, stdout=pipe, stderr=stdout))

    async def until(self, text: str) -> None:
        assert self._process.stdout is not None
        async with asyncio.timeout(SECONDS):
            while text not in self.output:
                line = await self._process.stdout.readline()
                assert line, self.output
                self.output += line.decode()

    async def stop(self) -> None:
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.communicate()


async def test_the_server_logs_who_connected_and_what_was_sent(tmp_path: Path) -> None:
    app_port, service_port = free_port(), free_port()
    folder = tmp_path / "eventHandlerDemo"
    folder.mkdir()
    (folder / "host.json").write_text(block("json"))
    (folder / "function_app.py").write_text(block("python quickstart"))
    handler = f"myHub1=http://localhost:{app_port}/eventhandler"
    module = [sys.executable, "-m"]
    server = await Program.start(*module, "local.functions_host", "--app", folder, "--port", app_port)
    service = await Program.start(*module, "webpubsub_emulator", "--port", service_port, "--event-handler", handler)
    client = None
    try:
        await server.until("Functions:")
        await service.until("ready")
        make_url = await Program.start(
            sys.executable, "-c", block("python client-access-url").replace("8080", str(service_port))
        )
        await make_url.until("access_token=")
        (tmp_path / "node_modules").symlink_to(
            ensure_packages(TEST_PACKAGES) / "node_modules", target_is_directory=True
        )
        script = tmp_path / "client.mjs"
        script.write_text(block("js quickstart").replace("<client-access-url>", make_url.output.strip()))
        client = await Program.start(ensure_node().node, script)
        await client.until("is connected.")
        await server.until("ana connected")
        await server.until("Received message: sending custom event!")
    finally:
        for program in (client, server, service):
            if program is not None:
                await program.stop()
