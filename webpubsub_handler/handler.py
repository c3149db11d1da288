"""The event handler: validation, then authenticate, decode, dispatch, encode.

All answers:

============================================  ======  ==========================================
validation (OPTIONS)                          200     400 when no requested origin is allowed
a proof is missing or wrong                   401
a proof cannot be checked now                 503     the service sends the event again
not a Web PubSub event                        400
the event is too old, or from the future      400     a 408 or 5xx would be sent again
the body was lost on its way                  411
another hub                                   404
neither POST nor OPTIONS                      405
larger than ``max_body_bytes`` of the handler 413
a client's data is not what its type says     200     an error to the sender; 400 to MQTT clients
larger than its function takes                200     an error to the sender; 400 to MQTT clients
unknown event, no function for an event       204
a function or an authenticator raised         500     generic text with an id that the log has too
============================================  ======  ==========================================

From ``another hub`` on, the answer to an MQTT client's connect event is a CONNACK code in JSON.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Self

from webpubsub_handler.admission import MAX_BODY_BYTES, Admission
from webpubsub_handler.authentication import AccessKeyAuthenticator, Authenticator
from webpubsub_handler.connection_string import access_keys_by_host
from webpubsub_handler.dispatch import (
    ConnectedFunctionT,
    ConnectFunctionT,
    DisconnectedFunctionT,
    Functions,
    GroupJoinedFunctionT,
    GroupLeftFunctionT,
    MiddlewareT,
    UserEventFunctionT,
)
from webpubsub_handler.exceptions import (
    AuthenticationError,
    ConfigurationError,
    EventRefusedError,
    InvalidDataError,
    MalformedEventError,
)
from webpubsub_handler.protocol.abuse_protection import answer_validation, normalize_hosts
from webpubsub_handler.protocol.encode import encode, encode_error, encode_invalid_data
from webpubsub_handler.protocol.events import (
    ConnectedEventRequest,
    ConnectEventRequest,
    DisconnectedEventRequest,
    Event,
    GroupJoinedEventRequest,
    GroupLeftEventRequest,
    UnknownEvent,
    UserEventRequest,
)
from webpubsub_handler.protocol.http import HttpRequest, HttpResponse
from webpubsub_handler.protocol.responses import EventErrorResponse

__all__ = ["WebPubSubEventHandler"]

logger = logging.getLogger("webpubsub_handler")


class WebPubSubEventHandler:
    """Answers the events of one hub with your functions.

        handler = WebPubSubEventHandler.from_connection_string("Endpoint=…;AccessKey=…;", hub="chat")

        @handler.on_user_event("message")
        async def message(request: UserEventRequest) -> UserEventResponse:
            return UserEventResponse(f"you said {request.data}")

    Functions are ``async`` or plain; plain ones run in a thread. Each takes the request of its event, and returns an
    ``EventErrorResponse`` or None; for connect also a ``ConnectEventResponse`` or, for MQTT, a
    ``MqttConnectEventErrorResponse``, for a user event also a ``UserEventResponse``. ``handle`` is all that a web
    framework has to call.

    Args:
        hub: The hub's name; case does not matter.
        authenticators: The proofs; each must hold.
        allowed_origins: The hosts of the services that may ask for this endpoint (OPTIONS), or ``["*"]``.
        max_event_age: How many seconds ago an event may have been sent (``ce-time``), at least 600 so that what the
            service delivers again passes; None for any age. An event from more than 300 seconds in the future is
            refused in any case. It is not a proof: a signature does not cover the time, so anyone who knows one can
            send new events of its connection.
        max_body_bytes: How large an event may be.
        clock: Returns now, in seconds since 1970.

    Raises:
        ConfigurationError: An argument would let anybody in, or nobody.
    """

    def __init__(
        self,
        hub: str,
        authenticators: Sequence[Authenticator],
        *,
        allowed_origins: Iterable[str],
        max_event_age: float | None = None,
        max_body_bytes: int = MAX_BODY_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not hub:
            raise ConfigurationError("the hub's name is empty")
        self.hub = hub.lower()
        self._allowed_hosts = frozenset(normalize_hosts(allowed_origins))
        if not self._allowed_hosts:
            raise ConfigurationError("no allowed origin: name the host of your Web PubSub service")
        self._admission = Admission(
            authenticators, max_event_age=max_event_age, max_body_bytes=max_body_bytes, clock=clock
        )
        self._functions = Functions()

    @classmethod
    def from_connection_string(
        cls,
        *connection_strings: str,
        hub: str,
        allowed_origins: Iterable[str] = (),
        max_event_age: float | None = None,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> Self:
        """Make an event handler that takes the signed events of these services.

            WebPubSubEventHandler.from_connection_string(primary, secondary, replica, hub="chat")

        Args:
            connection_strings: One or several: both keys of a service, so that they can be rotated, and its replicas.
            hub: The hub's name; case does not matter.
            allowed_origins: More hosts that the services call themselves, such as a custom domain.
            max_event_age: As for the class.
            max_body_bytes: As for the class.

        Raises:
            ConfigurationError: A connection string cannot be read, or another argument is wrong.
        """
        keys = access_keys_by_host(connection_strings, allowed_origins)
        return cls(
            hub,
            [AccessKeyAuthenticator(keys)],
            allowed_origins=keys,
            max_event_age=max_event_age,
            max_body_bytes=max_body_bytes,
        )

    @property
    def authenticators(self) -> Sequence[Authenticator]:
        """Return the proofs that an event must have."""
        return self._admission.authenticators

    @property
    def max_body_bytes(self) -> int:
        """Return how large an event may be."""
        return self._admission.max_body_bytes

    def on_connect(self, function: ConnectFunctionT) -> ConnectFunctionT:
        """Register the function that accepts or refuses a ``ConnectEventRequest``; without one, all are accepted."""
        self._functions.add(ConnectEventRequest, "on_connect", function)
        return function

    def on_connected(self, function: ConnectedFunctionT) -> ConnectedFunctionT:
        """Register the function that is told of a new connection (``ConnectedEventRequest``)."""
        self._functions.add(ConnectedEventRequest, "on_connected", function)
        return function

    def on_disconnected(self, function: DisconnectedFunctionT) -> DisconnectedFunctionT:
        """Register the function that is told of a connection's end (``DisconnectedEventRequest``)."""
        self._functions.add(DisconnectedEventRequest, "on_disconnected", function)
        return function

    def on_group_joined(self, function: GroupJoinedFunctionT) -> GroupJoinedFunctionT:
        """Register the function that is told of a connection that joined a group (``GroupJoinedEventRequest``)."""
        self._functions.add(GroupJoinedEventRequest, "on_group_joined", function)
        return function

    def on_group_left(self, function: GroupLeftFunctionT) -> GroupLeftFunctionT:
        """Register the function that is told of a connection that left a group (``GroupLeftEventRequest``)."""
        self._functions.add(GroupLeftEventRequest, "on_group_left", function)
        return function

    def on_user_event(
        self, *names: str, max_body_bytes: int | None = None
    ) -> Callable[[UserEventFunctionT], UserEventFunctionT]:
        """Register the function for the user events (``UserEventRequest``) of these names, ``"*"`` for all other names.

        A plain WebSocket client's frames are the event ``message``.

        Args:
            names: The names of the events; case does not matter.
            max_body_bytes: The largest body for this function, if smaller than the handler's. The sender of a larger
                one gets an error.

        Raises:
            ConfigurationError: There is no name, the function is not valid, or the event already has one.
        """
        if not names or not all(isinstance(name, str) and name for name in names):
            raise ConfigurationError(
                'on_user_event needs the names of events, or "*" for all. Write:\n\n'
                '@handler.on_user_event("message")\nasync def message(request): ...'
            )
        limit = self.max_body_bytes if max_body_bytes is None else max_body_bytes
        if not 1 <= limit <= self.max_body_bytes:
            raise ConfigurationError(
                f"max_body_bytes is 1 to the handler's own {self.max_body_bytes}; raise the handler's first"
            )

        def register(function: UserEventFunctionT) -> UserEventFunctionT:
            for name in names:
                self._functions.add_user_event(name, function, limit)
            return function

        return register

    def middleware(self, function: MiddlewareT) -> MiddlewareT:
        """Register middleware, called as ``await function(request, call_next)`` around the functions of all events.

        The first one registered is outermost. What it returns is the answer: the result of ``await
        call_next(request)``, or its own. It fails if it returns None although ``call_next`` returned an answer; to
        suppress a reply, return ``UserEventResponse("")``. It also fails if a client connects and it neither calls
        ``call_next`` nor answers; to accept the client, return ``ConnectEventResponse()``.
        """
        self._functions.add_middleware(function)
        return function

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one HTTP request; this always returns a response."""
        if request.method == "OPTIONS":
            return self._validate(request)
        if request.method != "POST":
            return HttpResponse(405, {"Allow": "POST, OPTIONS"})
        try:
            event = await self._admit(request)
        except Exception:  # noqa: BLE001 - the caller must get an answer, and the log the reason
            return HttpResponse.text(500, _log_failure("authentication or decoding"))
        return event if isinstance(event, HttpResponse) else await self._answer(event)

    async def _admit(self, request: HttpRequest) -> Event | HttpResponse:
        try:
            return await self._admission.admit(request)
        except AuthenticationError as error:
            logger.warning("Refused an event: %r.", error.reason)
            return HttpResponse.text(401, "The event is not authenticated.")
        except EventRefusedError as error:
            # Made again, which checks the status: it may have been changed since the error was made.
            refusal = EventErrorResponse(error.status, error.message)
            return HttpResponse.text(refusal.status, refusal.message)
        except MalformedEventError as error:
            logger.warning("Refused a malformed event: %r.", str(error))
            return HttpResponse.text(400, f"Not an event of Web PubSub: {error}.")

    async def _answer(self, event: Event) -> HttpResponse:
        # From here on the event is known, so an answer can be in the client's own protocol.
        if event.context.hub != self.hub:
            logger.warning("Refused an event of a hub other than %r.", self.hub)
            return encode_error(event, EventErrorResponse(404, "This event handler serves another hub."))
        if isinstance(event, UnknownEvent):
            logger.info("Ignored an event of type %r.", event.type[:200])
            return encode(event, None)
        try:
            return await self._call(event)
        except Exception:  # noqa: BLE001 - the caller must get an answer, and the log the reason
            text = _log_failure(f"the function for {event.context.event_name!r}")
            return encode_error(event, EventErrorResponse(500, text))

    async def _call(self, event: Event) -> HttpResponse:
        try:
            return encode(event, await self._functions.call(event))
        except EventRefusedError as refusal:
            return encode_error(event, EventErrorResponse(refusal.status, refusal.message))
        except InvalidDataError as error:
            if not isinstance(event, UserEventRequest):
                raise
            return encode_invalid_data(event, error)

    def _validate(self, request: HttpRequest) -> HttpResponse:
        response = answer_validation(request, self._allowed_hosts)
        if response.status != 200:
            logger.warning(
                "Refused the validation for origin %r. Allowed: %s. Is this the host of your service?",
                (request.headers.get("WebHook-Request-Origin") or "")[:200],
                ", ".join(sorted(self._allowed_hosts)),
            )
        return response


def _log_failure(place: str) -> str:
    error_id = uuid.uuid4().hex[:12]
    logger.exception("Error %s in %s.", error_id, place)
    return f"The event handler failed (error {error_id})."
