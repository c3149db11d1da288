from __future__ import annotations

import json
from typing import Any

import pytest

from tests.wire import event
from webpubsub_handler import (
    ConnectEventRequest,
    ConnectEventResponse,
    ConnectionStateError,
    DataType,
    Event,
    EventErrorResponse,
    HttpResponse,
    InvalidDataError,
    UserEventRequest,
    UserEventResponse,
)
from webpubsub_handler.protocol.decode import decode
from webpubsub_handler.protocol.encode import encode, encode_invalid_data


def connecting() -> ConnectEventRequest:
    request = decode(event("quirks/connect_anonymous"))
    assert isinstance(request, ConnectEventRequest)
    return request


def sent(name: str = "user_text") -> UserEventRequest:
    """A user event of a connection without a state."""
    request = decode(event(name, headers={"ce-connectionState": None}))
    assert isinstance(request, UserEventRequest)
    return request


def replied(data: Any, data_type: DataType | None = None) -> HttpResponse:
    return encode(sent(), UserEventResponse(data, data_type))


@pytest.mark.parametrize("response", [None, ConnectEventResponse()])
def test_a_connection_is_accepted_with_204_when_there_is_nothing_to_say(response: ConnectEventResponse | None) -> None:
    assert encode(connecting(), response) == HttpResponse(204)


def test_an_accepted_connection_gets_only_what_was_given() -> None:
    response = encode(connecting(), ConnectEventResponse(groups=("lobby",)))

    assert response.status == 200
    assert response.headers == {"Content-Type": "application/json"}
    assert json.loads(response.body) == {"groups": ["lobby"]}


def test_an_accepted_connection_gets_user_groups_roles_and_subprotocol_under_the_services_names() -> None:
    answer = ConnectEventResponse(
        user_id="ünal", groups=["a", "b"], roles=["webpubsub.sendToGroup.a"], subprotocol="chat.v1"
    )

    assert json.loads(encode(connecting(), answer).body) == {
        "userId": "ünal",
        "groups": ["a", "b"],
        "roles": ["webpubsub.sendToGroup.a"],
        "subprotocol": "chat.v1",
    }


@pytest.mark.parametrize("response", [ConnectEventResponse(groups="lobby"), ConnectEventResponse(roles="admin")])
def test_one_string_is_not_a_list_of_groups_or_roles(response: ConnectEventResponse) -> None:
    with pytest.raises(TypeError, match="list of strings"):
        encode(connecting(), response)


def test_empty_groups_are_said_as_they_differ_from_none() -> None:
    response = encode(connecting(), ConnectEventResponse(groups=[]))

    assert json.loads(response.body) == {"groups": []}


@pytest.mark.parametrize("subprotocol", ["chat.v3", "CHAT.V1", ""])
def test_a_subprotocol_that_was_not_offered_is_an_error(subprotocol: str) -> None:
    with pytest.raises(ValueError, match="was not offered by the client"):
        encode(connecting(), ConnectEventResponse(subprotocol=subprotocol))


def test_a_state_that_is_set_on_connect_goes_into_the_header_without_a_body() -> None:
    request = connecting()
    request.context.state["room"] = "lobby"

    assert encode(request, None) == HttpResponse(204, {"ce-connectionState": "eyJyb29tIjoibG9iYnkifQ=="})


@pytest.mark.parametrize(
    ("data", "content_type", "body"),
    [
        ("héllo", "text/plain; charset=utf-8", "héllo".encode()),
        (b"\x00\xff", "application/octet-stream", b"\x00\xff"),
        ({"a": [1, None]}, "application/json", b'{"a":[1,null]}'),
        ([1, 2], "application/json", b"[1,2]"),
        (7, "application/json", b"7"),
        (False, "application/json", b"false"),
        (None, "application/json", b"null"),
    ],
)
def test_the_data_type_of_a_reply_follows_the_data(data: Any, content_type: str, body: bytes) -> None:
    assert replied(data) == HttpResponse(200, {"Content-Type": content_type}, body)


@pytest.mark.parametrize(
    ("data", "data_type", "body"),
    [
        ("x", DataType.TEXT, b"x"),
        ("x", DataType.JSON, b'"x"'),
        ("", DataType.JSON, b'""'),
        (b"x", DataType.BINARY, b"x"),
    ],
)
def test_a_named_data_type_holds(data: Any, data_type: DataType, body: bytes) -> None:
    assert replied(data, data_type).body == body


@pytest.mark.parametrize(
    ("data", "data_type"),
    [(7, DataType.TEXT), (b"x", DataType.TEXT), ("x", DataType.BINARY), (b"x", DataType.JSON), (object(), None)],
)
def test_data_that_is_not_of_its_data_type_is_an_error(data: Any, data_type: DataType | None) -> None:
    with pytest.raises(TypeError):
        replied(data, data_type)


@pytest.mark.parametrize("data", [float("nan"), float("inf"), [float("-inf")]])
def test_a_number_that_json_does_not_know_is_an_error(data: Any) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        replied(data)


@pytest.mark.parametrize("response", [None, UserEventResponse(""), UserEventResponse(b"")])
def test_nothing_to_say_is_204_as_an_empty_200_could_become_a_frame(response: UserEventResponse | None) -> None:
    assert encode(sent(), response) == HttpResponse(204)


@pytest.mark.parametrize(("response", "status"), [(None, 204), (UserEventResponse("hi"), 200)])
def test_a_changed_state_goes_with_the_answer(response: UserEventResponse | None, status: int) -> None:
    request = sent()
    request.context.state["a"] = 1

    answer = encode(request, response)
    assert answer.status == status
    assert answer.headers["ce-connectionState"] == "eyJhIjoxfQ=="


def test_a_state_that_cannot_be_carried_is_an_error() -> None:
    request = sent()
    request.context.state["a"] = object()

    with pytest.raises(ConnectionStateError):
        encode(request, None)


def test_an_error_is_its_status_and_its_message_as_text() -> None:
    response = encode(connecting(), EventErrorResponse(403, "not for you"))

    assert response == HttpResponse(403, {"Content-Type": "text/plain; charset=utf-8"}, b"not for you")


@pytest.mark.parametrize("status", [0, 200, 204, 302, 399, 600])
def test_an_error_response_has_the_status_of_an_error(status: int) -> None:
    with pytest.raises(ValueError, match="400 to 599"):
        EventErrorResponse(status)


@pytest.mark.parametrize("content_type", ["application/cbor", "text/plain; charset=utf-16", "a/b ;c=d"])
def test_a_reply_can_name_any_content_type(content_type: str) -> None:
    response = encode(sent(), UserEventResponse(b"\xa0", content_type=content_type))

    assert response.headers == {"Content-Type": content_type}


@pytest.mark.parametrize(
    "content_type", ["", "cbor", "a/b\r\nc: d", "a/", "/b", "a/b; ü", "a b/c", "a/b;c=d ", "a/b\n", "a/b, c/d"]
)
def test_a_content_type_that_is_none_is_an_error(content_type: str) -> None:
    with pytest.raises(ValueError, match="must be a MIME type"):
        encode(sent(), UserEventResponse(b"\xa0", content_type=content_type))


@pytest.mark.parametrize("name", ["connected", "disconnected", "quirks/group_joined", "quirks/group_left"])
def test_a_notification_is_answered_with_204(name: str) -> None:
    assert encode(decode(event(name)), None) == HttpResponse(204)


@pytest.mark.parametrize(
    ("name", "response", "allowed"),
    [
        ("connect", UserEventResponse("hi"), "ConnectEventResponse, EventErrorResponse or None"),
        ("user_text", ConnectEventResponse(), "UserEventResponse, EventErrorResponse or None"),
        ("user_text", "hi", "UserEventResponse, EventErrorResponse or None"),
        ("connected", UserEventResponse("hi"), "EventErrorResponse or None"),
        ("quirks/group_left", 7, "EventErrorResponse or None"),
    ],
)
def test_another_answer_than_the_table_allows_is_an_error_that_names_what_it_does(
    name: str, response: object, allowed: str
) -> None:
    with pytest.raises(TypeError, match=f"returned {type(response).__name__}; it may return {allowed}"):
        encode(decode(event(name)), response)


def test_a_state_that_was_changed_inside_in_a_notification_is_an_error() -> None:
    request: Event = decode(event("connected", headers={"ce-connectionState": "eyJhIjpbXX0="}))
    request.context.state["a"].append(1)

    with pytest.raises(ConnectionStateError, match="the state changed in 'connected' is lost"):
        encode(request, None)


def test_invalid_data_is_told_to_the_sender_in_a_reply_without_the_state() -> None:
    request = sent()
    request.context.state["a"] = 1

    response = encode_invalid_data(request, InvalidDataError("Too short.", code="short"))

    assert response.status == 200
    assert response.headers == {"Content-Type": "application/json"}
    assert json.loads(response.body) == {"type": "error", "code": "short", "message": "Too short."}


def test_invalid_data_of_an_mqtt_client_is_a_400_as_it_then_hears_that_its_event_failed() -> None:
    request = sent("quirks/mqtt_user_event")

    assert encode_invalid_data(request, InvalidDataError("Too short.")).status == 400
