"""The local system as ``dev.py run`` has it: Azurite, the emulator and one Functions host, and nothing between them."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from local.azurite import azurite_command, free_port, table_connection_string
from tests.soak.system.processes import Process
from tests.soak.system.stack import ACCESS_KEY

__all__ = ["System", "running_system"]


@dataclass(frozen=True, slots=True)
class System:
    """What a client of the load needs: where the app's routes and the service are, and the processes to look at."""

    api: str
    service: str
    storage: str
    http: aiohttp.ClientSession
    azurite: Process
    emulator: Process
    host: Process


@asynccontextmanager
async def running_system(folder: Path) -> AsyncIterator[System]:
    """Run it with fresh data, and without a limit of messages a second."""
    storage_port, service_port, host_port = free_port(), free_port(), free_port()
    storage, service = table_connection_string(storage_port), f"http://localhost:{service_port}"
    webhook = f"chat=http://localhost:{host_port}/api/eventhandler/{{event}}"
    app = f"http://localhost:{host_port}/api"
    watched = (sys.executable, "-m", "tests.soak.system.watched")
    emulator = (*watched, "webpubsub_emulator", "--port", str(service_port), "--access-key", ACCESS_KEY)
    settings = {
        "AzureWebJobsStorage": storage,
        "WebPubSubConnectionString": f"Endpoint={service};AccessKey={ACCESS_KEY};Version=1.0;",
        "CLIENT_AUTH": "anonymous",
        "MAX_MESSAGES_PER_SECOND": "0",
    }
    with TemporaryDirectory(prefix="azurite-", dir=folder) as data:
        command = azurite_command("table", storage_port, Path(data))
        processes = (
            Process("azurite", command, {}, folder, f"http://127.0.0.1:{storage_port}/"),
            Process("emulator", [*emulator, "--event-handler", webhook], {}, folder, f"{service}/api/health"),
            Process(
                "host",
                [*watched, "local.functions_host", "--port", str(host_port), "--no-reload", "--quiet", "negotiate"],
                settings,
                folder,
                f"{app}/demo/",
            ),
        )
        async with AsyncExitStack() as stack:
            http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
            stack.push_async_callback(http.close)
            for process in processes:
                stack.push_async_callback(process.end, signal.SIGINT)
                await process.start()
            yield System(app, service, storage, http, *processes)
