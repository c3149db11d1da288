"""Every connection is in a room, or it is heard by nobody."""

from __future__ import annotations

import base64
import itertools
import json
from typing import Any

import pytest
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

import chat.policy
from tests.e2e.conftest import StartSystem, System, presence_events

SYSTEM_EVENTS = ("connect", "connected", "disconnected")
SUBSETS = [frozenset(subset) for size in range(4) for subset in itertools.combinations(SYSTEM_EVENTS, size)]
END = {"type": "end"}


def sdk(system: System) -> WebPubSubServiceClient:
    return WebPubSubServiceClient.from_connection_string(system.emulator.connection_string, "chat")


def client_url(access: Any) -> str:
    """Return the URL of a client as somebody makes it who forgets the room."""
    url: str = access["url"]
    return url.partition("&room=")[0]


async def seen_until_the_end(client: Any) -> list[Any]:
    """Return the data of all frames before the end."""
    seen = []
    while (frame := await client.next()).get("data") != END:
        seen.append(frame.get("data"))
    return seen


@pytest.mark.parametrize("events", SUBSETS, ids=lambda subset: "+".join(sorted(subset)) or "none")
async def test_with_any_subset_of_the_system_events_a_message_stays_in_its_room_or_goes_nowhere(
    start_system: StartSystem, events: frozenset[str]
) -> None:
    room = f"subset {'-'.join(sorted(events)) or 'none'}"
    default_room = f"{room} default"
    system = await start_system(system_events=events, DEFAULT_ROOM=default_room)
    ana, ben = await system.open(room, "ana"), await system.open(room, "ben")
    other = await system.open("subset other", "cleo")
    ack, replies = await ana.send("hello")
    async with sdk(system) as service:
        await service.send_to_all(END, content_type="application/json")
    heard = [[data for data in await seen_until_the_end(client) if data] for client in (ben, other)]
    messages = [[data["data"] for data in seen if data["type"] == "message"] for seen in heard]
    stored = [message["data"] for message in await system.history(room)]
    assert ack["success"]
    if "connect" in events:
        assert (replies, messages, stored) == ([], [["hello"], []], ["hello"])
    else:
        assert [reply["code"] for reply in replies] == ["not_a_member"]
        assert (messages, stored, await system.history(default_room)) == ([[], []], [], [])
    if not events >= {"connect", "connected"}:
        assert {data["type"] for data in heard[0]} <= {"message"}


@pytest.mark.parametrize("events", [SUBSETS[-1], SUBSETS[-1] - {"disconnected"}], ids=["told", "not told"])
async def test_who_comes_and_goes_is_told_where_the_hub_sends_these_events(
    start_system: StartSystem, events: frozenset[str]
) -> None:
    system = await start_system(system_events=events)
    ana, ben = await system.connect("r1", "ana"), await system.connect("r1", "ben")
    await ana.until(lambda frame: any(event["userId"] == "ben" for event in presence_events(frame)))
    await ben.close()
    cleo = await system.connect("r1", "cleo")
    told: list[Any] = []
    while not any(event["userId"] == "cleo" for event in told):
        told += presence_events(await ana.next())
    assert ("disconnected" in events) == any(event["event"] == "disconnected" for event in told)
    await cleo.close()


async def test_who_names_no_room_is_in_the_default_one_everywhere(system: System) -> None:
    _, access = await system.get("negotiate", userId="r2-ana")
    assert access["room"] == "lobby"
    ana = await system.open_url(access["url"])
    await ana.send("r2 hello")
    received = await ana.message()
    assert (received["room"], received["data"]) == ("lobby", "r2 hello")
    _, page = await system.get("messages", limit=1)
    assert page["messages"] == [received] == await system.history("lobby", limit=1)
    _, present = await system.get("presence")
    assert present["room"] == "lobby"
    assert "r2-ana" in [connection["userId"] for connection in present["connections"]]


async def test_the_default_room_is_a_setting(start_system: StartSystem) -> None:
    system = await start_system(DEFAULT_ROOM="r3 Foyer")
    _, access = await system.get("negotiate", userId="ana")
    assert access["room"] == "r3 Foyer"
    ana = await system.open_url(client_url(access))
    await ana.send("hello")
    assert (await ana.message())["room"] == "r3 Foyer"


async def test_a_url_without_a_room_leads_into_the_default_room_and_its_rule_is_asked(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, access = await system.get("negotiate", userId="ana", room="r4")
    asked: list[tuple[str | None, str]] = []

    def may_join(user_id: str | None, room: str) -> bool:
        asked.append((user_id, room))
        return room != "lobby"

    monkeypatch.setattr(chat.policy, "may_join", may_join)
    assert await system.upgrade_status(client_url(access)) == 403
    assert asked == [("ana", "lobby")]
    status, body = await system.get("negotiate", userId="ana")
    assert (status, body["code"]) == (403, "not_a_member")


async def test_an_empty_room_in_a_client_s_url_is_not_a_missing_one(system: System) -> None:
    _, access = await system.get("negotiate", userId="ana")
    assert await system.upgrade_status(f"{client_url(access)}&room=") == 403


async def test_a_state_of_an_older_version_is_a_list_of_one_room(system: System) -> None:
    older = base64.b64encode(b'{"room":"r5"}').decode()
    assert await system.post_event(b"hello", room=None, ce_connectionState=older) == (204, b"")
    assert [message["data"] for message in await system.history("r5")] == ["hello"]


async def test_a_banned_user_hears_no_more_of_the_room_after_the_message_that_is_refused(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    mallory, ben = await system.connect("r6", "mallory"), await system.connect("r6", "ben")
    monkeypatch.setattr(chat.policy, "may_join", lambda user_id, _: user_id != "mallory")
    _, replies = await mallory.send("refused")
    assert [reply["code"] for reply in replies] == ["not_a_member"]
    await ben.send("without mallory")
    async with sdk(system) as service:
        await service.send_to_all(END, content_type="application/json")
    heard = [data for data in await seen_until_the_end(mallory) if data and data["type"] == "message"]
    assert heard == []
    assert [message["data"] for message in await system.history("r6")] == ["without mallory"]


async def test_what_is_told_without_being_stored_stays_in_its_room(system: System) -> None:
    ana, ben = await system.connect("r7", "ana"), await system.connect("r7-other", "ben")
    await ana.event("typing", {})
    await ana.until(lambda frame: isinstance(frame.get("data"), dict) and frame["data"]["type"] == "typing")
    async with sdk(system) as service:
        await service.send_to_all(END, content_type="application/json")
    assert [data for data in await seen_until_the_end(ben) if data and data["type"] != "presence"] == []


async def test_presence_that_is_switched_off_is_told_to_nobody_and_the_list_still_answers(
    start_system: StartSystem,
) -> None:
    system = await start_system(PRESENCE="false")
    ana, ben = await system.open("r8", "ana"), await system.open("r8", "ben")
    await ben.close()
    await ana.send("hello")
    async with sdk(system) as service:
        await service.send_to_all(END, content_type="application/json")
    assert {data["type"] for data in await seen_until_the_end(ana) if data} <= {"message"}
    _, present = await system.get("presence", room="r8")
    assert "ana" in [connection["userId"] for connection in present["connections"]]


async def test_who_sends_too_fast_is_told_and_nothing_more_is_stored(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat.policy, "max_messages_per_second", lambda *_: 0.001)
    ana, ben = await system.connect("r9", "r9-ana"), await system.connect("r9", "r9-ben")
    await ana.send("first")
    ack, [reply] = await ana.send("second")
    assert ack["success"]
    assert (reply["type"], reply["code"], 0 < reply["retryAfter"] <= 1000) == ("error", "rate_limited", True)
    assert (await ben.send("mine"))[1] == []
    # Within a second messages sort by connection.
    assert sorted(message["data"] for message in await system.history("r9")) == ["first", "mine"]


async def test_the_limit_is_a_setting_and_zero_is_none(start_system: StartSystem) -> None:
    system = await start_system(MAX_MESSAGES_PER_SECOND="0")
    statuses = {(await system.post_event(room="r10", event_id=str(number)))[0] for number in range(100)}
    assert statuses == {204}


async def test_a_policy_s_reason_is_told_to_the_sender(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    def may_send(message: Any) -> bool | str:
        return b"spam" not in message.body or "No spam, please."

    monkeypatch.setattr(chat.policy, "may_send", may_send)
    status, body = await system.post_event(b"spam", room="r11")
    assert status == 200
    assert json.loads(body) == {"type": "error", "code": "refused", "message": "No spam, please."}
    assert await system.post_event(b"ham", room="r11") == (204, b"")


@pytest.mark.parametrize("verdict", [False, None, "", 0])
async def test_only_true_lets_a_message_pass(system: System, monkeypatch: pytest.MonkeyPatch, verdict: object) -> None:
    monkeypatch.setattr(chat.policy, "may_send", lambda _: verdict)
    status, body = await system.post_event(room="r12")
    assert (status, json.loads(body)["message"]) == (200, "This message may not be sent here.")
    assert await system.history("r12") == []
