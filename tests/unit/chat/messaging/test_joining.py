"""A connection joins and leaves rooms while it stays connected."""

from __future__ import annotations

import json
from typing import Any

import pytest

import chat.policy
from chat.events import ChatEvents
from chat.messaging.joining import Joining
from chat.model.rooms import MAX_ROOMS
from tests.unit.chat.test_events import FOREIGN_STATES, Rooms, code, event, events_of, state
from webpubsub_handler import UserEventResponse


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


@pytest.fixture
def events(rooms: Rooms) -> ChatEvents:
    return events_of(rooms)


async def ask(events: ChatEvents, name: str, raw: str | None, data: object) -> tuple[Any, dict[str, Any]]:
    """Send a ``join`` or ``leave`` event; return the answer's data and what the state is afterwards."""
    request = event(name, raw, data)
    answer = await getattr(events, name)(request)
    assert isinstance(answer, UserEventResponse)
    return answer.data, dict(request.context.state)


async def test_who_joins_is_put_into_the_group_and_the_state_follows_with_the_answer(
    events: ChatEvents, rooms: Rooms
) -> None:
    answer, after = await ask(events, "join", state({"rooms": ["a"]}), {"room": "b"})
    assert answer == {"type": "joined", "room": "b"}
    assert after == {"rooms": ["a", "b"]}
    assert rooms.asked == [("join", "conn-42", "b"), ("announce", "joined", "b")]


async def test_a_user_who_leaves_is_taken_out_of_the_group_and_the_state_follows_with_the_answer(
    events: ChatEvents, rooms: Rooms
) -> None:
    answer, after = await ask(events, "leave", state({"rooms": ["a", "b"]}), {"room": "a"})
    assert answer == {"type": "left", "room": "a"}
    assert after == {"rooms": ["b"]}
    assert rooms.asked == [("leave", "conn-42", "a"), ("announce", "left", "a")]


@pytest.mark.parametrize(("name", "kept"), [("join", ["a"]), ("leave", [])])
async def test_both_can_be_repeated_and_the_room_is_told_once(
    events: ChatEvents, rooms: Rooms, name: str, kept: list[str]
) -> None:
    answer, after = await ask(events, name, state({"rooms": kept}), {"room": "a"})
    assert answer["type"] in ("joined", "left")
    assert after == {"rooms": kept}
    assert rooms.asked == [(name, "conn-42", "a")]


@pytest.mark.parametrize("name", ["join", "leave"])
async def test_where_the_service_does_not_do_it_the_state_stays_and_the_sender_is_told_to_try_again(
    events: ChatEvents, rooms: Rooms, name: str
) -> None:
    rooms.is_down = True
    room = {"join": "b", "leave": "a"}[name]
    answer, after = await ask(events, name, state({"rooms": ["a"]}), {"room": room})
    assert answer == {"type": "error", "code": "unavailable", "message": "Try again.", "room": room}
    assert after == {"rooms": ["a"]}
    assert rooms.asked == [(name, "conn-42", room)]


async def test_a_connection_that_the_service_does_not_know_is_told_to_try_again(
    events: ChatEvents, rooms: Rooms
) -> None:
    rooms.knows_connections = False
    answer, after = await ask(events, "join", state({"rooms": ["a"]}), {"room": "b"})
    assert (answer["code"], answer["room"], after) == ("unavailable", "b", {"rooms": ["a"]})


async def test_who_may_not_join_stays_where_it_is(
    events: ChatEvents, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat.policy, "may_join", lambda _, room: room != "b")
    answer, after = await ask(events, "join", state({"rooms": ["a"]}), {"room": "b"})
    assert (answer["code"], answer["room"], after) == ("not_a_member", "b", {"rooms": ["a"]})
    assert rooms.asked == []


async def test_who_joins_again_and_may_not_any_more_is_taken_out(
    events: ChatEvents, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat.policy, "may_join", lambda *_: False)
    answer, after = await ask(events, "join", state({"rooms": ["a"]}), {"room": "a"})
    assert (answer["code"], after) == ("not_a_member", {"rooms": []})
    assert rooms.asked == [("leave", "conn-42", "a")]


async def test_who_may_not_be_in_one_room_any_more_stays_in_the_others(
    events: ChatEvents, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat.policy, "may_join", lambda _, room: room != "b")
    request = event("send", state({"rooms": ["a", "b", "c"]}), {"key": "k", "room": "b"})
    await events.message(request)
    assert dict(request.context.state) == {"rooms": ["a", "c"]}
    assert rooms.asked == [("leave", "conn-42", "b"), ("refuse", "b")]


@pytest.mark.parametrize(("name", "room", "kept"), [("join", "b", ["a", "b"]), ("leave", "a", [])])
async def test_the_state_of_an_older_version_becomes_a_list(
    events: ChatEvents, name: str, room: str, kept: list[str]
) -> None:
    _, after = await ask(events, name, state({"room": "a"}), {"room": room})
    assert after == {"rooms": kept}


@pytest.mark.parametrize("raw", FOREIGN_STATES)
async def test_a_connection_whose_state_names_no_rooms_joins_none(
    events: ChatEvents, rooms: Rooms, raw: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    answer, _ = await ask(events, "join", raw, {"room": "a"})
    assert answer["code"] == "not_a_member"
    assert rooms.asked == []
    assert "must send the system event connect" in caplog.text


@pytest.mark.parametrize("data", [None, 7, "a", [], {}, {"room": None}, {"room": ""}, {"room": ".."}, {"room": ["a"]}])
@pytest.mark.parametrize("name", ["join", "leave"])
async def test_an_event_that_names_no_possible_room_changes_nothing(
    events: ChatEvents, rooms: Rooms, name: str, data: object
) -> None:
    answer, after = await ask(events, name, state({"rooms": ["a"]}), data)
    assert (answer["code"], after, rooms.asked) == ("invalid_room", {"rooms": ["a"]}, [])


@pytest.mark.parametrize("character", ["x", "\N{GRINNING FACE}"], ids=["twenty", "long names"])
async def test_a_connection_joins_no_more_rooms_than_its_state_can_hold(
    events: ChatEvents, rooms: Rooms, character: str
) -> None:
    name = character * (128 // len(character.encode()) - 2)
    raw, joined = state({"rooms": []}), 0
    for number in range(MAX_ROOMS + 1):
        answer, after = await ask(events, "join", raw, {"room": f"{name}{number:02}"})
        if answer["type"] == "error":
            break
        raw, joined = state(after), joined + 1
    assert answer["code"] == "too_many_rooms"
    assert 5 < joined <= MAX_ROOMS
    assert (joined == MAX_ROOMS) == (character == "x")
    assert len([asked for asked in rooms.asked if asked[0] == "join"]) == joined


async def test_what_else_is_in_the_state_takes_its_room(events: ChatEvents) -> None:
    answer, after = await ask(events, "join", state({"rooms": ["a"], "mine": "x" * 6116}), {"room": "b"})
    assert answer["code"] == "too_many_rooms"
    assert after["rooms"] == ["a"]


@pytest.mark.parametrize("name", ["join", "leave"])
async def test_who_joins_and_leaves_too_fast_is_told_how_long_to_wait(rooms: Rooms, name: str) -> None:
    events = events_of(rooms, max_messages_per_second=0.001)
    await events.join(event("join", state({"rooms": []}), {"room": "a"}))
    asked = len(rooms.asked)
    answer = await getattr(events, name)(event(name, state({"rooms": ["a"]}), {"room": "a"}))
    assert code(answer) == "rate_limited"
    assert json.dumps(answer.data["retryAfter"])
    assert len(rooms.asked) == asked


async def test_a_room_is_joined_where_nobody_is_told_who_comes(rooms: Rooms) -> None:
    request = event("join", state({"rooms": []}), {"room": "a"})
    answer = await Joining(rooms, None).join(request)  # type: ignore[arg-type]
    assert answer.data == {"type": "joined", "room": "a"}
    assert rooms.asked == [("join", "conn-42", "a")]
