"""The start of a worker: what importing the app costs, and what the first event waits for.

Both are measured in fresh processes, from a copy of the deployed files with compiled modules. The baseline of the
import is to import ``azure.functions``, both asynchronous SDKs and ``aiohttp``, in CPU time. The parts of it are each
without what was imported before. The app is imported while an event loop runs, as the worker of Azure Functions does;
then come events one by one, the first of them right after indexing, through the function that the host calls. They are
stored in Azurite and broadcast by the emulator.
"""

from __future__ import annotations

import asyncio
import compileall
import json
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks import backends
from benchmarks.report import Figure, NotMeasuredError, compare

__all__ = ["measure"]

_MAX_IMPORT: Final = 1.10
_MAX_FIRST_MS: Final = 40.0
_IMPORTS: Final = 15
_STARTS: Final = 7
_DEPLOYED: Final = ("chat", "webpubsub_handler", "demo", "function_app.py", "host.json")
_TIMED: Final = "import time; start = time.process_time(); import {}; print(time.process_time() - start)"
_FLOOR: Final = "azure.functions, azure.data.tables.aio, azure.messaging.webpubsubservice.aio, aiohttp"
# In the order in which the app imports them; garbage is not collected meanwhile.
_PARTS: Final = {
    "azure.functions": "import azure.functions",
    "azure.core": "import azure.core.rest, azure.core.credentials_async, azure.core.pipeline.policies",
    "aiohttp and its transport": "import aiohttp; from azure.core.pipeline.transport import AioHttpTransport",
    "both SDKs": "import azure.data.tables.aio, azure.messaging.webpubsubservice.aio",
    "the library, the chat, the functions": "import function_app",
    "the clients of table and service": "asyncio.run(make_clients())",
    "azure.identity, with an identity only": "import azure.identity.aio",
}
_TIMED_PARTS: Final = """
import asyncio, gc, json, time
gc.disable()
async def make_clients():
    function_app.store.open()
    function_app.service.open()
seconds = []
for part in {}:
    start = time.process_time()
    exec(part)
    seconds.append(time.process_time() - start)
print(json.dumps(seconds))
"""
_EVENTS: Final = """
import asyncio, base64, json, os, time

async def main():
    import function_app
    functions = function_app.app.get_functions()
    handle = next(f.get_user_function() for f in functions if f.get_function_name() == "eventhandler")
    import azure.functions as func
    from webpubsub_handler import sign
    key = os.environ["WebPubSubConnectionString"].split("AccessKey=")[1].split(";")[0]
    fields = {
        "content-type": "text/plain", "ce-specversion": "1.0", "ce-type": "azure.webpubsub.user.message",
        "webhook-request-origin": "localhost", "ce-signature": sign(key, "conn-1"), "ce-connectionid": "conn-1",
        "ce-hub": "chat", "ce-eventname": "message", "ce-userid": "ana",
        "ce-connectionstate": base64.b64encode(json.dumps({"rooms": ["lobby"]}).encode()).decode(),
    }
    seconds = []
    for number in range(1, 202):
        headers = {**fields, "ce-id": str(number), "ce-time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        request = func.HttpRequest("POST", "http://localhost/", headers=headers, body=b"x" * 1024)
        start = time.perf_counter()
        response = await handle(request)
        seconds.append(time.perf_counter() - start)
        if response.status_code != 204:
            raise SystemExit(f"an event was answered {response.status_code}")
    print(json.dumps(seconds))

asyncio.run(main())
"""


async def measure() -> list[Figure]:
    """Return the costs of the import and of the first event."""
    with _deployed() as folder:
        settings = backends.environment(
            "UseDevelopmentStorage=true", "Endpoint=http://localhost;AccessKey=k;Version=1.0;"
        )
        pairs = []
        for _ in range(_IMPORTS):
            ours = float(await _output(_TIMED.format("function_app"), folder, settings))
            pairs.append((ours * 1000, float(await _output(_TIMED.format(_FLOOR), folder, settings)) * 1000))
        code = _TIMED_PARTS.format(list(_PARTS.values()))
        parts = [json.loads(await _output(code, folder, settings)) for _ in range(_IMPORTS)]
        form, baseline = "{:.0f} ms", "azure.functions, both SDKs, aiohttp"
        figures = [
            compare("importing function_app, CPU", pairs, form, baseline, at_most=_MAX_IMPORT),
            *_parts(parts),
        ]
        async with backends.azurite() as storage, backends.emulator() as endpoint:
            settings = backends.environment(storage, endpoint)
            # The first of them makes the table.
            starts = [json.loads(await _output(_EVENTS, folder, settings)) for _ in range(_STARTS + 1)][1:]
    return [*figures, _first(starts)]


def _parts(parts: list[list[float]]) -> list[Figure]:
    medians = [statistics.median(seconds) * 1000 for seconds in zip(*parts, strict=True)]
    return [Figure(what=f"of it: {name}", ours=f"{ms:.0f} ms") for name, ms in zip(_PARTS, medians, strict=True)]


def _first(starts: list[list[float]]) -> Figure:
    first = statistics.median(seconds[0] for seconds in starts) * 1000
    usual = statistics.median(statistics.median(seconds[1:]) for seconds in starts) * 1000
    return Figure(
        what="the first event after indexing",
        ours=f"{first:.0f} ms",
        baseline=f"{usual:.1f} ms (the median event)",
        value=statistics.median((seconds[0] - statistics.median(seconds[1:])) * 1000 for seconds in starts),
        unit="ms more",
        at_most=_MAX_FIRST_MS,
    )


@contextmanager
def _deployed() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in _DEPLOYED:
            source = backends.ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / part)
        compileall.compile_dir(folder, quiet=1)
        yield folder


async def _output(code: str, folder: Path, settings: dict[str, str]) -> str:
    # The app is found beside its own files, not in this checkout.
    settings = {**settings, "PYTHONPATH": str(folder)}
    async with backends.python("-c", code, settings=settings, cwd=folder, stderr=asyncio.subprocess.PIPE) as process:
        output, errors = await process.communicate()
    if process.returncode:
        raise NotMeasuredError(f"a process of the benchmark failed:\n{errors.decode()}")
    return output.decode().splitlines()[-1]
