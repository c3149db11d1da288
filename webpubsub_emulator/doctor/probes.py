"""The connect events that find out what is wrong: signed or not, whole, in chunks, or without their body."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
from yarl import URL

from webpubsub_emulator.core.connection import ConnectionContext
from webpubsub_emulator.upstream.cloud_events import connect_event, event_headers, sign
from webpubsub_emulator.upstream.failures import NO_ANSWER, Failure, explain

__all__ = ["USER", "Answer", "Probes"]

USER: Final = "check"
_TIMEOUT_SECONDS: Final = 10
_SHOWN_BYTES: Final = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a status and the beginning of the text, or why there is neither.

    ``clock_ahead`` is by how many seconds the clock of the answer's ``Date`` is ahead of this one, to the second.
    """

    status: int = 0
    text: str = ""
    clock_ahead: float | None = None
    failure: Failure | None = None

    @property
    def is_success(self) -> bool:
        """Return whether the event was accepted."""
        return 200 <= self.status < 300

    def __str__(self) -> str:
        """Return it as a line for people."""
        if self.failure is not None:
            return self.failure.problem
        return f"status {self.status}: {self.text}" if self.text else f"status {self.status}"


class Probes:
    """Sends connect events of one connection that nobody else has, in the name of a service."""

    def __init__(self, session: aiohttp.ClientSession, url: str, hub: str, origin: str) -> None:
        self._session = session
        self._url = url
        self._origin = origin
        self._event = connect_event({"sub": USER}, {}, [], [])
        # A signature that somebody overhears is good for this connection, which does not exist.
        self._context = ConnectionContext(hub, f"check-{secrets.token_hex(8)}", USER)

    async def whole(self, access_key: str | None) -> Answer:
        """Send the event with its length; without a key it is signed with one that nobody knows."""
        return await self._send(self._event.body, access_key)

    async def in_chunks(self, access_key: str) -> Answer:
        """Send the same event without its length."""
        return await self._send(_chunks(self._event.body), access_key)

    async def without_body(self, access_key: str | None) -> Answer:
        """Send the event in chunks of which none arrives, as some hosts show every event in chunks to the app."""
        return await self._send(_chunks(b""), access_key)

    async def _send(self, body: bytes | AsyncIterator[bytes], access_key: str | None) -> Answer:
        headers = event_headers(
            self._event,
            self._context,
            event_id=0,
            time=datetime.now(UTC),
            origin=self._origin,
            signature=sign(self._context.connection_id, [access_key or secrets.token_hex(16)]),
        )
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
        started = time.time()
        try:
            async with self._session.post(
                URL(self._url, encoded=True), headers=headers, data=body, timeout=timeout, allow_redirects=False
            ) as response:
                told = _date(response.headers.get("Date"))
                # The Date has no fractions, so the second that it names may have begun before the request.
                ahead = None if told is None else _outside(told - started, told + 1 - time.time())
                return Answer(response.status, _line(await response.content.read(_SHOWN_BYTES)), ahead)
        except NO_ANSWER as error:
            return Answer(failure=explain(error, _TIMEOUT_SECONDS))


async def _chunks(body: bytes) -> AsyncIterator[bytes]:
    # A body whose length is not known is sent in chunks.
    yield body


def _date(value: str | None) -> float | None:
    try:
        return None if value is None else parsedate_to_datetime(value).timestamp()
    except ValueError:
        return None


def _outside(earliest: float, latest: float) -> float:
    """Return how far zero is outside of what a difference may be; 0 where it is inside."""
    return max(earliest, 0.0) + min(latest, 0.0)


def _line(body: bytes) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in body.decode(errors="replace")).split())
