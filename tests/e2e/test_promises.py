"""What docs/reference.md guarantees, each against the running system."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

import chat.policy
from chat.backends.table import make_client
from chat.backends.table_store import TABLE_NAME
from chat.model.keys import partition_key
from chat.settings import MAX_MESSAGE_BYTES_LIMIT, StorageAccount
from local.azurite import Azurite
from tests.e2e.conftest import StartSystem, System


async def test_a_message_is_stored_and_reaches_the_others_of_its_room(system: System) -> None:
    ana, ben = await system.connect("p1", "ana"), await system.connect("p1", "ben")
    ack, _ = await ana.send("Grüße, 世界 👋")
    assert ack["success"]
    received = await ben.message()
    assert (received["from"], received["room"], received["data"]) == ("ana", "p1", "Grüße, 世界 👋")
    assert await system.history("p1") == [received]


async def test_a_message_does_not_reach_another_room(system: System) -> None:
    ana, ben = await system.connect("p2-a", "ana"), await system.connect("p2-b", "ben")
    await ana.send("not for ben")
    await ben.send("for ben")
    assert (await ben.message())["data"] == "for ben"


@pytest.mark.parametrize(
    ("data", "data_type"),
    [("text", "text"), ({"a": [1, None]}, "json"), ("a string", "json"), (0, "json"), ("AAEC/w==", "binary")],
)
async def test_every_data_type_arrives_as_it_was_sent(system: System, data: object, data_type: str) -> None:
    room = f"p4-{data_type}-{data}"
    client = await system.connect(room, "ana")
    await client.send(data, data_type)
    received = await client.message()
    assert (received["data"], received["dataType"]) == (data, data_type)
    assert await system.history(room) == [received]


async def test_an_unsigned_event_is_401_and_no_row(system: System) -> None:
    status, body = await system.post_event(room="p5", drop=["ce-signature"])
    assert status == 401
    assert b"signature" not in body
    assert await system.history("p5") == []


@pytest.mark.parametrize(
    "signature", ["", "sha256=", "sha256=00", "sha256=" + "0" * 64, ",".join(["sha256=00"] * 3000)]
)
async def test_a_wrong_signature_is_401_and_no_row(system: System, signature: str) -> None:
    status, _ = await system.post_event(room="p6", ce_signature=signature)
    assert status == 401
    assert await system.history("p6") == []


async def test_a_signature_of_another_connection_is_401(system: System) -> None:
    status, _ = await system.post_event(room="p7", ce_connectionId="conn-43")
    assert status == 401
    assert await system.history("p7") == []


async def test_a_redelivered_event_is_one_row_and_two_broadcasts_with_one_id(system: System) -> None:
    ben = await system.connect("p8", "ben")
    first = await system.post_event(b"once", room="p8", ce_time="2026-11-24T09:30:00Z")
    again = await system.post_event(b"once", room="p8", ce_time="2026-11-24T09:30:00Z")
    assert first == again == (204, b"")
    one, two = await ben.message(), await ben.message()
    assert one == two
    assert await system.history("p8") == [one]


async def test_an_mqtt_client_that_comes_back_within_a_second_counts_again_and_loses_no_message(system: System) -> None:
    # The same text each time, as another one is another message anyway.
    for physical in ("p-1", "p-2", "p-2"):
        status, _ = await system.post_event(
            b"hello", room="p8-mqtt", ce_time="2026-11-24T09:30:00Z", ce_physicalConnectionId=physical
        )
        assert status == 204
    assert [message["data"] for message in await system.history("p8-mqtt")] == ["hello", "hello"]


async def test_storage_down_is_a_failed_ack_and_then_one_row_when_it_is_back(
    start_system: StartSystem, tmp_path: Path
) -> None:
    async with Azurite(tmp_path) as storage:
        system = await start_system(storage=storage)
        ana = await system.connect("p9", "ana")
        await storage.stop()
        ack, _ = await ana.send("lost?")
        assert not ack["success"]
        assert ack["error"]["name"] == "InternalServerError"
        await storage.start()
        ack, _ = await ana.send("found")
        assert ack["success"]
        assert [message["data"] for message in await system.history("p9")] == ["found"]


async def test_storage_that_comes_back_while_the_service_retries_stores_the_message_once(
    start_system: StartSystem, tmp_path: Path
) -> None:
    async with Azurite(tmp_path) as storage:
        system = await start_system(storage=storage, retry_delays=(1,) * 60)
        ana = await system.connect("p10", "ana")
        await storage.stop()
        sending = asyncio.create_task(ana.send("late"))
        await storage.start()
        ack, _ = await sending
        assert ack["success"]
        assert [message["data"] for message in await system.history("p10")] == ["late"]


REFUSALS: dict[str, tuple[str, object]] = {
    "refused": ("may_send", lambda _message: False),
    "not_a_member": ("may_join", lambda _user_id, _room: False),
    "rate_limited": ("max_messages_per_second", lambda *_: 0.001),
}


@pytest.mark.parametrize("code", REFUSALS)
@pytest.mark.parametrize("key", [None, "k"], ids=["plain", "with a key"])
async def test_a_redelivery_of_what_is_stored_is_never_told_that_it_is_refused(
    system: System, monkeypatch: pytest.MonkeyPatch, code: str, key: str | None
) -> None:
    room = user = f"p19-{code}-{key}"
    event: dict[str, Any] = {"room": room, "ce_userId": user, "ce_time": "2026-11-24T09:30:00Z"}
    body = b"hello"
    if key is not None:
        body = b'{"key":"k","dataType":"text","data":"hello"}'
        event |= {"ce_type": "azure.webpubsub.user.send", "ce_eventName": "send", "Content_Type": "application/json"}
    ben = await system.connect(room, "ben")
    monkeypatch.setattr(chat.policy, "max_messages_per_second", lambda *_: 0.001)  # the first passes
    assert await system.post_event(body, **event) == (204, b"")
    name, rule = REFUSALS[code]
    monkeypatch.setattr(chat.policy, "max_messages_per_second", lambda *_: 0)
    monkeypatch.setattr(chat.policy, name, rule)
    assert await system.post_event(body, **event) == (204, b"")
    assert await ben.message() == await ben.message()
    status, answer = await system.post_event(body.replace(b"hello", b"other").replace(b'"k"', b'"l"'), **event)
    assert (status, json.loads(answer)["code"]) == (200, code)
    monkeypatch.undo()
    assert [message["data"] for message in await system.history(room)] == ["hello"]


@pytest.mark.parametrize(("data", "code"), [("", "empty"), ("x" * 65537, "too_large")], ids=["empty", "too large"])
async def test_a_user_s_mistake_is_told_to_the_sender_alone(system: System, data: str, code: str) -> None:
    ana, ben = await system.connect("p12", "ana"), await system.connect("p12", "ben")
    ack, replies = await ana.send(data)
    assert ack["success"]
    assert [reply["code"] for reply in replies] == [code]
    await ana.send("next")
    assert (await ben.message())["data"] == "next"
    assert [message["data"] for message in await system.history("p12")][:1] == ["next"]


async def test_messages_of_one_connection_keep_their_order(system: System) -> None:
    ana, ben = await system.connect("p13", "ana"), await system.connect("p13", "ben")
    texts = [f"number {number}" for number in range(40)]
    for text in texts:
        await ana.send(text)
    assert [(await ben.message())["data"] for _ in texts] == texts
    stored = await system.history("p13", limit=200)
    assert [message["data"] for message in reversed(stored)] == texts
    assert [message["id"] for message in reversed(stored)] == sorted(message["id"] for message in stored)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain", b"a" * MAX_MESSAGE_BYTES_LIMIT),
        ("text/plain", "é".encode() * (MAX_MESSAGE_BYTES_LIMIT // 2)),
        ("application/json", b'"' + b"a" * (MAX_MESSAGE_BYTES_LIMIT - 2) + b'"'),
        ("application/octet-stream", bytes(range(256)) * (MAX_MESSAGE_BYTES_LIMIT // 256)),
    ],
    ids=["ascii", "utf-8", "json", "binary"],
)
async def test_the_largest_message_is_stored_read_and_broadcast_unchanged(
    start_system: StartSystem, content_type: str, body: bytes
) -> None:
    system = await start_system(MAX_MESSAGE_BYTES=str(MAX_MESSAGE_BYTES_LIMIT))
    room = f"p14-{content_type}-{body[:2]!r}"
    ben = await system.connect(room, "ben")
    assert await system.post_event(body, room=room, Content_Type=content_type) == (204, b"")
    received = await ben.message()
    data = received["data"]
    decoders = {"text": str.encode, "json": lambda value: json.dumps(value).encode(), "binary": base64.b64decode}
    assert decoders[received["dataType"]](data) == body
    assert await system.history(room, limit=1) == [received]


async def test_a_message_that_only_its_json_makes_too_large_is_the_sender_s_mistake(start_system: StartSystem) -> None:
    system = await start_system(MAX_MESSAGE_BYTES=str(MAX_MESSAGE_BYTES_LIMIT))
    status, body = await system.post_event(b"\x01" * 200_000, room="p16")  # six bytes each in JSON
    assert (status, json.loads(body)["code"]) == (200, "too_large")
    assert await system.history("p16") == []


@pytest.mark.parametrize(
    ("body", "properties"),
    [
        (b"short", {"text"}),
        (b"with \x01 in it", {"data0"}),
        (b"a" * 32 * 1024, {"text"}),
        (b"a" * (32 * 1024 + 1), {"data0"}),
        ("😀".encode() * (16 * 1024 + 1), {"data0", "data1"}),
    ],
    ids=["short", "control character", "just fits", "too long", "surrogate pairs count twice"],
)
async def test_text_is_readable_in_the_table_while_it_fits(
    start_system: StartSystem, azurite: Azurite, body: bytes, properties: set[str]
) -> None:
    system = await start_system(MAX_MESSAGE_BYTES=str(MAX_MESSAGE_BYTES_LIMIT))
    room = f"p17-{len(body)}"
    assert await system.post_event(body, room=room) == (204, b"")
    async with make_client(StorageAccount(azurite.connection_string), TABLE_NAME) as table:
        rows = [row async for row in table.query_entities(f"PartitionKey eq '{partition_key('chat', room)}'")]
    assert [{name for name in row if name.startswith(("text", "data")) and name != "dataType"} for row in rows] == [
        properties
    ]
    assert (await system.history(room))[0]["data"] == body.decode()


async def test_no_exception_text_reaches_a_client(start_system: StartSystem, tmp_path: Path) -> None:
    async with Azurite(tmp_path) as storage:
        system = await start_system(storage=storage)
        await storage.stop()
        assert await system.post_event(room="p15") == (503, b"Try again.")
        status, body = await system.get("messages", room="p15")
        error = {"type": "error", "code": "unavailable", "message": "Try again.", "id": body["id"]}
        assert (status, body) == (503, error)
        assert await system.get("health") == (
            503,
            {"status": "unhealthy", "storage": "unavailable", "webpubsub": "ok", "outbox": None},
        )
