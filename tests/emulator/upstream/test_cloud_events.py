"""What goes to an event handler, against the wire fixtures that the handler's own tests read too."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict

from webpubsub_emulator.core.connection import ConnectionContext
from webpubsub_emulator.core.messages import DataType, Payload
from webpubsub_emulator.upstream import cloud_events
from webpubsub_emulator.upstream.cloud_events import AnswerError, ConnectAnswer, Event
from webpubsub_emulator.upstream.event_handlers import EventHandler

FIXTURES = Path(__file__).parents[2] / "events"
STATE = "eyJyb29tIjoibG9iYnkifQ=="
TIME = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
EVENTS: dict[str, tuple[int, Event]] = {
    "connect": (
        0,
        cloud_events.connect_event(
            {"sub": "ana"},
            {"room": ["lobby"], "access_token": ["secret"]},
            [("Host", "localhost:8080"), ("Authorization", "Bearer secret")],
            ["json.webpubsub.azure.v1"],
        ),
    ),
    "connected": (1, cloud_events.connected_event()),
    "user_text": (2, cloud_events.user_event("message", Payload(DataType.TEXT, "Grüße, 世界 👋".encode()))),
    "user_json": (3, cloud_events.user_event("message", Payload(DataType.JSON, b'{"score":7,"tags":["a",null]}'))),
    "user_json_scalar": (4, cloud_events.user_event("message", Payload(DataType.JSON, b"true"))),
    "user_binary": (5, cloud_events.user_event("message", Payload(DataType.BINARY, b"\x00\x01\x02\xff"))),
    "disconnected": (9, cloud_events.disconnected_event(None)),
}


def fixture(name: str) -> dict[str, Any]:
    request: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text())["request"]
    return request


def context(name: str = "", **changes: Any) -> ConnectionContext:
    seen = ConnectionContext("chat", "conn-42", "ana")
    if name != "connect":
        seen.subprotocol, seen.state = "json.webpubsub.azure.v1", STATE
    for field, value in changes.items():
        setattr(seen, field, value)
    return seen


def headers_of(event: Event, seen: ConnectionContext, event_id: int = 1) -> dict[str, str]:
    signature = cloud_events.sign(seen.connection_id, ["primary-key-0001", "secondary-key-0002"])
    return cloud_events.event_headers(
        event, seen, event_id=event_id, time=TIME, origin="localhost", signature=signature
    )


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_the_fixture_header_for_header(name: str) -> None:
    event_id, event = EVENTS[name]
    wanted = fixture(name)
    assert [list(pair) for pair in headers_of(event, context(name), event_id).items()] == wanted["headers"]
    body = wanted["body"]
    assert event.body == (body["text"].encode() if "text" in body else base64.b64decode(body["base64"]))
    assert EventHandler("http://h/api/eventhandler/{event}").url("chat", event.name) == f"http://h{wanted['path']}"


def test_every_fixture_is_compared() -> None:
    assert {path.stem for path in FIXTURES.glob("*.json")} == set(EVENTS)


@pytest.mark.parametrize(
    ("user_id", "header"),
    [("ana", "ana"), ("Ünal 1", "%C3%9Cnal%201"), ('100%"', "100%25%22"), ("a@b~(c)/d?", "a@b~(c)/d?"), ("\n", "%0A")],
)
def test_a_user_id_is_encoded_as_cloudevents_say(user_id: str, header: str) -> None:
    assert headers_of(cloud_events.connected_event(), context(user_id=user_id))["ce-userId"] == header


def test_a_user_that_there_is_not_has_no_header() -> None:
    assert "ce-userId" not in headers_of(cloud_events.connected_event(), context(user_id=None))


def test_metadata_travels_as_headers() -> None:
    event = cloud_events.user_event("message", Payload(DataType.TEXT, b"", {"Trace-Id": "7"}))
    assert headers_of(event, context())["x-webpubsub-metadata-trace-id"] == "7"


def test_claims_and_headers_are_lists_of_strings() -> None:
    claims = {"exp": 5, "role": ["a", "b"], "flag": True, "address": {"city": "Köln"}, "none": None, "empty": []}
    event = cloud_events.connect_event(claims, {}, [("X", "1"), ("X", "\udcff")], [])
    body = json.loads(event.body)
    assert body["claims"] == {
        "exp": ["5"],
        "role": ["a", "b"],
        "flag": ["true"],
        "address": ['{"city":"Köln"}'],
        "none": [""],
    }
    assert body["headers"] == {"X": ["1", "?"]}


@pytest.mark.parametrize("body", [b"", b"  ", b"null", b"{}", b'{"groups":[],"userId":null,"more":1}'])
def test_an_answer_without_a_decision_keeps_the_token(body: bytes) -> None:
    assert cloud_events.connect_answer(body) == ConnectAnswer()


def test_an_answer_decides() -> None:
    body = b'{"userId":"","roles":[],"groups":["g"],"subprotocol":"p"}'
    assert cloud_events.connect_answer(body) == ConnectAnswer("", (), ("g",), "p")


@pytest.mark.parametrize(
    "body",
    [
        b'{"UserId":"eve","Roles":["r"],"Groups":["g"],"Subprotocol":"p"}',
        b'{"USERID":"eve","roles":["r"],"gROUPS":["g"],"subProtocol":"p"}',
        b'{"userId":"ana","UserId":"eve","Roles":["r"],"groups":["g"],"subprotocol":"p"}',
        b'\xef\xbb\xbf{"userId":"eve","roles":["r"],"groups":["g"],"subprotocol":"p"}',
    ],
)
def test_the_keys_of_an_answer_are_read_in_any_case(body: bytes) -> None:
    answer = cloud_events.connect_answer(body)
    assert (answer, answer.unknown_keys) == (ConnectAnswer("eve", ("r",), ("g",), "p"), ())


def test_the_keys_of_an_answer_that_decide_nothing_are_named() -> None:
    assert cloud_events.connect_answer(b'{"user":"eve","group\\n":["g"]}').unknown_keys == ("'user'", r"'group\n'")
    many = json.dumps({"k" * 1000 + str(number): 1 for number in range(1000)}).encode()
    assert sum(map(len, cloud_events.connect_answer(many).unknown_keys)) < 2000


def test_a_number_of_any_length_in_an_answer_is_valid_json() -> None:
    assert cloud_events.connect_answer(b'{"more":' + b"9" * 5000 + b"}") == ConnectAnswer()


@pytest.mark.parametrize(
    "body",
    [
        b"x",
        b"[]",
        b"1",
        b'{"userId":1}',
        b'{"roles":"a"}',
        b'{"roles":[1]}',
        b'{"groups":[" "]}',
        b'{"subprotocol":[]}',
        b"\xff",
        '{"userId":"eve"}'.encode("utf-16"),
        b'{"userId":"\\ud800"}',
        b'{"more":' + b"[" * 501 + b"]" * 501 + b"}",
    ],
)
def test_an_answer_that_cannot_be_read_is_an_error(body: bytes) -> None:
    with pytest.raises(AnswerError):
        cloud_events.connect_answer(body)


@pytest.mark.parametrize(
    ("content_type", "body", "payload"),
    [
        (None, b"x", Payload(DataType.BINARY, b"x")),
        ("text/plain", b"x", Payload(DataType.TEXT, b"x")),
        ("text/plain; charset=latin-1", b"\xfc", Payload(DataType.TEXT, "ü".encode())),
        ("text/plain; charset=", "ü".encode(), Payload(DataType.TEXT, "ü".encode())),
        ("Text/Plain; Charset=UTF-8", "ü".encode(), Payload(DataType.TEXT, "ü".encode())),
        ("Application/JSON", b"[1]", Payload(DataType.JSON, b"[1]")),
        ("application/octet-stream", b"\xff", Payload(DataType.BINARY, b"\xff")),
        ("text/html", b"", None),
    ],
)
def test_the_answer_to_a_user_event_is_a_message(
    content_type: str | None, body: bytes, payload: Payload | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    assert cloud_events.user_event_answer(body, headers) == payload


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/json", "application/octet-stream", "text/html"]
)
def test_metadata_without_a_body_is_a_message_of_empty_text(content_type: str | None) -> None:
    headers = {"X-WebPubSub-Metadata-K": "v"} | ({} if content_type is None else {"Content-Type": content_type})
    assert cloud_events.user_event_answer(b"", headers) == Payload(DataType.TEXT, b"", {"k": "v"})


def test_metadata_that_names_no_key_is_ignored() -> None:
    assert cloud_events.user_event_answer(b"", {"X-WebPubSub-Metadata-": "v"}) is None


def test_metadata_that_cannot_travel_is_an_error_without_a_body_too() -> None:
    with pytest.raises(AnswerError, match="A metadata value"):
        cloud_events.user_event_answer(b"", {"X-WebPubSub-Metadata-K": "v" * 1025})


@pytest.mark.parametrize(
    "body", [b"10.00", b' {"a" : 1e2}\n', b'"\\ud800"', b"9" * 5000, b"null", b"0.12345678901234567890"]
)
def test_json_in_an_answer_stays_as_it_was_written(body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    assert cloud_events.user_event_answer(body, headers) == Payload(DataType.JSON, body)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("text/html", b"x"), ("application/json", b"{"), ("text/plain", b"\xff"), ("text/plain; charset=none", b"x")],
)
def test_an_answer_of_another_type_is_an_error(content_type: str, body: bytes) -> None:
    with pytest.raises(AnswerError):
        cloud_events.user_event_answer(body, {"Content-Type": content_type})


def test_of_several_states_the_last_counts_and_an_empty_one_is_one() -> None:
    name = "CE-ConnectionState"
    assert cloud_events.connection_state(CIMultiDict([(name, "one"), (name, "two")])) == "two"
    assert cloud_events.connection_state(CIMultiDict([(name, "one"), (name, "")])) == ""
    assert cloud_events.connection_state({}) is None


def test_a_state_that_no_header_can_hold_is_an_error() -> None:
    with pytest.raises(AnswerError, match="printable ASCII"):
        cloud_events.connection_state({"ce-connectionState": "ü"})
