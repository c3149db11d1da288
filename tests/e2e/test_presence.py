"""Who is in a room, as the service lists it, and what the room is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from chat.messaging.presence import Presence
from tests.e2e.conftest import StartSystem, System, presence_events


async def users(system: System, room: str) -> list[str]:
    status, body = await system.get("presence", room=room)
    assert status == 200, body
    return sorted(connection["userId"] for connection in body["connections"])


@pytest.mark.parametrize("room", ["n1", "n1 a/b", "n1 世界", "n1 'quoted' %2F"])
async def test_everybody_in_a_room_is_listed_and_nobody_else(system: System, room: str) -> None:
    await system.connect(room, "ana")
    await system.connect(room, "ben")
    await system.connect("n1 other", "cleo")
    assert await users(system, room) == ["ana", "ben"]


async def test_an_empty_room_has_nobody(system: System) -> None:
    assert await users(system, "n3") == []


async def test_presence_is_503_while_the_service_is_down(system: System, caplog: pytest.LogCaptureFixture) -> None:
    await system.emulator.stop()
    status, body = await system.get("presence", room="n4")
    assert (status, body) == (503, {"type": "error", "code": "unavailable", "message": "Try again.", "id": body["id"]})
    assert body["id"] in caplog.text


async def test_who_comes_and_goes_is_told_with_the_connection(system: System) -> None:
    ana = await system.connect("n5", "ana")
    ben = await system.connect("n5", "ben")
    came = await told_of(ana, "ben")
    await ben.close()
    left = await told_of(ana, "ben")
    assert [told["event"] for told in (came, left)] == ["connected", "disconnected"]
    assert came["connectionId"] == left["connectionId"]
    assert came["time"] <= left["time"]


async def told_of(client: Any, user: str) -> Any:
    """Return the next thing that a client is told of a user's coming and going."""
    while True:
        for event in presence_events(await client.next()):
            if event["userId"] == user:
                return event


@pytest.mark.parametrize("name", ["joined", "left"])
async def test_a_group_event_is_told_to_the_room_that_the_group_is(system: System, name: str) -> None:
    ana = await system.connect(f"n6-{name}", "ana")
    status, _ = await system.post_event(
        f'{{"group":"n6-{name}"}}'.encode(),
        room=None,
        ce_type=f"azure.webpubsub.gp.{name}",
        ce_eventName=name,
        ce_userId="ben",
        Content_Type="application/json",
    )
    assert status == 204
    told = await told_of(ana, "ben")
    assert (told["event"], told["connectionId"]) == (name, "conn-42")


async def test_who_is_put_into_a_room_and_taken_out_by_a_server_is_told(start_system: StartSystem) -> None:
    system = await start_system(group_events=frozenset({"joined", "left"}))
    ana, ben = await system.connect("n9", "ana"), await system.connect("n9-other", "ben")
    async with WebPubSubServiceClient.from_connection_string(system.emulator.connection_string, "chat") as service:
        members = [member async for member in service.list_connections(group="n9-other")]
        await service.add_connection_to_group("n9", members[0].connection_id)
        joined = await told_of(ana, "ben")
        await service.remove_connection_from_group("n9", members[0].connection_id)
        left = await told_of(ana, "ben")
    assert [told["event"] for told in (joined, left)] == ["joined", "left"]
    assert {told["connectionId"] for told in (joined, left)} == {members[0].connection_id}
    await ben.close()


async def test_typing_is_told_and_not_stored(system: System) -> None:
    ana, ben = await system.connect("n7", "ana"), await system.connect("n7", "ben")
    await ana.event("typing", {})
    told = await ben.until(lambda frame: isinstance(frame.get("data"), dict) and frame["data"]["type"] == "typing")
    assert told["data"] == {"type": "typing", "userId": "ana", "room": "n7"}
    assert await system.history("n7") == []


async def test_typing_while_the_service_refuses_is_not_a_failure(system: System) -> None:
    await system.emulator.stop()
    event = {"ce_type": "azure.webpubsub.user.typing", "ce_eventName": "typing", "Content_Type": "application/json"}
    assert await system.post_event(b"{}", room="n8", **event) == (204, b"")


class CountingService:
    """Counts how often it is asked, and answers when it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def connections(self, _: str) -> list[Any]:
        self.asked += 1
        await self.may_answer.wait()
        return []


async def test_the_service_is_asked_once_by_callers_who_come_together() -> None:
    service = CountingService()
    presence = Presence(service)  # type: ignore[arg-type]
    first = await presence.of("a")
    assert await presence.of("a") is first
    await presence.of("b")
    assert service.asked == 2


async def test_what_is_too_old_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.messaging.presence.MAX_AGE_SECONDS", 0)
    service = CountingService()
    presence = Presence(service)  # type: ignore[arg-type]
    for _ in range(2):
        await presence.of("a")
    assert service.asked == 2


async def test_whatever_rooms_callers_ask_for_only_the_last_answers_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.messaging.presence.MAX_ROOMS", 10)
    presence = Presence(CountingService())  # type: ignore[arg-type]
    for number in range(100):
        assert (await presence.of(f"room {number}")).connections == []
    assert len(vars(presence)["_reads"]) == 10


async def test_a_caller_who_goes_away_takes_the_answer_from_nobody() -> None:
    service = CountingService()
    service.may_answer.clear()
    presence = Presence(service)  # type: ignore[arg-type]
    gone, waiting = asyncio.create_task(presence.of("a")), asyncio.create_task(presence.of("a"))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait([gone])
    service.may_answer.set()
    assert (await waiting).connections == []
    assert service.asked == 1
