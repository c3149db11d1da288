"""Private rooms: only members are in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import pytest

import chat.messaging.private_rooms
import chat.policy
from tests.chat_client import text_of
from tests.e2e.conftest import StartSystem, System

T_ = TypeVar("T_")


async def test_members_hear_each_other_and_nobody_else_does(system: System) -> None:
    ana, ben, cleo = [await system.chat(f"v1-{name}") for name in ("ana", "ben", "cleo")]
    for client in (ana, ben, cleo):
        assert await client.login() == []
    room = await ana.create("v1", "v1-ben")
    assert room == {
        "roomId": "v1",
        "title": "A title",
        "defaultConversationId": "v1",
        "members": ["v1-ana", "v1-ben"],
    }
    assert await ben.next("RoomJoined") == {"roomId": "v1", "title": "A title", "defaultConversationId": "v1"}
    sent = await ana.send("v1", "hello")
    heard = await ben.next("MessageCreated")
    assert heard["conversation"] == {"roomId": "v1", "conversationId": "v1", "topicId": None}
    assert heard["message"] | {"createdAt": ""} == {
        "messageId": sent["id"],
        "createdAt": "",
        "bodyType": "text/plain",
        "messageBodyType": "Inline",
        "content": {"text": "hello", "binary": None},
        "refMessageId": None,
        "createdBy": "v1-ana",
    }
    assert await ben.history("v1") == {"messages": [heard["message"]], "nextQuery": None}
    assert (await cleo.send("v1", "let me in"))["code"] == "RoomNotFound"
    await cleo.create("v1-own")
    await cleo.send("v1-own", "x", key="x")
    assert await cleo.login() == ["v1-own"]
    assert [notification["notificationType"] for notification in cleo.told] == []


async def test_a_connection_that_comes_back_without_a_login_hears_its_rooms(system: System) -> None:
    ana = await system.chat("v2-ana")
    await ana.create("v2", "v2-ben")
    ben = await system.chat("v2-ben")
    await ana.send("v2", "hello")
    assert await ben.text() == "hello"


async def test_a_login_lets_a_connection_hear_that_asked_for_no_private_room(system: System) -> None:
    ana = await system.chat("v3-ana")
    await ana.create("v3", "v3-ben")
    ben = await system.chat("v3-ben", room="lobby")
    assert await ben.login() == ["v3"]
    await ana.send("v3", "hello")
    assert await ben.text() == "hello"


async def test_a_removed_member_hears_nothing_more_and_may_do_nothing_more(system: System) -> None:
    ana, ben = await system.chat("v4-ana"), await system.chat("v4-ben")
    await ana.create("v4", "v4-ben")
    await ben.create("v4-own")
    assert await ana.remove("v4", "v4-ben") == {}
    assert await ana.next("RoomMemberLeft") == {"roomId": "v4", "title": "A title", "userId": "v4-ben"}
    await ana.send("v4", "in private")
    assert (await ben.send("v4", "still here?"))["code"] == "RoomNotFound"
    assert (await ben.history("v4"))["code"] == "RoomNotFound"
    assert (await ben.room("v4"))["code"] == "RoomNotFound"
    await ben.event("send", {"room": "@v4-own", "key": "end", "dataType": "text", "data": "end"})
    assert await ben.told_until("end") == ["RoomJoined", "RoomLeft"]
    assert await ben.login() == ["v4-own"]


async def test_history_presence_and_negotiate_refuse_a_stranger_as_they_refuse_a_room_that_is_not(
    system: System,
) -> None:
    ana = await system.chat("v5-ana")
    await ana.create("v5")
    for route in ("messages", "presence", "negotiate"):
        assert (await system.get(route, userId="v5-ana", room="@v5"))[0] == 200
        refused = await system.get(route, userId="v5-ben", room="@v5")
        missing = await system.get(route, userId="v5-ben", room="@v5-not")
        assert refused[0] == missing[0] == 403
        assert refused[1] | {"room": ""} == missing[1] | {"room": ""}
        assert refused[1]["code"] == "not_a_member"


async def test_who_is_added_is_told_and_so_are_the_others(system: System) -> None:
    ana, ben = await system.chat("v6-ana"), await system.chat("v6 'ben")
    await ana.create("v6", title="Ünser Raum")
    assert await ana.add("v6", "v6 'ben") == {}
    assert await ben.next("RoomJoined") == {"roomId": "v6", "title": "Ünser Raum", "defaultConversationId": "v6"}
    assert await ana.next("RoomMemberJoined") == {"roomId": "v6", "title": "Ünser Raum", "userId": "v6 'ben"}
    await ana.send("v6", "hello")
    assert await ben.text() == "hello"
    assert await ben.remove("v6", "v6 'ben") == {}
    assert await ben.next("RoomLeft") == {"roomId": "v6", "title": "Ünser Raum"}
    assert await ana.next("RoomMemberLeft") == {"roomId": "v6", "title": "Ünser Raum", "userId": "v6 'ben"}
    await ana.event("send", {"room": "@v6", "key": "end", "dataType": "text", "data": "end"})
    assert await ana.told_until("end") == []


def deny(*_: object) -> bool:
    return False


async def refusals(  # noqa: PLR0915
    system: System, name: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[str, Callable[[], Awaitable[Any]]]]:
    """Yield each thing that may be refused: the code it is refused with, and the call."""
    ana, ben, cleo = [await system.chat(f"{name}-{person}") for person in ("ana", "ben", "cleo")]
    await ana.create(name, ben.user_id or "")
    anonymous = await system.chat_url((await system.get("negotiate"))[1]["url"], None)
    slashed = await system.chat(f"{name}/dan", room="lobby")
    yield "NoAnonymous", lambda: anonymous.invoke("chat.login", "")
    yield "NoAnonymous", lambda: anonymous.invoke("chat.createRoom", {"title": "x", "members": []})
    yield "InvalidUserId", lambda: slashed.invoke("chat.login", "")
    yield "InvalidUserId", lambda: slashed.send(name, "x")
    yield "InvalidUserId", lambda: ana.add(name, "a/b")
    yield "InvalidUserId", lambda: ana.create(None, "..")
    yield "RoomNotFound", lambda: cleo.room(name)
    yield "RoomNotFound", lambda: cleo.room("nowhere")
    yield "RoomNotFound", lambda: cleo.history(name)
    yield "RoomNotFound", lambda: cleo.send(name, "x")
    yield "RoomNotFound", lambda: cleo.add(name, cleo.user_id or "")
    yield "RoomNotFound", lambda: cleo.remove(name, ben.user_id or "")
    yield "NoPermissionInRoom", lambda: ben.remove(name, ana.user_id or "")
    yield "UserNotInRoom", lambda: ana.remove(name, cleo.user_id or "")
    yield "UserAlreadyInRoom", lambda: ana.add(name, ben.user_id or "")
    yield "UserAlreadyInRoom", lambda: ana.add(name, ana.user_id or "")
    yield "RoomAlreadyExists", lambda: ben.create(name)
    yield "RoomAlreadyExists", lambda: ana.create(name)
    for title in ("", "x" * 257, "a\nb", "\ud800", 7):
        yield "InvalidRequest", lambda title=title: ana.invoke("chat.createRoom", {"title": title, "members": []})  # type: ignore[misc]
    for room in ("", "@x", "a/b", "x" * 65, "ü", 7):
        yield "InvalidRequest", lambda room=room: ana.create(room)  # type: ignore[misc]
    yield "InvalidRequest", lambda: ana.invoke("chat.createRoom", "text")
    yield "InvalidRequest", lambda: ana.invoke("chat.createRoom", {"title": "x", "members": "all"})
    yield "TooManyMembers", lambda: ana.create(None, *[f"{name}-{number}" for number in range(101)])
    yield "InvalidRequest", lambda: ana.send(name, "")
    yield "InvalidRequest", lambda: ana.send(name, "x", key="no key")
    yield "InvalidRequest", lambda: ana.send(name, "x", content=7)
    yield "InvalidRequest", lambda: ana.history(name, maxCount=0)
    yield "InvalidRequest", lambda: ana.history(name, start="not an id")
    yield (
        "InvalidRequest",
        lambda: ana.invoke("chat.manageRoomMember", {"roomId": name, "operation": "Update", "userId": "x"}),
    )
    monkeypatch.setattr(chat.policy, "may_create_room", deny)
    yield "NoPermissionCreateRoom", lambda: ana.create(None)
    monkeypatch.setattr(chat.policy, "may_manage", deny)
    yield "NoPermissionInRoom", lambda: ana.add(name, cleo.user_id or "")
    yield "NoPermissionInRoom", lambda: ben.remove(name, ben.user_id or "")
    monkeypatch.setattr(chat.policy, "may_manage", lambda *_: True)
    monkeypatch.setattr(chat.policy, "may_join", lambda user_id, _: user_id != cleo.user_id)
    yield "NoPermissionInRoom", lambda: ana.add(name, cleo.user_id or "")
    monkeypatch.setattr(chat.policy, "may_join", deny)
    yield "RoomNotFound", lambda: ana.send(name, "x")
    yield "RoomNotFound", lambda: ana.room(name)
    monkeypatch.undo()
    monkeypatch.setattr(chat.policy, "may_send", lambda _: "No such words.")
    yield "NoPermissionInRoom", lambda: ana.send(name, "x")
    monkeypatch.undo()
    monkeypatch.setattr(chat.policy, "max_messages_per_second", lambda *_: 0.001)
    await ana.send(name, "the last one")
    yield "TooManyRequests", lambda: ana.send(name, "x")
    yield "TooManyRequests", lambda: ana.create(None)
    yield "TooManyRequests", lambda: ana.add(name, cleo.user_id or "")
    yield "TooManyRequests", lambda: ana.remove(name, ben.user_id or "")


async def test_what_may_not_be_is_refused_by_its_code_and_changes_nothing(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [
        (number, code, await call()) async for number, (code, call) in aenumerate(refusals(system, "v7", monkeypatch))
    ]
    assert [(number, code) for number, code, result in found if result.get("code") != code] == []
    monkeypatch.undo()
    ana = await system.chat("v7-ana")
    assert (await ana.room("v7"))["members"] == ["v7-ana", "v7-ben"]
    assert await ana.login() == ["v7"]


async def aenumerate(items: AsyncIterator[T_]) -> AsyncIterator[tuple[int, T_]]:
    number = 0
    async for item in items:
        yield number, item
        number += 1


async def test_the_limits_do_not_count_what_changes_nothing(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = await system.chat("v8-ana")
    await ana.create("v8")
    monkeypatch.setattr(chat.policy, "max_messages_per_second", lambda *_: 0.001)
    await ana.send("v8", "the last one")
    assert await ana.login() == ["v8"]
    assert (await ana.room("v8"))["roomId"] == "v8"
    assert len((await ana.history("v8"))["messages"]) == 1


@pytest.mark.parametrize(
    ("limit", "call"),
    [
        ("MAX_CREATED_ROOMS", lambda ana, _: ana.create(None)),
        ("MAX_JOINED_ROOMS", lambda ana, name: ana.add(name, f"{name}-ben")),
        ("MAX_JOINED_ROOMS", lambda ana, name: ana.create(None, f"{name}-ben")),
        ("MAX_MEMBERS", lambda ana, name: ana.add(name, f"{name}-cleo")),
    ],
    ids=["created", "added to", "named in", "members"],
)
async def test_there_is_a_most_of_everything(
    system: System, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, limit: str, call: Any
) -> None:
    name = "v9-" + request.node.callspec.id.replace(" ", "-")
    ana, ben = await system.chat(f"{name}-ana"), await system.chat(f"{name}-ben")
    assert (await ana.create(name))["members"] == [f"{name}-ana"]
    await ben.create(f"{name}-2")
    monkeypatch.setattr(chat.messaging.private_rooms, limit, 1)
    assert (await call(ana, name))["code"] in ("TooManyRooms", "TooManyMembers")
    monkeypatch.undo()
    assert "code" not in await call(ana, name)


async def test_with_private_rooms_off_every_name_with_an_at_sign_is_refused(start_system: StartSystem) -> None:
    on = await start_system()
    ana = await on.chat("v10-ana")
    await ana.create("v10")
    off = await start_system(PRIVATE_ROOMS="false")
    for room in ("@", "@v10", "@v10 b"):
        for route in ("negotiate", "messages", "presence"):
            status, body = await off.get(route, userId="v10-ana", room=room)
            assert (status, body["code"]) in [(403, "not_a_member"), (400, "invalid_room")]
    _, access = await off.get("negotiate", userId="v10-ana")
    for room in ("@", "@v10"):
        assert await off.upgrade_status(access["url"].replace("room=lobby", f"room={room}")) == 403
    client = await off.chat("v10-ana", room="lobby")
    assert await client.invoke("chat.login", "") is None
    answer = await client.event("send", {"room": "@v10", "key": "k", "dataType": "text", "data": "x"})
    assert answer["code"] == "not_a_member"
    assert (await client.event("join", {"room": "@v10"}))["code"] == "not_a_member"
    assert (await ana.history("v10"))["messages"] == []


async def test_two_users_who_create_one_room_create_it_once(system: System) -> None:
    people = [await system.chat(f"v11-{number}") for number in range(6)]
    made = await asyncio.gather(*(person.create("v11", title=person.user_id or "") for person in people))
    titles = [room["title"] for room in made if "code" not in room]
    assert len(titles) == 1
    assert [room["code"] for room in made if "code" in room] == ["RoomAlreadyExists"] * 5
    assert (await people[int(titles[0][-1])].room("v11"))["members"] == titles


async def test_the_creator_leaves_and_the_member_who_joined_first_may_remove(system: System) -> None:
    ana, ben, cleo = [await system.chat(f"v12-{name}") for name in ("ana", "ben", "cleo")]
    await ana.create("v12")
    await ana.add("v12", "v12-ben")
    await ben.add("v12", "v12-cleo")
    assert (await cleo.remove("v12", "v12-ben"))["code"] == "NoPermissionInRoom"
    assert await ana.remove("v12", "v12-ana") == {}
    assert (await ana.send("v12", "x"))["code"] == "RoomNotFound"
    assert (await cleo.remove("v12", "v12-ben"))["code"] == "NoPermissionInRoom"
    assert await ben.remove("v12", "v12-cleo") == {}
    assert (await ben.room("v12"))["members"] == ["v12-ben"]


async def test_an_id_is_never_used_again_by_somebody_else(system: System) -> None:
    ana, ben = await system.chat("v13-ana"), await system.chat("v13-ben")
    await ana.create("v13", title="Hers")
    await ana.send("v13", "hers")
    await ana.remove("v13", "v13-ana")
    assert (await ben.create("v13"))["code"] == "RoomAlreadyExists"
    again = await ana.create("v13", title="Another")
    assert (again["title"], again["members"]) == ("Hers", ["v13-ana"])


async def test_history_pages_newest_first_and_both_bounds_are_included(system: System) -> None:
    ana = await system.chat("v14-ana")
    await ana.create("v14")
    ids = [(await ana.send("v14", f"number {number}"))["id"] for number in range(5)]
    assert ids == sorted(ids)
    query = await ana.history("v14", start="0", maxCount=2)
    pages = [query["messages"]]
    while query["nextQuery"]:
        query = await ana.invoke("chat.queryMessageHistory", query["nextQuery"])
        pages.append(query["messages"])
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [message["messageId"] for page in pages for message in page] == ids[::-1]
    between = await ana.history("v14", start=ids[1], end=ids[3])
    assert [message["messageId"] for message in between["messages"]] == ids[3:0:-1]


async def test_the_senders_own_connection_hears_what_it_sends_but_not_by_the_sdk_s_invocation(system: System) -> None:
    one, two = await system.chat("v15-ana"), await system.chat("v15-ana")
    await one.create("v15")
    assert (await two.next("RoomJoined"))["roomId"] == "v15"
    await one.send("v15", "by the SDK", key="k")
    again = await one.send("v15", "by the SDK", key="k")
    answer = await one.event("send", {"room": "@v15", "key": "l", "dataType": "json", "data": '{"a": 1}'})
    await one.event("send", {"room": "@v15", "key": "m", "dataType": "binary", "data": "AAE="})
    heard = [await one.next("MessageCreated"), await one.next("MessageCreated")]
    assert heard[0]["message"]["messageId"] == answer["id"]
    assert [one["message"]["bodyType"] for one in heard] == ["application/json", "application/octet-stream"]
    assert [one["message"]["content"] for one in heard] == [
        {"text": '{"a": 1}', "binary": None},
        {"text": None, "binary": "AAE="},
    ]
    texts = [await two.next("MessageCreated") for _ in range(3)]
    assert [text["message"]["messageId"] for text in texts[:2]] == [again["id"]] * 2
    assert texts[2] == heard[0]


async def test_a_message_in_a_private_room_is_edited_and_deleted(system: System) -> None:
    ana, ben = await system.chat("v16-ana"), await system.chat("v16-ben")
    await ana.create("v16", "v16-ben")
    sent = (await ana.send("v16", "helo"))["id"]
    edit = {"room": "@v16", "id": sent, "dataType": "text", "data": "hello"}
    assert (await ben.event("edit", edit))["code"] == "not_the_author"
    assert await ana.event("edit", edit) is None
    updated = await ben.next("MessageUpdated")
    assert (updated["message"]["messageId"], text_of(updated)) == (sent, "hello")
    assert [text_of({"message": one}) for one in (await ben.history("v16"))["messages"]] == ["hello"]
    assert await ana.event("delete", {"room": "@v16", "id": sent}) is None
    conversation = {"roomId": "v16", "conversationId": "v16", "topicId": None}
    assert await ben.next("MessageDeleted") == {"conversation": conversation, "messageId": sent}
    assert await ben.history("v16") == {"messages": [], "nextQuery": None}
    stranger = await system.chat("v16-cleo")
    assert (await stranger.event("delete", {"room": "@v16", "id": sent}))["code"] == "not_a_member"


async def test_a_plain_client_of_one_private_room_sends_messages_into_it(system: System) -> None:
    ana = await system.chat("v17-ana")
    await ana.create("v17")
    plain = await system.chat("v17-ana", room="@v17")
    assert (await plain.event("message", "hello"))["id"]
    assert await ana.text() == '"hello"'
    assert (await ana.event("message", "where?"))["code"] == "room_needed"
    assert await ana.event("typing", {"room": "@v17"}) is None
    await ana.event("send", {"room": "@v17", "key": "end", "dataType": "text", "data": "end"})
    assert await plain.told_until("end") == ['"hello"']
