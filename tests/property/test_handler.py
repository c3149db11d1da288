"""Whatever comes in, a response goes out."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from tests.property.strategies import EVENT_NAMES, HEADER_VALUES, JSON
from tests.wire import ACCESS_KEY, event, fixture
from webpubsub_handler import (
    AccessKeyAuthenticator,
    Authenticator,
    ConnectEventRequest,
    ConnectEventResponse,
    EventErrorResponse,
    GroupJoinedEventRequest,
    Headers,
    HttpRequest,
    HttpResponse,
    UnauthenticatedEventsAllowed,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
)
from webpubsub_handler.asgi import AsgiEventHandler

ANSWERS: Final = {200, 204, 400, 401, 404, 405, 411, 413}
SYSTEM_EVENTS: Final = [name for name in EVENT_NAMES if re.search("connect|group", name)]
AUTHENTICATORS: Final = [AccessKeyAuthenticator([ACCESS_KEY]), UnauthenticatedEventsAllowed()]
NAMES: Final = sorted({name for known in EVENT_NAMES for name, _ in fixture(known)["request"]["headers"]})
HEADERS: Final = st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=10), HEADER_VALUES), max_size=8)
METHODS: Final = st.sampled_from(["POST", "OPTIONS", "GET"]) | st.text(max_size=8)


def using_handler(authenticator: Authenticator) -> WebPubSubEventHandler:
    """A handler whose functions give back all that they get."""
    handler = WebPubSubEventHandler("chat", [authenticator], allowed_origins=["contoso.webpubsub.azure.com"])

    @handler.on_connect
    async def connect(request: ConnectEventRequest) -> ConnectEventResponse:
        request.context.state["query"] = {name: list(values) for name, values in request.query.items()}
        properties = request.mqtt.user_properties if request.mqtt else ()
        return ConnectEventResponse(
            user_id=request.context.user_id, groups=sorted(request.claims), mqtt_user_properties=properties
        )

    @handler.on_group_joined
    async def joined(request: GroupJoinedEventRequest) -> EventErrorResponse:
        return EventErrorResponse(404, request.group)

    @handler.on_user_event("*")
    async def user(request: UserEventRequest) -> UserEventResponse:
        request.context.state["name"] = [request.context.event_name, dict(request.metadata)]
        return UserEventResponse(request.data, request.data_type)

    return handler


def check(response: HttpResponse) -> None:
    assert response.status in ANSWERS
    for name, value in response.headers.items():
        assert f"{name}{value}".isascii()
        assert f"{name}{value}".isprintable()
    if response.headers.get("Content-Type") == "application/json":
        json.loads(response.body)


@given(st.sampled_from(AUTHENTICATORS), METHODS, HEADERS, st.binary())
async def test_any_request_gets_an_answer(
    authenticator: Authenticator, method: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    check(await using_handler(authenticator).handle(HttpRequest(method, Headers(headers), body)))


@given(st.sampled_from(AUTHENTICATORS), st.sampled_from(EVENT_NAMES), HEADERS, st.none() | st.binary())
async def test_any_change_of_an_event_gets_an_answer(
    authenticator: Authenticator, name: str, changes: list[tuple[str, str]], body: bytes | None
) -> None:
    check(await using_handler(authenticator).handle(event(name, body, dict(changes))))


@given(st.sampled_from(SYSTEM_EVENTS), JSON)
async def test_any_json_as_the_body_of_a_system_event_gets_an_answer(name: str, document: Any) -> None:
    check(await using_handler(UnauthenticatedEventsAllowed()).handle(event(name, json.dumps(document).encode())))


MQTT_MEMBERS: Final = [
    "protocolVersion",
    "cleanStart",
    "username",
    "password",
    "userProperties",
    "initiatedByClient",
    "disconnectPacket",
    "code",
    "name",
    "value",
]
MQTT: Final[st.SearchStrategy[Any]] = st.recursive(
    st.sampled_from([4, 5, True, "", "c2VjcmV0", None]),
    lambda values: st.dictionaries(st.sampled_from(MQTT_MEMBERS), values) | st.lists(values, max_size=3),
    max_leaves=10,
)
MEMBERS: Final = ["claims", "query", "headers", "subprotocols", "clientCertificates", "mqtt", "reason", "group"]


@given(st.sampled_from(SYSTEM_EVENTS), st.dictionaries(st.sampled_from(MEMBERS), JSON | MQTT))
async def test_known_members_of_any_type_get_an_answer(name: str, document: dict[str, Any]) -> None:
    check(await using_handler(UnauthenticatedEventsAllowed()).handle(event(name, json.dumps(document).encode())))


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=8), st.lists(st.binary()))
async def test_any_bytes_over_asgi_get_an_answer(headers: list[tuple[bytes, bytes]], parts: list[bytes]) -> None:
    messages: list[Any] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.request"})
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    application = AsgiEventHandler(using_handler(UnauthenticatedEventsAllowed()))
    await application({"type": "http", "method": "POST", "headers": headers}, receive, send)

    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] == 400
