"""Authenticators: proofs that an event comes from the service.

The one for Entra ID tokens is in ``webpubsub_handler.entra``.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

from webpubsub_handler.exceptions import AuthenticationError, ConfigurationError, EventRefusedError
from webpubsub_handler.protocol.abuse_protection import normalize_host
from webpubsub_handler.protocol.http import HttpRequest
from webpubsub_handler.protocol.signature import is_signed

__all__ = [
    "PROVIDER_TIMEOUT_SECONDS",
    "AccessKeyAuthenticator",
    "AccessKeys",
    "Authenticator",
    "KeyProvider",
    "UnauthenticatedEventsAllowed",
]

logger = logging.getLogger("webpubsub_handler")

PROVIDER_TIMEOUT_SECONDS: Final = 10

_ANY_ORIGIN: Final = "*"

AccessKeys: TypeAlias = Sequence[str] | Mapping[str, Sequence[str]]
KeyProvider: TypeAlias = Callable[[], AccessKeys | Awaitable[AccessKeys]]


class Authenticator(Protocol):
    """One proof. It sees the request before its body is parsed."""

    async def authenticate(self, request: HttpRequest) -> None:
        """Return if the proof holds.

        Raises:
            AuthenticationError: It does not.
            EventRefusedError: The proof cannot be checked now (503).
        """


class AccessKeyAuthenticator:
    """Demands a signature made with one of the service's access keys (``ce-signature``).

    It proves that the sender knows a key, for this connection id; it covers neither body nor time. The service sends no
    signature when its local authentication is off. An event must also name the service that sends it
    (``WebHook-Request-Origin``), as the service's events do: one without that header is refused, whichever way the keys
    are given.

        AccessKeyAuthenticator(["primary", "secondary"])
        AccessKeyAuthenticator({"a.webpubsub.azure.com": ["key of a"], "b.webpubsub.azure.com": ["key of b"]})
        AccessKeyAuthenticator(lambda: vault.keys)

    Args:
        access_keys: The keys of one service. Or, for several services, the keys of each by its host (``"*"``: of any):
            an event must be signed with a key of a host in its ``WebHook-Request-Origin``. Or a function, plain or
            ``async``, that returns either; it is called for every event, so keys rotate without a restart. It must not
            block, and should cache what it fetched; an ``async`` one times out after 10 seconds (503).

    Raises:
        ConfigurationError: There is no key, or an empty one.
    """

    def __init__(self, access_keys: AccessKeys | KeyProvider) -> None:
        self._provide: KeyProvider | None = None
        self._fixed: Mapping[str, Sequence[str]] = {}
        if callable(access_keys):
            self._provide = access_keys
        else:
            self._fixed = _by_host(access_keys)

    async def authenticate(self, request: HttpRequest) -> None:
        """Compare every value of the header with every key of the named origins."""
        signatures = request.headers.get_list("ce-signature")
        if not signatures:
            raise AuthenticationError("the ce-signature header is missing")
        # The header itself proves nothing: it only selects the keys.
        origins = {origin.lower() for origin in request.headers.get_list("WebHook-Request-Origin")}
        if not origins:
            raise AuthenticationError("the WebHook-Request-Origin header is missing")
        keys_by_host = await self.keys_by_host()
        # Compared as whole hosts: by prefix or suffix, a.example.attacker.example would pass for a.example.
        keys = [key for host in {_ANY_ORIGIN, *origins} for key in keys_by_host.get(host, ())]
        if not keys:
            raise AuthenticationError("no access key is configured for any host in WebHook-Request-Origin")
        if not is_signed(signatures, keys, request.headers.get("ce-connectionId") or ""):
            raise AuthenticationError("no value of ce-signature was made with a configured access key")

    async def keys_by_host(self) -> Mapping[str, Sequence[str]]:
        """Return the current keys of each host; keys for any host are under ``"*"``.

        Raises:
            ConfigurationError: A provider returned no key, or an empty one.
            EventRefusedError: A provider did not return in time (503).
        """
        if self._provide is None:
            return self._fixed
        provided = self._provide()
        return _by_host(await _in_time(provided) if inspect.isawaitable(provided) else provided)


class UnauthenticatedEventsAllowed:
    """Demands nothing: whoever reaches the endpoint can send events as any user. Only for experiments."""

    async def authenticate(self, _: HttpRequest) -> None:
        """Let every request pass."""


async def _in_time(provided: Awaitable[AccessKeys]) -> AccessKeys:
    try:
        async with asyncio.timeout(PROVIDER_TIMEOUT_SECONDS) as limit:
            return await provided
    except TimeoutError:
        # The timeout may be one of the provider's own.
        if not limit.expired():
            raise
    logger.warning("Refused an event: the provider of access keys did not return in %s s.", PROVIDER_TIMEOUT_SECONDS)
    raise EventRefusedError(503, "The event cannot be authenticated now.")


def _by_host(keys: AccessKeys) -> Mapping[str, Sequence[str]]:
    by_host: dict[str, tuple[str, ...]] = {}
    for origin, listed in (keys if isinstance(keys, Mapping) else {_ANY_ORIGIN: keys}).items():
        # A str is also a sequence, of one-letter strings, and bytes are one of numbers.
        if isinstance(listed, str) or not listed or not all(isinstance(key, str) and key.strip() for key in listed):
            raise ConfigurationError(
                "AccessKeyAuthenticator needs a list of at least one access key, and none may be empty"
            )
        host = origin if origin == _ANY_ORIGIN else normalize_host(origin)
        by_host[host] = (*by_host.get(host, ()), *listed)
    if not by_host:
        raise ConfigurationError("AccessKeyAuthenticator needs at least one access key: no host has any")
    return by_host
