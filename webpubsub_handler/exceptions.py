"""The errors of this library.

::

    WebPubSubHandlerError
    ├── ConfigurationError      the event handler is set up wrongly; raised at start, never while serving
    ├── MalformedEventError     the request is no CloudEvent of Web PubSub (400)
    ├── AuthenticationError     a configured proof is missing or wrong (401)
    ├── EventRefusedError       a function refuses its event, an authenticator cannot tell now (the status it names)
    └── ConnectionStateError    a connection state cannot be carried in a header (500)
"""

from __future__ import annotations

__all__ = [
    "AuthenticationError",
    "ConfigurationError",
    "ConnectionStateError",
    "EventRefusedError",
    "MalformedEventError",
    "WebPubSubHandlerError",
]


class WebPubSubHandlerError(Exception):
    """Base of every error that this library raises."""


class ConfigurationError(WebPubSubHandlerError, ValueError):
    """Raised at start when the event handler cannot be what it was asked to be."""


class MalformedEventError(WebPubSubHandlerError, ValueError):
    """Raised when a request is no CloudEvent of Web PubSub; ``problems`` names every header or part at fault.

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

    An authenticator raises it with 503 when it cannot tell now, so that the service sends the event again.
    """

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class ConnectionStateError(WebPubSubHandlerError, ValueError):
    """Raised when a connection state is not JSON or too large for a header."""
