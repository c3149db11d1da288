"""What must hold before a function sees an event: its size, its body, its proofs, its shape and its time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

from webpubsub_handler.authentication import Authenticator
from webpubsub_handler.exceptions import ConfigurationError, EventRefusedError, MalformedEventError
from webpubsub_handler.protocol.decode import decode
from webpubsub_handler.protocol.events import Event
from webpubsub_handler.protocol.http import HttpRequest

__all__ = ["MAX_BODY_BYTES", "MAX_FUTURE_SECONDS", "MIN_EVENT_AGE_SECONDS", "Admission"]

logger = logging.getLogger("webpubsub_handler")

# The service takes frames of at most 1 MiB; a connect event with certificates stays far below.
MAX_BODY_BYTES: Final = 1024 * 1024
# How far the clocks of the service and of this machine may differ.
MAX_FUTURE_SECONDS: Final = 300
# The service delivers an event again after 1, 3 and 5 s, each time after an answer that may have taken minutes.
MIN_EVENT_AGE_SECONDS: Final = 600

_LOST_BODY: Final = (
    "Refused an event whose body was lost on its way: it was sent with %r and arrived empty. Azure "
    "Functions does not pass on a body that is sent in chunks. Fix: let what is in front of the app (a proxy, a "
    "tunnel, a test client) send a Content-Length."
)


class Admission:
    """Reads the event of a request that may have one.

    Args:
        authenticators: The proofs; each must hold.
        max_event_age: How many seconds ago an event may have been sent; None for any age.
        max_body_bytes: How large an event may be.
        clock: Returns now, in seconds since 1970.

    Raises:
        ConfigurationError: An argument would let anybody in, or nobody.
    """

    def __init__(
        self,
        authenticators: Iterable[Authenticator],
        *,
        max_event_age: float | None,
        max_body_bytes: int,
        clock: Callable[[], float],
    ) -> None:
        if max_event_age is not None and not max_event_age >= MIN_EVENT_AGE_SECONDS:
            raise ConfigurationError(
                f"max_event_age is at least {MIN_EVENT_AGE_SECONDS} seconds, as the service may send an event again, "
                "or None for any age"
            )
        if max_body_bytes < 1:
            raise ConfigurationError("max_body_bytes is at least 1")
        self.authenticators = _proofs(authenticators)
        self.max_body_bytes = max_body_bytes
        self._max_event_age = max_event_age
        self._clock = clock

    async def admit(self, request: HttpRequest) -> Event:
        """Return the event of a request.

        Raises:
            EventRefusedError: It is too large (413), its body was lost (411), or an authenticator cannot tell now.
            AuthenticationError: A proof does not hold.
            MalformedEventError: It is not an event of Web PubSub, too old, or of the future.
            Exception: An authenticator failed.
        """
        # What costs nothing to tell comes before the proofs: they may fetch keys, and nobody is let in here.
        if len(request.body) > self.max_body_bytes:
            raise EventRefusedError(413, "The event is too large.")
        if not request.body and (lost := _lost_body(request)):
            logger.warning(_LOST_BODY, lost)
            raise EventRefusedError(411, "The body of the event did not arrive: send it with a Content-Length.")
        for authenticator in self.authenticators:
            await _demand(authenticator, request)
        # Only now: a caller that proves nothing must not learn what is wrong with an event.
        event = decode(request)
        self._check_time(event)
        return event

    def _check_time(self, event: Event) -> None:
        age = self._clock() - event.context.time.timestamp()
        if age < -MAX_FUTURE_SECONDS:
            raise MalformedEventError(f"ce-time is more than {MAX_FUTURE_SECONDS} seconds in the future")
        if self._max_event_age is not None and age > self._max_event_age:
            raise MalformedEventError(f"ce-time is more than {self._max_event_age:g} seconds ago")


def _proofs(authenticators: Iterable[Authenticator]) -> tuple[Authenticator, ...]:
    if hasattr(authenticators, "authenticate"):
        raise ConfigurationError("authenticators is a list of proofs: write [AccessKeyAuthenticator(…)]")
    # Before it is looked at: an iterator counts as something even when nothing is left in it.
    proofs = tuple(authenticators)
    if not proofs:
        raise ConfigurationError(
            "without an authenticator anyone could send events: pass an AccessKeyAuthenticator, "
            "or UnauthenticatedEventsAllowed() to say that this is what you want"
        )
    for proof in proofs:
        if isinstance(proof, type) or not callable(getattr(proof, "authenticate", None)):
            raise ConfigurationError(f"{proof!r} is not an authenticator: pass an object with authenticate(request)")
    return proofs


async def _demand(authenticator: Any, request: HttpRequest) -> None:
    # One that returns False to say no would otherwise let everybody in.
    if await authenticator.authenticate(request) is not None:
        raise TypeError(
            f"authenticate() of {type(authenticator).__name__} returned a value: raise AuthenticationError when the "
            "proof does not hold, and return nothing when it does"
        )


def _lost_body(request: HttpRequest) -> str | None:
    """Return the header by which an empty request says that it has a body."""
    if request.headers.get("Transfer-Encoding") is not None:
        return "Transfer-Encoding"
    return "Content-Length" if (request.headers.get("Content-Length") or "0").strip("0") else None
