"""Who may call the event handler: proofs that an event comes from the service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from webpubsub_handler.exceptions import AuthenticationError, ConfigurationError
from webpubsub_handler.protocol.http import HttpRequest
from webpubsub_handler.protocol.signature import is_signed

__all__ = ["AccessKeyAuthenticator", "Authenticator", "UnauthenticatedEventsAllowed"]


class Authenticator(Protocol):
    """One proof. It sees the request before its body is parsed."""

    async def authenticate(self, request: HttpRequest) -> None:
        """Return when the proof holds.

        Raises:
            AuthenticationError: It does not.
        """


class AccessKeyAuthenticator:
    """Demands a signature made with one of the service's access keys (``ce-signature``).

    It proves that the sender knows a key, for this connection id; it covers neither body nor time. The service sends
    none when its local authentication is off.
    """

    def __init__(self, access_keys: Sequence[str]) -> None:
        if not access_keys or not all(access_keys):
            raise ConfigurationError("AccessKeyAuthenticator needs at least one access key, and none may be empty")
        self._access_keys = tuple(access_keys)

    async def authenticate(self, request: HttpRequest) -> None:
        """Compare every value of the header with every key."""
        signatures = request.headers.get_list("ce-signature")
        if not signatures:
            raise AuthenticationError("the ce-signature header is missing")
        if not is_signed(signatures, self._access_keys, request.headers.get("ce-connectionId") or ""):
            raise AuthenticationError("no value of ce-signature was made with a configured access key")


class UnauthenticatedEventsAllowed:
    """Demands nothing: whoever reaches the endpoint can send events as any user. Only for experiments."""

    async def authenticate(self, _: HttpRequest) -> None:
        """Let every request pass."""
