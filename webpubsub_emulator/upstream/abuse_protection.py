"""Abuse protection: a URL gets events only after it has consented in the CloudEvents validation handshake.

Source: CloudEvents HTTP webhook §4; times and the second try with GET from Microsoft's emulator.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp
from yarl import URL

from webpubsub_emulator.upstream.failures import NO_ANSWER, Failure, explain

__all__ = ["CONSENT_SECONDS", "FIRST_REFUSAL_SECONDS", "AbuseProtection", "Handshake", "shake_hands"]

CONSENT_SECONDS: Final = 60.0
FIRST_REFUSAL_SECONDS: Final = 1.0
_TIMEOUT_SECONDS: Final = 10
_ALLOWED_ORIGIN: Final = "WebHook-Allowed-Origin"
_FIXES: Final = {
    400: "let the handler allow the origin {origin}; the host of its connection string's Endpoint must be {origin}",
    401: "let it answer OPTIONS without a proof, or put its key into the URL (?code=…); with App Service "
    "authentication, exclude this path",
    403: "let it allow the origin {origin}, and answer OPTIONS without a proof; is there a firewall in front of it?",
    404: "its route must take this path too, where {{event}} is validate; is the path right?",
    405: "let its route take OPTIONS beside POST",
}
logger = logging.getLogger("webpubsub_emulator")


@dataclass(frozen=True, slots=True)
class Handshake:
    """How a URL answered: its status, the origins that it allows and where it redirects to, or why it did not."""

    origin: str
    status: int = 0
    allowed: Sequence[str] = ()
    location: str | None = None
    failure: Failure | None = None

    @property
    def problem(self) -> str | None:
        """Why this is not consent, as a sentence; ``None`` if it is consent."""
        if self.failure is not None:
            return self.failure.problem
        if self.location is not None:
            return f"status {self.status}, a redirect to {self.location}"
        if not 200 <= self.status < 300:
            return f"status {self.status}"
        if not any(allowed.strip().lower() in {"*", self.origin} for allowed in self.allowed):
            return f"status {self.status} with {_ALLOWED_ORIGIN}: {', '.join(self.allowed) or '(none)'}"
        return None

    @property
    def fix(self) -> str:
        """What to change when this is not consent."""
        if self.failure is not None:
            return self.failure.fix
        if 300 <= self.status < 400:
            return (
                "use the URL that it redirects to: the service follows no redirects. If that is a page to sign in, "
                "exclude this path from App Service authentication, or from whatever asks for the sign-in"
            )
        if self.status >= 500:
            return "read the handler's log: it failed"
        if self.status < 300 and not self.allowed:
            return f"let it answer with the header {_ALLOWED_ORIGIN}: {self.origin} (or *)"
        if self.status < 300:
            return f"let it allow {self.origin}, or start the emulator with the --public-endpoint that it allows"
        return _FIXES.get(self.status, "see what the handler says to this request").format(origin=self.origin)


async def shake_hands(session: aiohttp.ClientSession, url: str, origin: str) -> Handshake:
    """Ask a URL, filled in for the event ``validate``, whether it takes events from an origin."""
    try:
        handshake = await _ask(session, "OPTIONS", url, origin)
        return await _ask(session, "GET", url, origin) if handshake.status == 404 else handshake
    except NO_ANSWER as error:
        return Handshake(origin, failure=explain(error, _TIMEOUT_SECONDS))


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
        """``origin`` is the service's host without a port, in lower case; ``clock`` returns seconds."""
        self._session = session
        self._origin = origin
        self._clock = clock
        self._standings: dict[str, _Standing] = {}

    async def problem(self, url: str) -> str | None:
        """Return why ``url`` must get no events; ``None`` when it may. The first to ask waits for the handshake."""
        standing = self._standings.setdefault(url, _Standing())
        if self._clock() < standing.valid_until:
            return standing.problem
        async with standing.lock:
            if self._clock() >= standing.valid_until:
                await self._renew(url, standing)
        return standing.problem

    def forget(self) -> None:
        """Forget all answers, so that every URL is asked again at its next event."""
        self._standings.clear()

    async def _renew(self, url: str, standing: _Standing) -> None:
        handshake = await shake_hands(self._session, url, self._origin)
        standing.problem = handshake.problem
        if standing.problem is None:
            logger.info("Event handler %s consented to events from %s.", url.partition("?")[0], self._origin)
            standing.refusal_seconds = FIRST_REFUSAL_SECONDS
            standing.valid_until = self._clock() + CONSENT_SECONDS
            return
        logger.error(
            "VALIDATION FAILED for event handler %s: no event is sent there.\n"
            "  sent:      OPTIONS with WebHook-Request-Origin: %s and ce-awpsversion: 1.0\n"
            "  wanted:    status 2xx and %s: %s or *\n"
            "  came back: %s\n"
            "  fix:       %s; next try in %g s",
            url.partition("?")[0], self._origin, _ALLOWED_ORIGIN, self._origin,
            standing.problem, handshake.fix, standing.refusal_seconds,
        )  # fmt: skip
        standing.valid_until = self._clock() + standing.refusal_seconds
        standing.refusal_seconds = min(standing.refusal_seconds * 2, CONSENT_SECONDS)


async def _ask(session: aiohttp.ClientSession, method: str, url: str, origin: str) -> Handshake:
    headers = {"WebHook-Request-Origin": origin, "ce-awpsversion": "1.0"}
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
    async with session.request(
        method, URL(url, encoded=True), headers=headers, timeout=timeout, allow_redirects=False
    ) as response:
        location = response.headers.get("Location") if 300 <= response.status < 400 else None
        return Handshake(
            origin,
            response.status,
            response.headers.getall(_ALLOWED_ORIGIN, []),
            # Without its query, which may contain a key.
            location.partition("?")[0] if location else None,
        )
