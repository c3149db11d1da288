"""What was stored and not yet broadcast: recorded, and sent as soon as the service takes it again.

A row holds the hub, the id of the message or change and its room; the text is read from the message's own row when it
is sent, so it is what the message says then. Before the messages come the records of groups that may differ from who is
in a private room: nothing is sent into such a room until its groups follow. Nothing here is on the way of a message
that goes well, and no timer and no queue is needed: an event starts a drain, and one that does not get through goes on
with longer and longer pauses while the process lives.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from chat.backends.history import History
from chat.backends.members import Members
from chat.backends.service import Service, ServiceUnavailableError
from chat.backends.table import Table
from chat.backends.table_store import StoreUnavailableError, TableStore
from chat.messaging.outbox_rows import OutboxRow, OutboxRows, Waiting
from chat.messaging.room_groups import BEHIND_GROUP_RECORDS, GroupRecords, RoomGroups
from chat.model.broadcasts import Broadcast
from chat.model.keys import connection_part, hub_partition
from chat.model.messages import Broadcastable
from chat.model.rooms import is_room_name

__all__ = ["DRAIN_SECONDS", "MAX_REFUSALS", "OUTBOX_TABLE_NAME", "Outbox"]

OUTBOX_TABLE_NAME: Final = "outbox"
# With an event, a process looks for what other processes left behind at most so often.
DRAIN_SECONDS: Final = 60.0
# A row is given up after so many answers that say that the message itself is wrong, never for its age.
MAX_REFUSALS: Final = 20

_REFUSED: Final = (400, 413)
_CONCURRENCY: Final = 8
_MIN_PAUSE_SECONDS: Final = 0.5
_MAX_PAUSE_SECONDS: Final = 60.0
_MAX_LOG_LINES: Final = 100
_MAX_CONNECTIONS: Final = 10_000

logger = logging.getLogger("chat")


class _Progress:
    """What one pass over the outbox saw so far."""

    def __init__(self) -> None:
        self.sent = 0
        self.removed = 0
        self.left = 0
        self.is_stuck = False
        # Rooms whose groups may differ, and when records of groups are to be followed again.
        self.differing: Collection[str] = ()
        self.due: datetime | None = None

    @property
    def goes_on(self) -> bool:
        """Return whether the next row may be tried: a service that takes nothing is left alone."""
        return self.removed > 0 or not self.is_stuck


class Outbox:
    """The outbox of a hub; at most one drain runs in a process.

    ``members`` are those of the private rooms, ``groups`` what follows them.

    Args:
        store: Where the messages are; the outbox is a table beside theirs.
        service: What reaches the clients.
        clock: Seconds that only grow.
    """

    def __init__(self, store: TableStore, service: Service, clock: Callable[[], float] = time.monotonic) -> None:
        self._history = History(store)
        self._service = service
        self._clock = clock
        self._table = Table(store.account, OUTBOX_TABLE_NAME)
        self.members = Members(store.hub, store.account)
        self.groups = RoomGroups(self.members, service)
        partition = hub_partition(store.hub)
        self._rows = OutboxRows(self._table, partition)
        self._records = GroupRecords(self._table, partition, self.groups)
        self._drain: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._is_pausing = False
        self._next_look = float("-inf")
        self._connections: set[str] = set()
        self._log: deque[tuple[int, str]] = deque(maxlen=_MAX_LOG_LINES)
        service.after_broadcast = self.saw_broadcast

    async def note_event(self, request: object, call_next: Callable[[Any], Awaitable[Any]]) -> Any:
        """Write what the background had to say, and look for rows if that is due: the middleware of every event."""
        self.write_log()
        now = self._clock()
        if now >= self._next_look:
            self._next_look = now + DRAIN_SECONDS
            self.start_drain()
        return await call_next(request)

    def saw_broadcast(self) -> None:
        """Note that the service took a broadcast: a drain that pauses has no more reason to."""
        if self._is_pausing:
            self._wake.set()

    def holds_back(self, message: Broadcastable) -> bool:
        """Return whether older ones of the same connection wait here, so that this one has to wait behind them."""
        return bool(self._connections) and connection_part(message.id) in self._connections

    async def record(self, message: Broadcastable) -> None:
        """Record that what is stored is still to be broadcast; once is enough.

        Raises:
            StoreUnavailableError: Table Storage did not confirm the row.
        """
        await self._rows.insert(message)
        if len(self._connections) < _MAX_CONNECTIONS:
            self._connections.add(connection_part(message.id))
        self.start_drain()

    async def record_groups(self, user_id: str, room: str) -> None:
        """Record that the groups of a user may differ from whether the user is in a private room.

        A drain must be started once that changed.

        Raises:
            StoreUnavailableError: Table Storage did not confirm the row.
        """
        await self._records.write(user_id, room)

    def start_drain(self) -> None:
        """Send what waits, in the background; a drain that pauses goes on."""
        if not self.is_draining:
            # An event belongs to the loop that waits for it first.
            self._wake = asyncio.Event()
            self._drain = asyncio.create_task(self._run())
        self._wake.set()

    async def waiting(self) -> Waiting:
        """Return how much waits.

        Raises:
            StoreUnavailableError: Table Storage did not answer.
        """
        return await self._rows.waiting()

    def write_log(self) -> None:
        """Log what the background had to say: what is logged outside of an invocation the host drops."""
        while self._log:
            level, text = self._log.popleft()
            logger.log(level, "%s", text)

    async def aclose(self) -> None:
        """End the drain and close the running loop's client."""
        if self._drain is not None and self.is_draining:
            self._drain.cancel()
            await asyncio.wait([self._drain])
        await self._table.close()
        await self.members.aclose()

    @property
    def is_draining(self) -> bool:
        """Return whether rows are being sent now, or will be after a pause."""
        drain = self._drain
        return drain is not None and not drain.done() and drain.get_loop() is asyncio.get_running_loop()

    async def _run(self) -> None:
        wake = self._wake
        pause = _MIN_PAUSE_SECONDS
        while True:
            wake.clear()
            progress = await self._pass()
            if progress.sent:
                self._say(logging.INFO, f"Sent {progress.sent} messages of the outbox.")
                pause = _MIN_PAUSE_SECONDS
            if not progress.left and not progress.is_stuck:
                if not wake.is_set():
                    if progress.due is None:
                        return
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(max(_MIN_PAUSE_SECONDS, _seconds_until(progress.due))):
                            await wake.wait()
                continue
            self._is_pausing = True
            try:
                # Whoever wakes it, a service that takes nothing is not asked more often than this.
                await asyncio.sleep(_MIN_PAUSE_SECONDS)
                async with asyncio.timeout(pause - _MIN_PAUSE_SECONDS):
                    await wake.wait()
            except TimeoutError:
                pause = min(2 * pause, _MAX_PAUSE_SECONDS)
            finally:
                self._is_pausing = False

    async def _pass(self) -> _Progress:
        """Go through the outbox once, oldest first, and end where the service takes nothing."""
        progress = _Progress()
        try:
            followed = await self._records.follow(self._say)
            progress.differing, progress.due = followed.rooms, followed.due
            progress.left += len(followed.rooms)
            after = BEHIND_GROUP_RECORDS
            while rows := await self._rows.after(after):
                after = rows[-1].message_id
                removed = progress.removed
                await self._send_page(rows, progress)
                if progress.is_stuck and progress.removed == removed:
                    break
        except StoreUnavailableError as error:
            progress.is_stuck = True
            self._say(logging.WARNING, f"The outbox waits: {error}: {error.__cause__!r}")
        except Exception as error:  # noqa: BLE001 - nobody awaits this task, so its end would go unnoticed
            progress.is_stuck = True
            self._say(logging.ERROR, f"The outbox waits because of a defect: {error!r}")
        # What was recorded since the last page was read still waits.
        if not progress.left and not progress.is_stuck and not self._wake.is_set():
            self._connections.clear()
        return progress

    async def _send_page(self, rows: Sequence[OutboxRow], progress: _Progress) -> None:
        """Send rows: those of one connection one after the other, those of several at the same time."""
        queues: dict[str, list[OutboxRow]] = {}
        for row in rows:
            queues.setdefault(connection_part(row.message_id), []).append(row)
        slots = asyncio.Semaphore(_CONCURRENCY)

        async def send(queue: list[OutboxRow]) -> None:
            async with slots:
                for number, row in enumerate(queue):
                    is_heard_by_others = row.room in progress.differing
                    if is_heard_by_others or not progress.goes_on or not await self._send(row, progress):
                        progress.left += len(queue) - number
                        return

        await asyncio.gather(*(send(queue) for queue in queues.values()))

    async def _send(self, row: OutboxRow, progress: _Progress) -> bool:
        """Send one message; return whether the next one of its connection may go."""
        try:
            broadcast = await self._history.broadcast(row.room, row.message_id) if is_room_name(row.room) else None
            if broadcast is None:
                self._say(logging.INFO, f"A message of the outbox is not in its room any more: {row.message_id}")
            elif not await self._broadcast(row, broadcast, progress):
                return True
            await self._rows.remove(row)
            progress.removed += 1
        except (ServiceUnavailableError, StoreUnavailableError) as error:
            progress.is_stuck = True
            self._say(logging.WARNING, f"The outbox waits: {error}: {error.__cause__!r}")
            return False
        return True

    async def _broadcast(self, row: OutboxRow, broadcast: Broadcast, progress: _Progress) -> bool:
        """Send a message; return whether its row has served: it was taken, or refused once too often."""
        try:
            await self._service.broadcast(row.room, broadcast.body, unheard_by=broadcast.unheard_by)
        except ServiceUnavailableError as error:
            if error.status not in _REFUSED:
                raise
            refusals = row.refusals + 1
            if refusals >= MAX_REFUSALS:
                self._say(
                    logging.ERROR,
                    f"A stored message is never broadcast: the service answered {error.status}, {refusals} times: "
                    f"{row.message_id} in {row.room!r}",
                )
                return True
            progress.left += 1
            await self._rows.note_refusals(row, refusals)
            return False
        progress.sent += 1
        return True

    def _say(self, level: int, text: str) -> None:
        if not self._log or self._log[-1] != (level, text):
            self._log.append((level, text))


def _seconds_until(time: datetime) -> float:
    return (time - datetime.now(UTC)).total_seconds()
