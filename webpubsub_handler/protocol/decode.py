"""From an HTTP message to a typed event (CloudEvents HTTP binding, binary content mode)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from webpubsub_handler.exceptions import MalformedEventError
from webpubsub_handler.protocol.attributes import decode_text, parse_time
from webpubsub_handler.protocol.bodies import (
    read_connect,
    read_connected,
    read_disconnected,
    read_group_joined,
    read_group_left,
    read_json,
    read_text,
)
from webpubsub_handler.protocol.connection_state import ConnectionState
from webpubsub_handler.protocol.events import (
    ConnectionContext,
    DataType,
    Event,
    UnknownEvent,
    UserEventRequest,
)
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
_USER_TYPE: Final = "azure.webpubsub.user."
_SOURCE: Final = re.compile(r"/hubs/([^/]*)/")
_OTHER_CHARSET: Final = re.compile(r"\bcharset=(?!\"?(?:utf-?8|us-ascii)\"?\s*(?:;|$))", re.IGNORECASE)
_DATA_TYPES: Final[Mapping[str, DataType]] = {
    "text/plain": DataType.TEXT,
    "application/json": DataType.JSON,
}
_SYSTEM_EVENTS: Final[Mapping[str, Callable[[ConnectionContext, bytes], Event]]] = {
    "azure.webpubsub.sys.connect": read_connect,
    "azure.webpubsub.sys.connected": read_connected,
    "azure.webpubsub.sys.disconnected": read_disconnected,
    "azure.webpubsub.gp.joined": read_group_joined,
    "azure.webpubsub.gp.left": read_group_left,
}


def decode(request: HttpRequest) -> Event:
    """Read an event out of a POST; a type that is not known gives an ``UnknownEvent``.

    Raises:
        MalformedEventError: Attributes are missing, unreadable or contradict each other, or the body is not what its
            type says.
    """
    event_type = request.headers.get("ce-type") or ""
    context = _context(request)
    if event_type.startswith(_USER_TYPE):
        _check_agreement(context, event_type[len(_USER_TYPE) :])
        return _user_event(context, request)
    read = _SYSTEM_EVENTS.get(event_type)
    if read is None:
        return UnknownEvent(context, event_type)
    _check_agreement(context, event_type.rpartition(".")[2])
    return read(context, request.body)


def _context(request: HttpRequest) -> ConnectionContext:
    headers = request.headers
    values = {name: headers.get(name) or "" for name in _REQUIRED}
    problems = [f"the {name} header is missing" for name, value in values.items() if not value]
    problems += [f"the {name} header is too long" for name, value in values.items() if len(value) > _MAX_ATTRIBUTE]
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
        state=ConnectionState(headers.get("ce-connectionState")),
        headers=headers,
    )


def _user_event(context: ConnectionContext, request: HttpRequest) -> UserEventRequest:
    content_type = request.headers.get("Content-Type") or ""
    mime_type, _, parameters = content_type.partition(";")
    data_type = _DATA_TYPES.get(mime_type.strip().lower(), DataType.BINARY)
    data: Any = request.body
    if data_type is DataType.JSON:
        data = read_json(request.body)
    elif data_type is DataType.TEXT and _OTHER_CHARSET.search(parameters):
        # An MQTT client may send text in any encoding; only its function can know how far to trust the name.
        data_type = DataType.BINARY
    elif data_type is DataType.TEXT:
        data = read_text(request.body)
    return UserEventRequest(context, data, data_type, content_type, request.body)


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
