"""Groups follow the members: whatever fails, dies, comes again or happens at the same time."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

import chat.backends.members
import chat.messaging.private_rooms
import chat.messaging.room_groups
import chat.policy
from chat.backends.members import Members
from chat.backends.service import Service
from chat.backends.table import Table, make_client
from chat.backends.table_store import StoreUnavailableError, TableStore
from chat.messaging.outbox import OUTBOX_TABLE_NAME, Outbox
from chat.messaging.private_rooms import PrivateRooms
from chat.model.rooms import MAX_ROOMS, rooms_fit
from chat.settings import StorageAccount, WebPubSubEndpoint
from local.azurite import Azurite
from tests.chat_client import ChatClient, InvocationFailedError, text_of
from tests.e2e.conftest import ACCESS_KEY, StartSystem, System
from tests.e2e.outbox_rows import eventually, is_drained, rows
from tests.gate import Gate

CREATE, MANAGE = "chat.createRoom", "chat.manageRoomMember"
TIME = "2026-11-24T09:30:00Z"


@pytest_asyncio.fixture
async def members(storage: Azurite) -> AsyncIterator[Members]:
    members = Members("chat", StorageAccount(storage.connection_string))
    yield members
    await members.aclose()


async def is_in_group(system: System, client: ChatClient, room: str) -> bool:
    async with WebPubSubServiceClient.from_connection_string(system.emulator.connection_string, "chat") as service:
        return client.connection_id in [one.connection_id async for one in service.list_connections(group=room)]


async def post(system: System, event: str, data: object, event_id: str = "7", **changes: str) -> tuple[int, Any]:
    """Post an invocation as the service does; the same ids are the same event."""
    status, body = await system.post_event(
        json.dumps(data).encode(),
        event_id=event_id,
        ce_time=TIME,
        ce_type=f"azure.webpubsub.user.{event}",
        ce_eventName=event,
        Content_Type="application/json",
        **changes,
    )
    return status, json.loads(body) if body.startswith(b"{") else body


async def test_a_removal_that_the_service_does_not_take_is_not_answered_as_done_and_made_up_for(
    gated: System, gate: Gate, storage: Azurite, members: Members
) -> None:
    ana, ben = await gated.chat("ana"), await gated.chat("ben")
    await ana.create("g1", "ben")
    gate.refuse(503)
    with pytest.raises(InvocationFailedError):
        await ana.remove("g1", "ben")
    assert not await members.is_member("ben", "@g1")
    assert len(await rows(storage)) == 1
    assert await is_in_group(gated, ben, "@g1")
    # What is sent meanwhile waits until he hears it no more.
    await ana.send("g1", "in private")
    gate.open()
    await eventually(lambda: is_drained_of_messages(storage))
    assert not await is_in_group(gated, ben, "@g1")
    await ben.create("g1-own")
    await ben.event("send", {"room": "@g1-own", "key": "end", "dataType": "text", "data": "end"})
    assert await ben.told_until("end") == ["RoomJoined"]


async def is_drained_of_messages(storage: Azurite) -> bool:
    return all(row["RowKey"].startswith("!") for row in await rows(storage))


async def test_an_addition_that_the_service_does_not_take_is_done_and_made_up_for(
    gated: System, gate: Gate, storage: Azurite
) -> None:
    ana, ben = await gated.chat("ana"), await gated.chat("ben")
    await ana.create("g2")
    gate.refuse(503)
    assert await ana.add("g2", "ben") == {}
    assert len(await rows(storage)) == 1
    gate.open()
    await eventually(lambda: is_in_group(gated, ben, "@g2"))
    await ana.send("g2", "hello")
    assert await ben.text() == "hello"


async def test_where_a_process_died_after_it_changed_the_truth_the_groups_follow_twice(
    gated: System, storage: Azurite, members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat.messaging.room_groups, "SECOND_LOOK_SECONDS", 2.0)
    ana, ben = await gated.chat("ana"), await gated.chat("ben")
    await ana.create("g3", "ben")
    store = TableStore("chat", StorageAccount(storage.connection_string))
    service = Service("chat", WebPubSubEndpoint(gated.emulator.url, ACCESS_KEY))
    died = Outbox(store, service)
    await died.record_groups("ben", "@g3")
    await members.remove("ben", "@g3", "an event")
    assert (await gated.get("health"))[1]["outbox"]["waiting"] == 1
    await eventually(lambda: is_out(gated, ben, "@g3"))
    # The answer to a connect event that was under way names the group.
    await service.join(ben.connection_id, "@g3")
    assert (await rows(storage))[0]["due"]
    await eventually(lambda: is_out(gated, ben, "@g3"))
    await eventually(lambda: is_drained(storage))
    for part in (died, store, service):
        await part.aclose()


async def is_out(system: System, client: ChatClient, room: str) -> bool:
    return not await is_in_group(system, client, room)


async def test_a_record_that_was_followed_before_the_removal_holds_messages_back_all_the_same(
    gated: System, gate: Gate, storage: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, ben = await gated.chat("ana"), await gated.chat("ben")
    await ana.create("g16", "ben")
    store = TableStore("chat", StorageAccount(storage.connection_string))
    service = Service("chat", WebPubSubEndpoint(gated.emulator.url, ACCESS_KEY))
    other = Outbox(store, service)
    remove = Members.remove

    async def is_followed_once() -> bool:
        return all(row.get("due") for row in await rows(storage))

    async def remove_late(self: Members, *arguments: Any) -> Any:
        # Another process looks at its outbox between the record and the removal.
        other.start_drain()
        await eventually(is_followed_once)
        gate.refuse(503)
        return await remove(self, *arguments)

    monkeypatch.setattr(Members, "remove", remove_late)
    # Nobody delivers it again.
    assert (await post(gated, MANAGE, {"roomId": "g16", "userId": "ben", "operation": "Delete"}))[0] == 503
    await other.aclose()
    await ana.send("g16", "in private")
    gate.open()
    await eventually(lambda: is_drained_of_messages(storage))
    assert not await is_in_group(gated, ben, "@g16")
    await ben.create("g16-own")
    await ben.event("send", {"room": "@g16-own", "key": "end", "dataType": "text", "data": "end"})
    assert await ben.told_until("end") == ["RoomJoined"]
    for part in (store, service):
        await part.aclose()


async def test_a_record_that_waits_for_its_second_time_is_not_a_waiting_message(
    gated: System, storage: Azurite
) -> None:
    ana = await gated.chat("ana")
    await ana.create("g4", "ben")
    await ana.remove("g4", "ben")

    async def is_followed_once() -> bool:
        return all(row.get("due") for row in await rows(storage))

    await eventually(is_followed_once)
    assert len(await rows(storage)) == 1
    assert (await gated.get("health"))[1]["outbox"] == {"waiting": 0, "since": None}


async def test_a_record_that_somebody_wrote_by_hand_stops_nobody(gated: System, storage: Azurite) -> None:
    ana = await gated.chat("ana")
    await ana.create("g5", "ben")
    async with make_client(StorageAccount(storage.connection_string), OUTBOX_TABLE_NAME) as client:
        for number, (user_id, room) in enumerate([("..", "@g5"), ("ben", ".."), ("ben", "@"), ("", "")]):
            await client.upsert_entity(
                {"PartitionKey": "chat", "RowKey": f"!{number}", "userId": user_id, "room": room}
            )
        await client.upsert_entity({"PartitionKey": "chat", "RowKey": "!9", "due": "soon"})
    await ana.remove("g5", "ben")
    await eventually(lambda: has_only_the_removal(storage))


async def has_only_the_removal(storage: Azurite) -> bool:
    return [row.get("userId") for row in await rows(storage)] == ["ben"]


@pytest.mark.parametrize("is_added", [True, False], ids=["added", "removed"])
async def test_who_is_added_or_removed_while_connecting_is_heard_accordingly(
    gated: System, members: Members, monkeypatch: pytest.MonkeyPatch, is_added: bool
) -> None:
    name = f"g6-{is_added}"
    user = f"{name}-ben"  # who is in no other room
    ana = await gated.chat("ana")
    await ana.create(name, *([] if is_added else [user]))
    heard, join, tries = PrivateRooms.heard, Service.join, 0

    async def change_after(self: PrivateRooms, user_id: str | None, room: str) -> Any:
        rooms = await heard(self, user_id, room)
        if user_id == user:
            change = members.add(user, f"@{name}", "an event", joined="1") if is_added else None
            await (change or members.remove(user, f"@{name}", "an event"))
        return rooms

    async def know_later(self: Service, connection_id: str, room: str) -> bool:
        nonlocal tries
        tries += 1
        return tries > 2 and await join(self, connection_id, room)

    status, access = await gated.get("negotiate", userId=user, room="@")
    assert status == 200
    monkeypatch.setattr(PrivateRooms, "heard", change_after)
    monkeypatch.setattr(Service, "join", know_later)
    ben = await gated.chat_url(access["url"], user)

    async def is_as_wanted() -> bool:
        return await is_in_group(gated, ben, f"@{name}") is is_added

    await eventually(is_as_wanted)
    assert (tries > 2) is is_added


async def test_who_is_removed_while_a_login_asks_the_service_is_in_no_group(
    gated: System, members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, ben = await gated.chat("ana"), await gated.chat("ben", room="lobby")
    await ana.create("g19", "ben")
    add_to_groups = Service.add_to_groups

    async def add_and_remove(self: Service, *arguments: Any) -> None:
        await add_to_groups(self, *arguments)
        await members.remove("ben", "@g19", "an event")

    monkeypatch.setattr(Service, "add_to_groups", add_and_remove)
    assert "g19" not in await ben.login()
    assert await is_out(gated, ben, "@g19")


async def test_who_is_removed_while_an_addition_asks_the_service_is_in_no_group(
    gated: System, members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, ben = await gated.chat("ana"), await gated.chat("ben", room="lobby")
    await ana.create("g20")
    admit = Service.admit

    async def admit_and_remove(self: Service, *arguments: Any) -> None:
        await admit(self, *arguments)
        await members.remove("ben", "@g20", "an event")

    monkeypatch.setattr(Service, "admit", admit_and_remove)
    assert await ana.add("g20", "ben") == {}
    assert await is_out(gated, ben, "@g20")


async def test_who_is_removed_while_sending_is_stored_or_refused_and_never_both(gated: System) -> None:
    ana, ben = await gated.chat("ana"), await gated.chat("ben")
    await ana.create("g7", "ben")
    sent: list[str] = []

    async def send() -> None:
        for number in range(200):
            result = await ben.send("g7", f"number {number}")
            if "code" in result:
                assert result["code"] == "RoomNotFound"
                return
            sent.append(result["id"])

    sending = asyncio.create_task(send())
    await ana.next("MessageCreated")
    await ana.remove("g7", "ben")
    at_the_answer = len(sent)
    await sending
    # One may have been under way when the removal was answered.
    assert at_the_answer <= len(sent) <= at_the_answer + 1
    history = await ana.history("g7", maxCount=200)
    assert [message["messageId"] for message in history["messages"]] == sent[::-1]


@pytest.mark.parametrize("writes", range(9))
async def test_a_creation_that_died_anywhere_is_finished_by_the_same_event(
    gated: System, members: Members, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    ben = await gated.chat("ben")
    left = writes
    tables = Table
    originals = {name: getattr(tables, name) for name in ("insert", "insert_one", "replace")}

    def dying(name: str) -> Any:
        async def write(self: Any, *arguments: Any) -> Any:
            nonlocal left
            if self._name == chat.backends.members.MEMBERS_TABLE_NAME:
                if not left:
                    raise StoreUnavailableError("the process died here")
                left -= 1
            return await originals[name](self, *arguments)

        return write

    for name in originals:
        monkeypatch.setattr(tables, name, dying(name))
    data = {"title": "A title", "members": ["ben", "cleo"], "roomId": f"g8-{writes}"}
    assert await post(gated, CREATE, data) == (503, b"Try again.")
    monkeypatch.undo()
    status, room = await post(gated, CREATE, data)
    assert (status, room["members"], room["title"]) == (200, ["ana", "ben", "cleo"], "A title")
    assert (await ben.next("RoomJoined"))["roomId"] == f"g8-{writes}"
    assert await post(gated, CREATE, data) == (status, room)
    for user_id in ("ana", "ben", "cleo"):
        assert await members.is_member(user_id, f"@g8-{writes}")


async def test_a_room_whose_id_the_client_does_not_name_is_made_once_by_an_event(gated: System) -> None:
    first = await post(gated, CREATE, {"title": "A title", "members": []})
    assert first[1]["members"] == ["ana"]
    assert await post(gated, CREATE, {"title": "A title", "members": []}) == first
    other = await post(gated, CREATE, {"title": "A title", "members": []}, event_id="8")
    assert other[1]["roomId"] != first[1]["roomId"]


async def test_the_creator_may_create_again_what_a_dead_process_left_empty(
    gated: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: Any, **__: Any) -> Any:
        raise StoreUnavailableError("the process died here")

    monkeypatch.setattr(Members, "add", die)
    data = {"title": "A title", "members": [], "roomId": "g9"}
    assert (await post(gated, CREATE, data))[0] == 503
    monkeypatch.undo()
    other = await gated.chat("ben")
    assert (await other.create("g9"))["code"] == "RoomAlreadyExists"
    assert (await post(gated, CREATE, data, event_id="8"))[1]["members"] == ["ana"]


async def test_a_room_that_its_creator_opens_again_is_opened_once_by_an_event(
    gated: System, members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = {"title": "A title", "members": ["ben"], "roomId": "g15"}
    await post(gated, CREATE, data | {"members": []}, event_id="1")
    await post(gated, MANAGE, {"roomId": "g15", "userId": "ana", "operation": "Delete"}, event_id="2")
    add = Members.add

    async def add_the_creator(self: Members, user_id: str, *arguments: Any, **options: Any) -> Any:
        if user_id == "ben":
            raise StoreUnavailableError("the process died here")
        return await add(self, user_id, *arguments, **options)

    monkeypatch.setattr(Members, "add", add_the_creator)
    assert (await post(gated, CREATE, data, event_id="3"))[0] == 503
    monkeypatch.undo()
    opened = await post(gated, CREATE, data, event_id="3")
    assert opened[1]["members"] == ["ana", "ben"]
    assert await post(gated, CREATE, data, event_id="3") == opened
    monkeypatch.setattr(chat.policy, "max_messages_per_second", lambda *_: 0.001)
    assert await post(gated, CREATE, data, event_id="3") == opened


async def test_events_that_come_again_in_the_wrong_order_are_answered_as_done_and_change_nothing(
    gated: System, members: Members
) -> None:
    await post(gated, CREATE, {"title": "A title", "members": [], "roomId": "g10"}, event_id="1")
    change = {"roomId": "g10", "userId": "ben"}
    add, remove = change | {"operation": "Add"}, change | {"operation": "Delete"}
    assert await post(gated, MANAGE, add, event_id="2") == (200, {})
    assert await post(gated, MANAGE, remove, event_id="3") == (200, {})
    assert await post(gated, MANAGE, add, event_id="2") == (200, {})
    assert not await members.is_member("ben", "@g10")
    assert await post(gated, MANAGE, add, event_id="4") == (200, {})
    assert await post(gated, MANAGE, remove, event_id="3") == (200, {})
    assert await members.is_member("ben", "@g10")


async def test_who_left_is_told_so_when_the_event_comes_again(gated: System, members: Members) -> None:
    await post(gated, CREATE, {"title": "A title", "members": [], "roomId": "g11"}, event_id="1")
    leave = {"roomId": "g11", "userId": "ana", "operation": "Delete"}
    for _ in range(2):
        assert await post(gated, MANAGE, leave, event_id="2") == (200, {})
    assert (await post(gated, MANAGE, leave, event_id="3"))[1]["code"] == "RoomNotFound"
    assert not await members.is_member("ana", "@g11")


async def test_a_text_that_comes_again_is_stored_once_and_heard_with_the_same_id(gated: System) -> None:
    ben = await gated.chat("ben")
    await post(gated, CREATE, {"title": "A title", "members": ["ben"], "roomId": "g12"}, event_id="1")
    data = {"conversation": {"conversationId": "g12"}, "message": "hello"}
    first = await post(gated, "chat.sendTextMessage", data, event_id="2")
    assert await post(gated, "chat.sendTextMessage", data, event_id="2") == first
    heard = [await ben.next("MessageCreated") for _ in range(2)]
    assert heard[0] == heard[1]
    assert (text_of(heard[0]), heard[0]["message"]["messageId"]) == ("hello", first[1]["id"])
    assert len((await ben.history("g12"))["messages"]) == 1


async def test_a_message_into_a_private_room_costs_one_point_read_more_than_one_into_an_open_room(
    gated: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def counted(name: str) -> None:
        original = getattr(Table, name)

        def call(self: Any, *arguments: Any, **options: Any) -> Any:
            calls.append(f"{name} {self._name}")
            return original(self, *arguments, **options)

        monkeypatch.setattr(Table, name, call)

    ana = await gated.chat("ana")
    await ana.create("g14")
    lobby = await gated.chat("ana", room="lobby")
    for name in ("get", "query", "insert", "insert_one", "replace", "put", "merge"):
        counted(name)
    await lobby.event("send", {"key": "k", "dataType": "text", "data": "hello"})
    in_an_open_room = calls.copy()
    calls.clear()
    await ana.event("send", {"room": "@g14", "key": "k", "dataType": "text", "data": "hello"})
    assert in_an_open_room == ["insert messages"]
    assert calls == ["get members", *in_an_open_room]


async def test_where_a_process_died_before_the_next_creator_was_known_the_policy_is_told_the_right_one(
    gated: System, members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, ben = await gated.chat("ana"), await gated.chat("ben")
    await ana.create("g17", "ben")
    await members.remove("ana", "@g17", "an event")
    monkeypatch.setattr(chat.policy, "may_manage", lambda user_id, room, *_: user_id == room.creator)
    assert await ben.add("g17", "cleo") == {}


async def test_a_login_works_where_the_connection_state_is_full(gated: System) -> None:
    await post(gated, CREATE, {"title": "A title", "members": [], "roomId": "g18"}, event_id="1")
    rooms = [f"{number:02}{'é' * 63}" for number in range(MAX_ROOMS)]
    while not rooms_fit(rooms, {}):
        rooms[-1] = rooms[-1][:-1] or (rooms.pop() and rooms[-1])
    state = base64.b64encode(json.dumps({"rooms": rooms}).encode()).decode()
    status, profile = await post(gated, "chat.login", "", event_id="2", ce_connectionState=state)
    assert (status, "g18" in profile["roomIds"]) == (200, True)


async def test_with_the_store_down_nobody_is_let_in(start_system: StartSystem, tmp_path: Path) -> None:
    async with Azurite(tmp_path) as storage:
        gated = await start_system(storage=storage)
        ana = await gated.chat("ana")
        await ana.create("g13")
        _, access = await gated.get("negotiate", userId="ana", room="@g13")
        await storage.stop()
        for route in ("negotiate", "messages", "presence"):
            assert (await gated.get(route, userId="ana", room="@g13"))[0] == 503
        assert await gated.upgrade_status(access["url"]) >= 500
        with pytest.raises(InvocationFailedError):
            await ana.send("g13", "x")
