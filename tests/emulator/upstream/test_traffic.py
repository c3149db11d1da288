"""What went upstream is kept, within bounds, and can be sent again with curl."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.curl import run_shell
from tests.emulator.conftest import Service, StartService
from tests.emulator.fakes import Answer, RecordingHandler
from tests.patience import PATIENCE_SECONDS
from webpubsub_emulator import Fault, FaultKind
from webpubsub_emulator.core.connection import ConnectionContext
from webpubsub_emulator.core.hub import Delivery
from webpubsub_emulator.core.messages import DataType, Payload
from webpubsub_emulator.upstream import traffic
from webpubsub_emulator.upstream.cloud_events import Event, user_event
from webpubsub_emulator.upstream.curl import curl_command
from webpubsub_emulator.upstream.delivered import Delivered
from webpubsub_emulator.upstream.exchange import IN_EXCHANGE, State
from webpubsub_emulator.upstream.traffic import LogLine, Traffic, TrafficLog

CONTEXT = ConnectionContext("chat", "conn-1", "ana")


def new_traffic() -> Traffic:
    return Traffic(lambda: datetime(2026, 11, 24, 9, 30, tzinfo=UTC))


def message(body: bytes, data_type: DataType = DataType.TEXT) -> Event:
    return user_event("message", Payload(data_type, body))


def test_the_oldest_entries_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "MAX_ENTRIES", 3)
    kept = new_traffic()
    for number in range(5):
        kept.log("INFO", str(number))
    assert [entry.text for entry in kept.entries() if isinstance(entry, LogLine)] == ["2", "3", "4"]
    assert [kept.find(entry_id) is not None for entry_id in range(7)] == [False] * 3 + [True] * 3 + [False]


def test_large_bodies_push_older_entries_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "MAX_BYTES", 100_000)
    kept = new_traffic()
    for _ in range(5):
        with kept.exchange(CONTEXT, message(b"x" * 40_000), 1):
            pass
    assert len(kept.entries()) == 2
    with kept.exchange(CONTEXT, message(b"x" * 1_000_000), 1):
        assert len(kept.entries()) == 1


def test_large_headers_and_answers_push_older_entries_out_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "MAX_BYTES", 100_000)
    kept = new_traffic()
    for _ in range(5):
        with kept.exchange(CONTEXT, message(b""), 1) as exchange:
            exchange.request("http://h", {"ce-connectionState": "x" * 20_000})
            with exchange.attempt(is_duplicate=False) as attempt:
                attempt.answered(200, [("X-Own", "x" * 20_000)], b"x" * 1_000_000)
    assert len(kept.entries()) == 2


def test_an_exchange_ends_well_or_with_its_problem() -> None:
    kept = new_traffic()
    with kept.exchange(CONTEXT, message(b""), 1) as good:
        assert good.state is State.WAITING
    with pytest.raises(ValueError, match="because"), kept.exchange(CONTEXT, message(b""), 1) as bad:
        raise ValueError("because")
    assert (good.state, good.problem) == (State.OK, None)
    assert (bad.state, bad.problem) == (State.FAILED, "because")


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"text", {"size": 4, "text": "text", "isHex": False, "isCut": False}),
        (b"\x00\xff", {"size": 2, "text": "00 ff", "isHex": True, "isCut": False}),
        (b"x" * 5000, {"size": 5000, "text": "x" * 4096, "isHex": False, "isCut": True}),
        (b"x" + "ü".encode() * 3000, {"size": 6001, "text": "x" + "ü" * 2047, "isHex": False, "isCut": True}),
        (b"\xff" * 5000, {"size": 5000, "text": " ".join(["ff"] * 256), "isHex": True, "isCut": True}),
        (b"", {"size": 0, "text": "", "isHex": False, "isCut": False}),
    ],
)
def test_of_a_body_the_beginning_is_shown(body: bytes, shown: dict[str, Any]) -> None:
    with new_traffic().exchange(CONTEXT, message(body), 1) as exchange:
        pass
    assert exchange.details()["body"] == shown


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"text", "text"),
        (b'"a JSON text"', "a JSON text"),
        (b'{"key":"k","data":"hello"}', "hello"),
        (b'{"message":"m","text":"t","data":"d"}', "t"),
        (b'{"data":{"text":"deep"}}', '{"data":{"text":"deep"}}'),
        (b"[1, 2]", "[1, 2]"),
        (b'{"text":', '{"text":'),
        (b"", ""),
        (b'{"text":"' + b"x" * 5000 + b'"}', '{"text":"' + "x" * 151),
        (b'{"text":"' + b"y" * 1000 + b'"}', "y" * 160),
    ],
)
def test_a_list_shows_the_text_of_a_body(body: bytes, shown: str) -> None:
    with new_traffic().exchange(CONTEXT, message(body), 1) as exchange:
        pass
    assert exchange.summary()["snippet"] == shown


def delivery(body: bytes | None = b"hello", *, call: str | None = None, receivers: int = 2) -> Delivery:
    payload = None if body is None else Payload(DataType.TEXT, body)
    return Delivery("chat", "all", payload, receivers, request_id=call, problem="HTTP 503" if body is None else None)


def test_what_went_to_clients_is_kept_with_its_receivers_and_the_beginning_of_its_body() -> None:
    kept = new_traffic()
    kept.delivered(Delivery("chat", "group g", Payload(DataType.TEXT, b"x" * 5000), 3, CONTEXT))
    [entry] = kept.entries()
    summary = entry.summary()
    assert (summary["target"], summary["receivers"], summary["userId"]) == ("group g", 3, "ana")
    assert entry.details()["body"] == {"size": 5000, "text": "x" * 4096, "isHex": False, "isCut": True}


def test_the_tries_of_one_call_are_one_entry_until_it_has_success() -> None:
    kept = new_traffic()
    kept.delivered(delivery(None, call="a"))
    kept.delivered(delivery(None, call="b"))
    kept.delivered(delivery(None, call="a"))
    assert [(e.summary()["state"], e.summary()["attempts"]) for e in kept.entries()] == [("failed", 2), ("failed", 1)]
    kept.delivered(delivery(call="a"))
    assert kept.entries()[0].details()["body"]["text"] == "hello"
    assert [(e.summary()["state"], e.summary()["attempts"]) for e in kept.entries()] == [("ok", 3), ("failed", 1)]
    kept.delivered(delivery(call="a"))
    kept.delivered(delivery(None))
    kept.delivered(delivery(None))
    assert len(kept.entries()) == 5


def test_a_try_whose_first_one_is_no_longer_kept_is_a_new_entry() -> None:
    kept = new_traffic()
    kept.delivered(delivery(None, call="a"))
    kept.clear()
    kept.delivered(delivery(call="a"))
    assert [entry.summary()["attempts"] for entry in kept.entries()] == [1]


def test_an_id_that_is_used_for_another_target_is_another_call() -> None:
    kept = new_traffic()
    kept.delivered(delivery(None, call="a"))
    kept.delivered(replace(delivery(call="a"), target="group g"))
    assert [entry.summary()["target"] for entry in kept.entries()] == ["all", "group g"]


def test_calls_that_are_never_tried_again_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "_MAX_UNSUCCESSFUL", 2)
    kept = new_traffic()
    for call in ("a", "b", "c", "a"):
        kept.delivered(delivery(None, call=call))
    assert len(kept.entries()) == 4
    kept.delivered(delivery(call="c"))
    assert len(kept.entries()) == 4


def test_large_messages_to_clients_push_older_entries_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "MAX_BYTES", 20_000)
    kept = new_traffic()
    for _ in range(10):
        kept.delivered(delivery(b"x" * 100_000))
    assert len(kept.entries()) == 3


def test_a_line_that_says_what_an_exchange_shows_is_omitted() -> None:
    kept = new_traffic()
    record = logging.LogRecord("webpubsub_emulator", logging.WARNING, "", 1, "%s", ("text",), None)
    record.__dict__.update(IN_EXCHANGE)
    TrafficLog(kept).handle(record)
    assert kept.entries() == []


async def test_while_an_event_waits_for_its_next_try_its_problem_says_so(
    handler: RecordingHandler, start_service: StartService
) -> None:
    service = await start_service(retry_delays=(60,))
    handler.script["a"] = [Answer(503)]
    socket = await service.connect()
    with service.emulator.traffic.subscribe() as subscription:
        await socket.send({"type": "event", "event": "a", "data": 1})
        async with asyncio.timeout(10):
            while not (found := service.emulator.traffic.exchanges("a")) or found[0].problem is None:
                await subscription.changes(10)
    assert (found[0].state, found[0].problem) == (State.WAITING, "HTTP 503, again in 60 s")


async def test_sends_of_calls_and_of_clients_are_in_the_traffic(service: Service) -> None:
    ana = await service.connect(sub="ana", groups=["g"], role=["webpubsub.sendToGroup"])
    await service.connect(sub="ben", groups=["g"])
    await ana.request(type="sendToGroup", group="g", dataType="text", data="x", noEcho=True, ackId=1)
    await service.rest("POST", "/:send", body=b"x")
    await service.rest("POST", "/groups/g/:send?excluded=conn-1", body=b"x")
    await service.rest("POST", "/users/ben/:send", body=b"x")
    await service.rest("POST", "/connections/nobody/:send", body=b"x")
    found = [entry.summary() for entry in service.emulator.traffic.entries() if isinstance(entry, Delivered)]
    assert [(entry["connectionId"], entry["target"], entry["receivers"]) for entry in found] == [
        ("conn-1", "group g", 1),
        (None, "all", 2),
        (None, "group g", 1),
        (None, "user ben", 1),
        (None, "connection nobody", 0),
    ]


def test_lines_of_other_threads_are_not_taken() -> None:
    kept = new_traffic()
    log = TrafficLog(kept)
    record = logging.LogRecord("webpubsub_emulator", logging.WARNING, "", 1, "%s", ("text",), None)
    log.handle(record)
    record.thread = (record.thread or 0) + 1
    log.handle(record)
    assert [entry.summary() for entry in kept.entries()] == [
        {"id": 1, "kind": "log", "time": "2026-11-24T09:30:00.000Z", "level": "WARNING", "text": "text"}
    ]


async def test_a_subscriber_gets_the_latest_state_of_what_has_changed() -> None:
    kept = new_traffic()
    with kept.subscribe() as subscription:
        assert await subscription.changes(0) == []
        with kept.exchange(CONTEXT, message(b""), 1) as exchange:
            assert await subscription.changes(1) == [exchange]
            with exchange.attempt(is_duplicate=False) as attempt:
                attempt.answered(204, [], b"")
        kept.log("INFO", "x")
        assert [entry.id for entry in await subscription.changes(1)] == [1, 2]
        assert await subscription.changes(0) == []
    kept.log("INFO", "y")


async def test_a_viewer_that_does_not_read_costs_no_more_than_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "MAX_ENTRIES", 10)
    kept = new_traffic()
    with kept.subscribe() as subscription:
        for _ in range(1000):
            kept.log("INFO", "x")
        assert len(subscription._changed) <= 20
        assert await subscription.changes(1) == kept.entries()


async def test_an_event_is_kept_with_its_headers_answers_retries_and_faults(
    handler: RecordingHandler, service: Service
) -> None:
    socket = await service.connect(sub="ana")
    handler.script["a"] = [Answer(503, b"down"), Answer(200, b"yes", {"Content-Type": "text/plain", "X-Own": "1"})]
    service.emulator.inject(Fault(FaultKind.DUPLICATE_EVENT, event="a"))
    await socket.send({"type": "event", "event": "a", "dataType": "text", "data": "hi", "ackId": 1})
    await socket.frame()
    await socket.frame()
    [exchange] = service.emulator.traffic.exchanges("a")
    shown = exchange.details()
    sent = handler.events("a")[0]
    assert dict(shown["headers"]).items() <= dict(sent.headers.items()).items()
    assert shown["body"]["text"] == "hi"
    assert shown["url"] == f"{handler.url}/api/eventhandler/a"
    tries = [(attempt["status"], attempt["isDuplicate"], attempt["body"]["text"]) for attempt in shown["attemptList"]]
    assert tries == [(503, False, "down"), (200, False, "yes"), (204, True, "")]
    assert ["X-Own", "1"] in [list(pair) for pair in shown["attemptList"][1]["headers"]]
    assert (shown["state"], shown["status"], shown["attempts"], shown["faults"]) == ("ok", 200, 2, ["duplicate_event"])


async def test_an_invalid_answer_is_a_failed_exchange(handler: RecordingHandler, service: Service) -> None:
    socket = await service.connect()
    handler.script["a"] = [Answer(200, b"x", {"Content-Type": "image/png"})]
    await socket.request(type="event", event="a", data=1, ackId=1)
    [exchange] = service.emulator.traffic.exchanges("a")
    assert exchange.state is State.FAILED
    assert "answer not valid" in (exchange.problem or "")


BODIES = [
    (b'it\'s "quoted" $HOME `id` \\ \n@/etc/passwd %00', "text/plain; charset=utf-8"),
    (b"@/etc/passwd", "text/plain; charset=utf-8"),
    ("grüße 张".encode(), "text/plain; charset=utf-8"),
    (b'{"a":[1,{}]}', "application/json"),
    (bytes(range(256)), "application/octet-stream"),
    (b"x" * 1_000_000, "text/plain; charset=utf-8"),
    (b"", "application/octet-stream"),
]


@pytest.mark.parametrize(("body", "content_type"), BODIES)
async def test_the_curl_command_sends_the_same_request(
    handler: RecordingHandler, body: bytes, content_type: str, tmp_path: Path
) -> None:
    handler.script["it's"] = [Answer(200, b"the answer", {"X-Own": "1"})]
    headers = {"Content-Type": content_type, "ce-eventName": "it's", "x-webpubsub-metadata-empty": ""}
    command = curl_command(f"{handler.url}/a[b]{{c}}?code='x'&y=1", headers.items(), body)
    output = await run_shell(command, tmp_path)
    [received] = handler.received
    assert received.body == body
    assert received.path == "/a[b]{c}?code='x'&y=1"
    assert {name: received.headers[name] for name in headers} == headers
    assert output.startswith("HTTP/1.1 200")
    assert output.endswith("the answer")


class Stream:
    """A viewer of the traffic, without a browser."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def next(self, event: str) -> Any:
        """The data of the next message of that kind."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while line := (await self._response.content.readline()).decode():
                if line == f"event: {event}\n":
                    data = (await self._response.content.readline()).decode()
                    return json.loads(data.removeprefix("data: "))
        raise AssertionError("the stream ended")


async def test_a_viewer_gets_what_was_and_what_comes(handler: RecordingHandler, service: Service) -> None:
    await service.connect(sub="ana", groups="lobby")
    await handler.wait_for("connected")
    async with service.session.get(f"{service.url}/emulator/traffic") as response:
        stream = Stream(response)
        state = await stream.next("state")
        assert state["hubs"][0]["connections"] == [
            {"id": "conn-1", "userId": "ana", "subprotocol": "json.webpubsub.azure.v1", "groups": ["lobby"]}
        ]
        assert (await stream.next("start"))["limit"] == traffic.MAX_ENTRIES
        assert "connect" in {entry.get("event") for entry in await stream.next("entries")}
        service.emulator.inject(Fault(FaultKind.DROP_ANSWER))
        assert any("FAULT drop_answer" in entry.get("text", "") for entry in await stream.next("entries"))
        assert (await stream.next("state"))["faults"] == [{"fault": "drop_answer", "count": 1}]


async def test_an_entry_is_fetched_whole_while_it_is_kept(service: Service) -> None:
    await service.connect()
    [exchange] = service.emulator.traffic.exchanges("connect")
    url = f"{service.url}/emulator/traffic"
    async with service.session.get(f"{url}/{exchange.id}") as response:
        assert (await response.json())["curl"].startswith("curl ")
    async with service.session.delete(url) as response:
        assert response.status == 200
    for entry_id in (exchange.id, 0, 10**30):
        async with service.session.get(f"{url}/{entry_id}") as response:
            assert response.status == 404


async def test_an_open_view_does_not_hold_up_the_end(start_service: StartService) -> None:
    service = await start_service()
    async with service.session.get(f"{service.url}/emulator/traffic") as response:
        await Stream(response).next("start")
        await asyncio.wait_for(service.emulator.stop(), PATIENCE_SECONDS)
        # Cut off, it would not be read to its end.
        await asyncio.wait_for(response.content.read(), PATIENCE_SECONDS)
