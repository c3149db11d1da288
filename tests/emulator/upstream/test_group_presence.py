"""Group presence events tell of memberships, whichever way they come and go."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.emulator.conftest import Service, StartService
from tests.emulator.fakes import Answer, RecordingHandler
from webpubsub_emulator import EventHandler
from webpubsub_emulator.upstream import dispatcher as upstream


async def start(start_service: StartService, handler: RecordingHandler) -> Service:
    url = f"{handler.url}/presence/{{event}}"
    return await start_service(event_handlers={"chat": [EventHandler(url, group_events=frozenset({"joined", "left"}))]})


async def told(handler: RecordingHandler, event: str, count: int) -> list[tuple[str, str]]:
    """Connection and group of the first ``count`` events of that name."""
    await handler.wait_for(event, count)
    return [
        (request.headers["ce-connectionId"], json.loads(request.body)["group"]) for request in handler.events(event)
    ]


async def test_the_groups_of_a_connect_answer_are_joined(
    handler: RecordingHandler, start_service: StartService
) -> None:
    handler.script["connect"] = [Answer(200, b'{"groups":["den"]}')]
    service = await start(start_service, handler)
    await service.connect(groups="lobby")
    assert await told(handler, "joined", 1) == [("conn-1", "den")]


async def test_rest_tells_of_those_that_its_filter_and_its_user_mean(
    handler: RecordingHandler, start_service: StartService
) -> None:
    service = await start(start_service, handler)
    await service.connect(sub="ana")
    await service.connect(sub="ben")
    json_type = {"content_type": "application/json"}
    body = b'{"groups":["a","b"],"filter":"userId eq \'ana\'"}'
    assert (await service.rest("POST", "/:addToGroups", body=body, **json_type))[0] == 200
    assert (await service.rest("POST", "/:addToGroups", body=body, **json_type))[0] == 200
    assert (await service.rest("PUT", "/users/ben/groups/b"))[0] == 200
    joined = await told(handler, "joined", 3)
    assert (await service.rest("POST", "/:removeFromGroups", body=b'{"groups":["b"]}', **json_type))[0] == 200
    assert (await service.rest("DELETE", "/users/ana/groups"))[0] == 204
    left = await told(handler, "left", 3)
    assert sorted(joined) == sorted(left) == [("conn-1", "a"), ("conn-1", "b"), ("conn-2", "b")]


async def test_a_client_that_comes_back_has_left_nothing_and_joined_what_rest_gave_it_meanwhile(
    handler: RecordingHandler, start_service: StartService
) -> None:
    service = await start(start_service, handler)
    first = await service.reliable(groups="lobby")
    first.cut()
    assert (await service.rest("PUT", "/groups/den/connections/conn-1"))[0] == 200
    second = await service.come_back(first)
    assert (await second.frame())["event"] == "connected"
    assert await told(handler, "joined", 2) == [("conn-1", "lobby"), ("conn-1", "den")]
    assert (await service.rest("POST", "/groups/den/:send", body=b"x"))[0] == 202
    assert (await second.frame())["group"] == "den"
    assert handler.events("left") == []
    await second.raw.close()
    await handler.wait_for("disconnected")
    assert sorted(await told(handler, "left", 2)) == [("conn-1", "den"), ("conn-1", "lobby")]


async def test_a_client_joins_no_faster_than_its_handler_hears_of_it(
    handler: RecordingHandler, start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "MAX_WAITING_NOTIFICATIONS", 3)
    gate = asyncio.Event()
    handler.script["connected"] = [Answer(gate=gate)]
    service = await start(start_service, handler)
    client = await service.connect(role="webpubsub.joinLeaveGroup")
    await handler.wait_for("connected")
    for number in range(10):
        await client.send({"type": "joinGroup", "group": f"g{number}", "ackId": number})
    assert [(await client.frame())["ackId"] for _ in range(3)] == [0, 1, 2]
    assert (await service.rest("HEAD", "/groups/g2"))[0] == 200
    assert (await service.rest("HEAD", "/groups/g3"))[0] == 404
    await client.assert_alive()
    gate.set()
    assert [(await client.frame())["ackId"] for _ in range(7)] == [3, 4, 5, 6, 7, 8, 9]
    assert await told(handler, "joined", 10) == [("conn-1", f"g{number}") for number in range(10)]
