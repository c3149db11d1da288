"""The functions of an event handler: which one handles an event, and the middleware around it."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

from webpubsub_handler.exceptions import ConfigurationError, InvalidDataError
from webpubsub_handler.protocol.events import (
    ConnectedEventRequest,
    ConnectEventRequest,
    DisconnectedEventRequest,
    Event,
    GroupJoinedEventRequest,
    GroupLeftEventRequest,
    UserEventRequest,
)
from webpubsub_handler.protocol.responses import (
    ConnectEventResponse,
    EventErrorResponse,
    EventResponse,
    MqttConnectEventErrorResponse,
    UserEventResponse,
)

__all__ = [
    "ANY_USER_EVENT",
    "CallNext",
    "ConnectFunction",
    "ConnectFunctionT",
    "ConnectedFunction",
    "ConnectedFunctionT",
    "DisconnectedFunction",
    "DisconnectedFunctionT",
    "EventFunction",
    "Functions",
    "GroupJoinedFunction",
    "GroupJoinedFunctionT",
    "GroupLeftFunction",
    "GroupLeftFunctionT",
    "Middleware",
    "MiddlewareT",
    "UserEventFunction",
    "UserEventFunctionT",
]

ANY_USER_EVENT: Final = "*"

EventFunction: TypeAlias = Callable[[Any], Any]
CallNext: TypeAlias = Callable[[Event], Awaitable[EventResponse | None]]
Middleware: TypeAlias = Callable[[Event, CallNext], Awaitable[EventResponse | None]]

_Connect: TypeAlias = ConnectEventResponse | EventErrorResponse | MqttConnectEventErrorResponse | None
_Notified: TypeAlias = EventErrorResponse | None
_Replied: TypeAlias = UserEventResponse | EventErrorResponse | None

ConnectFunction: TypeAlias = Callable[[ConnectEventRequest], _Connect | Awaitable[_Connect]]
ConnectedFunction: TypeAlias = Callable[[ConnectedEventRequest], _Notified | Awaitable[_Notified]]
DisconnectedFunction: TypeAlias = Callable[[DisconnectedEventRequest], _Notified | Awaitable[_Notified]]
GroupJoinedFunction: TypeAlias = Callable[[GroupJoinedEventRequest], _Notified | Awaitable[_Notified]]
GroupLeftFunction: TypeAlias = Callable[[GroupLeftEventRequest], _Notified | Awaitable[_Notified]]
UserEventFunction: TypeAlias = Callable[[UserEventRequest], _Replied | Awaitable[_Replied]]

# A decorator returns the function that it was given, so it must keep that function's own type.
ConnectFunctionT = TypeVar("ConnectFunctionT", bound=ConnectFunction)
ConnectedFunctionT = TypeVar("ConnectedFunctionT", bound=ConnectedFunction)
DisconnectedFunctionT = TypeVar("DisconnectedFunctionT", bound=DisconnectedFunction)
GroupJoinedFunctionT = TypeVar("GroupJoinedFunctionT", bound=GroupJoinedFunction)
GroupLeftFunctionT = TypeVar("GroupLeftFunctionT", bound=GroupLeftFunction)
UserEventFunctionT = TypeVar("UserEventFunctionT", bound=UserEventFunction)
MiddlewareT = TypeVar("MiddlewareT", bound=Middleware)

_MAX_HINTS: Final = 100
_HINT: Final = """No function handles the user event %r. Its sender got an empty answer. To handle it, write:

@handler.on_user_event(%r)
async def %s(request: UserEventRequest) -> UserEventResponse | None:
    ...
"""

logger = logging.getLogger("webpubsub_handler")


@dataclass(frozen=True, slots=True)
class _UserEvent:
    """The function for a user event, and its largest body."""

    function: EventFunction
    max_body_bytes: int


class Functions:
    """At most one function for each event, and middleware that every event passes in the order of registration.

    Functions are kept by the class of the request that they take, those of user events by name.
    """

    def __init__(self) -> None:
        self._functions: dict[type[Event], EventFunction] = {}
        self._user_events: dict[str, _UserEvent] = {}
        self._middleware: list[Middleware] = []
        self._hinted: set[str] = set()

    def add(self, request: type[Event], decorator: str, function: EventFunction) -> None:
        """Register the function for a kind of event.

        Raises:
            ConfigurationError: It is not a function of one request, or there is one already.
        """
        _check_function(function, f"@handler.{decorator}\nasync def {decorator.removeprefix('on_')}(request): ...")
        if request in self._functions:
            raise ConfigurationError(f"two functions are registered with {decorator}; only one can answer its events")
        self._functions[request] = function

    def add_user_event(self, name: str, function: EventFunction, max_body_bytes: int) -> None:
        """Register the function for a user event; names are case-insensitive.

        Raises:
            ConfigurationError: It is not a function of one request, or there is one already.
        """
        _check_function(function, f"@handler.on_user_event({name!r})\nasync def message(request): ...")
        if name.lower() in self._user_events:
            raise ConfigurationError(
                f"two functions are registered for the user event {name.lower()!r}; only one can answer it"
            )
        self._user_events[name.lower()] = _UserEvent(function, max_body_bytes)

    def add_middleware(self, middleware: Middleware) -> None:
        """Register middleware, inside the middleware that is registered already.

        Raises:
            ConfigurationError: It cannot be called with a request and ``call_next``.
        """
        if _is_generator(middleware) or not _takes(middleware, 2):
            raise ConfigurationError(
                "middleware must be a function of (request, call_next). Write:\n\n"
                "@handler.middleware\n"
                "async def log(request, call_next):\n"
                f"    return await call_next(request)\n\nand not {middleware!r}"
            )
        self._middleware.append(middleware)

    async def call(self, event: Event) -> object:
        """Return the answer of the event's function, or None if it has none; exceptions are passed on.

        Raises:
            InvalidDataError: The body is larger than the function takes; neither it nor any middleware saw it.
        """
        call_next = _calling(self._find(event))
        for middleware in reversed(self._middleware):
            call_next = _passing(middleware, call_next)
        return await call_next(event)

    def _find(self, event: Event) -> EventFunction | None:
        if not isinstance(event, UserEventRequest):
            return self._functions.get(type(event))
        name = event.context.event_name
        found = self._user_events.get(name.lower()) or self._user_events.get(ANY_USER_EVENT)
        if found is None:
            self._hint(name)
            return None
        if len(event.body) > found.max_body_bytes:
            raise InvalidDataError(f"The data has at most {found.max_body_bytes} bytes.", code="too_large")
        return found.function

    def _hint(self, name: str) -> None:
        # Clients choose the names, so there is one line for each, and a limit.
        if name not in self._hinted and len(self._hinted) < _MAX_HINTS:
            self._hinted.add(name)
            identifier = "".join(c if c.isalnum() and c.isascii() else "_" for c in name)
            logger.warning(_HINT, name, name, f"on_{identifier}")


def _check_function(function: object, example: str) -> None:
    """Refuse what cannot answer events.

    Raises:
        ConfigurationError: It cannot be called with one request, or is a generator.
    """
    if _is_generator(function) or not _takes(function, 1):
        raise ConfigurationError(
            f"{function!r} cannot answer events: it must be a function of one request. Write:\n\n{example}"
        )


def _is_generator(function: object) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def _takes(function: object, count: int) -> bool:
    if not callable(function):
        return False
    try:
        signature = inspect.signature(function)
    except ValueError:
        return True  # a C function without a signature
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def _passing(middleware: Middleware, call_next: CallNext) -> CallNext:
    async def call(event: Event) -> Any:
        passed_on: list[Any] = []

        async def pass_on(request: Event) -> Any:
            answer = await call_next(request)
            passed_on.append(answer)
            return answer

        returned = middleware(event, pass_on)
        if not inspect.isawaitable(returned):
            raise TypeError(f"the middleware {middleware!r} returned {type(returned).__name__}: make it an async def")
        answer = await returned
        # None accepts a client. So a middleware without its return or await must fail: its None would hide a refusal,
        # or a rule that was never asked.
        if answer is None and passed_on and passed_on[-1] is not None:
            raise TypeError(f"the middleware {middleware!r} lost the answer: write: return await call_next(request)")
        if answer is None and not passed_on and isinstance(event, ConnectEventRequest):
            raise TypeError(
                f"the middleware {middleware!r} neither called the next nor answered: to let the client in without "
                "asking further, return ConnectEventResponse()"
            )
        return answer

    return call


def _calling(function: EventFunction | None) -> CallNext:
    async def call(event: Event) -> Any:
        if function is None:
            return None
        if inspect.iscoroutinefunction(function):
            return await function(event)
        # Inspection does not see that a callable object or a lambda returns a coroutine. The thread only creates the
        # coroutine; it is awaited here.
        result = await asyncio.to_thread(_run, function, event)
        return await result if inspect.isawaitable(result) else result

    return call


def _run(function: EventFunction, event: Event) -> object:
    try:
        return function(event)
    except StopIteration as error:
        # A future cannot hold it, so the request would wait forever (CPython issue 112182).
        raise RuntimeError("the function raised StopIteration") from error
