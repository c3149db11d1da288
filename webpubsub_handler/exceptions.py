"""The errors of this library.

::

    WebPubSubHandlerError
    ├── ConfigurationError      the event handler is set up wrongly: at start, or by keys that a provider returns
    ├── MalformedEventError     the request is not a CloudEvent of Web PubSub (400)
    ├── AuthenticationError     a configured proof is missing or wrong (401)
    ├── EventRefusedError       a function refuses its event, or a proof cannot be checked now (the status it names)
    ├── InvalidDataError        the data of a user event is not what its content type says (answered to its sender)
    └── ConnectionStateError    a connection state cannot be carried in a header, or not be set in this event (500)
"""

from __future__ import annotations

__all__ = [
    "AuthenticationError",
    "ConfigurationError",
    "ConnectionStateError",
    "EventRefusedError",
    "InvalidDataError",
    "MalformedEventError",
    "WebPubSubHandlerError",
    "check_error_status",
]


class WebPubSubHandlerError(Exception):
    """Base of every error that this library raises."""


class ConfigurationError(WebPubSubHandlerError, ValueError):
    """Raised when the event handler is set up wrongly."""


class MalformedEventError(WebPubSubHandlerError, ValueError):
    """Raised when a request is not a CloudEvent of Web PubSub; ``problems`` names every header or part at fault.

    The text describes the request's shape only, never its values, so it may be answered to the caller.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class AuthenticationError(WebPubSubHandlerError):
    """Raised when a configured proof does not hold; ``reason`` is for the log, never for the caller."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class EventRefusedError(WebPubSubHandlerError):
    """Raised by a function or middleware to refuse an event, as if it had returned an ``EventErrorResponse``.

    An authenticator raises it with 503 if it cannot decide now, so that the service sends the event again.

    Raises:
        ValueError: The status is not 400 to 599, so the answer would let the event pass.
    """

    def __init__(self, status: int, message: str = "") -> None:
        check_error_status(status)
        super().__init__(message)
        self.status = status
        self.message = message


class InvalidDataError(WebPubSubHandlerError, ValueError):
    """Raised by ``UserEventRequest.data`` when a client's data is not what its content type says.

    A function may catch it, or raise its own. One that escapes is answered to the sender with ``code`` and the text,
    so neither may hold anything that the sender must not see.
    """

    def __init__(self, message: str, *, code: str = "invalid_data") -> None:
        super().__init__(message)
        self.code = code


class ConnectionStateError(WebPubSubHandlerError, ValueError):
    """Raised when a connection state is not JSON or too large for a header, or set in an event that cannot set it."""


def check_error_status(status: object) -> None:
    """Refuse a status that is not an error's.

    Raises:
        ValueError: The status is not a whole number of 400 to 599.
    """
    if not isinstance(status, int) or not 400 <= status <= 599:
        raise ValueError(f"the status of a refusal is 400 to 599, not {status!r}")
