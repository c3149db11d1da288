"""Brings one event to one event handler: consent first, then as many tries as it takes; faults strike here.

Retries, timeout and size limit are those of Microsoft's emulator.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from webpubsub_emulator.core.connection import ConnectionContext
from webpubsub_emulator.settings import EmulatorSettings
from webpubsub_emulator.upstream import cloud_events
from webpubsub_emulator.upstream.abuse_protection import AbuseProtection, without_url
from webpubsub_emulator.upstream.cookies import cookie_header
from webpubsub_emulator.upstream.event_handlers import EventHandler
from webpubsub_emulator.upstream.exchange import Exchange
from webpubsub_emulator.upstream.faults import DelayedPart, Fault, FaultKind, Faults

__all__ = ["MAX_ANSWER_BYTES", "MAX_HEADER_BYTES", "Answer", "EventFailedError", "EventSender"]

MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
# A token with many groups and a connection state are both longer than aiohttp's default of 8 KiB allows.
MAX_HEADER_BYTES: Final = 32 * 1024
_LOGGED_CHARACTERS: Final = 200
# Below the 5 s after which some servers close an idle connection, else events would run into closed ones.
_KEEPALIVE_SECONDS: Final = 4
_HINTS: Final = {
    401: "; is its connection string the one of this emulator, with the same AccessKey?",
    404: "; does it have this path, and the method POST there?",
    405: "; does its route take the method POST?",
}
logger = logging.getLogger("webpubsub_emulator")


class EventFailedError(Exception):
    """An event had no success; ``status`` is what a client that waits for its upgrade gets."""

    def __init__(self, reason: str, *, status: int = 500, is_temporary: bool = False) -> None:
        """Keep beside the reason what a client gets, and whether another try may help."""
        super().__init__(reason)
        self.status = status
        self.is_temporary = is_temporary


@dataclass(frozen=True, slots=True)
class Answer:
    """What an event handler answered."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


class EventSender:
    """Sends events, signed with every access key. Use within one event loop, and close."""

    def __init__(self, settings: EmulatorSettings, origin: str, faults: Faults) -> None:
        """``origin`` is the service's host as event handlers shall see it."""
        self._settings = settings
        self._origin = origin
        self._faults = faults
        self._session = aiohttp.ClientSession(
            # Each connection sends one event at a time; a limit here would let slow hubs hold up others.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_SECONDS),
            # Cookies belong to a connection, not to the service.
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=settings.upstream_timeout),
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )
        self._protection = AbuseProtection(self._session, origin)

    async def send(self, handler: EventHandler, context: ConnectionContext, exchange: Exchange) -> Answer:
        """Return a successful answer, after as many tries as it takes.

        Raises:
            EventFailedError: when there is none.
        """
        problem = await self._problem(handler, context.hub, exchange)
        if problem is not None:
            raise EventFailedError(f"the event handler failed validation ({problem})")
        event = exchange.event
        url = _url(handler, context.hub, event.name)
        headers = cloud_events.event_headers(
            event,
            context,
            event_id=exchange.event_id,
            time=exchange.time,
            origin=self._origin,
            signature=cloud_events.sign(context.connection_id, self._settings.access_keys),
            cookies=cookie_header(context, url),
        )
        headers["x-ms-client-request-id"] = str(uuid.uuid4())
        exchange.request(str(url), headers)
        for delay in self._settings.retry_delays:
            try:
                answer = await self._attempt(url, context, exchange)
            except EventFailedError as error:
                if not error.is_temporary:
                    raise
                logger.warning(
                    "RETRY of %s (ce-id %d) of connection %s in %g s: %s.",
                    event.type, exchange.event_id, context.connection_id, delay, error,
                )  # fmt: skip
                await asyncio.sleep(delay)
            else:
                break
        else:
            answer = await self._attempt(url, context, exchange)
        if self._strike(FaultKind.DUPLICATE_EVENT, context, exchange):
            await self._duplicate(url, context, exchange)
        return answer

    async def validate_again(self, event_handlers: Mapping[str, Sequence[EventHandler]]) -> None:
        """Forget who has consented, and ask all of these; the log has the answers."""
        self._protection.forget()
        urls = {handler.url(hub, "validate") for hub, handlers in event_handlers.items() for handler in handlers}
        await asyncio.gather(*map(self._protection.problem, urls))

    async def close(self) -> None:
        """Close the connections to event handlers."""
        await self._session.close()

    async def _problem(self, handler: EventHandler, hub: str, exchange: Exchange) -> str | None:
        if self._faults.reigns(FaultKind.REFUSE_VALIDATION, hub):
            exchange.struck(FaultKind.REFUSE_VALIDATION)
            return "on purpose: the fault refuse_validation is on"
        return await self._protection.problem(handler.url(hub, "validate"))

    def _strike(
        self, kind: FaultKind, context: ConnectionContext, exchange: Exchange, of: DelayedPart = DelayedPart.EVENT
    ) -> Fault | None:
        fault = self._faults.strike(kind, context, exchange.event.name, of)
        if fault is not None:
            exchange.struck(kind if of is DelayedPart.EVENT else f"{kind} of {of}")
        return fault

    async def _delay(self, of: DelayedPart, context: ConnectionContext, exchange: Exchange) -> None:
        fault = self._strike(FaultKind.DELAY, context, exchange, of)
        if fault is not None:
            await asyncio.sleep(fault.seconds)

    async def _attempt(
        self, url: URL, context: ConnectionContext, exchange: Exchange, *, is_duplicate: bool = False
    ) -> Answer:
        """One request. Raises ``EventFailedError`` unless it has success."""
        await self._delay(DelayedPart.EVENT, context, exchange)
        # The query may hold a function key, so it must not reach the log.
        shown = url.with_query(None)
        with exchange.attempt(is_duplicate=is_duplicate) as attempt:
            try:
                answer = await self._post(url, exchange.headers, exchange.event.body)
            except TimeoutError:
                raise EventFailedError(f"{shown} did not answer within {self._settings.upstream_timeout:g} s") from None
            except (aiohttp.ClientError, OSError) as error:
                raise EventFailedError(f"{shown} cannot be reached: {without_url(error)}", is_temporary=True) from None
            if answer is None:
                raise EventFailedError(f"{shown} answered more than {MAX_ANSWER_BYTES} bytes")
            attempt.answered(answer.status, tuple(answer.headers.items()), answer.body)
            await self._delay(DelayedPart.ANSWER, context, exchange)
            if self._strike(FaultKind.DROP_ANSWER, context, exchange):
                raise EventFailedError(
                    f"{shown} answered status {answer.status}, which the fault drop_answer has dropped",
                    is_temporary=True,
                )
            if not 200 <= answer.status < 300:
                raise _failure(shown, answer)
        return answer

    async def _duplicate(self, url: URL, context: ConnectionContext, exchange: Exchange) -> None:
        """Return the same request once more; what comes back changes nothing."""
        try:
            await self._attempt(url, context, exchange, is_duplicate=True)
        except EventFailedError as error:
            logger.warning("The duplicate of %s of connection %s failed: %s.", exchange.event.type,
            context.connection_id,
                         error)  # fmt: skip

    async def _post(self, url: URL, headers: Mapping[str, str], body: bytes) -> Answer | None:
        """One request; ``None`` when the answer is too large."""
        async with self._session.post(url, headers=headers, data=body, allow_redirects=False) as response:
            try:
                await response.content.readexactly(MAX_ANSWER_BYTES + 1)
            except asyncio.IncompleteReadError as whole:
                return Answer(response.status, response.headers, whole.partial)
            response.close()
            return None


def _failure(shown: URL, answer: Answer) -> EventFailedError:
    text = answer.body[: 4 * _LOGGED_CHARACTERS].decode(errors="replace")[:_LOGGED_CHARACTERS]
    return EventFailedError(
        f"{shown} answered status {answer.status} with {text!r}{_HINTS.get(answer.status, '')}",
        # A redirect is not followed, and it is no refusal that a client could understand.
        status=answer.status if answer.status >= 400 else 500,
        is_temporary=answer.status == 408 or answer.status >= 500,
    )


@lru_cache(maxsize=1024)
def _url(handler: EventHandler, hub: str, event: str) -> URL:
    return URL(handler.url(hub, event), encoded=True)
