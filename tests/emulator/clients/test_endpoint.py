"""Who may connect, with which subprotocol, and what the sockets see."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import aiohttp
import pytest
from yarl import URL

from local.azurite import free_port
from tests.emulator.conftest import Service, StartService
from tests.emulator.fakes import SECONDARY_KEY, Answer, RecordingHandler, from_now, sign
from tests.emulator.wire_format import field
from tests.patience import PATIENCE_SECONDS
from webpubsub_emulator.upstream.exchange import State

FOREVER = 1_000_000
ALL_ROLES = ["webpubsub.sendToGroup", "webpubsub.joinLeaveGroup"]


async def test_the_greeting_is_written_to_the_letter(service: Service) -> None:
    url = f"{service.url}/client/hubs/chat?access_token={service.token(sub='ana')}"
    async with service.session.ws_connect(url, protocols=["json.webpubsub.azure.v1"]) as socket:
        assert await socket.receive_str() == (
            '{"type":"system","event":"connected","userId":"ana","connectionId":"conn-1"}'
        )


async def test_a_token_may_come_in_the_header(service: Service) -> None:
    status, _ = await service.refused(
        "/client/hubs/chat?access_token=nonsense", headers={"Authorization": f"bearer {service.token()}"}
    )
    assert status == 101


async def test_the_name_of_the_token_parameter_has_any_case(service: Service) -> None:
    assert (await service.refused(f"/client/hubs/chat?Access_Token={service.token()}"))[0] == 101


@pytest.mark.parametrize("path", ["/client/?hub=CHAT&", "/client?hub=chat&"])
async def test_the_legacy_address_works(service: Service, path: str) -> None:
    assert (await service.refused(f"{path}access_token={service.token()}"))[0] == 101


async def test_the_secondary_key_signs_too(service: Service) -> None:
    token = service.token(key=SECONDARY_KEY)
    assert (await service.refused(f"/client/hubs/chat?access_token={token}"))[0] == 101


async def test_the_audience_may_name_the_host_in_any_case_and_as_received(service: Service) -> None:
    port = service.url.rpartition(":")[2]
    for audience, host in [
        (f"HTTP://LOCALHOST:{port}/Client/Hubs/CHAT", f"localhost:{port}"),
        ("https://proxy.example/client/hubs/chat", "proxy.example"),
        (f"http://localhost:{port}/client/hubs/chat", "anything"),
    ]:
        token = sign({"aud": audience})
        status, _ = await service.refused(f"/client/hubs/chat?access_token={token}", headers={"Host": host})
        assert status == 101


async def test_a_public_endpoint_can_be_configured(start_service: StartService, handler: RecordingHandler) -> None:
    service = await start_service(port=(port := free_port()), public_endpoint="https://pubsub.example:8443/")
    assert service.emulator.connection_string.startswith("Endpoint=https://pubsub.example:8443;")
    token = sign({"aud": "https://pubsub.example:8443/client/hubs/chat"})
    async with service.session.ws_connect(f"http://127.0.0.1:{port}/client/hubs/chat?access_token={token}"):
        assert handler.events("connect")[0].headers["WebHook-Request-Origin"] == "pubsub.example"


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": "soon"},
        {"nbf": 99999999999},
        {"aud": "http://localhost/client/hubs/other"},
        {"aud": 7},
        {"sub": 7},
    ],
)
async def test_a_bad_claim_is_401(service: Service, claims: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    status, text = await service.refused(f"/client/hubs/chat?access_token={service.token(**claims)}")
    assert status == 401
    assert "not accepted" in text
    assert "REFUSED a client of hub 'chat' with 401" in caplog.text


async def test_a_clock_may_be_five_minutes_off(service: Service) -> None:
    token = service.token(**from_now({"exp": -240, "nbf": 240}))
    assert (await service.refused(f"/client/hubs/chat?access_token={token}"))[0] == 101


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.eyJhdWQiOiIifQ.", "%00", "%ff" * 9])
async def test_a_token_of_no_shape_is_401(service: Service, token: str) -> None:
    assert (await service.refused(f"/client/hubs/chat?access_token={token}"))[0] == 401


async def test_a_token_of_another_key_or_of_none_is_401(service: Service) -> None:
    token = service.token(key="another-key-of-somebody-else-entirely")
    assert (await service.refused(f"/client/hubs/chat?access_token={token}"))[0] == 401
    assert (await service.refused("/client/hubs/chat"))[0] == 401


@pytest.mark.parametrize(
    ("url", "claims"),
    [
        ("/client/hubs/1chat?", {}),
        ("/client/hubs/ch%2Fat?", {}),
        ("/client/?", {}),
        ("/client/hubs/chat?", {"webpubsub.group": " "}),
        ("/client/hubs/chat?", {"webpubsub.group": [1]}),
        ("/client/hubs/chat?", {"webpubsub.group": None}),
        ("/client/hubs/chat?", {"role": 7}),
        ("/client/hubs/chat?", {"sub": "\ud800"}),
        ("/client/hubs/chat?webpubsub_mode=other&", {}),
        ("/client/hubs/chat?webpubsub_mode=sendToGroup&", {}),
    ],
)
async def test_what_cannot_be_is_400(service: Service, url: str, claims: dict[str, Any]) -> None:
    assert (await service.refused(f"{url}access_token={service.token(**claims)}"))[0] == 400


async def test_a_request_that_is_not_a_websocket_is_400(service: Service) -> None:
    async with service.session.get(f"{service.url}/client/hubs/chat?access_token={service.token()}") as response:
        assert response.status == 400


@pytest.mark.parametrize(
    ("start", "wrong"),
    [
        ("POST 1.1", {}),
        ("HEAD 1.1", {}),
        ("GET 1.0", {}),
        ("GET 1.1", {"Sec-WebSocket-Key": b"\xff"}),
        ("GET 1.1", {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jé==".encode()}),
        ("GET 1.1", {"Sec-WebSocket-Key": b"short"}),
        ("GET 1.1", {"Sec-WebSocket-Version": b"\xff"}),
        ("GET 1.1", {"Connection": b"\xff"}),
        ("GET 1.1", {"Upgrade": b"\xff"}),
    ],
)
async def test_an_upgrade_against_the_rules_of_websocket_is_400(
    service: Service, start: str, wrong: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    url, (method, version) = URL(service.url), start.split()
    fields = {"Host": url.authority.encode(), "Connection": b"Upgrade", "Upgrade": b"websocket"}
    fields |= {"Sec-WebSocket-Version": b"13", "Sec-WebSocket-Key": b"dGhlIHNhbXBsZSBub25jZQ==", **wrong}
    lines = [f"{method} /client/hubs/chat?access_token={service.token()} HTTP/{version}".encode()]
    lines += [name.encode() + b": " + value for name, value in fields.items()]
    reader, writer = await asyncio.open_connection("127.0.0.1", url.port)
    writer.write(b"\r\n".join(lines) + b"\r\n\r\n")
    assert (await asyncio.wait_for(reader.readline(), PATIENCE_SECONDS)).split()[1] == b"400"
    writer.close()
    assert "defect" not in caplog.text


@pytest.mark.parametrize("path", ["/emulator", "/client/hubs", "/client/hubs/a/b", "/clients/mqtt", "/%ff", "//"])
async def test_an_unknown_route_is_404(service: Service, path: str) -> None:
    assert (await service.refused(path))[0] == 404


@pytest.mark.parametrize(
    "name",
    [
        "json.webpubsub.azure.v1",
        "json.reliable.webpubsub.azure.v1",
        "protobuf.webpubsub.azure.v1",
        "protobuf.reliable.webpubsub.azure.v1",
    ],
)
async def test_the_first_known_subprotocol_is_chosen(service: Service, name: str) -> None:
    socket = await service.connect(protocols=("x", "mqtt", name, "json.webpubsub.azure.v1"))
    assert socket.raw.protocol == name


async def test_a_client_that_is_let_in_leaves_no_warning(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    await (await service.connect(protocols=("own", "json.webpubsub.azure.v1"))).assert_alive()
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_without_a_known_subprotocol_none_is_echoed(service: Service) -> None:
    socket = await service.connect(protocols=("x", "y"))
    assert socket.raw.protocol is None


async def test_the_handler_can_choose_a_custom_subprotocol(handler: RecordingHandler, service: Service) -> None:
    handler.script["connect"] = [Answer(200, b'{"subprotocol":"chat.v2"}')]
    socket = await service.connect(protocols=("json.webpubsub.azure.v1", "chat.v2"))
    await socket.send("hi")
    received = await handler.wait_for("message")
    assert (socket.raw.protocol, received.headers["ce-subprotocol"]) == ("chat.v2", "chat.v2")
    assert (received.headers["Content-Type"], received.body) == ("text/plain; charset=utf-8", b"hi")


async def test_a_client_that_offers_only_mqtt_hears_what_to_use_instead(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    status, text = await service.refused(
        f"/client/hubs/chat?access_token={service.token()}", headers={"Sec-WebSocket-Protocol": "x, mqtt"}
    )
    assert status == 400
    assert text.startswith(
        "The subprotocol mqtt is not implemented by this emulator: let the client use json.webpubsub"
    )
    assert text in caplog.text


async def test_the_address_of_mqtt_clients_says_so_too(service: Service) -> None:
    status, text = await service.refused(f"/clients/mqtt/hubs/chat?access_token={service.token()}")
    assert status == 501
    assert "mqtt is not implemented" in text


@pytest.mark.parametrize("chosen", ["mqtt", "y"])
async def test_a_choice_of_the_handler_that_cannot_be_is_500(
    service: Service, handler: RecordingHandler, chosen: str
) -> None:
    handler.script["connect"] = [Answer(200, b'{"subprotocol":"%b"}' % chosen.encode())]
    status, text = await service.refused(
        f"/client/hubs/chat?access_token={service.token()}",
        headers={"Sec-WebSocket-Protocol": "json.webpubsub.azure.v1, mqtt"},
    )
    assert status == 500
    assert chosen in text


async def test_group_messages_reach_members_and_the_sender_if_it_is_one(service: Service) -> None:
    sender = await service.connect(sub="ana", role=ALL_ROLES)
    member = await service.connect(groups=["g", "h"])
    await sender.request(type="joinGroup", group="g", ackId=1)
    await sender.send({"type": "sendToGroup", "group": "g", "dataType": "binary", "data": "AQI="})
    text = '{"type":"message","from":"group","fromUserId":"ana","group":"g","dataType":"binary","data":"AQI="}'
    assert await sender.text() == text
    assert await member.text() == text


async def test_no_echo_leaves_out_the_sending_connection_only(service: Service) -> None:
    claims: dict[str, Any] = {"sub": "ana", "role": ALL_ROLES, "groups": "g"}
    sender, twin = await service.connect(**claims), await service.connect(**claims)
    assert (await sender.request(type="sendToGroup", group="g", data=1, noEcho=True, ackId=1))["type"] == "ack"
    assert (await twin.frame())["data"] == 1


async def test_a_member_that_left_gets_nothing(service: Service) -> None:
    socket = await service.connect(role=ALL_ROLES, groups="g")
    await socket.request(type="leaveGroup", group="g", ackId=1)
    assert (await socket.request(type="sendToGroup", group="g", data=1, ackId=2))["type"] == "ack"


@pytest.mark.parametrize("kind", ["joinGroup", "leaveGroup", "sendToGroup"])
async def test_without_the_role_a_request_is_forbidden(
    service: Service, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    socket = await service.connect(role=["webpubsub.sendToGroup.g", "webpubsub.joinLeaveGroup.g"])
    assert (await socket.request(type=kind, group="g", data=1, ackId=1))["success"] is True
    refused = await socket.request(type=kind, group="other", data=1, ackId=2)
    assert (refused["success"], refused["error"]["name"]) == (False, "Forbidden")
    assert "FORBIDDEN" in caplog.text


async def test_without_ack_id_there_is_no_ack(service: Service) -> None:
    socket = await service.connect()
    await socket.send({"type": "joinGroup", "group": "g"})
    await socket.send({"type": "event", "event": "a", "data": 1})
    assert (await socket.request(type="event", event="b", data=1, ackId=7))["ackId"] == 7


async def test_the_answer_to_an_upgrade_is_held_back_a_little(
    start_service: StartService, handler: RecordingHandler
) -> None:
    service = await start_service(ack_delay=FOREVER)
    connecting = asyncio.create_task(service.simple())
    await handler.wait_for("connect")
    with service.emulator.traffic.subscribe() as changes:
        while service.emulator.traffic.exchanges("connect")[0].state is State.WAITING:
            assert await changes.changes(PATIENCE_SECONDS)
    assert (await service.rest("HEAD", "/connections/conn-1"))[0] == 404
    assert not connecting.done()
    connecting.cancel()


async def test_a_binary_frame_on_json_closes_with_1003(service: Service, handler: RecordingHandler) -> None:
    socket = await service.connect()
    await socket.send(b"{}")
    assert await socket.close_code() == (1003, "The JSON subprotocol requires text messages.")
    assert json.loads((await handler.wait_for("disconnected")).body)["reason"].startswith("The JSON subprotocol")


async def test_a_frame_of_one_mebibyte_passes_and_a_larger_one_closes(
    service: Service, handler: RecordingHandler
) -> None:
    socket, other = await service.simple(), await service.connect()
    await socket.send(b"x" * (1024 * 1024 - 1))
    assert len((await handler.wait_for("message")).body) == 1024 * 1024 - 1
    await socket.send(b"x" * (1024 * 1024 + 1))
    assert (await socket.close_code())[0] == 1009
    await other.assert_alive()


@pytest.mark.parametrize("is_reliable", [False, True])
async def test_a_protobuf_client_joins_sends_and_receives(service: Service, is_reliable: bool) -> None:
    json_client = await service.connect(groups="g")
    name = "protobuf.reliable.webpubsub.azure.v1" if is_reliable else "protobuf.webpubsub.azure.v1"
    client = await service.connect(protocols=(name,), sub="ana", role=ALL_ROLES)
    # A reliable client gets its token behind these.
    assert field(1, "conn-2") + field(2, "ana") in await client.binary()
    await client.send(field(6, field(1, "g") + field(2, 1)))
    assert await client.binary() == field(1, field(1, 1) + field(2, 1))
    await client.send(field(1, field(1, "g") + field(3, field(1, "hi"))))
    number = field(4, 1) if is_reliable else b""
    assert await client.binary() == field(2, field(1, "group") + field(2, "g") + field(3, field(1, "hi")) + number)
    assert (await json_client.frame())["data"] == "hi"
    await json_client.assert_alive()


async def test_a_simple_client_in_group_mode_publishes(service: Service) -> None:
    member = await service.connect(groups="g")
    sender = await service.simple(query="&webpubsub_mode=sendToGroup&group=g", role="webpubsub.sendToGroup.g")
    await sender.send("hi")
    assert await member.text() == (
        '{"type":"message","from":"group","fromUserId":null,"group":"g","dataType":"text","data":"hi"}'
    )


async def test_a_simple_client_in_group_mode_without_the_role_is_closed(service: Service) -> None:
    sender = await service.simple(query="&webpubsub_mode=sendToGroup&group=g")
    await sender.send("hi")
    assert (await sender.close_code())[0] == 1008


async def test_a_client_that_vanishes_is_reported(service: Service, handler: RecordingHandler) -> None:
    socket = await service.connect()
    socket.cut()
    assert (await handler.wait_for("disconnected")).body == b'{"reason":"The connection was lost."}'
    assert (await service.rest("HEAD", "/connections/conn-1"))[0] == 404


async def test_a_client_that_answers_no_ping_is_dropped(start_service: StartService, handler: RecordingHandler) -> None:
    service = await start_service(ping_interval=0.1)
    url = f"{service.url}/client/hubs/chat?access_token={service.token()}"
    async with service.session.ws_connect(url, autoping=False) as socket:
        assert (await socket.receive(timeout=PATIENCE_SECONDS)).type is aiohttp.WSMsgType.PING
        assert (await handler.wait_for("disconnected")).body == b'{"reason":"PingTimeout"}'


async def test_stopping_closes_clients_with_1001(service: Service) -> None:
    first, second = await service.connect(), await service.simple()
    stopping = asyncio.create_task(service.emulator.stop())
    assert (await first.close_code())[0] == 1001
    assert (await second.close_code())[0] == 1001
    await stopping


async def test_a_token_with_many_groups_fits_in_the_url(service: Service) -> None:
    groups = [f"group-{number}" for number in range(1000)]
    await service.connect(groups=groups)
    assert (await service.rest("HEAD", "/groups/group-999"))[0] == 200


async def test_a_client_that_connects_while_the_service_stops_is_closed(
    service: Service, handler: RecordingHandler
) -> None:
    gate = asyncio.Event()
    handler.script["connect"] = [Answer(204), Answer(204, gate=gate)]
    first = await service.connect()
    late = asyncio.create_task(service.simple())
    await handler.wait_for("connect", 2)
    stopping = asyncio.create_task(service.emulator.stop())
    assert (await first.close_code())[0] == 1001
    gate.set()
    assert (await (await late).close_code())[0] == 1001
    await stopping
