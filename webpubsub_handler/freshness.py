"""How old an event may be."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from webpubsub_handler.exceptions import ConfigurationError, MalformedEventError
from webpubsub_handler.protocol.attributes import parse_time
from webpubsub_handler.protocol.http import HttpRequest

__all__ = ["MIN_EVENT_AGE_SECONDS", "EventFreshness"]

# The service delivers an event again after 1, 3 and 5 s, each time after an answer that may have taken its time.
MIN_EVENT_AGE_SECONDS: Final = 30


class EventFreshness:
    """Refuses events whose ``ce-time`` is too far from now, before or after it: replays of recorded requests.

    It is no proof by itself, so list it after one: ``[AccessKeyAuthenticator(keys), EventFreshness(120)]``. The answer
    is 400, as the service would deliver the event again after a 408 or 5xx. A signature does not cover the time, so
    whoever knows one can still send new events of its connection.

    Args:
        max_age_seconds: How far from now, at least 30: the service's own redeliveries must pass.
        clock: Gives now, in seconds since 1970.

    Raises:
        ConfigurationError: The age leaves no room for redeliveries.
    """

    def __init__(self, max_age_seconds: float, *, clock: Callable[[], float] = time.time) -> None:
        if not max_age_seconds >= MIN_EVENT_AGE_SECONDS:
            raise ConfigurationError(
                f"EventFreshness needs at least {MIN_EVENT_AGE_SECONDS} seconds, as the service may send an event again"
            )
        self._max_age = max_age_seconds
        self._clock = clock

    async def authenticate(self, request: HttpRequest) -> None:
        """Compare the event's time with now.

        Raises:
            MalformedEventError: The event is stale, from the future, or tells no time.
        """
        try:
            age = self._clock() - parse_time(request.headers.get("ce-time") or "").timestamp()
        except ValueError:
            raise MalformedEventError("the ce-time header is missing or not a time") from None
        if abs(age) > self._max_age:
            raise MalformedEventError(f"ce-time is more than {self._max_age:g} seconds from now")
