"""The whole system on one machine: Azurite, the emulator and the app, started and stopped together."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import aiohttp

from local.arguments import parser
from local.azurite import azurite_command, table_connection_string
from local.data_lock import DataLock, lock_data
from local.exceptions import LocalError, StackError
from local.functions_host.settings import read_settings
from local.part import TOLD, Part, answers, say
from local.ports import refuse_taken_ports
from local.signals import interrupt_on_signals, stop_signals
from webpubsub_emulator import DEFAULT_ACCESS_KEY

__all__ = ["main", "plan", "run"]

ROOT: Final = Path(__file__).resolve().parent.parent
_HUB_SETTING: Final = "WebPubSubHub"
# What pages and this stack ask again and again: its lines would push everything else off the screen.
_POLLED: Final = ("health", "presence", "negotiate")


def plan(arguments: argparse.Namespace, hub: str, lock: DataLock) -> list[Part]:
    """Return the parts in the order in which they start.

    Raises:
        StackError: Core Tools are asked for and missing.
    """
    if arguments.host == "func" and not shutil.which("func"):
        raise StackError("func is not on PATH: install Azure Functions Core Tools, or use --host builtin")
    app_url = f"http://localhost:{arguments.functions_port}"
    service_url = f"http://localhost:{arguments.webpubsub_port}"
    webhook = f"{hub}={app_url}/api/eventhandler/{{event}}"
    service = [sys.executable, "-m", "webpubsub_emulator", "--port", str(arguments.webpubsub_port)]
    parts = [
        _azurite("tables", "table", arguments.tables_port, lock),
        Part(
            "webpubsub",
            arguments.webpubsub_port,
            "--webpubsub-port",
            [*service, "--event-handler", webhook, "--app-url", f"{app_url}/api/demo/"],
            lambda http: answers(http, "HEAD", f"{service_url}/api/health"),
        ),
    ]
    if arguments.host != "builtin":
        parts.insert(1, _azurite("blobs", "blob", arguments.blobs_port, lock))
    if arguments.host != "none":
        port = str(arguments.functions_port)
        stand_in = [sys.executable, "-m", "local.functions_host", "--port", port, "--quiet", *_POLLED]
        parts.append(
            Part(
                "functions",
                arguments.functions_port,
                "--functions-port",
                ["func", "start", "--port", port] if arguments.host == "func" else stand_in,
                lambda http: _app_problem(http, f"{app_url}/api/health"),
                {
                    "WebPubSubConnectionString": _connection_string(arguments.webpubsub_port),
                    "AzureWebJobsStorage": _storage(arguments),
                },
                start_seconds=None,
            )
        )
    return parts


def _azurite(name: str, service: str, port: int, lock: DataLock) -> Part:
    url = f"http://127.0.0.1:{port}/"
    return Part(
        name,
        port,
        f"--{name}-port",
        azurite_command(service, port, lock.folder),
        lambda http: answers(http, "GET", url, 599),
        lock=lock,
    )


async def _app_problem(http: aiohttp.ClientSession, url: str) -> str | None:
    problem = await answers(http, "GET", url)
    return TOLD if problem and problem.startswith("503") and '"settings"' in problem else problem


def _connection_string(port: int) -> str:
    return f"Endpoint=http://localhost:{port};AccessKey={DEFAULT_ACCESS_KEY};Version=1.0;"


def _storage(arguments: argparse.Namespace) -> str:
    blobs = f"BlobEndpoint=http://127.0.0.1:{arguments.blobs_port}/devstoreaccount1;"
    return table_connection_string(arguments.tables_port) + (blobs if arguments.host == "func" else "")


async def run(parts: Sequence[Part], welcome: str) -> None:
    """Start the parts one after the other, then wait until one dies or the stack is told to stop.

    Raises:
        StackError: A part died, or did not become healthy.
    """
    stopping = asyncio.Event()
    if sys.platform != "win32":
        for number in stop_signals():
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    stop = asyncio.create_task(stopping.wait())
    streams: dict[asyncio.Task[int], Part] = {}
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as http:
            for part in parts:
                await part.start()
                streams[asyncio.create_task(part.stream())] = part
                healthy = asyncio.create_task(part.until_healthy(http))
                try:
                    if await _first([healthy, stop, *streams], streams) is stop:
                        return
                    healthy.result()
                finally:
                    healthy.cancel()
        say(welcome)
        await _first([stop, *streams], streams)
    finally:
        stop.cancel()
        say("Stopping …")
        await asyncio.gather(*(part.stop() for part in reversed(parts)))
        await asyncio.gather(*streams, return_exceptions=True)


async def _first(tasks: Sequence[asyncio.Task[object]], streams: Mapping[asyncio.Task[int], Part]) -> object:
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for ended, part in streams.items():
        if ended in done:
            last = "\n".join(f"    {line}" for line in part.last_lines)
            raise StackError(f"{part.describe_end(ended.result())}. Its last lines:\n{last}")
    return next(iter(done))


def _welcome(arguments: argparse.Namespace) -> str:
    app = f"http://localhost:{arguments.functions_port}/api"
    rows = [
        ("demo", f"{app}/demo/"),
        ("traffic view", f"http://localhost:{arguments.webpubsub_port}/"),
        ("negotiate", f"{app}/negotiate?room=lobby&userId=ana"),
        ("history", f"{app}/messages?room=lobby"),
        ("webhook", f"{app}/eventhandler/{{event}}"),
        ("connection string", _connection_string(arguments.webpubsub_port)),
    ]
    if arguments.host == "none":
        rows = [row for row in rows if row[0] in {"traffic view", "webhook", "connection string"}]
    lines = [f"  {name:<18}{value}" for name, value in rows]
    if arguments.host == "none":
        head = (
            "Emulator and table service are running. Copy local.settings.sample.json to local.settings.json and run "
            "`func start`."
        )
    else:
        head = "Ready. Open the demo in two tabs."
    return "\n".join(["", f"  {head}", "", *lines, "", "  Ctrl+C stops everything.", ""])


def main() -> int:
    """Run the stack; the exit status is 1 when a part failed."""
    arguments = parser().parse_args()
    interrupt_on_signals()
    try:
        settings = read_settings(ROOT)
        hub = os.environ.get(_HUB_SETTING) or settings.values.get(_HUB_SETTING) or "chat"
        with lock_data(arguments.data.resolve() / "azurite") as lock:
            parts = plan(arguments, hub, lock)
            refuse_taken_ports(parts)
            asyncio.run(run(parts, _welcome(arguments)))
    except LocalError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
