"""Abuse protection: a URL gets events only after it has consented in the CloudEvents validation handshake.

Source: CloudEvents HTTP webhook §4; times and the second try with GET from Microsoft's emulator.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

import aiohttp
from yarl import URL

CONSENT_SECONDS: Final = 60.0
FIRST_REFUSAL_SECONDS: Final = 1.0
_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
_ALLOWED_ORIGIN: Final = "WebHook-Allowed-Origin"
_log = logging.getLogger(__name__)


class _Standing:
    """What is known of one URL, and until when."""

    __slots__ = ("lock", "problem", "refusal_seconds", "valid_until")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.problem: str | None = None
        self.valid_until = float("-inf")
        self.refusal_seconds = FIRST_REFUSAL_SECONDS


class AbuseProtection:
    """Asks each URL for its consent and remembers the answer: consent for 60 s, refusals for 1 s, 2 s … up to 60 s."""

    def __init__(
        self, session: aiohttp.ClientSession, origin: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`origin` is the service's host without a port, in lower case; `clock` gives seconds."""
        self._session = session
        self._origin = origin
        self._clock = clock
        self._standings: dict[str, _Standing] = {}

    async def problem(self, url: str) -> str | None:
        """Why `url` must get no events, as a sentence; `None` when it may. The first to ask waits for the handshake."""
        standing = self._standings.setdefault(url, _Standing())
        if self._clock() < standing.valid_until:
            return standing.problem
        async with standing.lock:
            if self._clock() >= standing.valid_until:
                await self._renew(url, standing)
        return standing.problem

    async def _renew(self, url: str, standing: _Standing) -> None:
        standing.problem = await self._handshake(url)
        if standing.problem is None:
            _log.info("Event handler %s consented to events from %s.", url.partition("?")[0], self._origin)
            standing.refusal_seconds = FIRST_REFUSAL_SECONDS
            standing.valid_until = self._clock() + CONSENT_SECONDS
            return
        _log.error(
            "VALIDATION FAILED for event handler %s: no event is sent there.\n"
            "  sent:      OPTIONS with WebHook-Request-Origin: %s and ce-awpsversion: 1.0\n"
            "  wanted:    status 2xx and %s: %s or *\n"
            "  came back: %s\n"
            "  fix:       start the handler, check this URL, let it allow the origin; next try in %g s",
            url.partition("?")[0], self._origin, _ALLOWED_ORIGIN, self._origin,
            standing.problem, standing.refusal_seconds,
        )  # fmt: skip
        standing.valid_until = self._clock() + standing.refusal_seconds
        standing.refusal_seconds = min(standing.refusal_seconds * 2, CONSENT_SECONDS)

    async def _handshake(self, url: str) -> str | None:
        try:
            status, origins = await self._ask("OPTIONS", url)
            if status == 404:
                status, origins = await self._ask("GET", url)
        except TimeoutError:
            return f"nothing within {_TIMEOUT.total:g} s"
        except (aiohttp.ClientError, OSError) as error:
            return f"no answer: {error}"
        if not 200 <= status < 300:
            return f"status {status}"
        if not any(origin.strip().lower() in {"*", self._origin} for origin in origins):
            return f"status {status} with {_ALLOWED_ORIGIN}: {', '.join(origins) or '(none)'}"
        return None

    async def _ask(self, method: str, url: str) -> tuple[int, list[str]]:
        headers = {"WebHook-Request-Origin": self._origin, "ce-awpsversion": "1.0"}
        async with self._session.request(
            method, URL(url, encoded=True), headers=headers, timeout=_TIMEOUT, allow_redirects=False
        ) as response:
            return response.status, response.headers.getall(_ALLOWED_ORIGIN, [])
