"""Contexts and user events to call a function with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from webpubsub_handler.protocol.answers import payload
from webpubsub_handler.protocol.bodies import read_user_event
from webpubsub_handler.protocol.connection_state import ConnectionState
from webpubsub_handler.protocol.events import ConnectionContext, DataType, UserEventRequest
from webpubsub_handler.protocol.http import Headers

__all__ = ["encode_state", "make_context", "make_user_event"]


def make_context(
    *,
    hub: str = "chat",
    connection_id: str = "conn-1",
    user_id: str | None = None,
    event_name: str = "message",
    event_id: str = "1",
    sent_at: datetime | None = None,
    state: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> ConnectionContext:
    """Return the context of an event of a plain WebSocket client, to call a function with it.

    Args:
        hub: The hub.
        connection_id: The connection.
        user_id: Who sent it; None for a client without a user id.
        event_name: The event's name.
        event_id: The event's id, which counts the events of the connection.
        sent_at: When it was sent; now by default.
        state: What the service keeps for the connection.
        headers: Header fields that the context looks into, such as ``ce-physicalConnectionId``.
    """
    return ConnectionContext(
        hub=hub.lower(),
        connection_id=connection_id,
        user_id=user_id,
        event_name=event_name,
        event_id=event_id,
        time=(sent_at or datetime.now(UTC)).replace(microsecond=0),
        subprotocol=None,
        state=ConnectionState(None if state is None else encode_state(state)),
        headers=Headers(headers or {}),
    )


def make_user_event(
    data: Any, *, data_type: DataType | None = None, content_type: str | None = None, **context: Any
) -> UserEventRequest:
    """Return a user event, to call a function with it.

    Args:
        data: The data: a str is text, bytes are binary, everything else is JSON.
        data_type: The data type if it is another one, such as JSON for a str.
        content_type: A MIME type to send instead of the data type's own.
        context: As ``make_context`` takes it.
    """
    mime_type, body = payload(data, data_type)
    headers = {"Content-Type": content_type or mime_type, **context.pop("headers", {})}
    return read_user_event(make_context(headers=headers, **context), body)


def encode_state(state: Mapping[str, Any]) -> str | None:
    """Return the header in which the service sends a state; None for an empty one."""
    entries = ConnectionState()
    entries.update(state)
    return entries.encode()
