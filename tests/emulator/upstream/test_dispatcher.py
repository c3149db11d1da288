"""The upstream dispatcher over real sockets: what the handler hears and what its answers do to clients."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.emulator.conftest import Service, Socket, StartService, settings_for
from tests.emulator.fakes import Answer, RecordingHandler
from webpubsub_emulator import Emulator, EventHandler

EVENTS = Path(__file__).parents[2] / "events"
OWN_HEADERS = ["Host", "Accept", "Accept-Encoding", "User-Agent", "Content-Length", "x-ms-client-request-id"]


async def test_an_event_on_the_wire_has_the_headers_of_the_fixtures(handler: RecordingHandler) -> None:
    settings = settings_for(handler, access_key="k1" * 16, secondary_access_key="k2" * 16)
    clock = lambda: datetime(2026, 11, 24, 9, 30, tzinfo=UTC)  # noqa: E731
    emulator = Emulator(settings, clock=clock, connection_ids=lambda: "conn-42")
    async with emulator, aiohttp.ClientSession() as session:
        service = Service(emulator, session)
        handler.script["connect"] = [Answer(200, headers={"ce-connectionState": "abc="})]
        socket = await service.connect(token=service.token(key="k2" * 16, sub="ana"))
        await socket.request(type="event", event="message", dataType="text", data="hi", ackId=1)
    received = handler.events("message")[0]
    assert [name for name in received.raw_header_names if name not in OWN_HEADERS] == [
        "Content-Type",
        "WebHook-Request-Origin",
        "ce-specversion",
        "ce-awpsversion",
        "ce-type",
        "ce-source",
        "ce-id",
        "ce-time",
        "ce-signature",
        "ce-connectionId",
        "ce-hub",
        "ce-eventName",
        "ce-userId",
        "ce-subprotocol",
        "ce-connectionState",
    ]
    assert received.path == "/api/eventhandler/message"
    assert received.headers["Content-Length"] == "2"
    assert received.headers["ce-time"] == "2026-11-24T09:30:00Z"
    assert received.headers["ce-signature"].count("sha256=") == 2


async def test_events_of_a_connection_have_rising_ids(handler: RecordingHandler, service: Service) -> None:
    socket = await service.connect()
    await handler.wait_for("connected")
    await socket.request(type="event", event="a", data=1, ackId=1)
    await socket.raw.close()
    await handler.wait_for("disconnected")
    assert [r.headers["ce-id"] for r in handler.received if r.method == "POST"] == ["0", "1", "2", "3"]


async def test_the_connect_event_tells_of_the_request(handler: RecordingHandler, service: Service) -> None:
    await service.connect(sub="ana", query="&room=lobby", role=["r"])
    body = json.loads(handler.events("connect")[0].body)
    assert body["claims"]["sub"] == ["ana"]
    assert body["query"] == {"room": ["lobby"]}
    assert body["subprotocols"] == ["json.webpubsub.azure.v1"]
    assert body["clientCertificates"] == []
    assert "ce-subprotocol" not in handler.events("connect")[0].headers


async def test_a_connect_answer_decides_who_the_client_is(handler: RecordingHandler, service: Service) -> None:
    answer = json.dumps({"userId": "eve", "groups": ["g"], "roles": ["webpubsub.sendToGroup.g"]}).encode()
    handler.script["connect"] = [Answer(200, answer)]
    socket = await service.connect(sub="ana", groups="other")
    ack = await socket.request(type="sendToGroup", group="other", data=1, ackId=1)
    assert ack["error"]["name"] == "Forbidden"
    await socket.send({"type": "sendToGroup", "group": "g", "data": 1})
    assert (await socket.frame())["fromUserId"] == "eve"


@pytest.mark.parametrize(("status", "seen"), [(401, 401), (403, 403), (404, 404), (302, 500)])
async def test_a_refusal_reaches_the_client_as_it_is(
    handler: RecordingHandler, service: Service, status: int, seen: int
) -> None:
    handler.script["connect"] = [Answer(status, b"secret reason", {"Location": "/elsewhere"})]
    got, text = await service.refused(f"/client/hubs/chat?access_token={service.token()}")
    assert (got, "secret" in text, len(handler.events("connect"))) == (seen, False, 1)


@pytest.mark.parametrize("body", [b"no json", b'{"groups":[" "]}', b'{"subprotocol":"not-offered"}'])
async def test_an_invalid_connect_answer_is_500(handler: RecordingHandler, service: Service, body: bytes) -> None:
    handler.script["connect"] = [Answer(200, body)]
    assert (await service.refused(f"/client/hubs/chat?access_token={service.token()}"))[0] == 500


@pytest.mark.parametrize("status", [408, 500, 503])
async def test_a_temporary_failure_is_tried_again_as_the_same_event(
    handler: RecordingHandler, service: Service, status: int
) -> None:
    socket = await service.connect()
    handler.script["message"] = [Answer(status), Answer(status), Answer(status), Answer(204)]
    ack = await socket.request(type="event", event="message", data=1, ackId=1)
    tries = handler.events("message")
    assert (ack["success"], len(tries)) == (True, 4)
    for header in ("ce-id", "ce-time", "x-ms-client-request-id"):
        assert len({request.headers[header] for request in tries}) == 1


@pytest.mark.parametrize(("status", "tries"), [(400, 1), (429, 1), (302, 1), (500, 4)])
async def test_a_failed_event_is_an_ack_and_no_close_for_json_clients(
    handler: RecordingHandler, service: Service, caplog: pytest.LogCaptureFixture, status: int, tries: int
) -> None:
    socket = await service.connect()
    handler.script["message"] = [Answer(status, b"because of this")] * 4
    ack = await socket.request(type="event", event="message", data=1, ackId=1)
    assert ack["error"] == {"name": "InternalServerError", "message": "Internal server error"}
    assert len(handler.events("message")) == tries
    assert f"HTTP {status}, event failed: 'because of this'" in caplog.text
    await socket.assert_alive()


@pytest.mark.parametrize(("status", "hint"), [(401, "AccessKey"), (404, "this path"), (405, "method POST")])
async def test_the_log_guesses_what_is_wrong_with_a_handler(
    handler: RecordingHandler, service: Service, caplog: pytest.LogCaptureFixture, status: int, hint: str
) -> None:
    socket = await service.connect()
    handler.script["message"] = [Answer(status)]
    await socket.request(type="event", event="message", data=1, ackId=1)
    assert f"HTTP {status}" in caplog.text
    assert hint in caplog.text


async def test_a_failed_ack_id_may_be_used_again(handler: RecordingHandler, service: Service) -> None:
    socket = await service.connect()
    handler.script["message"] = [Answer(400)]
    assert (await socket.request(type="event", event="message", data=1, ackId=1))["success"] is False
    assert (await socket.request(type="event", event="message", data=1, ackId=1))["success"] is True
    duplicate = await socket.request(type="event", event="message", data=1, ackId=1)
    assert duplicate["error"] == {"name": "Duplicate", "message": "Message with ack-id: 1 has been processed"}
    assert len(handler.events("message")) == 2


async def test_a_failed_event_closes_a_simple_client(handler: RecordingHandler, service: Service) -> None:
    socket = await service.simple()
    handler.script["message"] = [Answer(400)]
    await socket.send("hi")
    assert await socket.close_code() == (1011, "Internal server error")


async def test_a_hub_without_handler_lets_clients_in_but_fails_their_events(service: Service) -> None:
    socket = await service.connect("other")
    ack = await socket.request(type="event", event="message", data=1, ackId=1)
    assert ack["error"]["name"] == "InternalServerError"


async def test_a_reply_comes_before_the_ack(handler: RecordingHandler, service: Service) -> None:
    handler.script["ask"] = [
        Answer(200, b'{"a": 1}', {"Content-Type": "application/json", "X-WebPubSub-Metadata-K": "v"})
    ]
    socket = await service.connect()
    await socket.send({"type": "event", "event": "ask", "data": 1, "ackId": 1})
    assert await socket.text() == (
        '{"type":"message","from":"server","dataType":"json","data":{"a": 1},"metadata":{"k":"v"}}'
    )
    assert await socket.text() == '{"type":"ack","ackId":1,"success":true}'


async def test_a_reply_to_a_simple_client_is_bare(handler: RecordingHandler, service: Service) -> None:
    handler.script["message"] = [Answer(200, b"text", {"Content-Type": "text/plain"}), Answer(200, b"\x00bytes")]
    socket = await service.simple()
    await socket.send("1")
    assert await socket.text() == "text"
    await socket.send(b"2")
    await socket.send("3")
    assert (await socket.raw.receive()).data in ("\x00bytes", b"\x00bytes")


async def test_state_is_kept_until_an_answer_replaces_it(handler: RecordingHandler, service: Service) -> None:
    handler.script["connect"] = [Answer(200, headers={"ce-connectionState": "one"})]
    handler.script["a"] = [
        Answer(204),
        Answer(204, headers={"ce-connectionState": "two"}),
        Answer(400, headers={"ce-connectionState": "bad"}),
        Answer(204, headers={"ce-connectionState": ""}),
        Answer(204),
    ]
    socket = await service.connect()
    for ack_id in range(5):
        await socket.request(type="event", event="a", data=1, ackId=ack_id)
    states = [request.headers.get("ce-connectionState") for request in handler.events("a")]
    assert states == ["one", "one", "two", "two", None]


async def test_events_of_one_connection_go_one_at_a_time(handler: RecordingHandler, service: Service) -> None:
    gate = asyncio.Event()
    handler.script["a"] = [Answer(204, gate=gate)]
    slow, other = await service.connect(), await service.connect()
    await slow.send({"type": "event", "event": "a", "data": 1})
    await slow.send({"type": "event", "event": "a", "data": 2})
    await slow.send({"type": "sendToGroup", "group": "g", "data": 1, "ackId": 9})
    await handler.wait_for("a")
    await other.request(type="event", event="b", data=1, ackId=1)
    await slow.assert_alive()
    assert len(handler.events("a")) == 1
    gate.set()
    assert (await slow.frame())["ackId"] == 9
    assert [request.body for request in handler.events("a")] == [b"1", b"2"]


async def test_an_event_that_a_client_sent_before_it_went_still_counts(
    handler: RecordingHandler, service: Service
) -> None:
    gate = asyncio.Event()
    handler.script["a"] = [Answer(204, gate=gate)]
    socket = await service.connect()
    await socket.send({"type": "event", "event": "a", "data": 1})
    await socket.send({"type": "event", "event": "a", "data": 2})
    await handler.wait_for("a")
    await socket.raw.close(code=1000, message=b"bye now")
    assert (await service.rest("HEAD", "/connections/conn-1"))[0] == 404
    gate.set()
    last = await handler.wait_for("disconnected")
    assert last.body == b'{"reason":"bye now"}'
    assert [r.headers["ce-eventName"] for r in handler.received if r.method == "POST"][-3:] == [
        "a",
        "a",
        "disconnected",
    ]


async def test_notifications_keep_their_order(handler: RecordingHandler, service: Service) -> None:
    gate = asyncio.Event()
    handler.script["connected"] = [Answer(204, gate=gate)]
    socket = await service.connect()
    await handler.wait_for("connected")
    await socket.request(type="event", event="a", data=1, ackId=1)
    await socket.raw.close()
    # Another connection comes and goes meanwhile: time enough for a notification that does not wait.
    other = await service.connect()
    await other.raw.close()
    await handler.wait_for("disconnected")
    assert [event.headers["ce-connectionId"] for event in handler.events("disconnected")] == ["conn-2"]
    gate.set()
    await handler.wait_for("disconnected", 2)


async def test_stopping_gives_up_on_all_notifications_that_wait(handler: RecordingHandler, service: Service) -> None:
    gate = asyncio.Event()
    handler.script["connected"] = [Answer(204, gate=gate)]
    socket = await service.connect()
    await handler.wait_for("connected")
    await socket.raw.close()
    await service.emulator.stop()
    assert [task for task in asyncio.all_tasks() if "Upstream." in repr(task)] == []
    gate.set()


async def test_an_event_handler_that_is_told_of_disconnects_at_shutdown_can_still_call_the_emulator(
    handler: RecordingHandler, service: Service
) -> None:
    gate = asyncio.Event()
    handler.script["disconnected"] = [Answer(204, gate=gate)]
    await service.connect()
    stopping = asyncio.create_task(service.emulator.stop())
    await handler.wait_for("disconnected")
    assert (await service.rest("HEAD", "/groups/nobody"))[0] == 404
    gate.set()
    await stopping


async def test_only_subscribed_events_are_sent_and_the_first_match_wins(
    handler: RecordingHandler, start_service: StartService
) -> None:
    service = await start_service(
        event_handlers={
            "CHAT": [
                EventHandler(f"{handler.url}/first/{{Hub}}/{{EVENT}}", frozenset(), "a, B"),
                EventHandler(f"{handler.url}/second", frozenset({"disconnected"}), "*"),
            ]
        }
    )
    socket = await service.connect("Chat")
    for number, event in enumerate(("A", "b", "c")):
        await socket.request(type="event", event=event, data=1, ackId=number)
    await socket.raw.close()
    await handler.wait_for("disconnected")
    posts = [r for r in handler.received if r.method == "POST"]
    assert [r.path for r in posts] == ["/first/chat/A", "/first/chat/b", "/second", "/second"]
    assert [r.headers["ce-id"] for r in posts] == ["1", "2", "3", "4"]
    assert [r.path for r in handler.validations()] == ["/first/chat/validate", "/second"]


async def test_a_handler_is_validated_once_for_many(handler: RecordingHandler, service: Service) -> None:
    await asyncio.gather(*(service.connect() for _ in range(5)))
    assert len(handler.validations()) == 1
    asked = handler.validations()[0]
    assert (asked.method, asked.path) == ("OPTIONS", "/api/eventhandler/validate")
    assert (asked.headers["WebHook-Request-Origin"], asked.headers["ce-awpsversion"]) == ("localhost", "1.0")


async def test_a_handler_is_validated_again_when_settings_are_taken_again(
    handler: RecordingHandler, service: Service
) -> None:
    await service.connect()
    await service.emulator.reload(settings_for(handler))
    assert len(handler.validations()) == 2


async def test_a_handler_that_knows_no_options_is_asked_with_get(handler: RecordingHandler, service: Service) -> None:
    handler.consent_status = {"OPTIONS": 404, "GET": 200}
    await service.connect()
    assert [r.method for r in handler.validations()] == ["OPTIONS", "GET"]


@pytest.mark.parametrize(
    ("status", "headers"),
    [(200, {}), (200, {"WebHook-Allowed-Origin": "elsewhere.example"}), (403, {"WebHook-Allowed-Origin": "*"})],
)
async def test_without_consent_nothing_is_sent_and_the_log_says_what_to_fix(
    handler: RecordingHandler,
    service: Service,
    caplog: pytest.LogCaptureFixture,
    status: int,
    headers: dict[str, str],
) -> None:
    handler.consent_status, handler.consent = {"OPTIONS": status}, headers
    assert (await service.refused(f"/client/hubs/chat?access_token={service.token()}"))[0] == 500
    assert handler.events("connect") == []
    assert "VALIDATION FAILED" in caplog.text
    assert f"came back: status {status}" in caplog.text


@pytest.mark.parametrize("origin", ["*", "LOCALHOST"])
async def test_consent_names_the_origin_or_everyone(handler: RecordingHandler, service: Service, origin: str) -> None:
    handler.consent = {"WebHook-Allowed-Origin": origin}
    await service.connect()


async def test_a_handler_that_is_not_there_fails_the_upgrade(
    start_service: StartService, caplog: pytest.LogCaptureFixture
) -> None:
    service = await start_service(event_handlers={"chat": [EventHandler("http://127.0.0.1:9/api?code=secret")]})
    assert (await service.refused(f"/client/hubs/chat?access_token={service.token()}"))[0] == 500
    assert "http://127.0.0.1:9/api" in caplog.text
    assert "secret" not in caplog.text


async def test_a_key_in_the_url_of_a_handler_is_not_logged(
    handler: RecordingHandler, start_service: StartService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    service = await start_service(event_handlers={"chat": [EventHandler(f"{handler.url}/api?code=secret")]})
    socket = await service.connect()
    handler.script["a"] = [Answer(500), Answer(400)]
    await socket.request(type="event", event="a", data=1, ackId=1)
    assert handler.events("a")[0].path == "/api?code=secret"
    assert ", again in 0.01 s: " in caplog.text
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("webpubsub_emulator")]
    assert "code=secret" not in "\n".join(ours)


@pytest.mark.parametrize(
    "consent", [b"HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: *\r\nConnection: close\r\n\r\n", b"?"]
)
async def test_a_key_in_the_url_of_what_speaks_no_http_is_not_logged(
    start_service: StartService, consent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(consent if request.startswith(b"OPTIONS") else b"nonsense\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/{{event}}?code=function-key"
        service = await start_service(event_handlers={"chat": [EventHandler(url)]})
        assert (await service.refused(f"/client/hubs/chat?access_token={service.token()}"))[0] == 500
    assert "Expected HTTP/" in caplog.text
    assert "function-key" not in caplog.text


async def test_a_handler_that_does_not_answer_in_time_is_not_asked_again(
    handler: RecordingHandler, start_service: StartService
) -> None:
    only_a = EventHandler(f"{handler.url}/{{event}}", frozenset(), "a")
    service = await start_service(upstream_timeout=1, event_handlers={"chat": [only_a]})
    socket = await service.connect()
    gate = asyncio.Event()
    handler.script["a"] = [Answer(204, gate=gate)]
    ack = await socket.request(type="event", event="a", data=1, ackId=1)
    gate.set()
    assert (ack["success"], len(handler.events("a"))) == (False, 1)


async def test_a_redirect_is_a_failure_and_not_followed(handler: RecordingHandler, service: Service) -> None:
    socket = await service.connect()
    handler.script["a"] = [Answer(307, headers={"Location": f"{handler.url}/elsewhere"})]
    assert (await socket.request(type="event", event="a", data=1, ackId=1))["success"] is False
    handler.script["connect"] = [Answer(302, headers={"Location": f"{handler.url}/elsewhere"})]
    assert (await service.refused(f"/client/hubs/chat?access_token={service.token()}"))[0] == 500
    assert not [request for request in handler.received if request.path == "/elsewhere"]


async def test_an_answer_too_large_is_a_failure(handler: RecordingHandler, service: Service) -> None:
    socket = await service.connect()
    handler.script["a"] = [Answer(200, b"x" * (16 * 1024 * 1024 + 1))]
    assert (await socket.request(type="event", event="a", data=1, ackId=1))["success"] is False


async def test_metadata_goes_upstream_in_headers(handler: RecordingHandler, service: Service) -> None:
    socket = await service.connect()
    await socket.request(type="event", event="a", data=1, ackId=1, metadata={"Trace": "7"})
    assert handler.events("a")[0].headers["x-webpubsub-metadata-trace"] == "7"


async def test_an_empty_message_goes_upstream_with_a_length(handler: RecordingHandler, service: Service) -> None:
    socket = await service.connect()
    await socket.request(type="event", event="a", dataType="text", data="", ackId=1)
    assert handler.events("a")[0].headers["Content-Length"] == "0"


async def test_no_key_and_no_token_is_logged(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = service.token()
    socket: Socket = await service.connect(token=token)
    await socket.request(type="event", event="a", data=1, ackId=1)
    await service.refused(f"/client/hubs/other?access_token={token}")
    await service.rest("POST", "/:send", body=b"x")
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("webpubsub_emulator"))
    assert ours
    assert token not in ours
    assert "primary-key" not in ours


def presence_handler(handler: RecordingHandler, **options: Any) -> EventHandler:
    return EventHandler(f"{handler.url}/presence/{{event}}", **options)


async def groups_of(handler: RecordingHandler, last: str) -> list[tuple[str, str]]:
    """Event and group of each presence event, once the handler has heard ``last``."""
    await handler.wait_for(last)
    return [
        (request.headers["ce-eventName"], json.loads(request.body)["group"])
        for request in handler.received
        if request.method == "POST" and request.headers["ce-type"].startswith("azure.webpubsub.gp.")
    ]


async def test_group_presence_events_tell_who_joins_and_leaves(
    handler: RecordingHandler, start_service: StartService
) -> None:
    service = await start_service(
        event_handlers={"chat": [presence_handler(handler, group_events=frozenset({"joined", "left"}))]}
    )
    socket = await service.connect(groups="lobby", sub="ana", role=["webpubsub.joinLeaveGroup"])
    await socket.request(type="joinGroup", group="den", ackId=1)
    await socket.request(type="joinGroup", group="den", ackId=2)
    await service.rest("PUT", "/groups/attic/connections/conn-1")
    await socket.request(type="leaveGroup", group="den", ackId=3)
    await socket.raw.close()
    heard = await groups_of(handler, "disconnected")
    assert heard[:4] == [("joined", "lobby"), ("joined", "den"), ("joined", "attic"), ("left", "den")]
    assert sorted(heard[4:]) == [("left", "attic"), ("left", "lobby")]
    order = [request.headers["ce-eventName"] for request in handler.received if request.method == "POST"]
    assert [order[index] for index in (0, 1, 2, -1)] == ["connect", "connected", "joined", "disconnected"]


async def test_a_group_presence_event_has_the_headers_and_the_body_of_its_fixture(
    handler: RecordingHandler, start_service: StartService
) -> None:
    service = await start_service(
        event_handlers={"chat": [presence_handler(handler, group_events=frozenset({"joined"}))]}
    )
    await service.connect(groups="lobby", sub="ana")
    received = await handler.wait_for("joined")
    fixture = json.loads((EVENTS / "quirks" / "group_joined.json").read_text())["request"]
    wanted = dict(fixture["headers"])
    for name in ("Content-Type", "ce-type", "ce-hub", "ce-eventName", "ce-userId", "ce-specversion", "ce-awpsversion"):
        assert received.headers[name] == wanted[name], name
    assert set(json.loads(received.body)) == set(json.loads(fixture["body"]["text"]))
    assert received.path == "/presence/joined"


@pytest.mark.parametrize(
    ("options", "heard"),
    [
        ({"group_events": frozenset({"joined"})}, ["room-1", "room-2", "den"]),
        ({"group_events": frozenset({"joined"}), "group_filters": ("room-*",)}, ["room-1", "room-2"]),
        ({"group_events": frozenset({"joined"}), "group_filters": ("x", "*-2", "de")}, ["room-2"]),
        ({"group_events": frozenset({"joined"}), "group_filters": ("ROOM-*",)}, []),
        ({"group_events": frozenset({"left"})}, []),
        ({"group_filters": ("*",)}, []),
    ],
)
async def test_group_filters_choose_the_groups(
    handler: RecordingHandler, start_service: StartService, options: dict[str, Any], heard: list[str]
) -> None:
    service = await start_service(event_handlers={"chat": [presence_handler(handler, **options)]})
    socket = await service.connect(groups=["room-1", "room-2", "den"])
    await socket.request(type="event", event="last", data=1, ackId=1)
    await service.emulator.stop()
    joined = [json.loads(r.body)["group"] for r in handler.events("joined")]
    assert sorted(joined) == sorted(heard)


async def test_a_hub_may_let_clients_in_without_a_token(handler: RecordingHandler, start_service: StartService) -> None:
    service = await start_service(anonymous_hubs=["Chat"])
    socket = Socket(await service.session.ws_connect(f"{service.url}/client/hubs/chat"))
    await socket.send("hi")
    received = await handler.wait_for("message")
    assert "ce-userId" not in received.headers
    assert json.loads(handler.events("connect")[0].body)["claims"] == {}
    assert (await service.refused("/client/hubs/other"))[0] == 401
    assert (await service.refused("/client/hubs/chat?access_token=wrong"))[0] == 401
    await socket.raw.close()
