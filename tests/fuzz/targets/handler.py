"""Bytes as an HTTP message to the event handler: a response of a known status, never an exception.

The input reads like HTTP: a line with the method, a line for each header field, an empty line, the body.
"""

from __future__ import annotations

import json
from typing import Final

from webpubsub_handler import (
    ConnectEventRequest,
    ConnectEventResponse,
    DisconnectedEventRequest,
    EventErrorResponse,
    Headers,
    HttpRequest,
    UnauthenticatedEventsAllowed,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
)

__all__ = ["fuzz_one"]

ANSWERS: Final = {200, 204, 400, 404, 405, 411, 413}
handler: Final = WebPubSubEventHandler(
    "chat", [UnauthenticatedEventsAllowed()], allowed_origins=["contoso.webpubsub.azure.com"]
)


@handler.on_connect
async def connect(request: ConnectEventRequest) -> ConnectEventResponse:
    """Use all that a connect event has."""
    request.context.state.setdefault("seen", len(request.query))
    properties = request.mqtt.user_properties if request.mqtt else ()
    return ConnectEventResponse(
        user_id=request.context.user_id, groups=sorted(request.claims), mqtt_user_properties=properties
    )


@handler.on_disconnected
async def disconnected(request: DisconnectedEventRequest) -> EventErrorResponse | None:
    """Fail where the body says so: MQTT clients and others."""
    return EventErrorResponse(404, request.reason) if request.reason else None


@handler.on_user_event("*")
async def user(request: UserEventRequest) -> UserEventResponse:
    """Return back what came."""
    request.context.state.clear()
    request.context.state["properties"] = [*request.metadata, *map(str, request.mqtt_user_properties)][:2]
    return UserEventResponse(request.data, request.data_type)


def to_request(data: bytes) -> HttpRequest:
    """Read the input as an HTTP message; every input is one."""
    head, _, body = data.partition(b"\n\n")
    method, *lines = head.decode("latin-1").split("\n")
    fields = [line.partition(":")[::2] for line in lines]
    return HttpRequest(method, Headers([(name, value.strip(" ")) for name, value in fields]), body)


async def fuzz_one(data: bytes) -> None:
    """Let the handler answer one input."""
    response = await handler.handle(to_request(data))
    if response.status not in ANSWERS:
        raise AssertionError(f"answered {response.status}")
    text = "".join(f"{name}{value}" for name, value in response.headers.items())
    if not (text.isascii() and text.isprintable()):
        raise AssertionError(f"the header fields {response.headers!r} cannot be sent")
    if response.headers.get("Content-Type") == "application/json":
        json.loads(response.body)
