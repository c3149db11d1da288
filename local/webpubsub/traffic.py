"""What went between the service and event handlers: the last events with their answers, and the log beside them.

Bounded by number and by bytes; the oldest entries go first. No I/O: viewers subscribe and fetch what has changed.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from local.webpubsub.cloud_events import Event
from local.webpubsub.connection import ConnectionContext
from local.webpubsub.curl import curl_command

MAX_ENTRIES: Final = 5_000
MAX_BYTES: Final = 32 * 1024 * 1024
PREVIEW_BYTES: Final = 4096
_SNIPPET_BYTES: Final = 160
_HEX_BYTES: Final = 256
# What an entry holds beside its body, as a round figure: headers, answers, objects.
_ENTRY_BYTES: Final = 2048
Clock = Callable[[], datetime]
Pairs = Sequence[tuple[str, str]]


class State(StrEnum):
    """How far an event is."""

    WAITING = "waiting"
    OK = "ok"
    FAILED = "failed"


@dataclass(slots=True)
class Attempt:
    """One request for an event, and what came back: `status` is `None` when nothing did."""

    at: datetime
    is_duplicate: bool = False
    seconds: float | None = None
    status: int | None = None
    headers: Pairs = ()
    body: bytes = b""
    body_size: int = 0
    problem: str | None = None
    _began: float = field(default_factory=time.monotonic)

    def answered(self, status: int, headers: Pairs, body: bytes) -> None:
        """Keep an answer, and of its body the beginning."""
        self.seconds = time.monotonic() - self._began
        self.status, self.headers = status, tuple(headers)
        self.body, self.body_size = body[:PREVIEW_BYTES], len(body)

    def failed(self, problem: str) -> None:
        """Keep why this attempt does not count."""
        if self.seconds is None:
            self.seconds = time.monotonic() - self._began
        self.problem = problem

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "time": _iso(self.at),
            "isDuplicate": self.is_duplicate,
            "ms": _milliseconds(self.seconds),
            "status": self.status,
            "headers": list(self.headers),
            "body": _preview(self.body, self.body_size),
            "problem": self.problem,
        }


class Exchange:
    """One event on its way to its handler: the request, every attempt, the outcome."""

    # Thousands are kept, and every object of them is one more for the garbage collector to look at.
    __slots__ = (
        "_began",
        "_traffic",
        "attempts",
        "connection_id",
        "event",
        "event_id",
        "faults",
        "headers",
        "hub",
        "id",
        "problem",
        "seconds",
        "state",
        "time",
        "url",
        "user_id",
    )

    def __init__(self, traffic: "Traffic", context: ConnectionContext, event: Event, event_id: int) -> None:
        """Begin now, without an attempt."""
        self.id = 0
        self.time = traffic.now()
        self.event = event
        self.event_id = event_id
        self.hub = context.hub
        self.connection_id = context.connection_id
        self.user_id = context.user_id
        self.state = State.WAITING
        self.seconds: float | None = None
        self.problem: str | None = None
        self.faults: list[str] = []
        self.attempts: list[Attempt] = []
        self.url = ""
        self.headers: Mapping[str, str] = {}
        self._traffic = traffic
        self._began = time.monotonic()

    @property
    def size(self) -> int:
        """About how many bytes it holds."""
        return len(self.event.body) + _ENTRY_BYTES

    def request(self, url: str, headers: Mapping[str, str]) -> None:
        """What is sent, in every attempt."""
        self.url, self.headers = url, headers

    def struck(self, fault: str) -> None:
        """A fault on purpose has struck it."""
        self.faults.append(fault)
        self.changed()

    @contextmanager
    def attempt(self, *, is_duplicate: bool) -> Iterator[Attempt]:
        """One more attempt; an exception is kept as its problem."""
        attempt = Attempt(self._traffic.now(), is_duplicate)
        self.attempts.append(attempt)
        self.changed()
        try:
            yield attempt
        except Exception as error:
            attempt.failed(str(error))
            raise
        finally:
            self.changed()

    def ended(self, problem: str | None) -> None:
        """It had success, or it failed for good."""
        self.state = State.OK if problem is None else State.FAILED
        self.problem = problem
        self.seconds = time.monotonic() - self._began
        self.changed()

    def changed(self) -> None:
        """Tell the viewers."""
        self._traffic.changed(self.id)

    def summary(self) -> dict[str, Any]:
        """What a list of events shows of it."""
        counting = [attempt for attempt in self.attempts if not attempt.is_duplicate]
        return {
            "id": self.id,
            "kind": "event",
            "time": _iso(self.time),
            "hub": self.hub,
            "connectionId": self.connection_id,
            "userId": self.user_id,
            "type": self.event.type,
            "event": self.event.name,
            "eventId": self.event_id,
            "state": self.state,
            "status": counting[-1].status if counting else None,
            "ms": _milliseconds(self.seconds),
            "attempts": len(counting),
            "faults": self.faults,
            "snippet": _preview(self.event.body[:_SNIPPET_BYTES], len(self.event.body))["text"],
            "problem": self.problem,
        }

    def details(self) -> dict[str, Any]:
        """All of it, bodies by their beginning, and the curl command that sends it again."""
        body = self.event.body
        return {
            **self.summary(),
            "url": self.url,
            "headers": list(self.headers.items()),
            "body": _preview(body[:PREVIEW_BYTES], len(body)),
            "attemptList": [attempt.to_json() for attempt in self.attempts],
            "curl": curl_command(self.url, self.headers.items(), body) if self.url else None,
        }


class LogLine:
    """One line of the log."""

    def __init__(self, at: datetime, level: str, text: str) -> None:
        """`level` is a name such as WARNING."""
        self.id = 0
        self.time = at
        self.level = level
        self.text = text

    @property
    def size(self) -> int:
        """About how many bytes it holds."""
        return 2 * len(self.text) + _ENTRY_BYTES // 8

    def summary(self) -> dict[str, Any]:
        """All of it."""
        return {"id": self.id, "kind": "log", "time": _iso(self.time), "level": self.level, "text": self.text}

    details = summary


Entry = Exchange | LogLine


class Traffic:
    """The last entries of one emulator. Use within one thread."""

    def __init__(self, now: Clock) -> None:
        """`now` gives the time of entries."""
        self.now = now
        self._entries: deque[Entry] = deque()
        self._next_id = 1
        self._bytes = 0
        self._subscriptions: set[Subscription] = set()

    @contextmanager
    def exchange(self, context: ConnectionContext, event: Event, event_id: int) -> Iterator[Exchange]:
        """An event from its beginning to its end; an exception is its failure."""
        exchange = Exchange(self, context, event, event_id)
        self._add(exchange)
        try:
            yield exchange
        except BaseException as error:
            exchange.ended(str(error) or type(error).__name__)
            raise
        exchange.ended(None)

    def log(self, level: str, text: str) -> None:
        """Keep a line of the log."""
        self._add(LogLine(self.now(), level, text))

    def entries(self) -> list[Entry]:
        """All that is kept, oldest first."""
        return list(self._entries)

    def exchanges(self, event: str) -> list[Exchange]:
        """The events of a name, such as `connect`, oldest first."""
        return [entry for entry in self._entries if isinstance(entry, Exchange) and entry.event.name == event]

    def find(self, entry_id: int) -> Entry | None:
        """The entry of that id, while it is kept."""
        index = entry_id - (self._next_id - len(self._entries))
        return self._entries[index] if 0 <= index < len(self._entries) else None

    def clear(self) -> None:
        """Forget all entries; ids go on."""
        self._entries.clear()
        self._bytes = 0

    @contextmanager
    def subscribe(self) -> Iterator["Subscription"]:
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

    def changed(self, entry_id: int) -> None:
        """Tell the subscribers that an entry is new, or another than before."""
        for subscription in self._subscriptions:
            subscription.notify(entry_id)

    def _add(self, entry: Entry) -> None:
        entry.id = self._next_id
        self._next_id += 1
        self._entries.append(entry)
        self._bytes += entry.size
        while len(self._entries) > MAX_ENTRIES or (self._bytes > MAX_BYTES and len(self._entries) > 1):
            self._bytes -= self._entries.popleft().size
        self.changed(entry.id)


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
        """An entry has changed."""
        self._changed[entry_id] = None
        self._wakeup.set()

    async def changes(self, timeout: float) -> list[Entry]:  # noqa: ASYNC109 - the viewer's heartbeat
        """The entries that have changed since the last call, once there are any; none after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._wakeup.wait()
        except TimeoutError:
            return []
        self._wakeup.clear()
        changed, self._changed = self._changed, {}
        return [entry for entry in map(self._traffic.find, changed) if entry is not None]


class TrafficLog(logging.Handler):
    """Brings log lines of the emulator into its traffic; several emulators in one thread share their lines."""

    def __init__(self, traffic: Traffic) -> None:
        """Take lines of this thread only: traffic belongs to one."""
        super().__init__(logging.INFO)
        self._traffic = traffic
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        if record.thread == self._thread:
            self._traffic.log(record.levelname, record.getMessage())


def _iso(time_: datetime) -> str:
    return time_.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def _preview(body: bytes, size: int) -> dict[str, Any]:
    """The beginning of a body of `size` bytes for people: its text, or the bytes in hex where it is none."""
    text = _text(body)
    if text is not None:
        return {"size": size, "text": text, "isHex": False, "isCut": len(text.encode()) < size}
    return {"size": size, "text": body[:_HEX_BYTES].hex(" "), "isHex": True, "isCut": size > _HEX_BYTES}


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        # The end of a preview may cut a character in two.
        is_cut = error.start >= len(body) - 3 and error.reason == "unexpected end of data"
        return body[: error.start].decode() if is_cut else None
