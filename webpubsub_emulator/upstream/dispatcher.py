"""The upstream dispatcher: which handler gets an event, in which order, and what its answer changes.

Source: MicrosoftDocs ``reference-cloud-events``, ``howto-develop-eventhandler``.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple, TypeVar

from yarl import URL

from webpubsub_emulator.core.connection import ConnectionContext
from webpubsub_emulator.core.messages import Payload
from webpubsub_emulator.upstream import cloud_events
from webpubsub_emulator.upstream.cloud_events import AnswerError, ConnectAnswer, Event
from webpubsub_emulator.upstream.cookies import keep_cookies
from webpubsub_emulator.upstream.event_handlers import EventHandler, HubSettings
from webpubsub_emulator.upstream.exchange import IN_EXCHANGE, Exchange
from webpubsub_emulator.upstream.sender import Answer, EventFailedError, EventSender
from webpubsub_emulator.upstream.traffic import Traffic

__all__ = ["EventFailedError", "Upstream"]

MAX_WAITING_NOTIFICATIONS: Final = 1000
_FAILED: Final = "%s, event failed: %s; %s of connection %s"
Result = TypeVar("Result")
logger = logging.getLogger("webpubsub_emulator")


class _Notification(NamedTuple):
    handler: EventHandler
    context: ConnectionContext
    event: Event
    event_id: int


class Upstream:
    """Tells event handlers what happens to connections: blocking events one at a time, notifications in order."""

    def __init__(self, hub_settings: HubSettings, sender: EventSender, traffic: Traffic) -> None:
        """``traffic`` keeps what is sent and answered."""
        self._hub_settings = hub_settings
        self._sender = sender
        self._traffic = traffic
        self._waiting: dict[str, deque[_Notification]] = {}
        self._notifiers: dict[str, asyncio.Task[None]] = {}

    def allows_anonymous(self, hub: str) -> bool:
        """Return whether clients may connect to a hub without a token."""
        return self._hub_settings.allows_anonymous(hub)

    async def connect(self, context: ConnectionContext, event: Event) -> ConnectAnswer:
        """Ask the connect handler; without one, the token decides.

        Raises:
            EventFailedError: when the client must not connect.
        """
        handler = self._hub_settings.handler_of_system_event(context.hub, event.name)
        if handler is None:
            return ConnectAnswer()
        return await self._ask(handler, context, event, 0, lambda answer: cloud_events.connect_answer(answer.body))

    async def user_event(self, context: ConnectionContext, event: Event) -> Payload | None:
        """Send a user event and wait; the result is the message to the sender, if any.

        Raises:
            EventFailedError: when there is no handler, or it failed.
        """
        handler = self._hub_settings.handler_of_user_event(context.hub, event.name)
        if handler is None:
            cause = f"hub {context.hub!r} has no event handler for it"
            error = EventFailedError(cause, f"start with --event-handler {context.hub}=URL")
            logger.error(_FAILED, error.cause, error.details, event.type, context.connection_id)
            raise error
        return await self._ask(
            handler,
            context,
            event,
            context.next_event_id(),
            lambda answer: cloud_events.user_event_answer(answer.body, answer.headers),
        )

    def notify(self, context: ConnectionContext, event: Event) -> None:
        """Send a connected or disconnected event without waiting, after earlier notifications."""
        self._enqueue(self._hub_settings.handler_of_system_event(context.hub, event.name), context, event)

    def notify_group(self, context: ConnectionContext, change: str, group: str) -> None:
        """Tell that a connection has ``joined`` or ``left`` a group, after earlier notifications; do not wait."""
        handler = self._hub_settings.handler_of_group_event(context.hub, change, group)
        self._enqueue(handler, context, cloud_events.group_event(change, group))

    async def keep_pace(self, context: ConnectionContext) -> None:
        """Wait while too many of a connection's notifications do: a client cannot be faster than its handler."""
        key = context.connection_id
        if len(self._waiting.get(key, ())) >= MAX_WAITING_NOTIFICATIONS:
            await asyncio.wait([self._notifiers[key]])

    async def drain(self, seconds: float) -> None:
        """Wait until no notification is in progress, for some seconds at most."""
        if self._notifiers:
            await asyncio.wait(list(self._notifiers.values()), timeout=seconds)

    async def close(self) -> None:
        """Stop, and give up on the notifications in progress."""
        late = list(self._notifiers.values())
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        await self._sender.close()

    async def _ask(
        self,
        handler: EventHandler,
        context: ConnectionContext,
        event: Event,
        event_id: int,
        parse: Callable[[Answer], Result],
    ) -> Result:
        """Read an answer; keep the state and the cookies that it sets only if all of it is valid."""
        with self._exchange(context, event, event_id) as exchange:
            answer = await self._sender.send(handler, context, exchange)
            try:
                result = parse(answer)
                state = cloud_events.connection_state(answer.headers)
            except AnswerError as error:
                raise EventFailedError("answer not valid", str(error)) from None
        if state is not None:
            context.state = state
        keep_cookies(context, answer.headers.getall("Set-Cookie", ()), URL(exchange.url, encoded=True))
        return result

    def _enqueue(self, handler: EventHandler | None, context: ConnectionContext, event: Event) -> None:
        if handler is None:
            return
        key = context.connection_id
        if key not in self._waiting:
            self._waiting[key] = deque()
            self._notifiers[key] = asyncio.create_task(self._notify_all(key))
        self._waiting[key].append(_Notification(handler, context, event, context.next_event_id()))

    async def _notify_all(self, key: str) -> None:
        """Send a connection's notifications one after the other, until none waits."""
        waiting = self._waiting[key]
        try:
            while waiting:
                await self._notify(*waiting.popleft())
        finally:
            del self._waiting[key], self._notifiers[key]

    async def _notify(self, handler: EventHandler, context: ConnectionContext, event: Event, event_id: int) -> None:
        with suppress(EventFailedError), self._exchange(context, event, event_id) as exchange:
            await self._sender.send(handler, context, exchange)

    @contextmanager
    def _exchange(self, context: ConnectionContext, event: Event, event_id: int) -> Iterator[Exchange]:
        """Follow an event from its beginning to its end, and log its failure."""
        try:
            with self._traffic.exchange(context, event, event_id) as exchange:
                yield exchange
        except EventFailedError as error:
            logger.error(_FAILED, error.cause, error.details, event.type, context.connection_id, extra=IN_EXCHANGE)
            raise
