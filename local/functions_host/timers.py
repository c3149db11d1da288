"""Timer functions: when they run, and the runs themselves."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final, Self

from azure.functions.timer import TimerRequest

__all__ = ["Schedule", "ScheduleError", "TimerFunction", "Timers"]

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# Seconds, minutes, hours, days, months, days of the week: the minimum, the maximum, and names in order.
_FIELDS: Final[Sequence[tuple[int, int, Sequence[str]]]] = (
    (0, 59, ()),
    (0, 59, ()),
    (0, 23, ()),
    (1, 31, ()),
    (1, 12, _MONTHS),
    (0, 6, _DAYS),
)
_PART: Final = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d+))?")
_SETTING: Final = re.compile(r"%([^%]+)%")
# A 29 February on a given weekday comes within 40 years.
_MAX_DAYS: Final = 40 * 366

logger = logging.getLogger("local.functions_host")


class ScheduleError(ValueError):
    """Raised when a schedule is not an NCRONTAB expression; the text says what is."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """An NCRONTAB expression: seconds, minutes, hours, days, months, days of the week; in UTC, as the host takes it."""

    fields: tuple[tuple[int, ...], ...]

    @classmethod
    def parse(cls, text: str, settings: Mapping[str, str] = os.environ) -> Self:
        """Read an expression of six fields, of five without seconds, or ``%NAME%`` of a setting that holds one.

        Raises:
            ScheduleError: It is neither.
        """
        if named := _SETTING.fullmatch(text.strip()):
            text = settings.get(named[1], "")
        parts = text.lower().split()
        if len(parts) == len(_FIELDS) - 1:
            parts.insert(0, "0")
        if len(parts) != len(_FIELDS):
            raise ScheduleError(f"{text!r} is not an NCRONTAB expression of six fields, like '0 */10 * * * *'")
        return cls(tuple(_field(part, *field) for part, field in zip(parts, _FIELDS, strict=True)))

    def next_after(self, moment: datetime) -> datetime:
        """Return the first time after a moment.

        Raises:
            ScheduleError: There is none, as for 30 February.
        """
        seconds, minutes, hours, days, months, weekdays = self.fields
        for offset in range(_MAX_DAYS):
            day = moment.date() + timedelta(days=offset)
            if day.day not in days or day.month not in months or day.isoweekday() % 7 not in weekdays:
                continue
            left = [hour for hour in hours if offset or hour >= moment.hour]
            for hour, minute, second in itertools.product(left, minutes, seconds):
                found = datetime.combine(day, time(hour, minute, second), UTC)
                if found > moment:
                    return found
        raise ScheduleError("the schedule names a day that never comes")


@dataclass(frozen=True, slots=True)
class TimerFunction:
    """A function with a timer trigger."""

    name: str
    schedule: Schedule
    runs_on_startup: bool
    call: Callable[..., Any]
    timer_name: str
    wants_context: bool


class Timers:
    """Runs timer functions on time; the next run of a function never begins before the last one has ended.

    Args:
        functions: What to run.
        call: Runs a function with its arguments.
        make_context: Makes the ``context`` argument of a function by its name; it has the id of the invocation.
    """

    def __init__(
        self,
        functions: Sequence[TimerFunction],
        call: Callable[[TimerFunction, Mapping[str, Any]], Awaitable[object]],
        make_context: Callable[[str], Any],
    ) -> None:
        self.functions = functions
        self._call = call
        self._make_context = make_context
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Start to wait for the time of each function."""
        for function in self.functions:
            self._begin(self._repeat(function))

    def trigger(self, name: str) -> bool:
        """Run a function now, as the admin endpoint does; return False when there is none of this name."""
        function = next((timer for timer in self.functions if timer.name.lower() == name.lower()), None)
        if function is None:
            return False
        self._begin(self._run(function, "This function was programmatically called via the host APIs."))
        return True

    async def stop(self) -> None:
        """Cancel all functions that run or wait."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _repeat(self, function: TimerFunction) -> None:
        if function.runs_on_startup:
            await self._run(function, "Timer fired on startup")
        planned = datetime.now(UTC)
        while True:
            # Also after the planned time: a sleep that ends slightly early must not run the function twice.
            planned = function.schedule.next_after(max(planned, datetime.now(UTC)))
            await asyncio.sleep((planned - datetime.now(UTC)).total_seconds())
            await self._run(function, "Timer fired")

    async def _run(self, function: TimerFunction, reason: str) -> None:
        context = self._make_context(function.name)
        arguments: dict[str, Any] = {function.timer_name: TimerRequest()}
        if function.wants_context:
            arguments["context"] = context
        logger.info("Executing 'Functions.%s' (Reason='%s', Id=%s)", function.name, reason, context.invocation_id)
        try:
            await self._call(function, arguments)
        except Exception:
            logger.exception("Executed 'Functions.%s' (Failed, Id=%s)", function.name, context.invocation_id)
        else:
            logger.info("Executed 'Functions.%s' (Succeeded, Id=%s)", function.name, context.invocation_id)


def _field(text: str, least: int, most: int, names: Sequence[str]) -> tuple[int, ...]:
    values: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ScheduleError(f"{part!r} is not a value, a range or a step of an NCRONTAB expression")
        everything, first, last, step = match.groups()
        start = least if everything else _value(first, least, names)
        end = _value(last, least, names) if last else most if everything or step else start
        if not least <= start <= end <= most or step == "0":
            raise ScheduleError(f"{part!r} is not within {least} and {most}")
        values.update(range(start, end + 1, int(step or 1)))
    return tuple(sorted(values))


def _value(text: str, least: int, names: Sequence[str]) -> int:
    if text in names:
        return least + names.index(text)
    if text.isascii() and text.isdigit():
        return int(text)
    raise ScheduleError(f"{text!r} is not a value of an NCRONTAB expression")
