"""Brings one event to one event handler: consent first, then as many tries as it takes; faults happen here.

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
from webpubsub_emulator.upstream import cloud_events
from webpubsub_emulator.upstream.abuse_protection import AbuseProtection
from webpubsub_emulator.upstream.cookies import cookie_header
from webpubsub_emulator.upstream.event_handlers import EventHandler
from webpubsub_emulator.upstream.exchange import IN_EXCHANGE, Exchange
from webpubsub_emulator.upstream.failures import without_url
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
    """An event had no success.

    ``cause`` is why in a few words, ``details`` the rest. ``status`` is what a client that waits for its upgrade gets.
    """

    def __init__(self, cause: str, details: str = "", *, status: int = 500, is_temporary: bool = False) -> None:
        """``is_temporary`` says whether another try may help."""
        super().__init__(f"{cause}: {details}" if details else cause)
        self.cause = cause
        self.details = details.rstrip(".")
        self.status = status
        self.is_temporary = is_temporary


@dataclass(frozen=True, slots=True)
class Answer:
    """What an event handler answered."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Request:
    """One event on its way to one handler: what is sent in every attempt, for which connection, and its record."""

    url: URL
    headers: Mapping[str, str]
    context: ConnectionContext
    exchange: Exchange


class EventSender:
    """Sends events, signed with every access key. Use within one event loop, and close."""

    def __init__(
        self,
        origin: str,
        access_keys: Sequence[str],
        faults: Faults,
        *,
        retry_delays: Sequence[float],
        timeout: float,
    ) -> None:
        """``origin`` is the service's host as event handlers shall see it; times are in seconds."""
        self._origin = origin
        self._access_keys = access_keys
        self._faults = faults
        self._retry_delays = retry_delays
        self._timeout = timeout
        self._session = aiohttp.ClientSession(
            # Each connection sends one event at a time; a limit here would let slow hubs hold up others.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_SECONDS),
            # Cookies belong to a connection, not to the service.
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=timeout),
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
            raise EventFailedError("validation failed", problem)
        event = exchange.event
        url = _url(handler, context.hub, event.name)
        headers = cloud_events.event_headers(
            event,
            context,
            event_id=exchange.event_id,
            time=exchange.time,
            origin=self._origin,
            signature=cloud_events.sign(context.connection_id, self._access_keys),
            cookies=cookie_header(context, url),
        )
        headers["x-ms-client-request-id"] = str(uuid.uuid4())
        request = _Request(url, headers, context, exchange)
        exchange.request(str(url), headers)
        for delay in self._retry_delays:
            try:
                answer = await self._attempt(request)
            except EventFailedError as error:
                if not error.is_temporary:
                    raise
                exchange.waits(error.cause, delay)
                logger.warning(
                    "%s, again in %g s: %s; %s (ce-id %d) of connection %s",
                    error.cause, delay, error.details, event.type, exchange.event_id, context.connection_id,
                    extra=IN_EXCHANGE,
                )  # fmt: skip
                await asyncio.sleep(delay)
            else:
                break
        else:
            answer = await self._attempt(request)
        if self._use_fault(FaultKind.DUPLICATE_EVENT, request):
            await self._duplicate(request)
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
        if self._faults.is_active(FaultKind.REFUSE_VALIDATION, hub):
            exchange.add_fault(FaultKind.REFUSE_VALIDATION)
            return "on purpose: the fault refuse_validation is on"
        return await self._protection.problem(handler.url(hub, "validate"))

    def _use_fault(self, kind: FaultKind, request: _Request, part: DelayedPart = DelayedPart.EVENT) -> Fault | None:
        fault = self._faults.use(kind, request.context, request.exchange.event, part)
        if fault is not None:
            request.exchange.add_fault(kind if part is DelayedPart.EVENT else f"{kind} of {part}")
        return fault

    async def _delay(self, part: DelayedPart, request: _Request) -> None:
        fault = self._use_fault(FaultKind.DELAY, request, part)
        if fault is not None:
            await asyncio.sleep(fault.seconds)

    async def _attempt(self, request: _Request, *, is_duplicate: bool = False) -> Answer:
        """One request. Raises ``EventFailedError`` unless it has success."""
        await self._delay(DelayedPart.EVENT, request)
        # The query may hold a function key, so it must not reach the log.
        shown = request.url.with_query(None)
        with request.exchange.attempt(is_duplicate=is_duplicate) as attempt:
            try:
                answer = await self._post(request)
            except TimeoutError:
                raise EventFailedError(f"no answer within {self._timeout:g} s", f"from {shown}") from None
            except (aiohttp.ClientError, OSError) as error:
                reason = f"{without_url(error)}, {shown}"
                raise EventFailedError("no connection", reason, is_temporary=True) from None
            if answer is None:
                raise EventFailedError("answer too large", f"more than {MAX_ANSWER_BYTES} bytes from {shown}")
            attempt.answered(answer.status, tuple(answer.headers.items()), answer.body)
            await self._delay(DelayedPart.ANSWER, request)
            if self._use_fault(FaultKind.DROP_ANSWER, request):
                raise EventFailedError(
                    "answer dropped",
                    f"the fault drop_answer has dropped HTTP {answer.status} from {shown}",
                    is_temporary=True,
                )
            if not 200 <= answer.status < 300:
                raise _failure(shown, answer)
        return answer

    async def _duplicate(self, request: _Request) -> None:
        """Send the same request once more; what comes back changes nothing."""
        try:
            await self._attempt(request, is_duplicate=True)
        except EventFailedError as error:
            logger.warning(
                "%s, duplicate failed: %s; %s of connection %s",
                error.cause, error.details, request.exchange.event.type, request.context.connection_id,
                extra=IN_EXCHANGE,
            )  # fmt: skip

    async def _post(self, request: _Request) -> Answer | None:
        """One request; ``None`` when the answer is too large."""
        body = request.exchange.event.body
        async with self._session.post(
            request.url, headers=request.headers, data=body, allow_redirects=False
        ) as response:
            try:
                await response.content.readexactly(MAX_ANSWER_BYTES + 1)
            except asyncio.IncompleteReadError as whole:
                return Answer(response.status, response.headers, whole.partial)
            response.close()
            return None


def _failure(shown: URL, answer: Answer) -> EventFailedError:
    text = answer.body[: 4 * _LOGGED_CHARACTERS].decode(errors="replace")[:_LOGGED_CHARACTERS]
    return EventFailedError(
        f"HTTP {answer.status}",
        f"{repr(text) if text else 'no text'} from {shown}{_HINTS.get(answer.status, '')}",
        # A redirect is not followed, and it is not a refusal that a client could understand.
        status=answer.status if answer.status >= 400 else 500,
        is_temporary=answer.status == 408 or answer.status >= 500,
    )


@lru_cache(maxsize=1024)
def _url(handler: EventHandler, hub: str, event: str) -> URL:
    return URL(handler.url(hub, event), encoded=True)
