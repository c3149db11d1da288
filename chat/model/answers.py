"""What the sender of an event is told about it."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping

from webpubsub_handler import ConnectionContext, EventErrorResponse, UserEventResponse

__all__ = ["rate_limited", "sender_error", "unavailable"]

logger = logging.getLogger("chat")


def sender_error(
    code: str, message: str, subject: Mapping[str, str] | None = None, *, retry_after: float | None = None
) -> UserEventResponse:
    """Tell the sender of an event what was wrong with it.

    It is a reply, not an error status: that would close a plain WebSocket client.

    Args:
        code: What a program reads.
        message: What a person reads.
        subject: The fields of the event that say which one is meant: ``key``, ``id``, ``room``.
        retry_after: In how many seconds the same event may pass.
    """
    error: dict[str, object] = {"type": "error", "code": code, "message": message, **(subject or {})}
    if retry_after is not None:
        error["retryAfter"] = retry_after
    return UserEventResponse(error)


def rate_limited(wait: float, subject: Mapping[str, str]) -> UserEventResponse:
    """Tell the sender of an event that it came ``wait`` seconds too early."""
    retry_after = math.ceil(wait * 1000) / 1000
    return sender_error("rate_limited", "You are sending too fast.", subject, retry_after=retry_after)


def unavailable(error: Exception, context: ConnectionContext) -> EventErrorResponse:
    """Ask the service to deliver an event again, and log why."""
    logger.error("%s (event %r of %r): %r", error, context.event_id, context.connection_id, error.__cause__)
    return EventErrorResponse(503, "Try again.")
