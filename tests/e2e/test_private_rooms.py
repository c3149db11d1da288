"""Private rooms: only members are in them."""

from __future__ import annotations

from tests.e2e.conftest import System


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
