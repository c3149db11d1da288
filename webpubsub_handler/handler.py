"""The event handler: validation, then authenticate, decode, dispatch, encode.

What is answered, in one place:

=======================================  ======  ==========================================
no event (OPTIONS)                       200     400 when no requested origin is allowed
a proof is missing or wrong              401
a proof cannot be checked now            503     the service sends the event again
no Web PubSub event                      400
another hub                              404
neither POST nor OPTIONS                 405
larger than the service sends            413
unknown event, no function for an event  204
a function or an authenticator raised    500     generic text with an id that the log has too
=======================================  ======  ==========================================

An MQTT client's connect event gets the same from ``another hub`` on, as a CONNACK code in JSON.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeAlias, TypeVar

from webpubsub_handler.authentication import Authenticator
from webpubsub_handler.dispatch import Functions, Middleware, user_event_key
from webpubsub_handler.exceptions import (
    AuthenticationError,
    ConfigurationError,
    EventRefusedError,
    MalformedEventError,
)
from webpubsub_handler.protocol.abuse_protection import answer_validation, normalize_host
from webpubsub_handler.protocol.decode import decode
from webpubsub_handler.protocol.encode import encode_connect, encode_error, encode_user_event
from webpubsub_handler.protocol.events import (
    ConnectedEventRequest,
    ConnectEventRequest,
    ConnectionContext,
    DisconnectedEventRequest,
    Event,
    GroupJoinedEventRequest,
    GroupLeftEventRequest,
    UnknownEvent,
    UserEventRequest,
)
from webpubsub_handler.protocol.http import HttpRequest, HttpResponse
from webpubsub_handler.protocol.responses import (
    ConnectEventResponse,
    EventErrorResponse,
    MqttConnectEventErrorResponse,
    UserEventResponse,
)

__all__ = ["MAX_BODY_BYTES", "WebPubSubEventHandler"]

logger = logging.getLogger("webpubsub_handler")

# The service takes frames of at most 1 MiB; a connect event with certificates stays far below.
MAX_BODY_BYTES: Final = 1024 * 1024

_Connect: TypeAlias = ConnectEventResponse | EventErrorResponse | MqttConnectEventErrorResponse | None
_Notified: TypeAlias = EventErrorResponse | None
_Replied: TypeAlias = UserEventResponse | EventErrorResponse | None

ConnectFunction: TypeAlias = Callable[[ConnectEventRequest], _Connect | Awaitable[_Connect]]
ConnectedFunction: TypeAlias = Callable[[ConnectedEventRequest], _Notified | Awaitable[_Notified]]
DisconnectedFunction: TypeAlias = Callable[[DisconnectedEventRequest], _Notified | Awaitable[_Notified]]
GroupJoinedFunction: TypeAlias = Callable[[GroupJoinedEventRequest], _Notified | Awaitable[_Notified]]
GroupLeftFunction: TypeAlias = Callable[[GroupLeftEventRequest], _Notified | Awaitable[_Notified]]
UserEventFunction: TypeAlias = Callable[[UserEventRequest], _Replied | Awaitable[_Replied]]

_C = TypeVar("_C", bound=ConnectFunction)
_D = TypeVar("_D", bound=ConnectedFunction)
_X = TypeVar("_X", bound=DisconnectedFunction)
_J = TypeVar("_J", bound=GroupJoinedFunction)
_L = TypeVar("_L", bound=GroupLeftFunction)
_U = TypeVar("_U", bound=UserEventFunction)
_M = TypeVar("_M", bound=Middleware)


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
        self._functions = Functions()

    def on_connect(self, function: _C) -> _C:
        """Register the function that accepts or refuses a connection; without one every connection is accepted."""
        self._functions.add("connect", function)
        return function

    def on_connected(self, function: _D) -> _D:
        """Register the function that is told of a connection."""
        self._functions.add("connected", function)
        return function

    def on_disconnected(self, function: _X) -> _X:
        """Register the function that is told of a connection's end."""
        self._functions.add("disconnected", function)
        return function

    def on_group_joined(self, function: _J) -> _J:
        """Register the function that is told of a connection that joined a group."""
        self._functions.add("joined", function)
        return function

    def on_group_left(self, function: _L) -> _L:
        """Register the function that is told of a connection that left a group."""
        self._functions.add("left", function)
        return function

    def on_user_event(self, *names: str) -> Callable[[_U], _U]:
        """Register the function for the user events of these names, ``"*"`` for all that have no other.

        A plain WebSocket client's frames are the event ``message``.
        """
        if not names:
            raise ConfigurationError(
                'on_user_event needs the names of events, or "*" for all: on_user_event("message")'
            )

        def register(function: _U) -> _U:
            for name in names:
                self._functions.add(user_event_key(name), function)
            return function

        return register

    def middleware(self, function: _M) -> _M:
        """Register an ``async def (request, call_next)`` around the functions of all events; the first is outermost.

        What it returns is the answer: what ``await call_next(request)`` gave, or its own.
        """
        self._functions.add_middleware(function)
        return function

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one HTTP message; whatever comes in, this returns a response."""
        if request.method == "OPTIONS":
            return self._validate(request)
        if request.method != "POST":
            return HttpResponse(405, {"Allow": "POST, OPTIONS"})
        if len(request.body) > MAX_BODY_BYTES:
            return HttpResponse.text(413, "The event is too large.")
        event = await self._accept(request)
        return event if isinstance(event, HttpResponse) else await self._answer(event)

    async def _accept(self, request: HttpRequest) -> Event | HttpResponse:
        """Return the event of an authenticated request, else the answer that refuses it."""
        try:
            for authenticator in self._authenticators:
                await authenticator.authenticate(request)
            return decode(request)
        except AuthenticationError as error:
            logger.warning("Refused an event: %s.", error.reason)
            return HttpResponse.text(401, "The event is not authenticated.")
        except EventRefusedError as refusal:
            return HttpResponse.text(refusal.status, refusal.message)
        except MalformedEventError as error:
            logger.warning("Refused a malformed event: %s.", error)
            return HttpResponse.text(400, f"Not an event of Web PubSub: {error}.")
        except Exception:  # noqa: BLE001 - the caller must get an answer, and the log the reason
            return HttpResponse.text(500, _log_failure("authentication or decoding"))

    async def _answer(self, event: Event) -> HttpResponse:
        if event.context.hub != self.hub:
            logger.warning("Refused an event of a hub other than %r.", self.hub)
            return encode_error(event, EventErrorResponse(404, "This event handler serves another hub."))
        if isinstance(event, UnknownEvent):
            logger.info("Ignored an event of type %r.", event.type[:200])
            return HttpResponse(204)
        try:
            return _encode(event, await self._call(event))
        except Exception:  # noqa: BLE001 - the caller must get an answer, and the log the reason
            text = _log_failure(f"the function for {event.context.event_name!r}")
            return encode_error(event, EventErrorResponse(500, text))

    def _validate(self, request: HttpRequest) -> HttpResponse:
        response = answer_validation(request, self._allowed_hosts)
        if response.status != 200:
            logger.warning(
                "Refused the validation for origin %r. Allowed: %s. Is this the host of your service?",
                (request.headers.get("WebHook-Request-Origin") or "")[:200],
                ", ".join(sorted(self._allowed_hosts)),
            )
        return response

    async def _call(self, event: Event) -> object:
        try:
            return await self._functions.call(_key(event), event)
        except EventRefusedError as refusal:
            return EventErrorResponse(refusal.status, refusal.message)


_R = TypeVar("_R")


def _key(event: Event) -> str:
    name = event.context.event_name
    match event:
        case UserEventRequest():
            return user_event_key(name)
        case ConnectEventRequest():
            return "connect"
        case ConnectedEventRequest():
            return "connected"
        case GroupJoinedEventRequest():
            return "joined"
        case GroupLeftEventRequest():
            return "left"
        case _:
            return "disconnected"


def _encode(event: Event, response: object) -> HttpResponse:
    if isinstance(response, EventErrorResponse | MqttConnectEventErrorResponse):
        return encode_error(event, response)
    match event:
        case UserEventRequest():
            return encode_user_event(event.context.state, _expect(response, UserEventResponse))
        case ConnectEventRequest():
            return encode_connect(event, _expect(response, ConnectEventResponse))
        case _:
            return _notified(event.context, response)


def _log_failure(place: str) -> str:
    error_id = uuid.uuid4().hex[:12]
    logger.exception("Error %s in %s.", error_id, place)
    return f"The event handler failed (error {error_id})."


def _expect(response: object, kind: type[_R]) -> _R | None:
    if response is None or isinstance(response, kind):
        return response
    raise TypeError(
        f"the function returned {type(response).__name__}; it may return {kind.__name__}, EventErrorResponse or None"
    )


def _notified(context: ConnectionContext, response: object) -> HttpResponse:
    if response is not None:
        raise TypeError(f"a function for {context.event_name!r} returns None, not {type(response).__name__}")
    if context.state.encode() is not None:
        logger.warning("The state set in %r is lost: only connect and user events can set it.", context.event_name)
    return HttpResponse(204)
