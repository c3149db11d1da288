"""Names in another case and values that are empty: what a client, its query and the connect handler may write."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from tests.emulator.conftest import Service, StartService
from tests.emulator.fakes import Answer, RecordingHandler

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
SHOUTED = "JSON.WebPubSub.Azure.V1"
SHOUTED_RELIABLE = "Json.Reliable.WebPubSub.Azure.V1"


async def test_a_subprotocol_is_known_in_any_case_and_named_as_the_client_names_it(
    handler: RecordingHandler, service: Service
) -> None:
    socket = await service.connect(protocols=("x", SHOUTED))
    assert (socket.raw.protocol, (await socket.frame())["event"]) == (SHOUTED, "connected")
    assert (await handler.wait_for("connected")).headers["ce-subprotocol"] == SHOUTED


async def test_a_client_that_spells_its_subprotocol_in_another_case_comes_back(service: Service) -> None:
    first = await service.connect(protocols=(SHOUTED_RELIABLE,))
    first.greeting = await first.frame()
    first.cut()
    second = await service.come_back(first)
    assert second.raw.protocol == "json.reliable.webpubsub.azure.v1"
    assert (await second.frame())["connectionId"] == first.greeting["connectionId"]


@pytest.mark.parametrize("chosen", [SHOUTED, "json.webpubsub.azure.v1", "CHAT.v2"])
async def test_a_handler_chooses_a_subprotocol_in_any_case(
    handler: RecordingHandler, service: Service, chosen: str
) -> None:
    handler.script["connect"] = [Answer(200, b'{"Subprotocol":"%b"}' % chosen.encode())]
    socket = await service.connect(protocols=("json.webpubsub.azure.v1", "chat.V2"))
    assert str(socket.raw.protocol).lower() == chosen.lower()
    assert socket.raw.protocol in {"json.webpubsub.azure.v1", "chat.V2"}


async def test_of_two_spellings_that_are_offered_the_handler_gets_the_one_that_it_chose(
    handler: RecordingHandler, service: Service
) -> None:
    handler.script["connect"] = [Answer(200, b'{"subprotocol":"chat.v2"}')]
    assert (await service.connect(protocols=("CHAT.V2", "chat.v2"))).raw.protocol == "chat.v2"


async def test_subprotocols_may_be_offered_in_several_lines(service: Service) -> None:
    url = f"/client/hubs/chat?access_token={service.token()}"
    lines = [("Sec-WebSocket-Protocol", "x"), ("Sec-WebSocket-Protocol", SHOUTED)]
    headers = CIMultiDict([*UPGRADE.items(), *lines])
    async with service.session.get(f"{service.url}{url}", headers=headers) as response:
        assert (response.status, response.headers.getall("Sec-WebSocket-Protocol")) == (101, [SHOUTED])


async def test_mqtt_is_refused_in_any_case(service: Service) -> None:
    url = f"/client/hubs/chat?access_token={service.token()}"
    assert (await service.refused(url, headers={"Sec-WebSocket-Protocol": "MQTT"}))[0] == 400


async def test_what_the_connect_handler_answers_is_read_in_any_case_and_what_is_unknown_is_named(
    handler: RecordingHandler, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    body = b'{"UserId":"eve","Groups":["g"],"Roles":["webpubsub.sendToGroup"],"SubProtocol":null,"group":"h"}'
    handler.script["connect"] = [Answer(200, body)]
    socket = await service.connect()
    assert socket.greeting["userId"] == "eve"
    await socket.send({"type": "sendToGroup", "group": "g", "data": 1})
    assert (await socket.frame())["fromUserId"] == "eve"
    assert (
        "IGNORED in the answer to azure.webpubsub.sys.connect of connection conn-1: 'group'. "
        "The service reads userId, groups, roles, subprotocol."
    ) in caplog.text


async def test_an_answer_with_known_keys_only_warns_of_nothing(
    handler: RecordingHandler, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    handler.script["connect"] = [Answer(200, b'{"userId":"eve"}')]
    await service.connect()
    assert "IGNORED" not in caplog.text


async def test_an_empty_mode_is_none(handler: RecordingHandler, service: Service) -> None:
    socket = await service.simple(query="&webpubsub_mode=&group=")
    await socket.send("hi")
    assert (await handler.wait_for("message")).body == b"hi"


async def test_the_parameters_of_a_client_have_names_in_any_case(service: Service) -> None:
    member = await service.connect(groups="g")
    query = "&WebPubSub_Mode=sendToGroup&GROUP=g"
    sender = await service.simple(query=query, role=["webpubsub.sendToGroup"])
    await sender.send("hi")
    assert (await member.frame())["data"] == "hi"


async def test_an_empty_token_is_none(start_service: StartService, caplog: pytest.LogCaptureFixture) -> None:
    service = await start_service(anonymous_hubs=frozenset({"open"}))
    assert (await service.refused("/client/hubs/open?access_token="))[0] == 101
    status, text = await service.refused("/client/hubs/chat?access_token=")
    assert (status, text.partition(":")[0]) == (401, "There is no token")
    assert "REFUSED" in caplog.text


async def test_an_empty_connection_id_asks_for_a_new_connection(service: Service) -> None:
    socket = await service.connect(query="&awps_connection_id=&awps_reconnection_token=")
    assert socket.greeting["connectionId"] == "conn-1"


async def test_the_parameters_of_a_rest_call_have_names_in_any_case(service: Service) -> None:
    excluded, other = await service.connect(), await service.connect()
    path = f"/:send?EXCLUDED={excluded.greeting['connectionId']}&API-Version=2024-12-01"
    assert (await service.rest("POST", path, body=b"x"))[0] == 202
    assert (await other.frame())["data"] == "x"
    await excluded.assert_alive()
    assert (await service.rest("POST", "/:send?Api-Version=2099-01-01", body=b"x"))[0] == 400
    assert (await service.rest("POST", "/:send?messageTtlSeconds=1&MESSAGETTLSECONDS=1", body=b"x"))[0] == 400
