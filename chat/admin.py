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
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TextIO

from chat.backends.maintenance import Maintenance, count_messages
from chat.backends.service import Service
from chat.backends.table_store import StoreUnavailableError, TableStore
from chat.messaging.erasure import Herald
from chat.messaging.memberships import Memberships
from chat.model.entities import read_entity
from chat.model.keys import partition_key, room_of, row_key
from chat.model.messages import Change, Message, encode_change, encode_envelope
from chat.model.rooms import is_room_name
from chat.settings import SettingsError, StorageAccount, service_settings, storage_settings

__all__ = ["Admin", "main"]

_SETTINGS_FILES: Final = ("local.settings.json", "local.settings.sample.json")
_STORAGE: Final = "AzureWebJobsStorage"
_PROGRESS_SECONDS: Final = 2.0
_NO_ROOM: Final = "(no room)"


class _StoppedError(Exception):
    """Raised when there is nothing to do, or nobody said yes; the text says what."""


class Admin:
    """The commands; each works room by room, and can be stopped and started again.

    Args:
        store: Where the messages are.
        herald: Tells connected clients of what is erased; None tells nobody.
        is_sure: Do not ask before something is changed.
    """

    def __init__(self, store: TableStore, herald: Herald | None, *, is_sure: bool) -> None:
        self._herald = herald
        self._memberships = Memberships(store.hub, store.account)
        self._maintenance = Maintenance(store)
        self._hub = store.hub
        self._is_sure = is_sure

    async def rooms(self, move_to: str | None) -> None:
        """List the rooms, their messages and when the first and the last was sent; move those without a room."""
        roomless = 0
        total = 0
        print(f"{'messages':>10}  {'first':<24}  {'last':<24}  room")
        async for partition in self._maintenance.partitions():
            progress = _Progress(self._name(partition))
            first = last = ""
            async for page in self._maintenance.messages(partition):
                sent = [str(entity.get("time", "")) for entity in page if count_messages([entity])]
                if sent:
                    last, first = last or sent[0], sent[-1]
                progress.add(len(sent))
            if progress.count:
                print(f"{progress.count:>10,}  {first:<24}  {last:<24}  {self._name(partition)}")
            total += progress.count
            roomless += progress.count if partition == self._maintenance.roomless else 0
        print(f"{total:>10,}  in all")
        await self._private_rooms()
        if move_to is not None:
            await self._move(roomless, move_to)
        elif roomless:
            print(
                f"\nOlder versions stored {roomless:,} messages without a room; nobody can read them. "
                "Move them into one: python -m chat.admin rooms --move-to ROOM"
            )

    async def retention(self, days: int, *, is_dry_run: bool) -> None:
        """Delete the messages that were sent more than so many days ago."""
        before = datetime.now(UTC) - timedelta(days=days)
        what = f"sent before {before:%Y-%m-%d %H:%M} UTC"
        await self._delete(what, None, is_dry_run=is_dry_run, before=before, user_id=None)

    async def erase(self, user_id: str, *, is_dry_run: bool) -> None:
        """Delete all messages of a user, with the rows of their keys and changes, and tell connected clients."""
        what = f"of the user {user_id!r}"
        memberships = await self._memberships.of_user(user_id)
        print(f"{len(memberships):>10,}  memberships in private rooms, past ones included, {what}")
        await self._delete(what, self._herald, is_dry_run=is_dry_run, before=None, user_id=user_id)
        if is_dry_run:
            return
        if memberships:
            self._confirm(f"Take the user out of private rooms, and delete these {len(memberships):,} memberships?")
            print(f"Deleted {await self._memberships.erase(user_id):,} memberships {what}.")
        if self._herald is None:
            _tell("Connected clients are not told: the settings do not say where the Web PubSub service is.")
        elif self._herald.untold:
            _tell(f"Connected clients were not told of {self._herald.untold:,} messages: the service did not take it.")

    async def export(self, user_id: str, output: TextIO) -> None:
        """Write all messages of a user as they are now: the JSON that clients get, one a line."""
        total = 0
        async for partition in self._maintenance.partitions():
            room = "" if partition == self._maintenance.roomless else self._name(partition)
            progress = _Progress(self._name(partition))
            async for page in self._maintenance.messages(partition, user_id=user_id, with_body=True):
                for entity in page:
                    message = read_entity(entity, room)
                    if message is None or isinstance(message, Change):
                        continue
                    envelope = encode_envelope(message) if isinstance(message, Message) else encode_change(message)
                    output.write(envelope.decode() + "\n")
                    total += 1
                progress.add(len(page))
        memberships = await self._memberships.of_user(user_id)
        for one in memberships:
            told = {"room": one.room, "isMember": one.is_member, "isCreator": one.is_made}
            output.write(json.dumps({"membership": told}, ensure_ascii=False) + "\n")
        _tell(f"Exported {total:,} messages and {len(memberships):,} memberships of the user {user_id!r}.")

    async def aclose(self) -> None:
        """Close the running loop's clients of the tables of private rooms."""
        await self._memberships.aclose()

    async def _private_rooms(self) -> None:
        is_first = True
        async for room, members in self._memberships.rooms():
            if is_first:
                print(f"\n{'members':>10}  {'created':<24}  private room")
                is_first = False
            print(f"{len(members):>10,}  {room.time:<24}  {room.name} {room.title!r}, creator {room.creator!r}")
            print(f"{'':>10}  {'':<24}  {', '.join(map(repr, members)) or 'nobody'}")

    async def _delete(
        self, what: str, herald: Herald | None, *, is_dry_run: bool, before: datetime | None, user_id: str | None
    ) -> None:
        found: dict[str, int] = {}
        async for partition in self._maintenance.partitions():
            progress = _Progress(self._name(partition))
            async for page in self._maintenance.messages(partition, before=before, user_id=user_id):
                progress.add(count_messages(page))
                found[partition] = progress.count
        for partition, count in found.items():
            print(f"{count:>10,}  {self._name(partition)}")
        print(f"{sum(found.values()):>10,}  messages {what}")
        if is_dry_run or not found:
            return
        self._confirm(f"Delete these {sum(found.values()):,} messages for good?")
        deleted = 0
        for partition in found:
            progress = _Progress(self._name(partition))
            async for page in self._maintenance.messages(partition, before=before, user_id=user_id):
                await self._maintenance.delete(partition, page)
                room = self._name(partition)
                if herald is not None and partition == partition_key(self._hub, room):
                    ids = [row_key(str(entity["RowKey"])) for entity in page if count_messages([entity])]
                    await herald.tell(room, ids)
                progress.add(count_messages(page))
            deleted += progress.count
        print(f"Deleted {deleted:,} messages {what}.")

    async def _move(self, count: int, room: str) -> None:
        if not count:
            raise _StoppedError("no message is without a room")
        self._confirm(f"Move {count:,} messages without a room into {room!r}?")
        progress = _Progress(f"to {room}")
        skipped = 0
        async for page in self._maintenance.messages(self._maintenance.roomless, with_body=True):
            for entity in page:
                if await self._maintenance.move(entity, partition_key(self._hub, room)):
                    progress.add(1)
                else:
                    skipped += 1
        print(f"Moved {progress.count:,} messages into {room!r}.")
        if skipped:
            print(f"Did not move {skipped:,} rows: somebody edited them by hand.")

    def _name(self, partition: str) -> str:
        if partition == self._maintenance.roomless:
            return _NO_ROOM
        try:
            return room_of(partition)
        except ValueError:
            return f"{partition} (a partition that somebody edited by hand)"

    def _confirm(self, question: str) -> None:
        if self._is_sure:
            return
        if not sys.stdin.isatty():
            raise _StoppedError("there is no terminal to confirm in; add --yes")
        if input(f"{question} Type yes: ").strip().lower() != "yes":
            raise _StoppedError("nothing was changed")


class _Progress:
    """Tells on the console how far a long piece of work is, every other second."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._told = time.monotonic()
        self.count = 0

    def add(self, count: int) -> None:
        self.count += count
        if time.monotonic() - self._told >= _PROGRESS_SECONDS:
            self._told = time.monotonic()
            _tell(f"  … {self._what}: {self.count:,}")


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


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
    _tell(f"Messages of the hub {hub!r} in {_place(account)}")
    store = TableStore(hub, account)
    # No other command tells anybody, so none other needs to know where the service is.
    endpoint = service_settings(settings) if arguments.command == "erase" else None
    herald = None if endpoint is None else Herald(Service(hub, endpoint))
    admin = Admin(store, herald, is_sure=getattr(arguments, "yes", False))
    try:
        if arguments.command == "rooms":
            if arguments.move_to is not None and not is_room_name(arguments.move_to):
                raise _StoppedError("--move-to: no room can have this name")
            await admin.rooms(arguments.move_to)
        elif arguments.command == "retention":
            await admin.retention(_days(arguments.days, settings), is_dry_run=arguments.dry_run)
        elif arguments.command == "erase":
            await admin.erase(arguments.user, is_dry_run=arguments.dry_run)
        elif arguments.output is None:
            await admin.export(arguments.user, sys.stdout)
        else:
            with arguments.output.open("w", encoding="utf-8") as output:
                await admin.export(arguments.user, output)
    finally:
        await admin.aclose()
        await store.aclose()
        if herald is not None:
            await herald.aclose()


def _days(wanted: int | None, settings: Mapping[str, str]) -> int:
    text = str(wanted if wanted is not None else settings.get("MESSAGE_RETENTION_DAYS", ""))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) > 0):
        raise _StoppedError("name the days to keep with --days, or set MESSAGE_RETENTION_DAYS: 1 to 99999")
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
    except (SettingsError, _StoppedError, OSError) as error:
        _tell(f"Stopped: {error}.")
        return 2
    except StoreUnavailableError as error:
        _tell(f"Stopped: {error}: {error.__cause__}. What was done stays done; run it again to continue.")
        return 1
    except KeyboardInterrupt:
        _tell("Stopped. What was done stays done; run it again to continue.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
