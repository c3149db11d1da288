"""``may_join`` is asked at negotiate, at connect and for each event; ``may_send`` for each message."""

from __future__ import annotations

import json

import pytest

import chat.policy
from chat.model.messages import Message
from tests.e2e.conftest import System


@pytest.fixture
def banned(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Who may not join: a policy as a user would write it."""
    names: set[str] = set()

    def may_join(user_id: str | None, room: str) -> bool:
        return user_id not in names

    monkeypatch.setattr(chat.policy, "may_join", may_join)
    return names


@pytest.mark.parametrize("route", ["negotiate", "messages", "presence"])
async def test_a_user_who_may_not_join_gets_neither_url_nor_history_nor_presence(
    system: System, banned: set[str], route: str
) -> None:
    banned.add("mallory")
    status, body = await system.get(route, room="y1", userId="mallory")
    assert (status, body["code"]) == (403, "not_a_member")


async def test_a_user_who_may_not_join_cannot_connect_with_an_older_url(system: System, banned: set[str]) -> None:
    _, access = await system.get("negotiate", room="y2", userId="mallory")
    banned.add("mallory")
    assert await system.upgrade_status(access["url"]) == 403


async def test_a_member_who_is_banned_can_send_no_more(system: System, banned: set[str]) -> None:
    mallory, ben = await system.connect("y3", "mallory"), await system.connect("y3", "ben")
    await mallory.send("before")
    banned.add("mallory")
    ack, replies = await mallory.send("after")
    assert ack["success"]
    assert [reply["code"] for reply in replies] == ["not_a_member"]
    await ben.send("end")
    assert [(await ben.message())["data"], (await ben.message())["data"]] == ["before", "end"]


async def test_an_event_of_a_room_that_the_user_may_not_join_is_not_stored(system: System, banned: set[str]) -> None:
    banned.add("ana")
    status, body = await system.post_event(room="y4")
    assert (status, json.loads(body)["code"]) == (200, "not_a_member")
    assert (await system.get("messages", room="y4", userId="ben"))[1]["messages"] == []


async def test_a_banned_member_is_not_told_to_be_typing(system: System, banned: set[str]) -> None:
    mallory, ben = await system.connect("y5", "mallory"), await system.connect("y5", "ben")
    banned.add("mallory")
    await mallory.event("typing", {})
    await mallory.send("too late")  # events of one connection are handled in their order
    await ben.event("message", "end")
    frame = await ben.until(lambda frame: isinstance(frame.get("data"), dict) and frame["data"]["type"] != "presence")
    assert frame["data"]["data"] == "end"


async def test_a_message_that_may_not_pass_is_told_to_its_sender_and_not_stored(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    def may_send(message: Message) -> bool:
        return message.room != "y6" or b"spam" not in message.body

    monkeypatch.setattr(chat.policy, "may_send", may_send)
    ana = await system.connect("y6", "ana")
    ack, replies = await ana.send("spam")
    assert ack["success"]
    assert [reply["code"] for reply in replies] == ["refused"]
    await ana.send("ham")
    assert [message["data"] for message in await system.history("y6")] == ["ham"]
