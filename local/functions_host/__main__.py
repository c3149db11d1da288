"""``python -m local.functions_host``: serves the app of a folder, and starts again when its files change."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import time
from pathlib import Path
from typing import Final

from local.exceptions import AddressError, HostSettingsError
from local.functions_host.errors import app_traceback
from local.functions_host.functions import AppError, import_app
from local.functions_host.host import FunctionsHost
from local.functions_host.reloader import APP_BROKEN, supervise
from local.functions_host.routes import RouteError
from local.functions_host.settings import SAMPLE, HostSettings, apply_values, read_settings
from local.signals import stop_signals
from webpubsub_emulator.open_files import allow_many_files

_NO_ADDRESS: Final = 3
_LOG_FORMAT: Final = "%(asctime)s %(levelname)-7s %(message)s"


def main() -> int:
    """Serve until Ctrl+C; the exit status says what was wrong."""
    arguments = _parser().parse_args()
    folder: Path = arguments.app.resolve()
    if not arguments.no_reload:
        return supervise(folder, sys.argv[1:])
    # The emulator sends the events of all its clients in parallel.
    allow_many_files()
    try:
        return asyncio.run(_serve(folder, read_settings(folder), arguments))
    except AddressError as error:
        print(f"Error: {error}.", file=sys.stderr)
        return _NO_ADDRESS
    except (AppError, RouteError, HostSettingsError) as error:
        print(f"Error: {error}.", file=sys.stderr)
        return APP_BROKEN
    except KeyboardInterrupt:
        return 0


def _parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="python -m local.functions_host",
        description="Serves a Python v2 model app as 'func start' does, where Core Tools are not installed.",
    )
    add = result.add_argument
    add("--app", type=Path, default=Path.cwd(), help="the folder of function_app.py (default: here)")
    add("--host", default="localhost", help="the address to listen on (default: localhost: both 127.0.0.1 and ::1)")
    add("--port", type=int, help="the port (default: Host.LocalHttpPort of the settings, else 7071)")
    add("--no-reload", action="store_true", help="do not start again when a file changes")
    add(
        "--quiet",
        metavar="PATH",
        nargs="+",
        default=[],
        help="log calls of these paths, without the route prefix, only when they fail: what is polled",
    )
    # From the reloader to its worker.
    add("--reload-of", default="", help=argparse.SUPPRESS)
    add("--reload-since", type=float, default=0, help=argparse.SUPPRESS)
    return result


async def _serve(folder: Path, settings: HostSettings, arguments: argparse.Namespace) -> int:
    port = arguments.port or settings.port
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format=_LOG_FORMAT)
    skipped = apply_values(settings, os.environ)
    if not arguments.reload_of and settings.values_file != SAMPLE:
        for name in skipped:
            print(f"Skipping '{name}' from local settings as it's already defined in current environment variables.")
    os.environ["AZURE_FUNCTIONS_ENVIRONMENT"] = "Development"
    os.environ["WEBSITE_HOSTNAME"] = f"localhost:{port}"
    os.chdir(folder)
    try:
        app = import_app(folder)
    except AppError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the app's import raised is the app's to read
        sys.stderr.write(app_traceback(error, folder))
        raise AppError("function_app.py could not be imported; the traceback above says why") from None
    stopped = asyncio.Event()
    for number in stop_signals():
        # Windows has no handlers on its loop; there Ctrl+C raises KeyboardInterrupt.
        if sys.platform != "win32":
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    host = FunctionsHost(app, settings=settings, address=arguments.host, port=port, quiet=arguments.quiet)
    async with host:
        if arguments.reload_of:
            seconds = time.time() - arguments.reload_since
            logging.getLogger(__package__).info(
                "Reloaded in %.1f s after a change of %s.", seconds, arguments.reload_of
            )
        else:
            _list_functions(host)
        await stopped.wait()
        # An app has no hook to close its clients, so asyncio's warnings about them are not useful.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    return 0


def _list_functions(host: FunctionsHost) -> None:
    print("\nFunctions:\n")
    for function in host.functions:
        methods = f"[{','.join(sorted(function.methods))}] " if function.methods else ""
        print(f"\t{function.name}: {methods}{host.url}/{function.route.template}\n")
    for timer in host.timers.functions:
        print(f"\t{timer.name}: timerTrigger\n")
    print("This is a stand-in for `func start`; install Azure Functions Core Tools for the real one.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
