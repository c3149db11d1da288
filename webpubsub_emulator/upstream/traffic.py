"""What went through the service: the last events with their answers, what clients got, and the log beside them.

Bounded by number and by bytes; the oldest entries go first. No I/O: viewers subscribe and fetch what has changed.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from webpubsub_emulator.core.connection import ConnectionContext
from webpubsub_emulator.core.hub import Delivery
from webpubsub_emulator.upstream.cloud_events import Event
from webpubsub_emulator.upstream.delivered import Delivered
from webpubsub_emulator.upstream.exchange import Exchange
from webpubsub_emulator.upstream.preview import Clock, iso

__all__ = ["MAX_BYTES", "MAX_ENTRIES", "Entry", "LogLine", "Subscription", "Traffic", "TrafficLog"]

MAX_ENTRIES: Final = 5_000
MAX_BYTES: Final = 32 * 1024 * 1024
# REST calls whose next try is waited for.
_MAX_UNSUCCESSFUL: Final = 1000
# What a line of the log holds beside its text, as a round figure.
_LINE_BYTES: Final = 256


class LogLine:
    """One line of the log."""

    def __init__(self, at: datetime, level: str, text: str) -> None:
        """``level`` is a name such as WARNING."""
        self.id = self.counted = 0
        self.time = at
        self.level = level
        self.text = text

    @property
    def size(self) -> int:
        """About how many bytes it holds."""
        return 2 * len(self.text) + _LINE_BYTES

    def summary(self) -> dict[str, Any]:
        """All of it."""
        return {"id": self.id, "kind": "log", "time": iso(self.time), "level": self.level, "text": self.text}

    details = summary


Entry = Exchange | Delivered | LogLine


class Traffic:
    """The last entries of one emulator. Use within one thread."""

    def __init__(self, now: Clock) -> None:
        """``now`` returns the time of entries."""
        self._now = now
        self._entries: deque[Entry] = deque()
        self._next_id = 1
        self._bytes = 0
        self._unsuccessful: dict[str, Delivered] = {}
        self._subscriptions: set[Subscription] = set()

    @contextmanager
    def exchange(self, context: ConnectionContext, event: Event, event_id: int) -> Iterator[Exchange]:
        """Follow an event from its beginning to its end; an exception is its failure."""
        exchange = Exchange(context, event, event_id, self._now, self._changed)
        self._add(exchange)
        try:
            yield exchange
        except BaseException as error:
            exchange.ended(str(error) or type(error).__name__)
            raise
        exchange.ended(None)

    def delivered(self, delivery: Delivery) -> None:
        """Keep what went to clients, or why it did not; the tries of one REST call are one entry."""
        key = delivery.request_id
        entry = self._unsuccessful.pop(key, None) if key is not None else None
        if entry is not None and self.find(entry.id) is entry and entry.target == delivery.target:
            entry.tried(delivery, self._now())
            self._changed(entry.id)
        else:
            entry = Delivered(delivery, self._now())
            self._add(entry)
        if key is not None and delivery.problem is not None:
            self._unsuccessful[key] = entry
            if len(self._unsuccessful) > _MAX_UNSUCCESSFUL:
                del self._unsuccessful[next(iter(self._unsuccessful))]

    def log(self, level: str, text: str) -> None:
        """Keep a line of the log."""
        self._add(LogLine(self._now(), level, text))

    def entries(self) -> list[Entry]:
        """All that is kept, oldest first."""
        return list(self._entries)

    def exchanges(self, event: str) -> list[Exchange]:
        """Return the events of a name, such as ``connect``, oldest first."""
        return [entry for entry in self._entries if isinstance(entry, Exchange) and entry.event.name == event]

    def find(self, entry_id: int) -> Entry | None:
        """Return the entry of that id, while it is kept."""
        index = entry_id - (self._next_id - len(self._entries))
        return self._entries[index] if 0 <= index < len(self._entries) else None

    def clear(self) -> None:
        """Forget all entries; ids continue."""
        self._entries.clear()
        self._bytes = 0

    @contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Hear of changes."""
        subscription = Subscription(self)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def close(self) -> None:
        """Tell the subscribers that it is over."""
        for subscription in self._subscriptions:
            subscription.end()

    def _add(self, entry: Entry) -> None:
        entry.id = self._next_id
        self._next_id += 1
        self._entries.append(entry)
        self._changed(entry.id)

    def _changed(self, entry_id: int) -> None:
        """Count an entry that is new or has grown, let go of the oldest beyond the bounds, and tell the subscribers."""
        entry = self.find(entry_id)
        if entry is None:
            return
        self._bytes += entry.size - entry.counted
        entry.counted = entry.size
        while len(self._entries) > MAX_ENTRIES or (self._bytes > MAX_BYTES and len(self._entries) > 1):
            self._bytes -= self._entries.popleft().counted
        for subscription in self._subscriptions:
            subscription.notify(entry_id)


class Subscription:
    """What one viewer has not fetched yet: ids only, so that a slow viewer costs little and gets the latest state."""

    def __init__(self, traffic: Traffic) -> None:
        """Begin with nothing."""
        self._traffic = traffic
        self._changed: dict[int, None] = {}
        self._wakeup = asyncio.Event()
        self.is_over = False

    def end(self) -> None:
        """Nothing more will come."""
        self.is_over = True
        self._wakeup.set()

    def notify(self, entry_id: int) -> None:
        """Keep that an entry has changed, for the viewer's next look."""
        self._changed[entry_id] = None
        if len(self._changed) > 2 * MAX_ENTRIES:
            # The viewer does not read; what is no longer kept it cannot get either.
            self._changed = dict.fromkeys(kept for kept in self._changed if self._traffic.find(kept) is not None)
        self._wakeup.set()

    async def changes(self, timeout: float) -> list[Entry]:  # noqa: ASYNC109 - the viewer's heartbeat
        """Return what has changed since the last call, once there is any; none after ``timeout`` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._wakeup.wait()
        except TimeoutError:
            return []
        self._wakeup.clear()
        changed, self._changed = self._changed, {}
        return [entry for entry in map(self._traffic.find, changed) if entry is not None]


class TrafficLog(logging.Handler):
    """Brings log lines of the emulator into its traffic; several emulators in one thread share their lines.

    Lines with ``is_in_exchange`` are omitted: the entry of their event says the same.
    """

    def __init__(self, traffic: Traffic) -> None:
        """Take lines of this thread only: traffic belongs to one."""
        super().__init__(logging.INFO)
        self._traffic = traffic
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        if record.thread == self._thread and not getattr(record, "is_in_exchange", False):
            self._traffic.log(record.levelname, record.getMessage())
