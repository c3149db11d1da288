"""The event handler: validation, then authenticate, decode, dispatch, encode.

What is answered, in one place:

=======================================  ======  ==========================================
no event (OPTIONS)                       200     400 when no requested origin is allowed
a proof is missing or wrong              401
no Web PubSub event                      400
another hub                              404
neither POST nor OPTIONS                 405
larger than the service sends            413
unknown event, no function for an event  204
a function or an authenticator raised    500     generic text with an id that the log has too
=======================================  ======  ==========================================
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias, TypeVar

from webpubsub_handler.authentication import Authenticator
from webpubsub_handler.exceptions import AuthenticationError, ConfigurationError, MalformedEventError
from webpubsub_handler.protocol.abuse_protection import answer_validation, normalize_host
from webpubsub_handler.protocol.decode import decode
from webpubsub_handler.protocol.encode import encode_connect, encode_error, encode_user_event
from webpubsub_handler.protocol.events import (
    ConnectedEventRequest,
    ConnectEventRequest,
    ConnectionContext,
    DisconnectedEventRequest,
    Event,
    UserEventRequest,
)
from webpubsub_handler.protocol.http import HttpRequest, HttpResponse
from webpubsub_handler.protocol.responses import ConnectEventResponse, EventErrorResponse, UserEventResponse

__all__ = ["MAX_BODY_BYTES", "WebPubSubEventHandler"]

logger = logging.getLogger("webpubsub_handler")

# The service takes frames of at most 1 MiB; a connect event with certificates stays far below.
MAX_BODY_BYTES: Final = 1024 * 1024
_MAX_HINTS: Final = 100

_Connect: TypeAlias = ConnectEventResponse | EventErrorResponse | None
_Notified: TypeAlias = EventErrorResponse | None
_Replied: TypeAlias = UserEventResponse | EventErrorResponse | None

ConnectFunction: TypeAlias = Callable[[ConnectEventRequest], _Connect | Awaitable[_Connect]]
ConnectedFunction: TypeAlias = Callable[[ConnectedEventRequest], _Notified | Awaitable[_Notified]]
DisconnectedFunction: TypeAlias = Callable[[DisconnectedEventRequest], _Notified | Awaitable[_Notified]]
UserEventFunction: TypeAlias = Callable[[UserEventRequest], _Replied | Awaitable[_Replied]]

_C = TypeVar("_C", bound=ConnectFunction)
_D = TypeVar("_D", bound=ConnectedFunction)
_X = TypeVar("_X", bound=DisconnectedFunction)
_U = TypeVar("_U", bound=UserEventFunction)

_HINT: Final = """No function handles the user event %r. Its sender got an empty answer. To handle it, write:

@handler.on_user_event(%r)
async def %s(request: UserEventRequest) -> UserEventResponse | None:
    ...
"""


class WebPubSubEventHandler:
    """Answers the events of one hub with your functions.

    ::

        keys = AccessKeyAuthenticator([access_key])
        handler = WebPubSubEventHandler("chat", [keys], allowed_origins=["x.webpubsub.azure.com"])

        @handler.on_user_event("message")
        async def message(request: UserEventRequest) -> UserEventResponse:
            return UserEventResponse(f"you said {request.data}")

    Functions are ``async`` or plain; plain ones run in a thread. ``handle`` is all that a web framework has to call.

    Args:
        hub: The hub's name; case does not matter.
        authenticators: The proofs; each must hold.
        allowed_origins: The hosts of the services that may send events, or ``["*"]``.
    """

    def __init__(self, hub: str, authenticators: Sequence[Authenticator], *, allowed_origins: Iterable[str]) -> None:
        if not hub:
            raise ConfigurationError("the hub's name is empty")
        if not authenticators:
            raise ConfigurationError(
                "without an authenticator anyone could send events: pass an AccessKeyAuthenticator, "
                "or UnauthenticatedEventsAllowed() to say that this is what you want"
            )
        self.hub = hub.lower()
        self._authenticators = tuple(authenticators)
        self._allowed_hosts = frozenset(
            origin if origin == "*" else normalize_host(origin) for origin in allowed_origins
        )
        if not self._allowed_hosts:
            raise ConfigurationError("no allowed origin: name the host of your Web PubSub service")
        self._connect: ConnectFunction | None = None
        self._connected: ConnectedFunction | None = None
        self._disconnected: DisconnectedFunction | None = None
        self._user_events: dict[str, UserEventFunction] = {}
        self._hinted: set[str] = set()

    def on_connect(self, function: _C) -> _C:
        """Register the function that accepts or refuses a connection; without one every connection is accepted."""
        _refuse_second(self._connect, "connect")
        self._connect = function
        return function

    def on_connected(self, function: _D) -> _D:
        """Register the function that is told of a connection."""
        _refuse_second(self._connected, "connected")
        self._connected = function
        return function

    def on_disconnected(self, function: _X) -> _X:
        """Register the function that is told of a connection's end."""
        _refuse_second(self._disconnected, "disconnected")
        self._disconnected = function
        return function

    def on_user_event(self, name: str) -> Callable[[_U], _U]:
        """Register the function for the user event ``name`` (a plain WebSocket client's frames are ``message``)."""

        def register(function: _U) -> _U:
            key = name.lower()
            _refuse_second(self._user_events.get(key), f"the user event {name!r}")
            self._user_events[key] = function
            return function

        return register

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one HTTP message; whatever comes in, this returns a response."""
        if request.method == "OPTIONS":
            return self._validate(request)
        if request.method != "POST":
            return HttpResponse(405, {"Allow": "POST, OPTIONS"})
        if len(request.body) > MAX_BODY_BYTES:
            return HttpResponse.text(413, "The event is too large.")
        try:
            for authenticator in self._authenticators:
                await authenticator.authenticate(request)
            event = decode(request)
        except AuthenticationError as error:
            logger.warning("Refused an event: %s.", error.reason)
            return HttpResponse.text(401, "The event is not authenticated.")
        except MalformedEventError as error:
            logger.warning("Refused a malformed event: %s.", error)
            return HttpResponse.text(400, f"Not an event of Web PubSub: {error}.")
        except Exception:  # noqa: BLE001 - the caller must get an answer, and the log the reason
            return HttpResponse.text(500, _log_failure("authentication or decoding"))
        if event.context.hub != self.hub:
            logger.warning("Refused an event of a hub other than %r.", self.hub)
            return HttpResponse.text(404, "This event handler serves another hub.")
        try:
            return await self._dispatch(event)
        except Exception:  # noqa: BLE001 - the last border: no exception may reach the caller
            text = _log_failure(f"the function for {event.context.event_name!r}")
            return encode_error(EventErrorResponse(500, text))

    def _validate(self, request: HttpRequest) -> HttpResponse:
        response = answer_validation(request, self._allowed_hosts)
        if response.status != 200:
            logger.warning(
                "Refused the validation for origin %r. Allowed: %s. Is this the host of your service?",
                (request.headers.get("WebHook-Request-Origin") or "")[:200],
                ", ".join(sorted(self._allowed_hosts)),
            )
        return response

    async def _dispatch(self, event: Event) -> HttpResponse:
        match event:
            case UserEventRequest():
                function = self._user_events.get(event.context.event_name.lower())
                if function is None:
                    self._hint(event.context.event_name)
                    return HttpResponse(204)
                response = await _call(function, event)
                if isinstance(response, EventErrorResponse):
                    return encode_error(response)
                return encode_user_event(event.context.state, _expect(response, UserEventResponse))
            case ConnectEventRequest():
                response = await _call(self._connect, event)
                if isinstance(response, EventErrorResponse):
                    return encode_error(response)
                return encode_connect(event, _expect(response, ConnectEventResponse))
            case ConnectedEventRequest():
                return _notified(event.context, await _call(self._connected, event))
            case DisconnectedEventRequest():
                return _notified(event.context, await _call(self._disconnected, event))
            case _:
                logger.info("Ignored an event of type %r.", event.type[:200])
                return HttpResponse(204)

    def _hint(self, name: str) -> None:
        # Clients choose the names: one line for each, and not without end.
        if name not in self._hinted and len(self._hinted) < _MAX_HINTS:
            self._hinted.add(name)
            identifier = "".join(c if c.isalnum() and c.isascii() else "_" for c in name)
            logger.warning(_HINT, name, name, f"on_{identifier}")


_R = TypeVar("_R")


def _refuse_second(registered: object, event: str) -> None:
    if registered is not None:
        raise ConfigurationError(f"two functions are registered for {event}; only one can answer it")


def _log_failure(place: str) -> str:
    error_id = uuid.uuid4().hex[:12]
    logger.exception("Error %s in %s.", error_id, place)
    return f"The event handler failed (error {error_id})."


async def _call(function: Callable[[Any], Any] | None, event: Event) -> object:
    if function is None:
        return None
    if inspect.iscoroutinefunction(function):
        return await function(event)
    result = await asyncio.to_thread(_run, function, event)
    return await result if inspect.isawaitable(result) else result


def _run(function: Callable[[Any], Any], event: Event) -> object:
    try:
        return function(event)
    except StopIteration as error:
        # A future cannot hold it, so the request would wait without end (CPython issue 112182).
        raise RuntimeError("the function raised StopIteration") from error


def _expect(response: object, kind: type[_R]) -> _R | None:
    if response is None or isinstance(response, kind):
        return response
    raise TypeError(
        f"the function returned {type(response).__name__}; it may return {kind.__name__}, EventErrorResponse or None"
    )


def _notified(context: ConnectionContext, response: object) -> HttpResponse:
    if isinstance(response, EventErrorResponse):
        return encode_error(response)
    if response is not None:
        raise TypeError(f"a function for {context.event_name!r} returns None, not {type(response).__name__}")
    if context.state.encode() is not None:
        logger.warning("The state set in %r is lost: only connect and user events can set it.", context.event_name)
    return HttpResponse(204)
