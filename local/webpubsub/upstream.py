"""The upstream dispatcher: sends each event to the handler that wants it and reads the answer.

Source: MicrosoftDocs `reference-cloud-events`; retries, timeout and size limit from Microsoft's emulator.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, TypeVar

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from local.webpubsub import cloud_events
from local.webpubsub.abuse_protection import AbuseProtection
from local.webpubsub.cloud_events import AnswerError, ConnectAnswer, Event
from local.webpubsub.connection import ConnectionContext
from local.webpubsub.event_handlers import EventHandler, handler_of_system_event, handler_of_user_event
from local.webpubsub.messages import Payload
from local.webpubsub.settings import EmulatorSettings

MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
# A token with many groups and a connection state are both longer than aiohttp's default of 8 KiB allows.
MAX_HEADER_BYTES: Final = 32 * 1024
_LOGGED_CHARACTERS: Final = 200
# Below the 5 s after which some servers close an idle connection, else events would run into closed ones.
_KEEPALIVE_SECONDS: Final = 4
Result = TypeVar("Result")
_log = logging.getLogger(__name__)


class EventFailedError(Exception):
    """An event had no success; `status` is what a client that waits for its upgrade gets."""

    def __init__(self, reason: str, *, status: int = 500, is_temporary: bool = False) -> None:
        """Keep beside the reason what a client gets, and whether another try may help."""
        super().__init__(reason)
        self.status = status
        self.is_temporary = is_temporary


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    cookies: dict[str, str]


class Upstream:
    """Sends events, signed with every access key. Use as an async context manager, within one event loop."""

    def __init__(self, settings: EmulatorSettings, origin: str, clock: Callable[[], datetime]) -> None:
        """`origin` is the service's host as event handlers shall see it; `clock` gives the time of events."""
        self._settings = settings
        self._origin = origin
        self._clock = clock
        self._notifications: dict[str, asyncio.Task[None]] = {}
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

    async def connect(self, context: ConnectionContext, event: Event) -> ConnectAnswer:
        """Ask the connect handler; without one everything stays as the token says.

        Raises:
            EventFailedError: when the client must not connect.
        """
        handler = handler_of_system_event(self._handlers(context), event.name)
        if handler is None:
            return ConnectAnswer()
        answer = await self._send(handler, context, event, 0)
        return _accept(answer, context, lambda: cloud_events.connect_answer(answer.body))

    async def user_event(self, context: ConnectionContext, event: Event) -> Payload | None:
        """Send a user event and wait; the result is the message to the sender, if any.

        Raises:
            EventFailedError: when there is no handler, or it had no success.
        """
        handler = handler_of_user_event(self._handlers(context), event.name)
        if handler is None:
            raise EventFailedError(
                f"hub {context.hub!r} has no event handler for it; start with --event-handler {context.hub}=URL"
            )
        answer = await self._send(handler, context, event, context.next_event_id())
        return _accept(answer, context, lambda: cloud_events.user_event_answer(answer.body, answer.headers))

    def notify(self, context: ConnectionContext, event: Event) -> None:
        """Send a connected or disconnected event without waiting, after the notifications before it."""
        handler = handler_of_system_event(self._handlers(context), event.name)
        if handler is None:
            return
        key = context.connection_id
        task = asyncio.create_task(
            self._notify(self._notifications.get(key), handler, context, event, context.next_event_id())
        )
        self._notifications[key] = task
        task.add_done_callback(lambda done: self._forget(key, done))

    async def close(self, grace_seconds: float) -> None:
        """Give pending notifications `grace_seconds`, then stop."""
        pending = list(self._notifications.values())
        if pending:
            _, late = await asyncio.wait(pending, timeout=grace_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._session.close()

    def _handlers(self, context: ConnectionContext) -> Sequence[EventHandler]:
        return self._settings.event_handlers.get(context.hub, ())

    async def _notify(
        self,
        previous: asyncio.Task[None] | None,
        handler: EventHandler,
        context: ConnectionContext,
        event: Event,
        event_id: int,
    ) -> None:
        if previous is not None:
            await asyncio.wait([previous])
        try:
            await self._send(handler, context, event, event_id)
        except EventFailedError as error:
            _log.error("EVENT %s of connection %s failed: %s.", event.type, context.connection_id, error)

    def _forget(self, key: str, done: asyncio.Task[None]) -> None:
        if self._notifications.get(key) is done:
            del self._notifications[key]

    async def _send(self, handler: EventHandler, context: ConnectionContext, event: Event, event_id: int) -> _Answer:
        """A successful answer, after as many tries as it takes."""
        time = self._clock()
        problem = await self._protection.problem(handler.url(context.hub, "validate"))
        if problem is not None:
            raise EventFailedError(f"the event handler failed validation ({problem})")
        url = _url(handler, context.hub, event.name)
        headers = cloud_events.event_headers(
            event,
            context,
            event_id=event_id,
            time=time,
            origin=self._origin,
            signature=cloud_events.sign(context.connection_id, self._settings.access_keys),
        )
        headers["x-ms-client-request-id"] = str(uuid.uuid4())
        for delay in self._settings.retry_delays:
            try:
                return await self._post(url, headers, event.body)
            except EventFailedError as error:
                if not error.is_temporary:
                    raise
                _log.warning(
                    "RETRY of %s (ce-id %d) of connection %s in %g s: %s.",
                    event.type, event_id, context.connection_id, delay, error,
                )  # fmt: skip
            await asyncio.sleep(delay)
        return await self._post(url, headers, event.body)

    async def _post(self, url: URL, headers: dict[str, str], body: bytes) -> _Answer:
        # The query may hold a function key, so it must not reach the log.
        shown = url.with_query(None)
        try:
            answer = await self._exchange(url, headers, body)
        except TimeoutError:
            raise EventFailedError(f"{shown} did not answer within {self._settings.upstream_timeout:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise EventFailedError(f"{shown} cannot be reached: {error}", is_temporary=True) from None
        if answer is None:
            raise EventFailedError(f"{shown} answered more than {MAX_ANSWER_BYTES} bytes")
        if 200 <= answer.status < 300:
            return answer
        text = answer.body[: 4 * _LOGGED_CHARACTERS].decode(errors="replace")[:_LOGGED_CHARACTERS]
        raise EventFailedError(
            f"{shown} answered status {answer.status} with {text!r}",
            # A redirect is not followed, and it is no refusal that a client could understand.
            status=answer.status if answer.status >= 400 else 500,
            is_temporary=answer.status == 408 or answer.status >= 500,
        )

    async def _exchange(self, url: URL, headers: dict[str, str], body: bytes) -> _Answer | None:
        """One request; `None` when the answer is too large."""
        async with self._session.post(url, headers=headers, data=body, allow_redirects=False) as response:
            try:
                await response.content.readexactly(MAX_ANSWER_BYTES + 1)
            except asyncio.IncompleteReadError as whole:
                cookies = {name: cookie.coded_value for name, cookie in response.cookies.items()}
                return _Answer(response.status, response.headers, whole.partial, cookies)
            response.close()
            return None


def _accept(answer: _Answer, context: ConnectionContext, parse: Callable[[], Result]) -> Result:
    """Read an answer, and only when all of it is valid keep the state and the cookies that it sets."""
    try:
        result = parse()
        state = cloud_events.connection_state(answer.headers)
    except AnswerError as error:
        raise EventFailedError(f"its answer is not valid: {error}") from None
    if state is not None:
        context.state = state
    context.cookies.update(answer.cookies)
    return result


@lru_cache(maxsize=1024)
def _url(handler: EventHandler, hub: str, event: str) -> URL:
    return URL(handler.url(hub, event), encoded=True)
