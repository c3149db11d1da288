"""What an issuer of tokens publishes about itself, fetched only when it is needed."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Generic, TypeVar
from urllib.request import urlopen

from webpubsub_handler.exceptions import EventRefusedError

__all__ = ["TIMEOUT_SECONDS", "Issuers", "Published"]

TIMEOUT_SECONDS: Final = 5

_MAX_AGE_SECONDS: Final = 24 * 60 * 60
# Anyone can name unknown keys, so not each of them may cause a request to the issuer.
_REFRESH_SECONDS: Final = 60
# After a failure sooner: the service delivers again after 1, 3 and 5 s.
_RETRY_SECONDS: Final = 1
_MAX_DOCUMENT_BYTES: Final = 1024 * 1024

ValueT = TypeVar("ValueT")

logger = logging.getLogger("webpubsub_handler")


class Published(ABC, Generic[ValueT]):
    """Values by name: fetched when first needed, again after a day, and when an unknown one is requested.

    One object belongs to one event loop.

    Args:
        failure: The log line when the values cannot be fetched; the exception follows it.
        clock: Returns seconds that never go back.
    """

    def __init__(self, failure: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._failure = failure
        self._clock = clock
        self._values: Mapping[str, ValueT] = {}
        self._expiry = self._next_fetch = -math.inf
        self._has_failed = False
        self._lock = asyncio.Lock()

    @abstractmethod
    def fetch(self) -> Mapping[str, ValueT]:
        """Fetch all values; runs in a thread.

        Raises:
            Exception: They cannot be fetched now.
        """

    async def get(self, name: str) -> ValueT | None:
        """Return a value, or None when nothing of that name is published.

        Raises:
            EventRefusedError: The values cannot be fetched now (503).
        """
        if self._lacks(name):
            async with self._lock:
                # A caller that waited here finds what the one before it fetched.
                if self._lacks(name) and self._clock() >= self._next_fetch:
                    await self._refresh()
            if self._lacks(name) and self._has_failed:
                raise EventRefusedError(503, "The event cannot be authenticated now.")
        return self._values.get(name)

    def _lacks(self, name: str) -> bool:
        return name not in self._values or self._clock() >= self._expiry

    async def _refresh(self) -> None:
        try:
            # A socket's time limit starts again with every byte; this one is for the whole answer.
            async with asyncio.timeout(2 * TIMEOUT_SECONDS):
                found = await asyncio.to_thread(self.fetch)
        except Exception as error:  # noqa: BLE001 - whatever a server sends, the event is refused and sent again
            logger.warning("%s: %r", self._failure, error)
            self._has_failed = True
            self._next_fetch = self._clock() + _RETRY_SECONDS
        else:
            self._values = found
            self._has_failed = False
            self._next_fetch = self._clock() + _REFRESH_SECONDS
            self._expiry = self._clock() + _MAX_AGE_SECONDS


class Issuers(Published[str]):
    """The names that a tenant issues its tokens under, by its OpenID metadata (OpenID Connect Discovery 1.0, 4).

    Args:
        urls: The metadata documents, one for each version of tokens.
        clock: Returns seconds that never go back.
    """

    def __init__(self, urls: Iterable[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._urls = tuple(urls)
        super().__init__(
            f"The issuers of Entra ID's tokens cannot be fetched from {' and '.join(self._urls)}", clock=clock
        )

    def fetch(self) -> Mapping[str, str]:
        """Fetch the ``issuer`` of every document."""
        issuers = [_issuer(url) for url in self._urls]
        return dict(zip(issuers, issuers, strict=True))


def _issuer(url: str) -> str:
    with urlopen(url, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - the URL is from the configuration
        document = json.loads(response.read(_MAX_DOCUMENT_BYTES))
    issuer = document["issuer"]
    if not isinstance(issuer, str):
        raise TypeError(f"the issuer in {url} is not a string")
    return issuer
