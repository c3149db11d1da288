"""From a typed response to an HTTP message."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from webpubsub_handler.protocol.connection_state import ConnectionState
from webpubsub_handler.protocol.events import ConnectEventRequest, DataType
from webpubsub_handler.protocol.http import HttpResponse
from webpubsub_handler.protocol.responses import ConnectEventResponse, EventErrorResponse, UserEventResponse

__all__ = ["encode_connect", "encode_error", "encode_user_event"]

_CONTENT_TYPES: Final = {
    DataType.TEXT: "text/plain; charset=utf-8",
    DataType.JSON: "application/json",
    DataType.BINARY: "application/octet-stream",
}


def encode_connect(request: ConnectEventRequest, response: ConnectEventResponse | None) -> HttpResponse:
    """Make the answer that accepts a connection; 204 when there is nothing to say.

    Raises:
        ValueError: The chosen subprotocol was not offered.
        ConnectionStateError: The state cannot be carried.
    """
    headers = _state_header(request.context.state)
    answer: dict[str, Any] = {}
    if response is not None:
        fields = {
            "userId": response.user_id,
            "groups": None if response.groups is None else _strings("groups", response.groups),
            "roles": None if response.roles is None else _strings("roles", response.roles),
            "subprotocol": response.subprotocol,
        }
        answer = {name: value for name, value in fields.items() if value is not None}
        if response.subprotocol is not None and response.subprotocol not in request.subprotocols:
            raise ValueError(f"subprotocol {response.subprotocol!r} was not offered by the client")
    if not answer:
        return HttpResponse(204, headers)
    return HttpResponse(200, {"Content-Type": "application/json", **headers}, _json(answer))


def encode_user_event(state: ConnectionState, response: UserEventResponse | None) -> HttpResponse:
    """Make the answer to a user event; 204 when there is nothing to say, as the service may send an empty frame else.

    Raises:
        TypeError: The data is not of its data type.
        ConnectionStateError: The state cannot be carried.
    """
    headers = _state_header(state)
    if response is None:
        return HttpResponse(204, headers)
    data_type, body = _payload(response)
    if not body:
        return HttpResponse(204, headers)
    return HttpResponse(200, {"Content-Type": _CONTENT_TYPES[data_type], **headers}, body)


def encode_error(response: EventErrorResponse) -> HttpResponse:
    """Make the answer that refuses; a state is never changed by it."""
    return HttpResponse.text(response.status, response.message)


def _state_header(state: ConnectionState) -> dict[str, str]:
    encoded = state.encode()
    return {} if encoded is None else {"ce-connectionState": encoded}


def _payload(response: UserEventResponse) -> tuple[DataType, bytes]:
    data, data_type = response.data, response.data_type
    if data_type is DataType.JSON or (data_type is None and not isinstance(data, str | bytes)):
        return DataType.JSON, _json(data)
    if isinstance(data, str) and data_type in (DataType.TEXT, None):
        return DataType.TEXT, data.encode(errors="replace")
    if isinstance(data, bytes) and data_type in (DataType.BINARY, None):
        return DataType.BINARY, data
    raise TypeError(f"data of a {data_type} response cannot be {type(data).__name__}")


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _strings(name: str, values: Sequence[str]) -> list[str]:
    # A string is a sequence of strings too, and "lobby" would become five groups.
    if isinstance(values, str):
        raise TypeError(f"{name} must be a list of strings, not one string")
    return list(values)
