"""``python -m chat.admin``: works on the stored messages, here or in Azure.

It reads the same settings as the app: environment variables first, then the ``Values`` of ``local.settings.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from chat.backends.service import Service
from chat.backends.table_store import StoreUnavailableError, TableStore
from chat.model.rooms import is_room_name
from chat.settings import SettingsError, StorageAccount, service_settings, storage_settings
from chat.upkeep.commands import Commands, StoppedError, tell
from chat.upkeep.erasure import Herald

__all__ = ["main"]

_SETTINGS_FILES: Final = ("local.settings.json", "local.settings.sample.json")
_STORAGE: Final = "AzureWebJobsStorage"


def _settings(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the app's settings: the environment's, and those of the local file that it does not have."""
    path = next((folder / name for name in _SETTINGS_FILES if (folder / name).is_file()), None)
    if path is None:
        return dict(environment)
    try:
        values: Any = json.loads(path.read_text("utf-8")).get("Values")
    except (ValueError, AttributeError):
        raise SettingsError([f"{path.name}: this is not the JSON of local settings"]) from None
    found = {name: value for name, value in dict(values or {}).items() if isinstance(value, str)}
    if any(name.startswith(_STORAGE) for name in environment):
        # Where the environment names an account, no other way to name one may win.
        found = {name: value for name, value in found.items() if not name.startswith(_STORAGE)}
    return found | dict(environment)


def _place(account: StorageAccount) -> str:
    if account.connection_string is None:
        return account.table_url or ""
    parts = dict(part.partition("=")[::2] for part in account.connection_string.split(";"))
    named = {name.lower(): value for name, value in parts.items()}
    return named.get("tableendpoint") or f"the storage account {named.get('accountname', '')}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m chat.admin",
        description="Works on the stored messages: those of the app's own settings, from the environment or "
        "local.settings.json. Every command can be stopped with Ctrl+C and started again.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    rooms = commands.add_parser("rooms", help="list the rooms and how many messages each has")
    rooms.add_argument("--move-to", metavar="ROOM", help="move what older versions stored without a room into a room")
    retention = commands.add_parser("retention", help="delete messages by age")
    retention.add_argument(
        "--days", type=int, help="keep the messages of this many days (default: MESSAGE_RETENTION_DAYS)"
    )
    export = commands.add_parser("export", help="write all messages of a user as JSON, one per line")
    export.add_argument("--output", type=Path, help="the file to write (default: the console)")
    erase = commands.add_parser("erase", help="delete all messages of a user")
    for command in (export, erase):
        command.add_argument("--user", required=True, help="the user id: the `from` of the messages")
    for command in (retention, erase):
        command.add_argument("--dry-run", action="store_true", help="count only; nothing is deleted")
    for command in (rooms, retention, erase):
        command.add_argument("--yes", action="store_true", help="do not ask before something is changed")
    return parser


async def _run(arguments: argparse.Namespace, settings: Mapping[str, str]) -> None:
    hub, account = storage_settings(settings)
    tell(f"Messages of the hub {hub!r} in {_place(account)}")
    store = TableStore(hub, account)
    # No other command tells anybody, so none other needs to know where the service is.
    endpoint = service_settings(settings) if arguments.command == "erase" else None
    herald = None if endpoint is None else Herald(Service(hub, endpoint))
    commands = Commands(store, herald, is_sure=getattr(arguments, "yes", False))
    try:
        if arguments.command == "rooms":
            if arguments.move_to is not None and not is_room_name(arguments.move_to):
                raise StoppedError("--move-to: no room can have this name")
            await commands.rooms(arguments.move_to)
        elif arguments.command == "retention":
            await commands.retention(_days(arguments.days, settings), is_dry_run=arguments.dry_run)
        elif arguments.command == "erase":
            await commands.erase(arguments.user, is_dry_run=arguments.dry_run)
        elif arguments.output is None:
            await commands.export(arguments.user, sys.stdout)
        else:
            with arguments.output.open("w", encoding="utf-8") as output:
                await commands.export(arguments.user, output)
    finally:
        await commands.aclose()
        await store.aclose()
        if herald is not None:
            await herald.aclose()


def _days(wanted: int | None, settings: Mapping[str, str]) -> int:
    text = str(wanted if wanted is not None else settings.get("MESSAGE_RETENTION_DAYS", ""))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) > 0):
        raise StoppedError("name the days to keep with --days, or set MESSAGE_RETENTION_DAYS: 1 to 99999")
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status tells whether it came to its end."""
    arguments = _parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        # What goes into a file or a pipe has the console's encoding otherwise, which may lack what people write.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")
    try:
        asyncio.run(_run(arguments, _settings(os.environ, Path.cwd())))
    except (SettingsError, StoppedError, OSError) as error:
        tell(f"Stopped: {error}.")
        return 2
    except StoreUnavailableError as error:
        tell(f"Stopped: {error}: {error.__cause__}. What was done stays done; run it again to continue.")
        return 1
    except KeyboardInterrupt:
        tell("Stopped. What was done stays done; run it again to continue.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
