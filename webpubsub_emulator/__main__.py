"""The emulator as a program: the command ``webpubsub-emulator``, also ``python -m webpubsub_emulator``."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from webpubsub_emulator import check, command_line
from webpubsub_emulator.core.exceptions import EmulatorError, SettingsError
from webpubsub_emulator.emulator import Emulator
from webpubsub_emulator.open_files import allow_many_files
from webpubsub_emulator.settings import DEFAULT_ACCESS_KEY, EmulatorSettings

_WATCH_SECONDS: Final = 0.5
logger = logging.getLogger("webpubsub_emulator")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until Ctrl+C or SIGTERM; the result is the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s", stream=sys.stderr)
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["check"]:
        return check.main(arguments[1:])
    try:
        options = command_line.parser().parse_args(arguments)
        allow_many_files()
        asyncio.run(_serve(options, command_line.settings(options, os.environ)))
    except EmulatorError as error:
        print("\n".join(f"error: {line}" for line in str(error).splitlines()), file=sys.stderr)
        return 1
    return 0


async def _serve(options: argparse.Namespace, settings: EmulatorSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(signal_number, stop.set)
        except NotImplementedError:
            # Windows event loops have no signal handlers; Ctrl+C interrupts the run there.
            signal.signal(signal_number, lambda *_: loop.call_soon_threadsafe(stop.set))
    # Before the start: what changes from here on is noticed.
    version = _version(options.settings)
    async with Emulator(settings) as emulator:
        key = DEFAULT_ACCESS_KEY if settings.access_key == DEFAULT_ACCESS_KEY else "<your access key>"
        print(f"Web PubSub emulator is ready: Endpoint={emulator.url};AccessKey={key};Version=1.0;", flush=True)
        _print_handlers(settings)
        if settings.allow_unvalidated_entra_tokens:
            print("  Any token for https://webpubsub.azure.com is accepted: keep this port to yourself.", flush=True)
        view = emulator.console_url or f"none, because the network reaches {settings.host}"
        print(f"  traffic view: {view}", flush=True)
        watching = asyncio.create_task(_watch(options, settings, version, emulator))
        await stop.wait()
        watching.cancel()


def _print_handlers(settings: EmulatorSettings) -> None:
    for hub, handlers in settings.event_handlers.items():
        for handler in handlers:
            print(f"  hub {hub}: events go to {handler.shown}", flush=True)


async def _watch(options: argparse.Namespace, settings: EmulatorSettings, version: object, emulator: Emulator) -> None:
    """Take the settings again whenever their file changes; a wrong file changes nothing."""
    while options.settings is not None:
        await asyncio.sleep(_WATCH_SECONDS)
        before, version = version, _version(options.settings)
        if version == before:
            continue
        try:
            changed = command_line.settings(options, os.environ)
        except SettingsError as error:
            logger.error("SETTINGS are wrong, the previous ones stay:\n%s", error)
            continue
        if (changed.access_keys, changed.allow_unvalidated_entra_tokens) != (
            settings.access_keys,
            settings.allow_unvalidated_entra_tokens,
        ):
            logger.warning("SETTINGS: AccessKey, SecondaryAccessKey and AllowUnvalidatedEntraTokens need a restart.")
        logger.info("SETTINGS were read again from %s.", options.settings)
        _print_handlers(changed)
        await emulator.reload(changed)


def _version(file: Path | None) -> object:
    """Return what differs after a change of a file, also where editors put another file in its place."""
    try:
        status = file.stat() if file is not None else None
    except OSError:
        return None
    return status and (status.st_mtime_ns, status.st_size, status.st_ino)


if __name__ == "__main__":
    sys.exit(main())
