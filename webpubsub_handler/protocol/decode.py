"""From an HTTP message to a typed event (CloudEvents HTTP binding, binary content mode)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from webpubsub_handler.exceptions import MalformedEventError
from webpubsub_handler.protocol import strict_json
from webpubsub_handler.protocol.attributes import decode_text, parse_time
from webpubsub_handler.protocol.connection_state import ConnectionState
from webpubsub_handler.protocol.events import (
    ClientCertificate,
    ConnectedEventRequest,
    ConnectEventRequest,
    ConnectionContext,
    DataType,
    DisconnectedEventRequest,
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
_DATA_TYPES: Final[Mapping[str, DataType]] = {
    "text/plain": DataType.TEXT,
    "application/json": DataType.JSON,
}


def decode(request: HttpRequest) -> Event:
    """Read an event out of a POST; a type that is not known gives an ``UnknownEvent``.

    Raises:
        MalformedEventError: Attributes are missing or unreadable, or the body is not what its type says.
    """
    event_type = request.headers.get("ce-type") or ""
    context = _context(request)
    if event_type.startswith(_USER_TYPE):
        return _user_event(context, request)
    read = _SYSTEM_EVENTS.get(event_type)
    return read(context, request.body) if read else UnknownEvent(context, event_type)


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
    data_type = _DATA_TYPES.get(content_type.partition(";")[0].strip().lower(), DataType.BINARY)
    data: Any = request.body
    if data_type is DataType.TEXT:
        data = _text(request.body)
    elif data_type is DataType.JSON:
        data = _json(request.body)
    return UserEventRequest(context, data, data_type, content_type, request.body)


def _connect(context: ConnectionContext, body: bytes) -> ConnectEventRequest:
    document = _json_object(body)
    certificates = document.get("clientCertificates") or ()
    return ConnectEventRequest(
        context,
        claims=_lists(document, "claims"),
        query=_lists(document, "query"),
        headers=_lists(document, "headers"),
        subprotocols=_strings(document.get("subprotocols") or (), "subprotocols"),
        client_certificates=tuple(_certificate(entry) for entry in _sequence(certificates, "clientCertificates")),
    )


def _connected(context: ConnectionContext, _: bytes) -> ConnectedEventRequest:
    return ConnectedEventRequest(context)


def _disconnected(context: ConnectionContext, body: bytes) -> DisconnectedEventRequest:
    reason = _json_object(body).get("reason") or None
    if reason is not None and not isinstance(reason, str):
        raise MalformedEventError("reason in the body is not a string")
    return DisconnectedEventRequest(context, reason)


_SYSTEM_EVENTS: Final[Mapping[str, Callable[[ConnectionContext, bytes], Event]]] = {
    "azure.webpubsub.sys.connect": _connect,
    "azure.webpubsub.sys.connected": _connected,
    "azure.webpubsub.sys.disconnected": _disconnected,
}


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise MalformedEventError("the body is not UTF-8") from None


def _json(body: bytes) -> Any:
    try:
        return strict_json.parse(body)
    except UnicodeDecodeError:
        raise MalformedEventError("the body is not UTF-8") from None
    except ValueError:
        raise MalformedEventError(
            f"the body is not JSON of finite numbers and at most {strict_json.MAX_DEPTH} levels"
        ) from None


def _json_object(body: bytes) -> Mapping[str, Any]:
    document = _json(body) if body else {}
    if not isinstance(document, dict):
        raise MalformedEventError("the body is not a JSON object")
    return document


def _sequence(value: Any, name: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise MalformedEventError(f"{name} in the body is not a list")
    return value


def _strings(value: Any, name: str) -> tuple[str, ...]:
    members = tuple(_sequence(value, name))
    if not all(isinstance(member, str) for member in members):
        raise MalformedEventError(f"{name} in the body holds something other than strings")
    return members


def _lists(document: Mapping[str, Any], name: str) -> Mapping[str, Sequence[str]]:
    value = document.get(name) or {}
    if not isinstance(value, dict):
        raise MalformedEventError(f"{name} in the body is not an object")
    return {key: _strings(members or (), name) for key, members in value.items()}


def _certificate(entry: Any) -> ClientCertificate:
    thumbprint = entry.get("thumbprint") if isinstance(entry, dict) else None
    content = entry.get("content") if isinstance(entry, dict) else None
    if not isinstance(thumbprint, str) or not isinstance(content, str | None):
        raise MalformedEventError("clientCertificates in the body holds something other than certificates")
    return ClientCertificate(thumbprint, content)
