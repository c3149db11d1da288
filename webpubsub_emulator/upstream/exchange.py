"""One event on its way to its handler, as people want to see it: the request, every attempt, every answer. No I/O."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from webpubsub_emulator.core.connection import ConnectionContext
from webpubsub_emulator.upstream.cloud_events import Event
from webpubsub_emulator.upstream.curl import curl_command

__all__ = ["PREVIEW_BYTES", "Attempt", "Clock", "Exchange", "Pairs", "State", "iso"]

PREVIEW_BYTES: Final = 4096
_SNIPPET_BYTES: Final = 160
_HEX_BYTES: Final = 256
# What an exchange holds beside bodies and headers, as a round figure.
_EXCHANGE_BYTES: Final = 2048
Clock = Callable[[], datetime]
Pairs = Collection[tuple[str, str]]


class State(StrEnum):
    """How far an event is."""

    WAITING = "waiting"
    OK = "ok"
    FAILED = "failed"


@dataclass(slots=True)
class Attempt:
    """One request for an event, and what came back: ``status`` is ``None`` when nothing did."""

    at: datetime
    is_duplicate: bool = False
    seconds: float | None = None
    status: int | None = None
    headers: Pairs = ()
    body: bytes = b""
    body_size: int = 0
    problem: str | None = None
    size: int = 0
    _began: float = field(default_factory=time.monotonic)

    def answered(self, status: int, headers: Pairs, body: bytes) -> None:
        """Keep an answer, and of its body the beginning."""
        self.seconds = time.monotonic() - self._began
        self.status, self.headers = status, tuple(headers)
        self.body, self.body_size = body[:PREVIEW_BYTES], len(body)
        self.size = len(self.body) + _length(headers)

    def failed(self, problem: str) -> None:
        """Keep why this attempt does not count."""
        if self.seconds is None:
            self.seconds = time.monotonic() - self._began
        self.problem = problem

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "time": iso(self.at),
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
        "_changed",
        "_header_bytes",
        "_now",
        "attempts",
        "connection_id",
        "counted",
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

    def __init__(
        self, context: ConnectionContext, event: Event, event_id: int, now: Clock, changed: Callable[[int], None]
    ) -> None:
        """Begin now, without an attempt; ``changed`` is called with ``id``, which is the keeper's to set."""
        self.id = 0
        self.time = now()
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
        self.counted = 0
        self._header_bytes = 0
        self._now = now
        self._changed = changed
        self._began = time.monotonic()

    @property
    def size(self) -> int:
        """About how many bytes it holds, with the answers so far."""
        return (
            _EXCHANGE_BYTES + len(self.event.body) + self._header_bytes + sum(answer.size for answer in self.attempts)
        )

    def request(self, url: str, headers: Mapping[str, str]) -> None:
        """Return what is sent, in every attempt."""
        self.url, self.headers = url, headers
        self._header_bytes = _length(headers.items())

    def struck(self, fault: str) -> None:
        """Return a fault on purpose has struck it."""
        self.faults.append(fault)
        self.changed()

    @contextmanager
    def attempt(self, *, is_duplicate: bool) -> Iterator[Attempt]:
        """One more attempt; an exception is kept as its problem."""
        attempt = Attempt(self._now(), is_duplicate)
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
        """Return whether it had success, or failed for good."""
        self.state = State.OK if problem is None else State.FAILED
        self.problem = problem
        self.seconds = time.monotonic() - self._began
        self.changed()

    def changed(self) -> None:
        """Tell the viewers."""
        self._changed(self.id)

    def summary(self) -> dict[str, Any]:
        """Return what a list of events shows of it."""
        counting = [attempt for attempt in self.attempts if not attempt.is_duplicate]
        return {
            "id": self.id,
            "kind": "event",
            "time": iso(self.time),
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


def iso(time_: datetime) -> str:
    """ISO 8601 in UTC, with milliseconds."""
    return time_.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _length(headers: Pairs) -> int:
    return sum(len(name) + len(value) for name, value in headers)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def _preview(body: bytes, size: int) -> dict[str, Any]:
    """Return the beginning of a body of ``size`` bytes for people: its text, or the bytes in hex where it is none."""
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
