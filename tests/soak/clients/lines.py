"""What all kinds of connections have in common: they ask, are answered, and pass on what they hear."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

import aiohttp

__all__ = ["OPEN_SECONDS", "PATIENT_SECONDS", "Access", "Answer", "Hear", "Line", "LineLostError", "Replies"]

OPEN_SECONDS: Final = 15
# Longer than the service tries to deliver an event to a host that is frozen.
PATIENT_SECONDS: Final = 40

Hear: TypeAlias = Callable[[Any], None]
"""Takes the data of every message that is not the answer to something."""


class LineLostError(Exception):
    """Raised when nobody knows what became of what was asked: the line is gone."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an event: ``error`` is a code or the name of an error, None when it was done."""

    error: str | None = None
    data: Any = None
    retry_after: float = 0.0


class Line(Protocol):
    """A connection of a client, which is opened once and then serves until it is lost."""

    lost: asyncio.Event
    """Set when nothing comes any more."""

    async def open(self) -> None:
        """Connect.

        Raises:
            LineLostError: It did not work.
        """

    async def ask(self, event: str, data: Mapping[str, Any] | str) -> Answer:
        """Send an event and wait for what becomes of it.

        Raises:
            LineLostError: Nobody knows.
        """

    async def close(self) -> None:
        """End it."""


class Access:
    """How a user gets a URL to connect to, and reads history: the routes of the app."""

    def __init__(self, http: aiohttp.ClientSession, api: str, user: str, rooms: tuple[str, ...]) -> None:
        self.http, self.api, self.user, self.rooms = http, api, user, rooms

    async def url(self) -> str:
        """Negotiate.

        Raises:
            LineLostError: The app does not answer, or not with a URL.
        """
        status, body = await self.get("negotiate", [("room", room) for room in self.rooms])
        if status != 200:
            raise LineLostError(f"negotiate: {status}")
        return str(body["url"])

    async def get(self, route: str, query: list[tuple[str, str]]) -> tuple[int, Any]:
        """GET a route; return the status and the JSON.

        Raises:
            LineLostError: The app does not answer in JSON.
        """
        try:
            async with self.http.get(
                f"{self.api}/{route}",
                params=[("userId", self.user), *query],
                timeout=aiohttp.ClientTimeout(OPEN_SECONDS),
            ) as answer:
                return answer.status, await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise LineLostError(f"{route}: {error!r}") from None


class Replies:
    """What the app answers before the service acknowledges an event, until it is asked for."""

    def __init__(self) -> None:
        self._kept: dict[str, Mapping[str, Any]] = {}

    def take(self, data: Any) -> bool:
        """Keep an answer to the sender: an error, or the id of what was stored in a private room; say if it is one."""
        if not isinstance(data, dict) or not (data.get("type") == "error" or set(data) == {"id"}):
            return False
        self._kept[_subject(data) if "type" in data else ""] = data
        return True

    def answer(self, asked: Mapping[str, Any] | str) -> Answer:
        """Return what became of an event that was acknowledged."""
        reply = self._kept.pop(_subject(asked), None) or self._kept.pop("", None)
        if reply is not None and reply.get("type") == "error":
            return Answer(str(reply.get("code")), reply, float(reply.get("retryAfter") or 0.0))
        return Answer(None, reply)


def _subject(data: Mapping[str, Any] | str) -> str:
    return "" if isinstance(data, str) else str(data.get("key") or data.get("id") or "")
