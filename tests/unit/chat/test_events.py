"""What happens on each event, function by function, without a host."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

import chat.policy
from chat.backends.service import ServiceUnavailableError
from chat.events import ChatEvents
from chat.model.incoming import InvalidMessageError, read_incoming
from chat.model.rooms import MAX_ROOMS, TOO_MANY_ROOMS
from tests.clock import Clock
from webpubsub_handler import (
    ConnectedEventRequest,
    ConnectEventRequest,
    ConnectEventResponse,
    ConnectionContext,
    DataType,
    EventErrorResponse,
    GroupJoinedEventRequest,
    Headers,
    UserEventRequest,
    UserEventResponse,
)
from webpubsub_handler.protocol.connection_state import MAX_STATE_LENGTH, ConnectionState

TIME = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
FOREIGN_STATES = [
    None,
    "",
    "%%%",
    "e30",
    base64.b64encode(b"[1]").decode(),
    *(
        base64.b64encode(json.dumps(state).encode()).decode()
        for state in (
            {},
            {"rooms": None},
            {"rooms": "lobby"},
            {"rooms": ["lobby", 7]},
            {"rooms": ["lobby", ""]},
            {"rooms": [".."]},
            {"rooms": {"lobby": 1}},
            {"room": None},
            {"room": 7},
            {"room": ""},
            {"room": ["lobby"]},
        )
    ),
]


def state(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def context(event: str, raw_state: str | None = None, user_id: str | None = "ana") -> ConnectionContext:
    return ConnectionContext(
        "chat", "conn-42", user_id, event, "7", TIME, None, ConnectionState(raw_state), Headers({})
    )


def message(raw_state: str | None, *, key: str | None = None, user_id: str | None = "ana") -> UserEventRequest:
    if key is None:
        return UserEventRequest(context("message", raw_state, user_id), b"hello", DataType.TEXT, "text/plain")
    return event("send", raw_state, {"key": key, "dataType": "text", "data": "hello"}, user_id=user_id)


def event(name: str, raw_state: str | None, data: object, *, user_id: str | None = "ana") -> UserEventRequest:
    body = json.dumps(data).encode()
    return UserEventRequest(context(name, raw_state, user_id), body, DataType.JSON, "application/json")


def connect(query: Mapping[str, Sequence[str]], user_id: str | None = "ana") -> ConnectEventRequest:
    return ConnectEventRequest(context("connect", user_id=user_id), {}, query, {}, (), ())


class Rooms:
    """Stands in for delivery, changes, service and announcer, and writes down what each was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.is_down = False
        self.knows_connections = True

    async def publish(self, _: UserEventRequest, room: str) -> None:
        self.asked.append(("publish", room))

    async def edit(self, _: UserEventRequest, room: str) -> None:
        self.asked.append(("publish", room))

    async def delete(self, _: UserEventRequest, room: str) -> None:
        self.asked.append(("publish", room))

    async def refuse(self, _: UserEventRequest, room: str, error: UserEventResponse) -> UserEventResponse:
        self.asked.append(("refuse", room))
        return error

    async def tell(self, room: str, event: Mapping[str, object]) -> None:
        self.asked.append(("tell", room, event["type"]))

    async def join(self, connection_id: str, room: str) -> bool:
        self.asked.append(("join", connection_id, room))
        if self.is_down:
            raise ServiceUnavailableError("the service does not answer")
        return self.knows_connections

    async def leave(self, connection_id: str, room: str) -> None:
        self.asked.append(("leave", connection_id, room))
        if self.is_down:
            raise ServiceUnavailableError("the service does not answer")

    async def announce(self, _: ConnectionContext, event: str, rooms: Sequence[str]) -> None:
        self.asked.append(("announce", event, *rooms))


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


def events_of(rooms: Any, **changes: Any) -> ChatEvents:
    options: dict[str, Any] = {"default_room": "lobby", "max_messages_per_second": 0, **changes}
    return ChatEvents(rooms, rooms, rooms, rooms, **options)


@pytest.fixture
def events(rooms: Rooms) -> ChatEvents:
    return events_of(rooms)


def code(answer: object) -> object:
    assert isinstance(answer, UserEventResponse)
    assert isinstance(answer.data, dict)
    return answer.data["code"]


@pytest.fixture
def banned(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    names: set[str] = set()
    monkeypatch.setattr(chat.policy, "may_join", lambda user_id, _: user_id not in names)
    return names


@pytest.mark.parametrize(("query", "room"), [({}, "lobby"), ({"room": ["a b"]}, "a b")])
async def test_a_connection_is_put_into_the_room_it_names_or_into_the_default_one(
    events: ChatEvents, query: Mapping[str, Sequence[str]], room: str
) -> None:
    request = connect(query)
    assert await events.connect(request) == ConnectEventResponse(groups=[room])
    assert dict(request.context.state) == {"rooms": [room]}


@pytest.mark.parametrize("query", [{"room": [""]}, {"room": [".."]}, {"room": ["a", ".."]}, {"room": ["x" * 129]}])
async def test_a_connection_that_names_no_possible_room_is_refused(
    events: ChatEvents, query: Mapping[str, Sequence[str]]
) -> None:
    assert await events.connect(connect(query)) == EventErrorResponse(403, "You may not join this room.")


async def test_the_policy_is_asked_about_the_default_room_too(events: ChatEvents, banned: set[str]) -> None:
    banned.add("ana")
    answer = await events.connect(connect({}))
    assert isinstance(answer, EventErrorResponse)
    assert answer.status == 403


@pytest.mark.parametrize("verdict", [False, None, 0, "", "yes", 1, object()])
async def test_only_true_lets_a_user_in(events: ChatEvents, monkeypatch: pytest.MonkeyPatch, verdict: object) -> None:
    monkeypatch.setattr(chat.policy, "may_join", lambda *_: verdict)
    assert isinstance(await events.connect(connect({})), EventErrorResponse)


@pytest.mark.parametrize("raw", [state({"rooms": ["lobby"]}), state({"room": "lobby"})], ids=["list", "older version"])
async def test_a_message_is_for_the_room_that_the_state_names(events: ChatEvents, rooms: Rooms, raw: str) -> None:
    assert await events.message(message(raw)) is None
    assert rooms.asked == [("publish", "lobby")]


@pytest.mark.parametrize("raw", FOREIGN_STATES)
async def test_a_message_of_a_connection_in_no_room_goes_nowhere(
    events: ChatEvents, rooms: Rooms, raw: str | None
) -> None:
    assert code(await events.message(message(raw))) == "not_a_member"
    await events.typing(message(raw))
    assert rooms.asked == []


@pytest.mark.parametrize("raw", FOREIGN_STATES)
async def test_the_policy_is_never_asked_about_a_room_that_cannot_exist(
    events: ChatEvents, monkeypatch: pytest.MonkeyPatch, raw: str | None
) -> None:
    def may_join(user_id: str | None, room: str) -> bool:
        pytest.fail(f"asked about {room!r}")

    monkeypatch.setattr(chat.policy, "may_join", may_join)
    await events.message(message(raw))
    await events.typing(message(raw))
    await events.connected(ConnectedEventRequest(context("connected", raw)))


@pytest.mark.parametrize("key", [None, "k-1"], ids=["message", "send"])
async def test_a_message_of_a_connection_in_several_rooms_has_to_name_one(
    events: ChatEvents, rooms: Rooms, key: str | None
) -> None:
    several = state({"rooms": ["a", "b"]})
    assert code(await events.message(message(several, key=key))) == "room_needed"
    assert code(await events.typing(event("typing", several, {}))) == "room_needed"
    assert rooms.asked == []


async def test_a_message_that_names_its_room_is_for_that_room_alone(events: ChatEvents, rooms: Rooms) -> None:
    several = state({"rooms": ["a", "b"]})
    assert await events.message(event("send", several, {"key": "k", "room": "b"})) is None
    assert await events.typing(event("typing", several, {"room": "a"})) is None
    assert rooms.asked == [("publish", "b"), ("tell", "a", "typing")]


@pytest.mark.parametrize("name", ["send", "typing"])
async def test_an_event_for_a_room_that_the_connection_is_not_in_goes_nowhere(
    events: ChatEvents, rooms: Rooms, name: str
) -> None:
    answer = await getattr(events, {"send": "message"}.get(name, name))(
        event(name, state({"rooms": ["a"]}), {"room": "b"})
    )
    assert code(answer) == "not_a_member"
    assert answer.data["room"] == "b"
    assert rooms.asked == []


async def test_a_message_with_a_key_is_looked_for_in_a_room_that_the_connection_is_not_in_any_more(
    events: ChatEvents, rooms: Rooms
) -> None:
    for raw in (state({"rooms": []}), state({"rooms": ["a"]}), None):
        answer = await events.message(event("send", raw, {"key": "k", "room": "b"}))
        assert code(answer) == "not_a_member"
    assert rooms.asked == [("refuse", "b")] * 3


async def test_sending_too_fast_to_a_room_that_the_connection_is_not_in_reads_no_store(rooms: Rooms) -> None:
    events = events_of(rooms, max_messages_per_second=0.001)
    request = event("send", state({"rooms": []}), {"key": "k", "room": "b"})
    assert [code(await events.message(request)) for _ in range(2)] == ["not_a_member", "rate_limited"]
    assert rooms.asked == [("refuse", "b")]


@pytest.mark.parametrize(("data_type", "data", "why"), [
    ("text", "\ud83d", "half of a surrogate pair"),
    ("json", "1e400", "too large"),
    ("json", "[" * 129 + "]" * 129, "too deep"),
    ("binary", "@", "base64"),
])  # fmt: skip
def test_data_that_cannot_be_read_is_refused_with_the_reason(data_type: str, data: str, why: str) -> None:
    sent = {"key": "k", "dataType": data_type, "data": data}
    with pytest.raises(InvalidMessageError, match=why):
        read_incoming(event("send", state({"rooms": ["a"]}), sent))


@pytest.mark.parametrize("room", ["", "..", 7, ["a"], {}, False])
async def test_a_room_that_cannot_be_one_is_not_the_only_one_of_the_connection(
    events: ChatEvents, rooms: Rooms, room: object
) -> None:
    one = state({"rooms": ["a"]})
    assert code(await events.message(event("send", one, {"key": "k", "room": room}))) == "invalid_message"
    assert code(await events.typing(event("typing", one, {"room": room}))) == "invalid_message"
    assert rooms.asked == []


async def test_the_room_in_the_data_of_a_plain_message_is_data(events: ChatEvents, rooms: Rooms) -> None:
    assert await events.message(event("message", state({"rooms": ["a"]}), {"room": "b"})) is None
    assert rooms.asked == [("publish", "a")]


async def test_a_connection_may_name_several_rooms_each_counted_once(events: ChatEvents) -> None:
    request = connect({"room": ["a,b", "c", "a,b"]})
    assert await events.connect(request) == ConnectEventResponse(groups=["a,b", "c"])
    assert dict(request.context.state) == {"rooms": ["a,b", "c"]}


async def test_one_room_that_may_not_be_joined_refuses_the_connection_and_is_named(
    events: ChatEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat.policy, "may_join", lambda _, room: room != "b")
    request = connect({"room": ["a", "b", "c"]})
    assert await events.connect(request) == EventErrorResponse(403, "You may not join the room b.")
    assert dict(request.context.state) == {}


@pytest.mark.parametrize(
    ("rooms", "fits"),
    [
        ([f"room {n}" for n in range(MAX_ROOMS)], True),
        ([f"room {n}" for n in range(MAX_ROOMS + 1)], False),
        (["x" * 126 + f"{n:02}" for n in range(MAX_ROOMS)], True),
        (["\N{GRINNING FACE}" * 31 + f"{n:02}" for n in range(MAX_ROOMS)], False),
    ],
    ids=["twenty", "one more", "long names", "names that take more of the state"],
)
async def test_a_connection_has_no_more_rooms_than_its_state_can_hold(
    events: ChatEvents, rooms: list[str], fits: bool
) -> None:
    request = connect({"room": rooms})
    answer = await events.connect(request)
    assert isinstance(answer, ConnectEventResponse if fits else EventErrorResponse)
    if fits:
        assert len(request.context.state.encode() or "") <= MAX_STATE_LENGTH
    else:
        assert answer == EventErrorResponse(400, TOO_MANY_ROOMS)


async def test_the_key_of_a_refused_message_is_told(events: ChatEvents) -> None:
    answer = await events.message(message(None, key="k-1"))
    assert isinstance(answer, UserEventResponse)
    assert isinstance(answer.data, dict)
    assert answer.data["key"] == "k-1"


async def test_missing_states_are_one_line_of_the_log_a_minute(rooms: Rooms, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock(1000.0)
    events = events_of(rooms, clock=clock)
    seen = []
    for now in (1000.0, 1001.0, 1059.9, 1060.0, 1061.0):
        clock.now = now
        await events.message(message(None))
        seen.append(len(caplog.records))
    assert seen == [1, 1, 1, 2, 2]
    assert "must send the system event connect" in caplog.text


async def test_an_id_that_a_client_chose_writes_no_line_of_its_own_into_the_log(
    events: ChatEvents, rooms: Rooms, banned: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    # The connection id of an MQTT client is its client id.
    banned.add("ana")
    rooms.is_down = True
    for raw in (None, state({"rooms": ["lobby"]})):
        request = message(raw)
        await events.message(replace(request, context=replace(request.context, connection_id="c\nERROR forged")))
    assert len(caplog.records) == 2
    assert all("\n" not in record.getMessage() for record in caplog.records)


async def test_a_member_who_may_not_join_any_more_is_taken_out_of_the_room(
    events: ChatEvents, rooms: Rooms, banned: set[str]
) -> None:
    banned.add("ana")
    request = message(state({"rooms": ["lobby"]}))
    assert code(await events.message(request)) == "not_a_member"
    assert rooms.asked == [("leave", "conn-42", "lobby"), ("refuse", "lobby")]
    assert dict(request.context.state) == {"rooms": []}


async def test_a_user_taken_out_of_the_room_is_refused_without_another_call_and_without_a_log_line_about_the_hub(
    events: ChatEvents, rooms: Rooms, caplog: pytest.LogCaptureFixture
) -> None:
    assert code(await events.message(message(state({"rooms": []})))) == "not_a_member"
    assert (rooms.asked, caplog.records) == ([], [])


async def test_a_user_who_could_not_be_taken_out_of_the_room_is_refused_and_the_next_message_tries_again(
    events: ChatEvents, rooms: Rooms, banned: set[str]
) -> None:
    banned.add("ana")
    rooms.is_down = True
    request = message(state({"rooms": ["lobby"]}))
    assert code(await events.message(request)) == "not_a_member"
    assert dict(request.context.state) == {"rooms": ["lobby"]}


async def test_every_room_of_a_connection_hears_that_it_comes_and_what_is_not_stored(
    events: ChatEvents, rooms: Rooms
) -> None:
    raw = state({"rooms": ["a", "b"]})
    await events.connected(ConnectedEventRequest(context("connected", raw)))
    await events.tell_rooms(context("wave", raw), {"type": "wave"})
    assert rooms.asked == [("announce", "connected", "a", "b"), ("tell", "a", "wave"), ("tell", "b", "wave")]


async def test_a_group_that_cannot_be_a_room_is_told_nothing(events: ChatEvents, rooms: Rooms) -> None:
    await events.joined(GroupJoinedEventRequest(context("joined"), ".."))
    assert rooms.asked == [("announce", "joined")]


async def test_a_user_who_sends_too_fast_is_told_how_long_to_wait_and_a_stored_message_is_looked_for(
    rooms: Rooms,
) -> None:
    events = events_of(rooms, max_messages_per_second=0.001)
    member = state({"rooms": ["lobby"]})
    assert await events.message(message(member)) is None
    answer = await events.message(message(member, key="k-2"))
    assert isinstance(answer, UserEventResponse)
    assert isinstance(answer.data, dict)
    assert (answer.data["code"], answer.data["key"]) == ("rate_limited", "k-2")
    assert 0 < answer.data["retryAfter"] <= 1000
    assert rooms.asked == [("publish", "lobby"), ("refuse", "lobby")]


async def test_announcements_beyond_the_rate_limit_are_dropped_and_do_not_count_as_messages(rooms: Rooms) -> None:
    events = events_of(rooms, max_messages_per_second=0.001)
    member = state({"rooms": ["lobby"]})
    for _ in range(3):
        await events.typing(message(member))
    assert await events.message(message(member)) is None
    assert rooms.asked == [("tell", "lobby", "typing"), ("publish", "lobby")]


async def test_users_without_a_name_are_limited_by_their_connections(rooms: Rooms) -> None:
    events = events_of(rooms, max_messages_per_second=0.001)
    member = state({"rooms": ["lobby"]})
    assert await events.message(message(member, user_id="conn-42")) is None
    assert await events.message(message(member, user_id=None)) is None
    assert code(await events.message(message(member, user_id=None))) == "rate_limited"


async def test_the_policy_says_how_fast_a_user_may_send(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    def max_messages_per_second(user_id: str | None, configured: float) -> float:
        return 0 if user_id == "ticker" else configured

    monkeypatch.setattr(chat.policy, "max_messages_per_second", max_messages_per_second)
    events = events_of(rooms, max_messages_per_second=0.001)
    member = state({"rooms": ["lobby"]})
    for _ in range(5):
        assert await events.message(message(member, user_id="ticker")) is None
    await events.message(message(member))
    assert code(await events.message(message(member))) == "rate_limited"


ASKED = state({"rooms": ["lobby"], "private": {"rooms": ["@team"], "since": "2026-11-24T09:30:00.000Z"}})


async def test_nobody_is_told_who_comes_into_a_private_room(events: ChatEvents, rooms: Rooms) -> None:
    await events.connected(ConnectedEventRequest(context("connected", ASKED)))
    await events.joined(GroupJoinedEventRequest(context("joined"), "@team"))
    assert rooms.asked == [("announce", "connected", "lobby"), ("announce", "joined")]


@pytest.mark.parametrize("room", ["@", "@team", "@no such name"])
@pytest.mark.parametrize("name", ["send", "edit", "delete", "typing", "join"])
async def test_without_private_rooms_every_name_with_an_at_sign_is_refused(
    events: ChatEvents, rooms: Rooms, name: str, room: str
) -> None:
    fields = {"room": room, "key": "k", "id": "0", "dataType": "text", "data": "hello"}
    method = {"send": "message"}.get(name, name)
    answer = await getattr(events, method)(event(name, ASKED, fields))
    assert [asked for asked in rooms.asked if asked[0] in ("publish", "tell", "join")] == []
    if name != "typing":
        assert code(answer) in ("not_a_member", "invalid_message", "invalid_room")
