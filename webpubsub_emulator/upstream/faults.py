"""Faults on purpose: what goes wrong now and then in the cloud, here when you ask for it.

An armed fault (``Faults.arm``) waits until something that it concerns comes along. Only ``cut_connections`` acts at
once; whoever holds the connections cuts them.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from webpubsub_emulator.core.connection import ConnectionContext
from webpubsub_emulator.core.exceptions import FaultError
from webpubsub_emulator.upstream.cloud_events import Event

__all__ = [
    "ANY_EVENT",
    "FIELDS",
    "IGNORED_EVENTS",
    "MAX_COUNT",
    "MAX_SECONDS",
    "DelayedPart",
    "Fault",
    "FaultKind",
    "Faults",
]

MAX_COUNT: Final = 1_000_000
MAX_SECONDS: Final = 3600.0
ANY_EVENT: Final = "*"
"""As the event of a fault: system, user and group events of every name."""
IGNORED_EVENTS: Final = frozenset({"typing"})
"""User events that a fault which names no event leaves alone: they come all the time, and nobody waits for them."""
_MAX_NAME_LENGTH: Final = 1024
logger = logging.getLogger("webpubsub_emulator")


class FaultKind(StrEnum):
    """What can go wrong."""

    DUPLICATE_EVENT = "duplicate_event"
    """An event reaches its handler twice, with the same ``ce-id``; the first answer counts."""
    DROP_ANSWER = "drop_answer"
    """The handler answers, but the answer is lost: the service tries again, as after a lost connection."""
    DELAY = "delay"
    """An event, or the answer to it, is late."""
    UNAVAILABLE = "unavailable"
    """REST calls that send messages are answered 503."""
    CUT_CONNECTIONS = "cut_connections"
    """Sockets end at once, without a close frame: a lost line."""
    REFUSE_VALIDATION = "refuse_validation"
    """Event handlers count as not consenting: nothing is sent to them."""


class DelayedPart(StrEnum):
    """Which way of an event is slow."""

    EVENT = "event"
    ANSWER = "answer"


_ON_EVENTS: Final = frozenset({"hub", "connectionId", "event", "count"})
FIELDS: Final[Mapping[FaultKind, frozenset[str]]] = {
    FaultKind.DUPLICATE_EVENT: _ON_EVENTS,
    FaultKind.DROP_ANSWER: _ON_EVENTS,
    FaultKind.DELAY: _ON_EVENTS | {"seconds", "part"},
    FaultKind.UNAVAILABLE: frozenset({"hub", "seconds"}),
    FaultKind.CUT_CONNECTIONS: frozenset({"hub", "connectionId"}),
    FaultKind.REFUSE_VALIDATION: frozenset({"hub", "seconds"}),
}
"""The fields that each kind of fault takes in JSON, beside ``fault``."""
_UNSET: Final = {
    "hub": None,
    "connectionId": None,
    "event": None,
    "count": 1,
    "seconds": 0,
    "part": DelayedPart.EVENT,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. Without ``hub`` or ``connection_id`` it concerns all of them.

    ``event`` is the name of a system, user or group event, or ``*`` for all; without it the fault concerns user events
    but ``typing``. ``count`` is how many events it affects; ``seconds`` is how late a delayed one is, or how long the
    fault lasts; ``part`` is what is late, the event or the answer to it.

    Raises:
        FaultError: for a value out of its bounds, and for a field that means nothing for its kind.
    """

    kind: FaultKind
    hub: str | None = None
    connection_id: str | None = None
    event: str | None = None
    count: int = 1
    seconds: float = 0
    part: DelayedPart = DelayedPart.EVENT

    def __post_init__(self) -> None:
        """Refuse what could never happen, or to more than was meant; bring the hub's name to lower case."""
        for name, value in self._fields().items():
            if name not in FIELDS[self.kind] and value != _UNSET[name]:
                raise _not_a_field(name, self.kind)
            if isinstance(value, str) and not (value.isprintable() and 1 <= len(value) <= _MAX_NAME_LENGTH):
                raise FaultError(f"{name!r} must be a text of 1 to {_MAX_NAME_LENGTH} printable characters.")
        if not 1 <= self.count <= MAX_COUNT:
            raise FaultError(f"'count' must be 1 to {MAX_COUNT}.")
        if "seconds" in FIELDS[self.kind] and not 0 < self.seconds <= MAX_SECONDS:
            raise FaultError(f"'seconds' of {self.kind} must be more than 0 and at most {MAX_SECONDS:g}.")
        if self.hub is not None:
            object.__setattr__(self, "hub", self.hub.lower())

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the fault in a JSON object such as ``{"fault":"delay","seconds":2,"count":1}``.

        Raises:
            FaultError: for anything else; the message names the field, and what it may be.
        """
        if not isinstance(value, dict):
            raise FaultError('A fault is a JSON object such as {"fault":"drop_answer","count":1}.')
        fields: dict[str, Any] = dict(value)
        try:
            kind = FaultKind(fields.pop("fault", None))
        except ValueError:
            raise FaultError(f"'fault' must be one of {', '.join(FaultKind)}.") from None
        for name, given in fields.items():
            if name not in FIELDS[kind]:
                raise _not_a_field(name, kind)
            _check_type(name, given)
        # A field that is null is one that is omitted.
        names = {"connectionId": "connection_id"}
        given = {names.get(name, name): field for name, field in fields.items() if field is not None}
        if "part" in given:
            given["part"] = DelayedPart(given["part"])
        return cls(kind, **given)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of this fault, with the fields that its kind has."""
        own = {n: value for n, value in self._fields().items() if n in FIELDS[self.kind] and value is not None}
        return {"fault": self.kind, **own}

    def _fields(self) -> dict[str, Any]:
        return {
            "hub": self.hub,
            "connectionId": self.connection_id,
            "event": self.event,
            "count": self.count,
            "seconds": self.seconds,
            "part": self.part,
        }

    def __str__(self) -> str:
        """Return its fields for the log."""
        return ", ".join(f"{name} {value}" for name, value in self.to_json().items() if name != "fault") or "everywhere"

    def concerns(self, context: ConnectionContext) -> bool:
        """Return whether it is about this connection."""
        return self.hub in {None, context.hub} and self.connection_id in {None, context.connection_id}

    def concerns_event(self, event: Event) -> bool:
        """Return whether it is about an event of this name and family."""
        if self.event is None:
            return event.family == "user" and event.name.lower() not in IGNORED_EVENTS
        return self.event == ANY_EVENT or self.event.lower() == event.name.lower()


class _Armed:
    """A fault that waits for its time, and how much of it is left."""

    __slots__ = ("ends", "fault", "left")

    def __init__(self, fault: Fault, ends: float) -> None:
        self.fault = fault
        self.left = fault.count
        self.ends = ends


class Faults:
    """The armed faults of one emulator."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` returns seconds."""
        self._clock = clock
        self._armed: list[_Armed] = []

    def arm(self, fault: Fault) -> None:
        """Let a fault wait for what it concerns, or last from now for its seconds."""
        lasts = fault.kind in {FaultKind.UNAVAILABLE, FaultKind.REFUSE_VALIDATION}
        self._armed.append(_Armed(fault, self._clock() + fault.seconds if lasts else math.inf))

    def clear(self, connection_id: str | None = None) -> int:
        """Disarm those of a connection, or all; the result is how many there were."""
        before = self._current()
        self._armed = [armed for armed in before if connection_id not in {None, armed.fault.connection_id}]
        count = len(before) - len(self._armed)
        if count:
            logger.warning("FAULTS of %s are cleared.", repr(connection_id) if connection_id else "all connections")
        return count

    def armed(self) -> list[dict[str, Any]]:
        """Return the faults that wait, as JSON objects: ``count`` and ``seconds`` are what is left of them."""
        result = []
        for armed in self._current():
            fields = armed.fault.to_json()
            if "count" in fields:
                fields["count"] = armed.left
            if armed.ends != math.inf:
                fields["seconds"] = round(armed.ends - self._clock(), 1)
            result.append(fields)
        return result

    def use(
        self, kind: FaultKind, context: ConnectionContext, event: Event, part: DelayedPart = DelayedPart.EVENT
    ) -> Fault | None:
        """Return the armed fault of a kind that affects this event now, if any, and count it down by one."""
        for armed in self._armed:
            fault = armed.fault
            if fault.kind is kind and fault.part is part and fault.concerns(context) and fault.concerns_event(event):
                armed.left -= 1
                if not armed.left:
                    self._armed.remove(armed)
                logger.warning("FAULT %s affects %s of connection %s.", kind, event.name, context.connection_id)
                return fault
        return None

    def is_active(self, kind: FaultKind, hub: str) -> bool:
        """Return whether a fault of a kind that lasts for some time concerns a hub now."""
        return any(armed.fault.kind is kind and armed.fault.hub in {None, hub.lower()} for armed in self._current())

    def _current(self) -> list[_Armed]:
        now = self._clock()
        self._armed = [armed for armed in self._armed if armed.ends > now]
        return self._armed


def _check_type(name: str, value: object) -> None:
    """Raise ``FaultError`` unless a field has a value of its type."""
    if value is None:
        return
    match name:
        case "count" if isinstance(value, int) and not isinstance(value, bool):
            return
        case "count":
            raise FaultError("'count' must be a whole number.")
        case "seconds" if isinstance(value, int | float) and not isinstance(value, bool):
            return
        case "seconds":
            raise FaultError("'seconds' must be a number.")
        case "part" if value in tuple(DelayedPart):
            return
        case "part":
            raise FaultError(f"'part' must be one of {', '.join(DelayedPart)}.")
    if not isinstance(value, str):
        raise FaultError(f"{name!r} must be a text.")


def _not_a_field(name: str, kind: FaultKind) -> FaultError:
    return FaultError(f"{name!r} is not a field of {kind}; it takes {', '.join(sorted(FIELDS[kind]))}.")
