"""Our event handler with the same functions as server.mjs has."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final

from tests.wire import ACCESS_KEY
from webpubsub_handler import (
    AccessKeyAuthenticator,
    ConnectEventRequest,
    ConnectEventResponse,
    DataType,
    EventErrorResponse,
    MqttConnectEventErrorResponse,
    MqttProtocolVersion,
    MqttUserProperty,
    MqttV311ConnectReturnCode,
    MqttV500ConnectReasonCode,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
)

__all__ = ["KINDS", "SHAPES", "make_handler"]


def register_nothing(_: WebPubSubEventHandler) -> None:
    """A handler without functions."""


def accept(handler: WebPubSubEventHandler) -> None:
    def nothing(_: Any) -> None: ...

    handler.on_connect(nothing)
    handler.on_connected(nothing)
    handler.on_disconnected(nothing)
    handler.on_user_event("*")(nothing)


def reply(handler: WebPubSubEventHandler) -> None:
    @handler.on_connect
    async def connect(_: ConnectEventRequest) -> ConnectEventResponse:
        return ConnectEventResponse(user_id="ana-1", groups=["lobby"], roles=["webpubsub.joinLeaveGroup"])

    @handler.on_user_event("*")
    async def user(request: UserEventRequest) -> UserEventResponse:
        return UserEventResponse(request.data, request.data_type)


def answering(data: Any) -> Callable[[WebPubSubEventHandler], None]:
    def register(handler: WebPubSubEventHandler) -> None:
        @handler.on_user_event("*")
        async def user(_: UserEventRequest) -> UserEventResponse:
            return UserEventResponse(data)

    return register


def seen_by(request: Any) -> Any:
    context = request.context
    seen = {
        "hub": context.hub,
        "userId": context.user_id,
        "connectionId": context.connection_id,
        "eventName": context.event_name,
        "states": dict(context.state),
    }
    if isinstance(request, UserEventRequest):
        binary = request.data_type is DataType.BINARY
        seen["dataType"] = request.data_type
        seen["data"] = base64.b64encode(request.body).decode() if binary else request.data
    else:
        seen["claims"] = dict(request.claims)
        seen["query"] = dict(request.query)
        seen["subprotocols"] = request.subprotocols
    return {name: value for name, value in seen.items() if value is not None or name == "data"}


def keeping(name: str, value_of: Callable[[Any], Any]) -> Callable[[WebPubSubEventHandler], None]:
    def register(handler: WebPubSubEventHandler) -> None:
        async def keep(request: ConnectEventRequest | UserEventRequest) -> None:
            request.context.state[name] = value_of(request)

        handler.on_connect(keep)
        handler.on_user_event("*")(keep)

    return register


def refusing(status: int) -> Callable[[WebPubSubEventHandler], None]:
    def register(handler: WebPubSubEventHandler) -> None:
        async def refuse(request: ConnectEventRequest | UserEventRequest) -> EventErrorResponse:
            request.context.state["n"] = 1
            return EventErrorResponse(status, "members only")

        handler.on_connect(refuse)
        handler.on_user_event("*")(refuse)

    return register


def raising(handler: WebPubSubEventHandler) -> None:
    async def fail(_: object) -> None:
        raise RuntimeError("password=5ec4e7")

    handler.on_connect(fail)
    handler.on_user_event("*")(fail)


def unoffered(handler: WebPubSubEventHandler) -> None:
    @handler.on_connect
    async def connect(_: ConnectEventRequest) -> ConnectEventResponse:
        return ConnectEventResponse(subprotocol="chat.v9")


def with_user_properties(handler: WebPubSubEventHandler) -> None:
    @handler.on_connect
    async def connect(_: ConnectEventRequest) -> ConnectEventResponse:
        return ConnectEventResponse(user_id="ana-1", mqtt_user_properties=[MqttUserProperty("region", "weu")])


def refusing_mqtt(handler: WebPubSubEventHandler) -> None:
    @handler.on_connect
    async def connect(request: ConnectEventRequest) -> ConnectEventResponse | MqttConnectEventErrorResponse:
        if request.mqtt is None:
            return ConnectEventResponse(user_id="ana-1")
        if request.mqtt.protocol_version is MqttProtocolVersion.V311:
            return MqttConnectEventErrorResponse(MqttV311ConnectReturnCode.SERVER_UNAVAILABLE, "soon")
        code = MqttV500ConnectReasonCode.BANNED
        return MqttConnectEventErrorResponse(code, "for a day", [MqttUserProperty("ref", "77")])


SHAPES: Final[dict[str, Callable[[WebPubSubEventHandler], None]]] = {
    "nothing": register_nothing,
    "accept": accept,
    "reply": reply,
    "text": answering("Grüße"),
    "json": answering({"a": ["ü", None]}),
    "binary": answering(b"\x00\x01\xff"),
    "seen": keeping("seen", seen_by),
    "number": keeping("n", lambda _: 5),
    "refuse400": refusing(400),
    "refuse401": refusing(401),
    "refuse403": refusing(403),
    "refuse500": refusing(500),
    "raise": raising,
    "unoffered": unoffered,
    "connack": with_user_properties,
    "refuseMqtt": refusing_mqtt,
    "origins1": register_nothing,
    "origins2": register_nothing,
    "originsOther": register_nothing,
}
_EVERY: Final = frozenset({"connect", "user", "notification", "validation"})
_BOTH: Final = frozenset({"connect", "user"})
# For which requests a shape answers otherwise than a handler without functions, or has a function at all.
KINDS: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(("nothing", "accept"), _EVERY),
    **dict.fromkeys(("reply", "seen", "number", "refuse400", "refuse401", "refuse403", "refuse500", "raise"), _BOTH),
    **dict.fromkeys(("text", "json", "binary"), frozenset({"user"})),
    **dict.fromkeys(("unoffered", "connack", "refuseMqtt"), frozenset({"connect"})),
    **dict.fromkeys(("origins1", "origins2", "originsOther"), frozenset({"validation"})),
}
_ORIGINS: Final = {
    "origins1": ["https://Chat.Contoso.com"],
    "origins2": ["https://contoso.webpubsub.azure.com", "https://chat.contoso.com:8443"],
    "originsOther": ["https://other.example"],
}


def make_handler(shape: str) -> WebPubSubEventHandler:
    """Make the handler of a shape: signed events of the hub chat."""
    handler = WebPubSubEventHandler(
        "chat", [AccessKeyAuthenticator([ACCESS_KEY])], allowed_origins=_ORIGINS.get(shape, ["*"])
    )
    SHAPES[shape](handler)
    return handler
