"""The whole system on one machine: Azurite, the local Web PubSub and the app, started and stopped together."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Final

import aiohttp

from local.azurite import azurite_command, table_connection_string
from local.functions_host.settings import SettingsError, read_settings
from local.node_tools import NodeToolsError
from local.part import Part, StackError, answers
from webpubsub_emulator import DEFAULT_ACCESS_KEY

__all__ = ["main", "plan", "refuse_taken_ports", "run"]

ROOT: Final = Path(__file__).resolve().parent.parent
_HUB_SETTING: Final = "WebPubSubHub"


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"use a number from 1 to 65535, not {text!r}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python dev.py run",
        description="Starts Azurite, the local Web PubSub and the Functions app, and stops them together on Ctrl+C.",
    )
    parser.add_argument(
        "--host",
        choices=["func", "builtin", "none"],
        default="func" if shutil.which("func") else "builtin",
        help="what runs the app: Azure Functions Core Tools, the stand-in for it, or nothing, to run `func start` "
        "in another terminal (default: func where it is installed, else builtin)",
    )
    parser.add_argument("--functions-port", type=_port, default=7071, help="the app's port (default: 7071)")
    parser.add_argument(
        "--webpubsub-port", type=_port, default=8080, help="the local Web PubSub's port (default: 8080)"
    )
    parser.add_argument("--tables-port", type=_port, default=10002, help="the table service's port (default: 10002)")
    parser.add_argument("--blobs-port", type=_port, default=10000, help="the blob service's port (default: 10000); "
                        "only with --host func or none, as the real host wants one")  # fmt: skip
    parser.add_argument("--data", type=Path, default=ROOT / ".local", help="where data lives (default: .local)")
    return parser


def plan(arguments: argparse.Namespace, hub: str) -> list[Part]:
    """Return the parts in the order in which they start.

    Raises:
        StackError: Core Tools are asked for and missing, or there is no place for the data.
    """
    if arguments.host == "func" and not shutil.which("func"):
        raise StackError("func is not on PATH: install Azure Functions Core Tools, or use --host builtin")
    data = arguments.data.resolve() / "azurite"
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(f"{data} cannot be made ({error.strerror}): choose another folder with --data") from None
    app_url = f"http://localhost:{arguments.functions_port}"
    service_url = f"http://localhost:{arguments.webpubsub_port}"
    webhook = f"{hub}={app_url}/api/eventhandler/{{event}}"
    service = [sys.executable, "-m", "webpubsub_emulator", "--port", str(arguments.webpubsub_port)]
    parts = [
        _azurite("tables", "table", arguments.tables_port, data),
        Part(
            "webpubsub",
            arguments.webpubsub_port,
            "--webpubsub-port",
            [*service, "--event-handler", webhook, "--app-url", f"{app_url}/api/demo/"],
            lambda http: answers(http, "HEAD", f"{service_url}/api/health"),
        ),
    ]
    if arguments.host != "builtin":
        parts.insert(1, _azurite("blobs", "blob", arguments.blobs_port, data))
    if arguments.host != "none":
        port = str(arguments.functions_port)
        stand_in = [sys.executable, "-m", "local.functions_host", "--port", port]
        parts.append(
            Part(
                "functions",
                arguments.functions_port,
                "--functions-port",
                ["func", "start", "--port", port] if arguments.host == "func" else stand_in,
                lambda http: answers(http, "GET", f"{app_url}/api/health"),
                {
                    "WebPubSubConnectionString": _connection_string(arguments.webpubsub_port),
                    "AzureWebJobsStorage": _storage(arguments),
                },
            )
        )
    return parts


def _azurite(name: str, service: str, port: int, data: Path) -> Part:
    url = f"http://127.0.0.1:{port}/"
    return Part(
        name, port, f"--{name}-port", azurite_command(service, port, data), lambda http: answers(http, "GET", url, 599)
    )


def _connection_string(port: int) -> str:
    return f"Endpoint=http://localhost:{port};AccessKey={DEFAULT_ACCESS_KEY};Version=1.0;"


def _storage(arguments: argparse.Namespace) -> str:
    blobs = f"BlobEndpoint=http://127.0.0.1:{arguments.blobs_port}/devstoreaccount1;"
    return table_connection_string(arguments.tables_port) + (blobs if arguments.host == "func" else "")


def refuse_taken_ports(parts: Sequence[Part]) -> None:
    """Look at every port before anything starts.

    Raises:
        StackError: Some are taken, or one is for two parts; each is named with its flag.
    """
    for first, second in combinations(parts, 2):
        if first.port == second.port:
            raise StackError(
                f"port {first.port} is for {first.name} and for {second.name}: choose another with {second.flag}"
            )
    taken = [
        f"port {part.port} for {part.name} is taken: stop the program there, or choose another with {part.flag}"
        for part in parts
        if not _is_free(part.port)
    ]
    if taken:
        raise StackError("; ".join(taken))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def run(parts: Sequence[Part], welcome: str) -> None:
    """Start the parts one after the other, then wait until one dies or the stack is told to stop.

    Raises:
        StackError: A part died, or did not become healthy.
    """
    stopping = asyncio.Event()
    if sys.platform != "win32":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
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
        print(welcome, flush=True)
        await _first([stop, *streams], streams)
    finally:
        stop.cancel()
        print("Stopping …", flush=True)
        await asyncio.gather(*(part.stop() for part in reversed(parts)))
        await asyncio.gather(*streams, return_exceptions=True)


async def _first(tasks: Sequence[asyncio.Task[object]], streams: Mapping[asyncio.Task[int], Part]) -> object:
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for ended, part in streams.items():
        if ended in done:
            last = "\n".join(f"    {line}" for line in part.last_lines)
            raise StackError(f"{part.name} ended with exit status {ended.result()}. Its last lines:\n{last}")
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
        head = "The stand-ins run. Copy local.settings.sample.json to local.settings.json and run `func start`."
    else:
        head = "Ready. Open the demo in two tabs."
    return "\n".join(["", f"  {head}", "", *lines, "", "  Ctrl+C stops everything.", ""])


def main() -> int:
    """Run the stack; the exit status is 1 when a part failed."""
    arguments = _parser().parse_args()
    try:
        settings = read_settings(ROOT)
        hub = os.environ.get(_HUB_SETTING) or settings.values.get(_HUB_SETTING) or "chat"
        parts = plan(arguments, hub)
        refuse_taken_ports(parts)
        asyncio.run(run(parts, _welcome(arguments)))
    except (StackError, NodeToolsError, SettingsError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
