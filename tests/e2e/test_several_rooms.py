"""One connection in several rooms: what it hears, what it says where, and how it joins and leaves."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from azure.messaging.webpubsubclient.aio import WebPubSubClient, WebPubSubClientCredential
from azure.messaging.webpubsubclient.models import (
    CallbackType,
    OnConnectedArgs,
    OnGroupDataMessageArgs,
    OnServerDataMessageArgs,
)
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

import chat.policy
from chat.backends.service import Service, ServiceUnavailableError
from chat.backends.table import Table
from chat.messaging.outbox import Outbox
from tests.e2e.conftest import Client, System, kind_of, presence_events
from tests.emulator.conftest import Socket
from tests.patience import PATIENCE_SECONDS


async def negotiate(system: System, user: str, *rooms: str) -> tuple[int, Any]:
    query = urlencode([("userId", user), *(("room", room) for room in rooms)])
    async with system.http.get(f"{system.url}/api/negotiate?{query}") as answer:
        return answer.status, await answer.json()


async def open_in(system: System, user: str, *rooms: str) -> Client:
    status, access = await negotiate(system, user, *rooms)
    assert (status, access["rooms"], access["room"]) == (200, list(rooms), rooms[0])
    return await system.open_url(access["url"])


async def ask(client: Client, name: str, data: Any) -> Any:
    """Send an event and return the JSON that answers it."""
    await client.event(name, data)
    kinds = {"error", "joined", "left"}
    return (await client.until(lambda frame: kind_of(frame) in kinds))["data"]


def tells(event: str, user: str) -> Any:
    return lambda frame: any((one["event"], one["userId"]) == (event, user) for one in presence_events(frame))


async def say(system: System, room: str, text: str) -> None:
    assert (await system.post_event(text.encode(), room=room, event_id=text))[0] == 204


async def test_a_connection_hears_every_room_that_it_names_and_no_other(system: System) -> None:
    ana = await open_in(system, "ana", "s1-a", "s1, b", "s1 😀")
    for room in ("s1-a", "s1", "b", "s1, b", "s1 😀"):
        await say(system, room, f"in {room}")
    heard = [await ana.message() for _ in range(3)]
    assert [message["room"] for message in heard] == ["s1-a", "s1, b", "s1 😀"]


async def test_a_message_goes_to_the_room_that_it_names(system: System) -> None:
    ana, ben = await open_in(system, "ana", "s2-a", "s2-b"), await system.open("s2-b", "ben")
    assert (await ana.send("where?"))[1][0]["code"] == "room_needed"
    await ana.event("send", {"key": "k", "room": "s2-b", "dataType": "text", "data": "here"})
    assert ((await ben.message())["data"], await system.history("s2-a")) == ("here", [])
    answer = await ask(ana, "send", {"key": "k", "room": "s2-c", "dataType": "text", "data": "there"})
    assert (answer["code"], answer["key"], answer["room"]) == ("not_a_member", "k", "s2-c")


async def test_a_message_of_a_connection_in_several_rooms_is_one_call_of_the_table_and_one_of_the_service(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def count(owner: type, name: str) -> None:
        step: Callable[..., Any] = getattr(owner, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            calls.append(name)
            return step(*arguments, **options)

        monkeypatch.setattr(owner, name, counted)

    ben = await system.connect("s9-b", "ben")
    await say(system, "s9-b", "the first one makes the table")
    monkeypatch.setattr(Outbox, "start_drain", lambda _: None)  # it is due once a minute
    for owner in (Table, Service):
        for name in vars(owner):
            if inspect.isfunction(vars(owner)[name]) and not name.startswith("_"):
                count(owner, name)
    body = json.dumps({"key": "k", "room": "s9-b", "dataType": "text", "data": "here"}).encode()
    several = base64.b64encode(b'{"rooms":["s9-a","s9-b"]}').decode()
    kind = {"ce_type": "azure.webpubsub.user.send", "ce_eventName": "send", "Content_Type": "application/json"}
    assert (await system.post_event(body, ce_connectionState=several, **kind))[0] == 204
    assert [(await ben.message())["data"] for _ in range(2)][1] == "here"
    assert calls == ["insert", "broadcast"]


async def test_a_client_that_joins_hears_the_room_and_one_that_leaves_hears_it_no_more(system: System) -> None:
    ana, ben = await system.connect("s3-a", "ana"), await system.connect("s3-b", "ben")
    assert await ask(ana, "join", {"room": "s3-b"}) == {"type": "joined", "room": "s3-b"}
    await ben.until(tells("joined", "ana"))
    await say(system, "s3-b", "with ana")
    assert (await ana.message())["data"] == "with ana"
    await ana.event("send", {"key": "k", "room": "s3-b", "dataType": "text", "data": "from ana"})
    assert [(await ben.message())["data"] for _ in range(2)] == ["with ana", "from ana"]
    assert await ask(ana, "leave", {"room": "s3-b"}) == {"type": "left", "room": "s3-b"}
    await ben.until(tells("left", "ana"))
    await say(system, "s3-b", "without ana")
    await say(system, "s3-a", "at home")
    assert [(await ana.message())["data"] for _ in range(2)] == ["from ana", "at home"]
    answer = await ask(ana, "send", {"key": "k2", "room": "s3-b", "dataType": "text", "data": "again"})
    assert answer["code"] == "not_a_member"


async def test_who_goes_is_told_to_each_room_that_it_joined_and_of_no_other(system: System) -> None:
    ana, ben, cleo = [await system.connect(f"s4-{user}", user) for user in ("ana", "ben", "cleo")]
    await ask(ana, "join", {"room": "s4-ben"})
    await ana.close()
    frame = await ben.until(tells("disconnected", "ana"))
    assert frame["data"]["room"] == "s4-ben"
    await say(system, "s4-cleo", "the end")
    while kind_of(frame := await cleo.next()) != "message":
        assert all(one["userId"] == "cleo" for one in presence_events(frame))


async def test_a_room_that_may_not_be_joined_refuses_the_connection_and_is_named(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, access = await negotiate(system, "ana", "s5-a", "s5-b")
    monkeypatch.setattr(chat.policy, "may_join", lambda _, room: room != "s5-b")
    status, answer = await negotiate(system, "ana", "s5-a", "s5-b")
    assert (status, answer["code"], answer["room"]) == (403, "not_a_member", "s5-b")
    assert await system.upgrade_status(access["url"]) == 403


@pytest.mark.parametrize("name", ["x", "\N{GRINNING FACE}" * 31], ids=["too many", "too long for the state"])
async def test_more_rooms_than_a_connection_can_have_are_a_refusal_that_says_so(system: System, name: str) -> None:
    rooms = [f"{name}{number}" for number in range(21 if name == "x" else 17)]
    status, answer = await negotiate(system, "ana", *rooms)
    assert (status, answer["code"]) == (400, "too_many_rooms")
    _, access = await negotiate(system, "ana", rooms[0])
    url = access["url"] + "&" + urlencode([("room", room) for room in rooms[1:]])
    assert await system.upgrade_status(url) == 400


async def test_a_call_that_fails_leaves_the_rooms_as_they_were(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = await system.connect("s6-a", "ana")

    async def fail(*_: object) -> None:
        raise ServiceUnavailableError("the service does not answer")

    with monkeypatch.context() as broken:
        broken.setattr(Service, "join", fail)
        assert (await ask(ana, "join", {"room": "s6-b"}))["code"] == "unavailable"
        broken.setattr(Service, "leave", fail)
        assert (await ask(ana, "leave", {"room": "s6-a"}))["code"] == "unavailable"
    assert (await ana.send("still in one room"))[1] == []
    assert (await ask(ana, "join", {"room": "s6-b"}))["type"] == "joined"


async def test_an_empty_room_is_not_the_default_one(system: System) -> None:
    for route in ("negotiate", "messages", "presence"):
        assert (await system.get(route, room=""))[1]["code"] == "invalid_room"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_rooms_are_named_in_the_query_whatever_the_method(system: System, method: str) -> None:
    async with system.http.request(method, f"{system.url}/api/negotiate?room=s7-a&room=s7%2Cb") as answer:
        assert (await answer.json())["rooms"] == ["s7-a", "s7,b"]


async def test_the_official_client_is_in_its_rooms_again_after_a_recovery_and_after_a_new_connection(
    system: System,
) -> None:
    heard: asyncio.Queue[Any] = asyncio.Queue()
    connected: asyncio.Queue[str] = asyncio.Queue()

    async def hear(event: OnGroupDataMessageArgs | OnServerDataMessageArgs) -> None:
        if isinstance(event.data, dict) and event.data["type"] == "message":
            heard.put_nowait((event.data["room"], event.data["data"]))

    async def note(event: OnConnectedArgs) -> None:
        connected.put_nowait(event.connection_id)

    async def provide() -> str:
        return str((await negotiate(system, "ana", "s8-a", "s8-b"))[1]["url"])

    async def hears_both(text: str) -> None:
        for room in ("s8-a", "s8-b"):
            await say(system, room, f"{room} {text}")
            assert await heard.get() == (room, f"{room} {text}")

    client = WebPubSubClient(WebPubSubClientCredential(provide), reconnect_retry_backoff_factor=0.1)
    await client.subscribe(CallbackType.GROUP_MESSAGE, hear)
    await client.subscribe(CallbackType.SERVER_MESSAGE, hear)
    await client.subscribe(CallbackType.CONNECTED, note)
    async with asyncio.timeout(PATIENCE_SECONDS), client:
        first = await connected.get()
        await hears_both("at first")
        assert client._ws is not None
        assert client._ws.sock is not None
        Socket(client._ws.sock).cut()
        await hears_both("after the recovery")
        assert connected.empty()
        async with WebPubSubServiceClient.from_connection_string(system.emulator.connection_string, "chat") as service:
            await service.close_connection(first)
        assert await connected.get() != first
        await hears_both("on a new connection")
