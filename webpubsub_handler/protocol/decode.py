"""From an HTTP message to a typed event (CloudEvents HTTP binding, binary content mode)."""

from __future__ import annotations

import re
from typing import Final

from webpubsub_handler.exceptions import MalformedEventError
from webpubsub_handler.protocol.attributes import decode_text, parse_time
from webpubsub_handler.protocol.connection_state import ConnectionState
from webpubsub_handler.protocol.event_kinds import kind_of_type
from webpubsub_handler.protocol.events import ConnectionContext, Event, UnknownEvent
from webpubsub_handler.protocol.http import HttpRequest

__all__ = ["decode"]

_REQUIRED: Final = (
    "ce-specversion",
    "ce-type",
    "ce-id",
    "ce-time",
    "ce-connectionId",
    "ce-hub",
    "ce-eventName",
)
_MAX_ATTRIBUTE: Final = 1024
_SOURCE: Final = re.compile(r"/hubs/([^/]*)/")


def decode(request: HttpRequest) -> Event:
    """Read an event out of a POST; a type that is not known becomes an ``UnknownEvent``.

    Raises:
        MalformedEventError: Attributes are missing, unreadable or contradict each other, or the body of an event of the
            service is missing or not what its type says. The body of a user event is the client's, and read later.
    """
    event_type = request.headers.get("ce-type") or ""
    kind = kind_of_type(event_type)
    context = _context(request, is_blocking=kind.is_blocking)
    if kind.request is not UnknownEvent:
        _check_agreement(context, event_type.split(".", 3)[3])
    return kind.read(context, request.body)


def _context(request: HttpRequest, *, is_blocking: bool) -> ConnectionContext:
    headers = request.headers
    values = {name: headers.get(name) or "" for name in _REQUIRED}
    problems = [f"the {name} header is missing" for name, value in values.items() if not value]
    problems += [f"the {name} header is too long" for name, value in values.items() if len(value) > _MAX_ATTRIBUTE]
    # Every problem at once: if you write a sender by hand, you should not have to try seven times.
    if values["ce-specversion"] not in ("1.0", ""):
        problems.append("the ce-specversion header is not 1.0")
    try:
        time = parse_time(values["ce-time"])
    except ValueError:
        if values["ce-time"]:
            problems.append("the ce-time header is not a time")
    if problems:
        raise MalformedEventError(*problems)
    user_id = headers.get("ce-userId")
    return ConnectionContext(
        hub=values["ce-hub"].lower(),
        # As received: decoding could make another connection's id of it.
        connection_id=values["ce-connectionId"].encode("utf-8", "replace").decode(),
        user_id=decode_text(user_id) if user_id else None,
        event_name=decode_text(values["ce-eventName"]),
        event_id=decode_text(values["ce-id"]),
        time=time,
        subprotocol=headers.get("ce-subprotocol") or None,
        state=ConnectionState(headers.get("ce-connectionState"), is_read_only=not is_blocking),
        headers=headers,
    )


def _check_agreement(context: ConnectionContext, type_name: str) -> None:
    """Refuse an event whose headers contradict each other: a function is chosen by one and may decide by another.

    The rest of ``ce-source`` differs between documents and is not looked at. Socket.IO events are all of the type
    ``message`` in its documents, whatever their names are.
    """
    headers = context.headers
    is_socket_io = headers.get("ce-namespace") is not None
    if not is_socket_io and decode_text(type_name).lower() != context.event_name.lower():
        raise MalformedEventError("the ce-type header is not of the event in the ce-eventName header")
    source = _SOURCE.match(headers.get("ce-source") or "")
    if source and source[1].lower() != context.hub:
        raise MalformedEventError("the ce-source header is not of the hub in the ce-hub header")
