"""The public keys that tokens are signed with, as their issuer publishes them (JSON Web Key Set, RFC 7517)."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from typing import Final

import jwt

from webpubsub_handler.exceptions import EventRefusedError

__all__ = ["ALGORITHM", "SigningKeys"]

ALGORITHM: Final = "RS256"

_MAX_AGE_SECONDS: Final = 24 * 60 * 60
# Anyone can name unknown keys, and must not make this ask the issuer each time.
_REFRESH_SECONDS: Final = 60
# After a failure sooner: the service delivers again after 1, 3 and 5 s.
_RETRY_SECONDS: Final = 1
_TIMEOUT_SECONDS: Final = 5

logger = logging.getLogger("webpubsub_handler")


class SigningKeys:
    """An issuer's keys: fetched when first needed, again after a day, and when a token names one that is not known.

    One object belongs to one event loop.

    Args:
        url: Where the key set is.
        clock: Gives seconds that never go back.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=_TIMEOUT_SECONDS)
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._expiry = self._next_fetch = -math.inf
        self._has_failed = False
        self._lock = asyncio.Lock()

    async def get(self, key_id: str) -> jwt.PyJWK | None:
        """Return a key, or None when the issuer has no such key for RS256.

        Raises:
            EventRefusedError: The keys cannot be had now (503).
        """
        if self._lacks(key_id):
            async with self._lock:
                # Who waited here finds what the one before fetched.
                if self._lacks(key_id) and self._clock() >= self._next_fetch:
                    await self._fetch()
            if self._lacks(key_id) and self._has_failed:
                raise EventRefusedError(503, "The event cannot be authenticated now.")
        return self._keys.get(key_id)

    def _lacks(self, key_id: str) -> bool:
        return key_id not in self._keys or self._clock() >= self._expiry

    async def _fetch(self) -> None:
        try:
            # A socket's time limit starts anew with every byte; this one is for the whole answer.
            async with asyncio.timeout(2 * _TIMEOUT_SECONDS):
                found = await asyncio.to_thread(self._client.get_signing_keys)
        except (jwt.PyJWTError, OSError, ValueError, RecursionError) as error:
            logger.warning("The signing keys of Entra ID cannot be fetched from %s: %r", self._client.uri, error)
            self._has_failed = True
            self._next_fetch = self._clock() + _RETRY_SECONDS
        else:
            self._keys = {key.key_id: key for key in found if key.key_id and key.algorithm_name == ALGORITHM}
            self._has_failed = False
            self._next_fetch = self._clock() + _REFRESH_SECONDS
            self._expiry = self._clock() + _MAX_AGE_SECONDS
