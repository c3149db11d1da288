"""One event on its way to its handler, as the traffic view shows it: the request, all attempts and answers. No I/O."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from webpubsub_emulator.core.connection import ConnectionContext
from webpubsub_emulator.upstream.cloud_events import Event
from webpubsub_emulator.upstream.curl import curl_command
from webpubsub_emulator.upstream.preview import PREVIEW_BYTES, Clock, ids, iso, preview, snippet

__all__ = ["IN_EXCHANGE", "Attempt", "Exchange", "Pairs", "State"]

# Roughly, what an exchange holds in addition to bodies and headers.
_EXCHANGE_BYTES: Final = 2048
IN_EXCHANGE: Final = {"is_in_exchange": True}
"""The ``extra`` of a log line that says what an exchange already shows."""
Pairs = Collection[tuple[str, str]]


class State(StrEnum):
    """The progress of an event."""

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
        """Keep an answer, with the beginning of its body."""
        self.seconds = time.monotonic() - self._began
        self.status, self.headers = status, tuple(headers)
        self.body, self.body_size = body[:PREVIEW_BYTES], len(body)
        self.size = len(self.body) + _length(headers)

    def failed(self, problem: str) -> None:
        """Keep why this attempt failed."""
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
            "body": preview(self.body, self.body_size),
            "problem": self.problem,
        }


class Exchange:
    """One event on its way to its handler: the request, every attempt, the outcome."""

    # Thousands are kept, and each of their objects costs the garbage collector time.
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
        """Begin now, without an attempt; ``changed`` is called with ``id``, which its traffic sets."""
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
        """Keep what is sent, in every attempt."""
        self.url, self.headers = url, headers
        self._header_bytes = _length(headers.items())

    def add_fault(self, fault: str) -> None:
        """Keep that an injected fault affected this event."""
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

    def waits(self, cause: str, seconds: float) -> None:
        """Keep why the last attempt failed, and when the next one comes."""
        self.problem = f"{cause}, again in {seconds:g} s"
        self.changed()

    def ended(self, problem: str | None) -> None:
        """Keep whether it succeeded or finally failed."""
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
            "snippet": snippet(self.event.body),
            "ids": ids(self.event.body),
            "problem": self.problem,
        }

    def details(self) -> dict[str, Any]:
        """All of it, with the beginning of each body, and the curl command that sends it again."""
        body = self.event.body
        return {
            **self.summary(),
            "url": self.url,
            "headers": list(self.headers.items()),
            "body": preview(body[:PREVIEW_BYTES], len(body)),
            "attemptList": [attempt.to_json() for attempt in self.attempts],
            "curl": curl_command(self.url, self.headers.items(), body) if self.url else None,
        }


def _length(headers: Pairs) -> int:
    return sum(len(name) + len(value) for name, value in headers)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
