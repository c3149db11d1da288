"""The commands of ``python -m chat.admin``."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Final, TextIO

from chat.backends.maintenance import Maintenance, count_messages
from chat.backends.table_store import TableStore
from chat.model.entities import read_entity
from chat.model.keys import partition_key, room_of, row_key
from chat.model.messages import Change, Message, encode_change, encode_envelope
from chat.upkeep.erasure import Herald
from chat.upkeep.memberships import Memberships

__all__ = ["Commands", "StoppedError", "tell"]

_PROGRESS_SECONDS: Final = 2.0
_NO_ROOM: Final = "(no room)"


class StoppedError(Exception):
    """Raised when there is nothing to do, or nobody said yes; the text says what."""


class Commands:
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
            tell("Connected clients are not told: the settings do not say where the Web PubSub service is.")
        elif self._herald.untold:
            tell(f"Connected clients were not told of {self._herald.untold:,} messages: the service did not take it.")

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
        tell(f"Exported {total:,} messages and {len(memberships):,} memberships of the user {user_id!r}.")

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
            raise StoppedError("no message is without a room")
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
            raise StoppedError("there is no terminal to confirm in; add --yes")
        if input(f"{question} Type yes: ").strip().lower() != "yes":
            raise StoppedError("nothing was changed")


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
            tell(f"  … {self._what}: {self.count:,}")


def tell(text: str) -> None:
    """Tell whoever is at the console, beside what is asked for."""
    print(text, file=sys.stderr, flush=True)
