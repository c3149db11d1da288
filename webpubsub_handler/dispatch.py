"""The functions of an event handler: which one an event gets, and the middleware around it."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from webpubsub_handler.exceptions import ConfigurationError
from webpubsub_handler.protocol.events import Event, UserEventRequest

__all__ = ["ANY_USER_EVENT", "CallNext", "Functions", "Middleware", "user_event_key"]

ANY_USER_EVENT: Final = "*"

CallNext: TypeAlias = Callable[[Any], Awaitable[Any]]
Middleware: TypeAlias = Callable[[Any, CallNext], Awaitable[Any]]

_MAX_HINTS: Final = 100
_HINT: Final = """No function handles the user event %r. Its sender got an empty answer. To handle it, write:

@handler.on_user_event(%r)
async def %s(request: UserEventRequest) -> UserEventResponse | None:
    ...
"""

logger = logging.getLogger("webpubsub_handler")


def user_event_key(name: str) -> str:
    """Return the key of a user event's function; names have no case."""
    return f"the user event {name.lower()!r}"


class Functions:
    """At most one function for each event, and middleware that every event passes in the order of registration."""

    def __init__(self) -> None:
        self._functions: dict[str, Callable[[Any], Any]] = {}
        self._middleware: list[Middleware] = []
        self._hinted: set[str] = set()

    def add(self, key: str, function: Callable[[Any], Any]) -> None:
        """Register the function for an event.

        Raises:
            ConfigurationError: There is one already.
        """
        if key in self._functions:
            raise ConfigurationError(f"two functions are registered for {key}; only one can answer it")
        self._functions[key] = function

    def add_middleware(self, middleware: Middleware) -> None:
        """Register middleware inside of what is registered already.

        Raises:
            ConfigurationError: It is not an ``async def``.
        """
        if not inspect.iscoroutinefunction(middleware):
            raise ConfigurationError(
                f"middleware must be an async function of (request, call_next), not {middleware!r}"
            )
        self._middleware.append(middleware)

    async def call(self, key: str, event: Event) -> object:
        """Return what the event's function answers, None when there is none; its exceptions come through."""
        call_next: CallNext = _calling(self._find(key, event))
        for middleware in reversed(self._middleware):
            call_next = _passing(middleware, call_next)
        return await call_next(event)

    def _find(self, key: str, event: Event) -> Callable[[Any], Any] | None:
        function = self._functions.get(key)
        if function is None and isinstance(event, UserEventRequest):
            function = self._functions.get(user_event_key(ANY_USER_EVENT))
            if function is None:
                self._hint(event.context.event_name)
        return function

    def _hint(self, name: str) -> None:
        # Clients choose the names: one line for each, and not without end.
        if name not in self._hinted and len(self._hinted) < _MAX_HINTS:
            self._hinted.add(name)
            identifier = "".join(c if c.isalnum() and c.isascii() else "_" for c in name)
            logger.warning(_HINT, name, name, f"on_{identifier}")


def _passing(middleware: Middleware, call_next: CallNext) -> CallNext:
    return lambda event: middleware(event, call_next)


def _calling(function: Callable[[Any], Any] | None) -> CallNext:
    async def call(event: Event) -> object:
        if function is None:
            return None
        if inspect.iscoroutinefunction(function):
            return await function(event)
        result = await asyncio.to_thread(_run, function, event)
        return await result if inspect.isawaitable(result) else result

    return call


def _run(function: Callable[[Any], Any], event: Event) -> object:
    try:
        return function(event)
    except StopIteration as error:
        # A future cannot hold it, so the request would wait without end (CPython issue 112182).
        raise RuntimeError("the function raised StopIteration") from error
