"""Faults on purpose: how they are written, when they come, and what they do to handlers and clients."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from tests.clock import Clock
from tests.emulator.conftest import Service, StartService
from tests.emulator.fakes import Answer, RecordingHandler
from tests.patience import PATIENCE_SECONDS
from webpubsub_emulator import DelayedPart, Fault, FaultError, FaultKind
from webpubsub_emulator.core.connection import ConnectionContext
from webpubsub_emulator.core.messages import DataType, Payload
from webpubsub_emulator.pytest_plugin import StartEmulator
from webpubsub_emulator.upstream import cloud_events
from webpubsub_emulator.upstream.cloud_events import Event
from webpubsub_emulator.upstream.faults import Faults

ANA = ConnectionContext("chat", "conn-1")


def user_event(name: str) -> Event:
    return cloud_events.user_event(name, Payload(DataType.TEXT, b""))


MESSAGE = user_event("message")


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"fault": "duplicate_event"}, Fault(FaultKind.DUPLICATE_EVENT)),
        (
            {"fault": "duplicate_event", "hub": "Chat", "connectionId": "c", "event": "message", "count": 2},
            Fault(FaultKind.DUPLICATE_EVENT, "chat", "c", "message", 2),
        ),
        ({"fault": "drop_answer", "hub": None, "count": 1}, Fault(FaultKind.DROP_ANSWER)),
        ({"fault": "delay", "seconds": 2}, Fault(FaultKind.DELAY, seconds=2)),
        (
            {"fault": "delay", "seconds": 0.5, "part": "answer"},
            Fault(FaultKind.DELAY, seconds=0.5, part=DelayedPart.ANSWER),
        ),
        ({"fault": "unavailable", "seconds": 10}, Fault(FaultKind.UNAVAILABLE, seconds=10)),
        ({"fault": "cut_connections", "connectionId": "c"}, Fault(FaultKind.CUT_CONNECTIONS, connection_id="c")),
        ({"fault": "refuse_validation", "seconds": 10}, Fault(FaultKind.REFUSE_VALIDATION, seconds=10)),
    ],
)
def test_a_fault_is_written_in_json(value: dict[str, Any], fault: Fault) -> None:
    assert Fault.from_json(value) == fault
    assert Fault.from_json(fault.to_json()) == fault


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (None, "JSON object"),
        (["drop_answer"], "JSON object"),
        ({}, "'fault' must be one of duplicate_event, drop_answer, delay, unavailable, cut_connections, refuse_val"),
        ({"fault": "explode"}, "'fault' must be one of"),
        ({"fault": ["delay"]}, "'fault' must be one of"),
        (
            {"fault": "drop_answer", "seconds": 1},
            "'seconds' is not a field of drop_answer; it takes connectionId, count",
        ),
        ({"fault": "drop_answer", "count": 0}, "'count' must be 1"),
        ({"fault": "drop_answer", "count": True}, "'count' must be a whole number"),
        ({"fault": "drop_answer", "count": 1.5}, "'count' must be a whole number"),
        ({"fault": "drop_answer", "hub": 7}, "'hub' must be a text"),
        ({"fault": "drop_answer", "connectionId": ""}, "'connectionId' must be a text"),
        ({"fault": "drop_answer", "event": "x" * 1025}, "'event' must be a text"),
        ({"fault": "drop_answer", "event": "a\nFAULTS are cleared."}, "'event' must be a text"),
        ({"fault": "delay"}, "'seconds' of delay must be more than 0"),
        ({"fault": "delay", "seconds": "2"}, "'seconds' must be a number"),
        ({"fault": "delay", "seconds": True}, "'seconds' must be a number"),
        ({"fault": "delay", "seconds": 1, "part": "both"}, "'part' must be one of event, answer"),
        ({"fault": "unavailable", "seconds": 1e9}, "'seconds' of unavailable must be"),
        ({"fault": "unavailable", "seconds": -1}, "'seconds' of unavailable must be"),
    ],
)
def test_a_fault_that_cannot_be_is_an_error_that_names_the_field(value: object, named: str) -> None:
    with pytest.raises(FaultError) as raised:
        Fault.from_json(value)
    assert named in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "fields", "named"),
    [
        (FaultKind.DROP_ANSWER, {"event": ""}, "'event' must be a text"),
        (FaultKind.CUT_CONNECTIONS, {"hub": ""}, "'hub' must be a text"),
        (FaultKind.CUT_CONNECTIONS, {"connection_id": ""}, "'connectionId' must be a text"),
        (FaultKind.CUT_CONNECTIONS, {"event": "message"}, "'event' is not a field of cut_connections; it takes"),
        (FaultKind.UNAVAILABLE, {"seconds": 1, "connection_id": "conn-1"}, "'connectionId' is not a field of unavail"),
        (FaultKind.DROP_ANSWER, {"seconds": 1}, "'seconds' is not a field of drop_answer"),
        (FaultKind.REFUSE_VALIDATION, {"seconds": 1, "count": 2}, "'count' is not a field of refuse_validation"),
        (FaultKind.DUPLICATE_EVENT, {"part": DelayedPart.ANSWER}, "'part' is not a field of duplicate_event"),
    ],
)
def test_a_fault_of_a_test_is_as_strict_as_one_in_json(kind: FaultKind, fields: dict[str, Any], named: str) -> None:
    with pytest.raises(FaultError) as raised:
        Fault(kind, **fields)
    assert named in str(raised.value)


def affects(faults: Faults, event: Event = MESSAGE) -> bool:
    return faults.use(FaultKind.DROP_ANSWER, ANA, event) is not None


def test_a_fault_affects_as_many_events_as_it_says() -> None:
    faults = Faults()
    faults.arm(Fault(FaultKind.DROP_ANSWER, count=2))
    assert faults.armed() == [{"fault": "drop_answer", "count": 2}]
    assert [affects(faults) for _ in range(3)] == [True, True, False]
    assert faults.armed() == []


@pytest.mark.parametrize(
    ("fault", "affected"),
    [
        (Fault(FaultKind.DROP_ANSWER), True),
        (Fault(FaultKind.DROP_ANSWER, "CHAT", "conn-1", "Message"), True),
        (Fault(FaultKind.DROP_ANSWER, hub="other"), False),
        (Fault(FaultKind.DROP_ANSWER, connection_id="conn-2"), False),
        (Fault(FaultKind.DROP_ANSWER, event="connect"), False),
        (Fault(FaultKind.DUPLICATE_EVENT), False),
    ],
)
def test_a_fault_affects_what_it_names_only(fault: Fault, affected: bool) -> None:
    faults = Faults()
    faults.arm(fault)
    assert affects(faults) is affected


@pytest.mark.parametrize(
    ("event", "affected"),
    [
        (None, ["message", "order"]),
        ("*", ["message", "order", "typing", "Typing", "connected", "joined"]),
        ("TYPING", ["typing", "Typing"]),
        ("connected", ["connected"]),
        ("joined", ["joined"]),
    ],
)
def test_without_an_event_a_fault_is_about_user_events_but_typing(event: str | None, affected: list[str]) -> None:
    events = [*map(user_event, ("message", "order", "typing", "Typing")), cloud_events.connected_event()]
    events.append(cloud_events.group_event("joined", "g"))
    fault = Fault(FaultKind.DROP_ANSWER, event=event)
    assert [event.name for event in events if fault.concerns_event(event)] == affected


async def test_a_typing_event_does_not_use_up_a_fault_that_names_no_event(
    handler: RecordingHandler, service: Service
) -> None:
    socket = await service.connect()
    service.emulator.inject(Fault(FaultKind.DUPLICATE_EVENT))
    for ack_id, event in enumerate(("typing", "message", "message")):
        await socket.request(type="event", event=event, data=1, ackId=ack_id)
    await socket.raw.close()
    await handler.wait_for("disconnected")
    assert [len(handler.events(name)) for name in ("typing", "message", "disconnected")] == [1, 3, 1]


def test_a_fault_of_some_seconds_ends_by_itself() -> None:
    clock = Clock(0)
    faults = Faults(clock)
    faults.arm(Fault(FaultKind.UNAVAILABLE, "chat", seconds=10))
    clock.now = 9
    assert faults.is_active(FaultKind.UNAVAILABLE, "Chat")
    assert not faults.is_active(FaultKind.UNAVAILABLE, "other")
    assert faults.armed() == [{"fault": "unavailable", "hub": "chat", "seconds": 1}]
    clock.now = 10
    assert not faults.is_active(FaultKind.UNAVAILABLE, "chat")
    assert faults.armed() == []


def test_cleared_faults_affect_nothing_more() -> None:
    faults = Faults()
    faults.arm(Fault(FaultKind.DROP_ANSWER))
    assert faults.clear() == 1
    assert not affects(faults)


async def test_a_duplicated_event_reaches_the_handler_twice_and_the_first_answer_counts(
    handler: RecordingHandler, service: Service
) -> None:
    text = {"Content-Type": "text/plain"}
    handler.script["a"] = [Answer(200, b"first", text), Answer(200, b"second", text), Answer(200, b"third", text)]
    socket = await service.connect()
    service.emulator.inject(Fault(FaultKind.DUPLICATE_EVENT, event="a"))
    await socket.send({"type": "event", "event": "a", "data": 1, "ackId": 1})
    assert (await socket.frame())["data"] == "first"
    assert (await socket.frame())["success"] is True
    await socket.send({"type": "event", "event": "a", "data": 1, "ackId": 2})
    assert (await socket.frame())["data"] == "third"
    ids = [request.headers["ce-id"] for request in handler.events("a")]
    assert ids == [ids[0], ids[0], str(int(ids[0]) + 1)]


async def test_a_dropped_answer_is_followed_by_another_try_as_the_same_event(
    handler: RecordingHandler, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    socket = await service.connect()
    service.emulator.inject(Fault(FaultKind.DROP_ANSWER, event="a"))
    handler.script["a"] = [Answer(204, headers={"ce-connectionState": "lost"}), Answer(204)]
    assert (await socket.request(type="event", event="a", data=1, ackId=1))["success"] is True
    first, second = handler.events("a")
    assert first.headers["ce-id"] == second.headers["ce-id"]
    assert "ce-connectionState" not in second.headers
    assert "the fault drop_answer has dropped HTTP 204" in caplog.text


async def test_answers_dropped_to_the_last_are_a_failed_event(handler: RecordingHandler, service: Service) -> None:
    socket = await service.connect()
    service.emulator.inject(Fault(FaultKind.DROP_ANSWER, event="a", count=4))
    assert (await socket.request(type="event", event="a", data=1, ackId=1))["success"] is False
    assert len(handler.events("a")) == 4


@pytest.mark.parametrize("part", list(DelayedPart))
async def test_a_delay_is_before_the_request_or_after_the_answer(service: Service, part: DelayedPart) -> None:
    socket = await service.connect()
    service.emulator.inject(Fault(FaultKind.DELAY, event="a", seconds=0.5, part=part))
    await socket.request(type="event", event="a", data=1, ackId=1)
    exchange = service.emulator.traffic.exchanges("a")[0]
    attempt = exchange.attempts[0]
    before = (attempt.at - exchange.time).total_seconds()
    after = (exchange.seconds or 0) - before - (attempt.seconds or 0)
    # A clock may step by less than a sleep is long, and a loaded machine makes everything longer.
    assert (before > 0.45, after > 0.45) == (part is DelayedPart.EVENT, part is DelayedPart.ANSWER)


async def test_a_service_that_is_unavailable_answers_503_to_sends_only(service: Service) -> None:
    socket = await service.connect(groups="g")
    service.emulator.inject(Fault(FaultKind.UNAVAILABLE, seconds=60))
    for path in ("/:send", "/groups/g/:send", "/users/u/:send", "/connections/conn-1/:send"):
        async with service.session.post(f"{service.url}/api/hubs/chat{path}", data=b"x") as response:
            assert response.status == 503
    assert (await service.rest("HEAD", "/groups/g"))[0] == 200
    service.emulator.clear_faults()
    assert (await service.rest("POST", "/:send", body=b"hello"))[0] == 202
    assert (await socket.frame())["data"] == "hello"


async def test_cut_connections_end_without_a_close_frame_and_the_handler_hears_of_it(
    handler: RecordingHandler, service: Service
) -> None:
    ana, ben = await service.connect(), await service.connect()
    assert service.emulator.inject(Fault(FaultKind.CUT_CONNECTIONS, connection_id="conn-1")) == 1
    message = await asyncio.wait_for(ana.raw.receive(), PATIENCE_SECONDS)
    assert message.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
    assert ana.raw.close_code == 1006
    assert json.loads((await handler.wait_for("disconnected")).body) == {"reason": "The connection was lost."}
    await ben.assert_alive()


async def test_a_reliable_client_that_was_cut_off_comes_back_and_its_handler_hears_nothing(
    handler: RecordingHandler, service: Service
) -> None:
    first = await service.reliable(groups="g")
    assert service.emulator.inject(Fault(FaultKind.CUT_CONNECTIONS)) == 1
    assert (await service.rest("POST", "/groups/g/:send", body=b"meanwhile"))[0] == 202
    second = await service.come_back(first)
    assert await second.frame() == first.greeting
    assert (await second.frame())["data"] == "meanwhile"
    assert handler.events("disconnected") == []


async def test_an_answer_that_comes_while_the_line_is_cut_waits_for_a_reliable_client(
    handler: RecordingHandler, service: Service
) -> None:
    gate = asyncio.Event()
    handler.script["a"] = [Answer(200, b"late", {"Content-Type": "text/plain"}, gate)]
    first = await service.reliable()
    service.emulator.inject(Fault(FaultKind.DUPLICATE_EVENT, event="a"))
    await first.send({"type": "event", "event": "a", "data": 1, "ackId": 1})
    await handler.wait_for("a")
    service.emulator.inject(Fault(FaultKind.CUT_CONNECTIONS))
    gate.set()
    await handler.wait_for("a", 2)
    second = await service.come_back(first)
    assert await second.frame() == first.greeting
    frames = [await second.frame()]
    await second.send({"type": "event", "event": "a", "data": 1, "ackId": 1})
    while frames[-1]["type"] != "ack":
        frames.append(await second.frame())
    assert [frame["data"] for frame in frames[:-1]] == ["late"]
    assert len(handler.events("a")) == 2


async def test_a_refused_validation_keeps_events_back(handler: RecordingHandler, service: Service) -> None:
    socket = await service.connect()
    service.emulator.inject(Fault(FaultKind.REFUSE_VALIDATION, seconds=60))
    assert (await socket.request(type="event", event="a", data=1, ackId=1))["success"] is False
    assert (await service.refused(f"/client/hubs/chat?access_token={service.token()}"))[0] == 500
    assert handler.events("a") == []
    assert service.emulator.traffic.exchanges("a")[0].faults == ["refuse_validation"]
    service.emulator.clear_faults()
    assert (await socket.request(type="event", event="a", data=1, ackId=1))["success"] is True


async def test_faults_of_the_settings_are_injected_at_the_start(
    handler: RecordingHandler, start_service: StartService
) -> None:
    service = await start_service(faults=[Fault(FaultKind.DROP_ANSWER, event="connect")])
    await service.connect()
    assert len(handler.events("connect")) == 2


async def test_the_fixture_takes_faults(webpubsub_emulator: StartEmulator) -> None:
    emulator = await webpubsub_emulator(faults=[Fault(FaultKind.UNAVAILABLE, seconds=60)])
    async with aiohttp.ClientSession() as session, session.post(f"{emulator.url}/api/hubs/chat/:send") as response:
        assert response.status == 503


async def test_every_event_that_a_fault_affects_is_in_the_log(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    socket = await service.connect()
    service.emulator.inject(Fault(FaultKind.DUPLICATE_EVENT, event="a"))
    await socket.request(type="event", event="a", data=1, ackId=1)
    assert "FAULT duplicate_event is injected" in caplog.text
    assert "FAULT duplicate_event affects a of connection conn-1" in caplog.text
