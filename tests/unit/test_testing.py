"""What the library gives to a user's own tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.wire import ACCESS_KEY, SECONDARY_KEY, fixture
from webpubsub_handler import (
    AccessKeyAuthenticator,
    AuthenticationError,
    ConnectedEventRequest,
    ConnectEventRequest,
    ConnectEventResponse,
    DataType,
    DisconnectedEventRequest,
    EventErrorResponse,
    GroupJoinedEventRequest,
    GroupLeftEventRequest,
    HttpRequest,
    HttpResponse,
    UnauthenticatedEventsAllowed,
    UserEventRequest,
    UserEventResponse,
    WebPubSubEventHandler,
)
from webpubsub_handler.testing import EventClient, make_context, make_user_event

HOST = "x.webpubsub.azure.com"


@pytest.fixture
def handler() -> WebPubSubEventHandler:
    return WebPubSubEventHandler.from_connection_string(f"Endpoint=https://{HOST};AccessKey={ACCESS_KEY};", hub="Chat")


def keep_requests(handler: WebPubSubEventHandler) -> list[Any]:
    """Register functions that keep what they get."""
    requests: list[Any] = []
    for register in (
        handler.on_connect,
        handler.on_connected,
        handler.on_disconnected,
        handler.on_group_joined,
        handler.on_group_left,
        handler.on_user_event("*"),
    ):
        register(requests.append)
    return requests


async def test_the_life_of_a_connection_is_told_event_by_event(handler: WebPubSubEventHandler) -> None:
    requests = keep_requests(handler)
    client = EventClient(handler, user_id="ana", connection_id="conn-7")

    assert await client.connect() == ConnectEventResponse()
    assert await client.connected() is None
    assert await client.joined("lobby") is None
    assert await client.user_event("message", "hi") is None
    assert await client.left("lobby") is None
    assert await client.disconnected("PingTimeout") is None

    assert [type(request) for request in requests] == [
        ConnectEventRequest,
        ConnectedEventRequest,
        GroupJoinedEventRequest,
        UserEventRequest,
        GroupLeftEventRequest,
        DisconnectedEventRequest,
    ]
    contexts = [request.context for request in requests]
    assert [context.event_id for context in contexts] == ["1", "2", "3", "4", "5", "6"]
    assert {(context.hub, context.connection_id, context.user_id) for context in contexts} == {
        ("chat", "conn-7", "ana")
    }
    assert requests[2].group == requests[4].group == "lobby"
    assert requests[5].reason == "PingTimeout"


async def test_a_connect_event_carries_what_the_client_said(handler: WebPubSubEventHandler) -> None:
    requests = keep_requests(handler)

    await EventClient(handler).connect(
        user_id="ana",
        query={"room": "lobby", "tag": ["a", "b"]},
        claims={"role": ["editor"]},
        headers={"Origin": "https://chat.example"},
        subprotocols=["chat.v1", "chat.v2"],
    )

    assert requests[0].query == {"room": ("lobby",), "tag": ("a", "b")}
    assert requests[0].claims == {"role": ("editor",)}
    assert requests[0].headers == {"Origin": ("https://chat.example",)}
    assert requests[0].subprotocols == ("chat.v1", "chat.v2")
    assert requests[0].context.user_id == "ana"


@pytest.mark.parametrize(("user_id", "claims"), [("ana", {"sub": ("ana",)}), (None, {})])
async def test_the_subject_of_the_token_is_the_user(
    handler: WebPubSubEventHandler, user_id: str | None, claims: dict[str, object]
) -> None:
    requests = keep_requests(handler)

    await EventClient(handler, user_id=user_id).connect()

    assert requests[0].claims == claims


async def test_an_accepted_connection_goes_on_as_the_answer_says(handler: WebPubSubEventHandler) -> None:
    answer = ConnectEventResponse(
        user_id="ana-1", groups=["lobby"], roles=["webpubsub.joinLeaveGroup"], subprotocol="chat.v2"
    )

    @handler.on_connect
    async def connect(request: ConnectEventRequest) -> ConnectEventResponse:
        request.context.state["room"] = "lobby"
        return answer

    seen = []

    @handler.on_user_event("message")
    async def message(request: UserEventRequest) -> None:
        seen.append((request.context.user_id, request.context.subprotocol, dict(request.context.state)))
        request.context.state["count"] = 1

    client = EventClient(handler, user_id="ana")

    assert await client.connect(subprotocols=["chat.v1", "chat.v2"]) == answer
    assert client.state == {"room": "lobby"}
    await client.user_event("message", "hi")
    await client.user_event("message", "hi")
    assert seen == [
        ("ana-1", "chat.v2", {"room": "lobby"}),
        ("ana-1", "chat.v2", {"room": "lobby", "count": 1}),
    ]


async def test_the_only_subprotocol_that_was_offered_is_spoken(handler: WebPubSubEventHandler) -> None:
    requests = keep_requests(handler)
    client = EventClient(handler)

    await client.connect(subprotocols=["json.webpubsub.azure.v1"])
    await client.connected()

    assert requests[1].context.subprotocol == "json.webpubsub.azure.v1"


async def test_a_refusal_is_its_status_and_message(handler: WebPubSubEventHandler) -> None:
    refusal = EventErrorResponse(403, "Not here.")

    @handler.middleware
    async def refuse(request: object, call_next: object) -> EventErrorResponse:
        return refusal

    client = EventClient(handler)

    assert await client.connect() == refusal
    assert await client.connected() == refusal
    assert await client.user_event("message", "hi") == refusal


async def test_a_state_does_not_change_by_a_refusal(handler: WebPubSubEventHandler) -> None:
    client = EventClient(handler, state={"room": "lobby"})

    await client.send("azure.webpubsub.user.message", b"", {"ce-time": "2999-01-01T00:00:00Z"})

    assert client.state == {"room": "lobby"}


@pytest.mark.parametrize(
    "response",
    [
        UserEventResponse("héllo"),
        UserEventResponse(b"\x00\xff"),
        UserEventResponse({"a": [1, None]}),
        UserEventResponse(7),
        UserEventResponse("text", DataType.JSON),
        UserEventResponse("text", metadata={"lang": "en"}),
        UserEventResponse(b"\xf5", content_type="application/cbor"),
    ],
)
async def test_a_reply_is_what_the_function_returned(
    handler: WebPubSubEventHandler, response: UserEventResponse
) -> None:
    @handler.on_user_event("message")
    async def reply(_: UserEventRequest) -> UserEventResponse:
        return response

    assert await EventClient(handler).user_event("message", "hi") == response


@pytest.mark.parametrize(
    ("data", "data_type", "content_type", "seen"),
    [
        ("hi", None, None, ("hi", DataType.TEXT, "text/plain; charset=utf-8")),
        (b"\x00", None, None, (b"\x00", DataType.BINARY, "application/octet-stream")),
        ({"a": 1}, None, None, ({"a": 1}, DataType.JSON, "application/json")),
        ("hi", DataType.JSON, None, ("hi", DataType.JSON, "application/json")),
        (b"\xf5", None, "application/cbor", (b"\xf5", DataType.BINARY, "application/cbor")),
        (b"{", None, "application/json", (b"{", DataType.JSON, "application/json")),
    ],
)
async def test_a_user_event_carries_any_data(
    handler: WebPubSubEventHandler,
    data: Any,
    data_type: DataType | None,
    content_type: str | None,
    seen: tuple[Any, DataType, str],
) -> None:
    requests = keep_requests(handler)
    event = make_user_event(data, data_type=data_type, content_type=content_type)

    await EventClient(handler).user_event("message", data, data_type=data_type, content_type=content_type)

    for request in (requests[0], event):
        value = request.body if data == b"{" else request.data
        assert (value, request.data_type, request.content_type) == seen


async def test_metadata_names_and_ids_outside_ascii_arrive(handler: WebPubSubEventHandler) -> None:
    requests = keep_requests(handler)
    client = EventClient(handler, user_id='设备 "a"%')

    await client.user_event("grüße", "hi", metadata={"lang": "de"})

    assert requests[0].metadata == {"lang": "de"}
    assert requests[0].context.event_name == "grüße"
    assert requests[0].context.user_id == '设备 "a"%'


@pytest.mark.parametrize(
    "keys",
    [
        [ACCESS_KEY],
        {"*": [ACCESS_KEY]},
        {HOST: [ACCESS_KEY, SECONDARY_KEY]},
        {"a.example": [SECONDARY_KEY], HOST: [ACCESS_KEY]},
        lambda: {HOST: [ACCESS_KEY]},
    ],
    ids=str,
)
@pytest.mark.parametrize("origin", [None, HOST])
async def test_it_signs_with_a_key_of_the_handler(keys: Any, origin: str | None) -> None:
    handler = WebPubSubEventHandler("chat", [AccessKeyAuthenticator(keys)], allowed_origins=["*"])

    assert await EventClient(handler, origin=origin).connected() is None


@pytest.mark.parametrize("access_key", ["another", ""])
async def test_it_can_sign_with_another_key_or_not_at_all(handler: WebPubSubEventHandler, access_key: str) -> None:
    response = await EventClient(handler, access_key=access_key, origin=HOST).connected()

    assert isinstance(response, EventErrorResponse)
    assert response.status == 401


async def test_it_can_send_another_proof() -> None:
    class Token:
        async def authenticate(self, request: HttpRequest) -> None:
            if request.headers.get("Authorization") != "Bearer good":
                raise AuthenticationError("the token is missing")

    handler = WebPubSubEventHandler("chat", [Token()], allowed_origins=["*"])

    assert await EventClient(handler, headers={"Authorization": "Bearer good"}).connected() is None
    assert await EventClient(handler).connected() is not None


async def test_it_asks_for_consent_as_the_service_does(handler: WebPubSubEventHandler) -> None:
    client = EventClient(handler)

    assert (await client.validate()).headers["WebHook-Allowed-Origin"] == HOST
    assert (await client.validate("evil.example")).status == 400


async def test_a_header_can_be_replaced_or_omitted(handler: WebPubSubEventHandler) -> None:
    client = EventClient(handler)

    answer = await client.send("azure.webpubsub.sys.connected", b"{}", {"CE-HUB": "games", "ce-source": None})

    assert answer.status == 404


async def test_an_event_is_sent_now(handler: WebPubSubEventHandler) -> None:
    requests = keep_requests(handler)

    before = datetime.now(UTC).replace(microsecond=0)
    await EventClient(handler).connected()

    assert before <= requests[0].context.time <= datetime.now(UTC)


@pytest.mark.parametrize("name", ["connect", "connected", "disconnected", "user_text", "quirks/group_joined"])
async def test_it_sends_the_headers_that_the_wire_fixtures_have(name: str) -> None:
    recorded: list[HttpRequest] = []

    async def record(request: HttpRequest) -> HttpResponse:
        recorded.append(request)
        return HttpResponse(204)

    client = EventClient(record, user_id="ana", access_key=ACCESS_KEY, origin="localhost", state={"room": "lobby"})
    client.subprotocol = "json.webpubsub.azure.v1"
    fixed = fixture(name)["request"]
    event_type = dict(fixed["headers"])["ce-type"]

    await client.send(event_type, b"{}", {"Content-Type": dict(fixed["headers"])["Content-Type"]})

    sent = {field for field, _ in recorded[0].headers}
    expected = {field.lower() for field, _ in fixed["headers"]}
    # The service sends no state and no subprotocol before there are any; a client need not know who it is.
    assert expected - sent <= {"host"}
    assert sent - expected <= {"content-length", "ce-connectionstate", "ce-subprotocol", "ce-userid"}


async def test_a_function_that_sends_stands_in_for_the_handler() -> None:
    async def refuse(_: HttpRequest) -> HttpResponse:
        return HttpResponse.text(503, "later")

    client = EventClient(refuse)

    assert await client.user_event("message", "hi") == EventErrorResponse(503, "later")
    assert client.hub == "chat"


def test_a_context_can_be_made_for_a_function() -> None:
    sent_at = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    context = make_context(hub="Chat", user_id="ana", state={"room": "lobby"}, sent_at=sent_at)

    assert (context.hub, context.user_id, dict(context.state)) == ("chat", "ana", {"room": "lobby"})
    assert context.time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    context.state["room"] = "games"
    assert make_context().state == {}


def test_a_user_event_can_be_made_for_a_function() -> None:
    event = make_user_event({"a": 1}, user_id="ana", headers={"x-webpubsub-metadata-lang": "en"})

    assert (event.data, event.context.user_id, event.metadata) == ({"a": 1}, "ana", {"lang": "en"})


async def test_unsigned_events_pass_where_that_was_said() -> None:
    handler = WebPubSubEventHandler("chat", [UnauthenticatedEventsAllowed()], allowed_origins=["localhost"])

    assert await EventClient(handler).connected() is None


async def test_the_state_stays_when_an_answer_has_none_or_refuses() -> None:
    answers = iter(
        [
            HttpResponse(204, {"ce-connectionState": "eyJuIjoxfQ=="}),
            HttpResponse(204),
            HttpResponse(403, {"ce-connectionState": "eyJuIjoyfQ=="}),
        ]
    )

    async def send(_: HttpRequest) -> HttpResponse:
        return next(answers)

    client = EventClient(send)
    for _ in range(3):
        await client.user_event("message", "hi")
        assert client.state == {"n": 1}
