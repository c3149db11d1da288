"""``python -m local.functions_host``: serves the app of a folder and starts it anew when its files change."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from watchfiles import Change, DefaultFilter, watch

from local.functions_host.functions import AppError, import_app
from local.functions_host.host import FunctionsHost, PortTakenError
from local.functions_host.routes import RouteError
from local.functions_host.settings import HostSettings, SettingsError, apply_values, read_settings

_PORT_TAKEN: Final = 3
_APP_BROKEN: Final = 4
_DEBOUNCE_MILLISECONDS: Final = 300


class _AppFiles(DefaultFilter):
    """What ``func start`` watches: the app's code and settings, not its tests, tools and data."""

    ignore_dirs = (*DefaultFilter.ignore_dirs, ".local", "tests", "benchmarks", "infra")

    def __call__(self, change: Change, path: str) -> bool:
        name = Path(path).name
        is_settings = name in ("host.json", "local.settings.json", "local.settings.sample.json")
        return super().__call__(change, path) and (is_settings or name.endswith(".py"))


def main() -> int:
    """Serve until Ctrl+C; the exit status tells what was wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m local.functions_host",
        description="Serves a Python v2 model app as `func start` does, where Core Tools are not installed.",
    )
    parser.add_argument("--app", type=Path, default=Path.cwd(), help="the folder of function_app.py (default: here)")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, help="the port (default: Host.LocalHttpPort of the settings, else 7071)")
    parser.add_argument("--no-reload", action="store_true", help="do not start anew when a file changes")
    arguments = parser.parse_args()
    folder: Path = arguments.app.resolve()
    if not arguments.no_reload:
        return _supervise(folder, [sys.executable, "-m", "local.functions_host", *sys.argv[1:], "--no-reload"])
    try:
        settings = read_settings(folder)
        return asyncio.run(_serve(folder, settings, arguments.host, arguments.port or settings.port))
    except PortTakenError as error:
        print(f"Error: {error}.", file=sys.stderr)
        return _PORT_TAKEN
    except (AppError, RouteError, SettingsError) as error:
        print(f"Error: {error}.", file=sys.stderr)
        return _APP_BROKEN
    except KeyboardInterrupt:
        return 0


async def _serve(folder: Path, settings: HostSettings, address: str, port: int) -> int:
    _set_up_log()
    for name in apply_values(settings, os.environ):
        print(f"Skipping '{name}' from local settings as it's already defined in current environment variables.")
    os.environ["AZURE_FUNCTIONS_ENVIRONMENT"] = "Development"
    os.environ["WEBSITE_HOSTNAME"] = f"localhost:{port}"
    os.chdir(folder)
    try:
        app = import_app(folder)
    except AppError:
        raise
    except (Exception, SystemExit):  # noqa: BLE001 - whatever the app's import raised is the app's to read
        traceback.print_exc()
        raise AppError("function_app.py could not be imported; the traceback above says why") from None
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no handlers on its loop; there Ctrl+C raises KeyboardInterrupt.
        if sys.platform != "win32":
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with FunctionsHost(app, settings=settings, address=address, port=port) as host:
        _list_functions(host)
        await stopped.wait()
        # An app has no hook to close its clients in, so what asyncio says of them is nobody's mistake.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    return 0


def _set_up_log() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="[%(asctime)s] %(levelname)s %(message)s")
    logging.Formatter.default_time_format = "%Y-%m-%dT%H:%M:%S"
    logging.Formatter.default_msec_format = "%s.%03dZ"
    logging.Formatter.converter = time.gmtime


def _list_functions(host: FunctionsHost) -> None:
    print("\nFunctions:\n")
    for function in host.functions:
        methods = f"[{','.join(sorted(function.methods))}] " if function.methods else ""
        print(f"\t{function.name}: {methods}{host.url}/{function.route.template}\n")
    for timer in host.timers.functions:
        print(f"\t{timer.name}: timerTrigger\n")
    print("This is a stand-in for `func start`; install Azure Functions Core Tools for the real one.", flush=True)


def _supervise(folder: Path, command: list[str]) -> int:
    """Run the worker, and run it anew after each change; a broken app waits for one, any other end of it is the end."""
    # Both: a shell starts what runs in the background with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    worker = subprocess.Popen(command)
    is_waiting = False
    try:
        for changed in _changes(folder):
            if changed:
                print(f"{', '.join(sorted(changed))} changed: starting anew.", flush=True)
                _stop(worker)
                worker = subprocess.Popen(command)
                is_waiting = False
            elif worker.poll() == _APP_BROKEN:
                if not is_waiting:
                    print("Waiting for a change of the app's files.", flush=True)
                is_waiting = True
            elif worker.returncode is not None:
                return worker.returncode
    except KeyboardInterrupt:
        return 0
    finally:
        _stop(worker)
    return 0


def _changes(folder: Path) -> Iterator[set[str]]:
    """Return the names of the files that changed, and an empty set each second in between."""
    watcher = watch(
        folder,
        watch_filter=_AppFiles(),
        debounce=_DEBOUNCE_MILLISECONDS,
        rust_timeout=1000,
        yield_on_timeout=True,
        raise_interrupt=True,
    )
    for changes in watcher:
        yield {str(Path(path).relative_to(folder)) for _, path in changes}


def _stop(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    try:
        worker.wait(timeout=10)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


if __name__ == "__main__":
    sys.exit(main())
