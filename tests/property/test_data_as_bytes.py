"""JSON data goes through the emulator byte for byte, whatever valid JSON it is, from wherever it comes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final, NoReturn, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.emulator.fakes import FakeOutbox, FakeUpstream, limits
from tests.emulator.wire_format import field
from webpubsub_emulator.clients.session import ClientSession
from webpubsub_emulator.core.client_protocol import ClientProtocol
from webpubsub_emulator.core.connection import Connection, ConnectionContext
from webpubsub_emulator.core.hub import Hubs
from webpubsub_emulator.core.json_text import JsonTextError, check_json, parse_json_object
from webpubsub_emulator.core.messages import DataType, payload_from_http
from webpubsub_emulator.core.recovery import Recovery
from webpubsub_emulator.subprotocols.json import JsonProtocol
from webpubsub_emulator.subprotocols.protobuf import ProtobufProtocol
from webpubsub_emulator.subprotocols.protobuf_messages import Downstream
from webpubsub_emulator.subprotocols.simple import SimpleProtocol
from webpubsub_emulator.upstream import cloud_events
from webpubsub_emulator.upstream.dispatcher import Upstream

ROLES: Final = ("webpubsub.sendToGroup",)
WHITE_SPACE: Final = st.text(" \t\n\r", max_size=2)
DIGITS: Final = st.text("0123456789", min_size=1, max_size=25)
HEX: Final = st.text("0123456789abcdefABCDEF", min_size=4, max_size=4)


def joined(*parts: st.SearchStrategy[str] | str) -> st.SearchStrategy[str]:
    return st.tuples(*(st.just(part) if isinstance(part, str) else part for part in parts)).map("".join)


def optional(part: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.just("") | part


INTEGERS: Final = st.just("0") | joined(st.sampled_from("123456789"), optional(DIGITS))
NUMBERS: Final = joined(
    optional(st.just("-")),
    INTEGERS,
    optional(joined(".", DIGITS)),
    optional(joined(st.sampled_from("eE"), st.sampled_from(["", "+", "-"]), DIGITS)),
)
CHARACTERS: Final = st.characters(exclude_categories=["Cs"], exclude_characters=['"', "\\"], min_codepoint=32)
ESCAPES: Final = st.sampled_from(list('"\\/bfnrt')).map("\\".__add__) | HEX.map("\\u".__add__)
SURROGATES: Final = st.sampled_from(["\\ud800", "\\uDFFF", "\\ud83d\\ude00", "\\udc00\\ud800"])
STRINGS: Final = st.lists(CHARACTERS | ESCAPES | SURROGATES, max_size=5).map(lambda parts: f'"{"".join(parts)}"')


def padded(part: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return joined(WHITE_SPACE, part, WHITE_SPACE)


def bracketed(opening: str, parts: st.SearchStrategy[str], closing: str) -> st.SearchStrategy[str]:
    inner = st.lists(padded(parts), min_size=1, max_size=3).map(",".join) | WHITE_SPACE
    return joined(opening, inner, closing)


VALUES: Final[st.SearchStrategy[str]] = st.recursive(
    NUMBERS | STRINGS | st.sampled_from(["true", "false", "null"]),
    lambda values: bracketed("[", values, "]") | bracketed("{", joined(padded(STRINGS), ":", padded(values)), "}"),
    max_leaves=8,
)
# In a JSON frame of a client ``null`` is not data.
DATA: Final = VALUES.filter(lambda text: text != "null")


class Room:
    """Members of a group with a client of each kind, and an event handler that answers with what the test wants."""

    def __init__(self) -> None:
        self.hubs = Hubs()
        self.upstream = FakeUpstream()
        self.outboxes: list[FakeOutbox] = []
        self.sessions = [
            self.session(JsonProtocol()),
            self.session(JsonProtocol(), Recovery("token")),
            self.session(ProtobufProtocol()),
            self.session(SimpleProtocol()),
        ]

    def session(self, protocol: ClientProtocol, recovery: Recovery | None = None) -> ClientSession:
        self.outboxes.append(FakeOutbox())
        context = ConnectionContext("chat", str(len(self.outboxes)))
        connection = Connection(context, protocol, self.outboxes[-1], ROLES, recovery)
        upstream = cast(Upstream, self.upstream)
        session = ClientSession(connection, self.hubs, upstream, limits(), lambda _: None)
        session.start(("g",))
        return session

    async def end(self) -> None:
        """Let everything happen that can, then end all connections."""
        for _ in range(20):
            await asyncio.sleep(0)
        for session in self.sessions:
            session.end(None)
            await session.worker

    def heard(self) -> list[bytes]:
        """The data of the last message that each client has got, cut out of what is on the wire around it."""
        json_frame, reliable, protobuf, simple = (outbox.frames[-1].data for outbox in self.outboxes)
        start, end = b'"dataType":"json","data":', b',"sequenceId":1}'
        assert json_frame.endswith(b"}")
        assert reliable.endswith(end)
        return [
            json_frame[:-1].partition(start)[2],
            reliable.removesuffix(end).partition(start)[2],
            Downstream.FromString(protobuf).message.data.json.encode(),
            simple,
        ]


def json_frame(text: str, spaces: list[str], kind: str, order: int) -> str:
    members = [f'"type":"{kind}"', '"group":"g"', '"event":"e"', f'"data"{spaces[0]}:{spaces[1]}{text}{spaces[2]}']
    return spaces[3] + "{" + ",".join(members[order:] + members[:order]) + "}"


def protobuf_frame(text: str, _: list[str], kind: str, __: int) -> bytes:
    data = field(4, text)
    return (
        field(1, field(1, "g") + field(3, data)) if kind == "sendToGroup" else field(5, field(1, "e") + field(2, data))
    )


@pytest.mark.parametrize(("sender", "frame"), [(0, json_frame), (1, json_frame), (2, protobuf_frame)])
@given(DATA, st.lists(WHITE_SPACE, min_size=4, max_size=4), st.integers(0, 3))
@example("10.00", [""] * 4, 0)
@example("1e2", [" "] * 4, 1)
@example("-0", ["\n"] * 4, 2)
@example("0.12345678901234567890", [""] * 4, 3)
@example('"\\ud800"', [""] * 4, 0)
def test_what_a_client_sends_reaches_clients_and_the_event_handler_as_it_was_written(
    sender: int, frame: Callable[[str, list[str], str, int], str | bytes], text: str, spaces: list[str], order: int
) -> None:
    async def run() -> None:
        room = Room()
        for kind in ("sendToGroup", "event"):
            await room.sessions[sender].receive(frame(text, spaces, kind, order))
        await room.end()
        assert [outbox.closed for outbox in room.outboxes] == [None] * 4
        assert room.heard() == [text.encode()] * 4
        sent = next(event for event in room.upstream.events if event.family == "user")
        assert (sent.content_type, sent.body) == ("application/json", text.encode())

    asyncio.run(run())


@given(padded(VALUES))
@example("\r\n10.00 ")
def test_what_an_event_handler_answers_reaches_the_sender_as_it_was_written(text: str) -> None:
    async def run() -> None:
        room = Room()
        headers = {"Content-Type": "application/json"}
        room.upstream.answer = cloud_events.user_event_answer(text.encode(), headers)
        await room.sessions[0].receive('{"type":"event","event":"e","data":1}')
        await room.sessions[1].receive('{"type":"event","event":"e","data":1}')
        await room.sessions[2].receive(field(5, field(1, "e") + field(2, field(1, ""))))
        await room.sessions[3].receive("hi")
        await room.end()
        assert room.heard() == [text.encode()] * 4

    asyncio.run(run())


@given(VALUES)
def test_the_answer_to_an_invocation_is_as_it_was_written(text: str) -> None:
    payload = payload_from_http("application/json", text.encode(), {})
    written = JsonProtocol().invoke_response("1", payload).data
    assert written.partition(b'"data":')[2] == text.encode() + b"}"
    response = Downstream.FromString(ProtobufProtocol().invoke_response("1", payload).data).invoke_response
    assert response.data.json == text


@given(padded(VALUES))
def test_the_body_of_a_rest_call_is_sent_as_it_was_written(text: str) -> None:
    payload = payload_from_http("application/json", text.encode(), {})
    assert (payload.data_type, payload.body) == (DataType.JSON, text.encode())


def refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def is_json(text: str) -> bool:
    """What the standard library says, without its limit of digits and its constants."""
    try:
        json.loads(text, parse_constant=refuse, parse_int=str)
    except ValueError:
        return False
    return True


@given(padded(VALUES), st.integers(0, 200), st.text(max_size=2), st.integers(0, 2))
def test_a_text_is_taken_exactly_when_it_is_json(text: str, place: int, more: str, less: int) -> None:
    place %= len(text) + 1
    changed = text[:place] + more + text[place + less :]
    try:
        check_json(changed)
    except JsonTextError:
        assert not is_json(changed)
    else:
        assert is_json(changed)


@given(
    padded(bracketed("{", joined(padded(STRINGS), ":", padded(VALUES)), "}")), st.integers(0, 200), st.text(max_size=1)
)
def test_the_members_of_an_object_are_its_own(text: str, place: int, more: str) -> None:
    place %= len(text) + 1
    changed = text[:place] + more + text[place:]
    value: Any = json.loads(changed, parse_int=float) if is_json(changed) else None
    try:
        members = parse_json_object(changed)
    except JsonTextError:
        assert not isinstance(value, dict)
    else:
        assert members == value
        assert {name: json.loads(members.text_of(name), parse_int=float) for name in members} == value
        assert all(members.text_of(name) == members.text_of(name).strip(" \t\r\n") for name in members)
