"""Messages are edited and deleted: who may, what the room hears, and that nothing of a text is left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

import chat.policy
from chat.backends.service import Service, ServiceUnavailableError
from chat.backends.table import RowExistsError, Table, make_client
from chat.backends.table_store import TABLE_NAME
from chat.messaging.delivery import Delivery
from chat.messaging.outbox import OUTBOX_TABLE_NAME
from chat.model.authors import is_author
from chat.model.keys import idempotency_row_key, message_id, partition_key, row_key
from chat.model.messages import Message
from chat.settings import StorageAccount
from local.azurite import Azurite
from tests.e2e.conftest import ACCESS_KEY, StartSystem, System
from webpubsub_handler import ConnectionContext, sign

TIME = "2026-11-24T09:30:00Z"
LATER = "2026-11-24T09:31:00Z"
KINDS = {"edited", "deleted"}


async def post(system: System, room: str, name: str, data: object, **changes: Any) -> tuple[int, Any]:
    """Post a user event of JSON as the service does; return the status and what was answered."""
    headers = {"ce_type": f"azure.webpubsub.user.{name}", "ce_eventName": name, "Content_Type": "application/json"}
    status, body = await system.post_event(json.dumps(data).encode(), room=room, **{**headers, **changes})
    return status, json.loads(body) if body and status == 200 else body


async def edit(system: System, room: str, message_id: str, data: str, **changes: Any) -> tuple[int, Any]:
    event = {"id": message_id, "dataType": "text", "data": data}
    return await post(system, room, "edit", event, **{"event_id": f"edit {data[:9]}", "ce_time": LATER, **changes})


async def delete(system: System, room: str, message_id: str, **changes: Any) -> tuple[int, Any]:
    return await post(system, room, "delete", {"id": message_id}, **{"event_id": "delete", "ce_time": LATER, **changes})


async def say(system: System, room: str, text: str, **changes: Any) -> str:
    """Send a message to a room; return its id."""
    assert (await system.post_event(text.encode(), room=room, **{"event_id": text[:9], "ce_time": TIME, **changes}))[
        0
    ] == 204
    return next(str(one["id"]) for one in await system.history(room, limit=200) if one.get("data") == text)


async def page(system: System, room: str, **query: object) -> Any:
    status, found = await system.get("messages", room=room, **query)
    assert status == 200, found
    return found


async def rows(storage: Azurite, room: str) -> list[dict[str, Any]]:
    async with make_client(StorageAccount(storage.connection_string), TABLE_NAME) as table:
        query = table.query_entities("PartitionKey eq @room", parameters={"room": partition_key("chat", room)})
        return [dict(row) async for row in query]


def change(frame: Any) -> bool:
    return isinstance(frame.get("data"), dict) and frame["data"].get("type") in KINDS


def code(answer: tuple[int, Any]) -> Any:
    status, body = answer
    assert status == 200
    return body["code"]


def as_other(connection: str = "conn-43", user: str = "ben") -> dict[str, str]:
    return {"connection_id": connection, "ce_signature": sign(ACCESS_KEY, connection), "ce_userId": user}


async def test_an_edit_is_heard_by_the_room_and_the_history_gives_the_message_as_it_is_now(system: System) -> None:
    ben = await system.connect("x1", "ben")
    first = await say(system, "x1", "helo")
    assert await edit(system, "x1", first, "hello") == (204, b"")
    told = (await ben.until(change))["data"]
    assert told == {
        "type": "edited",
        "id": first,
        "room": "x1",
        "time": told["time"],
        "dataType": "text",
        "data": "hello",
    }
    changed, message = await system.history("x1")
    assert changed == told
    assert (message["id"], message["data"], message["editedAt"]) == (first, "hello", told["time"])
    assert message["time"] < message["editedAt"]


async def test_a_deletion_is_heard_by_the_room_and_leaves_nothing_of_the_message_in_the_history(
    system: System, azurite: Azurite
) -> None:
    ben = await system.connect("x2", "ben")
    first = await say(system, "x2", "secret")
    assert await delete(system, "x2", first) == (204, b"")
    told = (await ben.until(change))["data"]
    assert told == {"type": "deleted", "id": first, "room": "x2", "time": told["time"]}
    assert await system.history("x2") == [told, told]
    message = next(row for row in await rows(azurite, "x2") if row["RowKey"] == row_key(first))
    assert set(message) == {"PartitionKey", "RowKey", "time", "userId", "connectionId", "deletedAt"}


async def test_the_data_type_of_a_message_can_be_changed(system: System) -> None:
    first = await say(system, "x3", "text")
    for number, (data_type, data, shown) in enumerate([("json", '{"n":1.50}', {"n": 1.5}), ("binary", "AAE=", "AAE=")]):
        event = {"id": first, "dataType": data_type, "data": data}
        assert await post(system, "x3", "edit", event, event_id=f"e{number}") == (204, b"")
        message = (await system.history("x3"))[-1]
        assert (message["dataType"], message["data"]) == (data_type, shown)


@pytest.mark.parametrize("text", ["shibboleth", "x" * 200_000, "\x00" * 30_000], ids=["short", "long", "unreadable"])
async def test_a_text_that_is_edited_to_two_letters_and_deleted_leaves_no_byte_of_it(
    start_system: StartSystem, azurite: Azurite, text: str
) -> None:
    system = await start_system(MAX_MESSAGE_BYTES="716800")
    room = f"x4 {len(text)}"
    first = await say(system, room, text, event_id="1")
    assert await edit(system, room, first, "ok") == (204, b"")
    stored = next(row for row in await rows(azurite, room) if row["RowKey"] == row_key(first))
    assert stored["text"] == "ok"
    assert [name for name in stored if name.startswith("data") and name != "dataType"] == []
    await delete(system, room, first)
    left = await rows(azurite, room)
    assert len(left) == 3
    for row in left:
        assert not {name for name in row if name.startswith(("text", "data"))}
        assert text[:20] not in json.dumps(row, default=str)


async def test_a_deletion_is_final_and_can_be_repeated(system: System) -> None:
    first = await say(system, "x5", "gone")
    assert await delete(system, "x5", first) == (204, b"")
    assert code(await edit(system, "x5", first, "back")) == "not_found"
    assert await delete(system, "x5", first, event_id="again") == (204, b"")
    assert [one["type"] for one in await system.history("x5")] == ["deleted", "deleted"]


@pytest.mark.parametrize("message_id", ["", "x", "0" * 74, "ÿ", "\ud800", "a" * 5000, "'"])
async def test_a_message_that_never_was_is_not_found(system: System, message_id: str) -> None:
    assert code(await edit(system, "x6", message_id, "x")) == "not_found"
    assert code(await delete(system, "x6", message_id)) == "not_found"


async def test_a_message_of_another_room_and_the_id_of_a_change_are_not_found(system: System) -> None:
    other = await say(system, "x7-other", "there")
    assert code(await edit(system, "x7", other, "x")) == "not_found"
    first = await say(system, "x7", "here")
    await edit(system, "x7", first, "edited")
    change_id = (await page(system, "x7"))["newest"]
    assert change_id != first
    assert code(await delete(system, "x7", change_id)) == "not_found"


@pytest.mark.parametrize(
    "data",
    [
        None,
        7,
        {},
        {"id": 7, "dataType": "text", "data": "x"},
        {"id": None},
        {"id": "0" * 66, "dataType": "text"},
        {"id": "0" * 66, "dataType": "text", "data": {"a": 1}},
        {"id": "0" * 66, "dataType": "json", "data": "{"},
        {"id": "0" * 66, "dataType": "protobuf", "data": "x"},
        {"id": "0" * 66, "dataType": "text", "data": "x", "room": 7},
    ],
)
async def test_what_is_not_an_edit_is_a_sender_error(system: System, data: object) -> None:
    assert code(await post(system, "x8", "edit", data)) == "invalid_message"


async def test_an_edit_passes_every_check_of_a_message(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    def may_send(message: Message) -> bool | str:
        return b"spam" not in message.body or ("No spam." if message.edited_at else False)

    first = await say(system, "x9", "ham")
    monkeypatch.setattr(chat.policy, "may_send", may_send)
    status, answer = await edit(system, "x9", first, "spam")
    assert (status, answer["code"], answer["message"], answer["id"]) == (200, "refused", "No spam.", first)
    assert code(await edit(system, "x9", first, "")) == "empty"
    assert code(await edit(system, "x9", first, "x" * 65537)) == "too_large"
    assert code(await edit(system, "x9-not-joined", first, "x", ce_connectionState="e30=")) == "not_a_member"
    monkeypatch.setattr(chat.policy, "max_messages_per_second", lambda *_: 0.0001)
    await edit(system, "x9", first, "eggs")
    assert code(await edit(system, "x9", first, "beans")) == "rate_limited"
    assert (await system.history("x9"))[-1]["data"] == "eggs"


async def test_an_edit_that_is_too_large_for_a_broadcast_once_it_is_encoded_changes_nothing(
    start_system: StartSystem,
) -> None:
    system = await start_system(MAX_MESSAGE_BYTES="716800")
    room = "x33" + "x" * 80
    first = await say(system, room, "small")
    assert code(await edit(system, room, first, "\x01" * 174_730, event_id="e")) == "too_large"
    assert [one["data"] for one in await system.history(room)] == ["small"]


async def test_who_deletes_too_fast_is_told_how_long_to_wait_and_nothing_is_deleted(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = [await say(system, "x36", text) for text in ("first", "second")]
    monkeypatch.setattr(chat.policy, "max_messages_per_second", lambda *_: 0.0001)
    assert await delete(system, "x36", first) == (204, b"")
    status, answer = await delete(system, "x36", second, event_id="d2")
    assert (status, answer["code"], answer["id"], answer["retryAfter"] > 0) == (200, "rate_limited", second, True)
    assert [one["id"] for one in await system.history("x36") if one["type"] == "message"] == [second]


async def test_who_may_not_be_in_the_room_any_more_changes_nothing_there(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await say(system, "x10", "mine")
    monkeypatch.setattr(chat.policy, "may_join", lambda *_: False)
    assert code(await edit(system, "x10", first, "still mine")) == "not_a_member"
    assert code(await delete(system, "x10", first)) == "not_a_member"
    monkeypatch.undo()
    assert [one["data"] for one in await system.history("x10")] == ["mine"]


async def test_only_the_author_changes_a_message_over_whatever_connection(system: System) -> None:
    first = await say(system, "x11", "mine")
    assert code(await edit(system, "x11", first, "stolen", **as_other())) == "not_the_author"
    assert code(await delete(system, "x11", first, **as_other())) == "not_the_author"
    assert await edit(system, "x11", first, "mine again", **as_other(user="ana")) == (204, b"")


async def test_who_has_no_name_changes_what_the_same_connection_sent_and_nothing_else(system: System) -> None:
    nameless: dict[str, Any] = {"drop": ["ce-userId"]}
    other = {"connection_id": "conn-43", "ce_signature": sign(ACCESS_KEY, "conn-43")}
    first = await say(system, "x12", "nobody's", **nameless)
    assert code(await edit(system, "x12", first, "stolen", **nameless, **other)) == "not_the_author"
    assert code(await edit(system, "x12", first, "named")) == "not_the_author"
    assert await edit(system, "x12", first, "still nobody's", **nameless) == (204, b"")
    named = await say(system, "x12", "ana's")
    assert code(await delete(system, "x12", named, **nameless)) == "not_the_author"


async def test_a_nameless_mqtt_client_with_the_same_id_on_another_line_is_another_author(system: System) -> None:
    nameless: dict[str, Any] = {"drop": ["ce-userId"], "ce_subprotocol": "mqtt"}
    first = await say(system, "x13", "nobody's", **nameless, ce_physicalConnectionId="p-1")
    change_it = {"event_id": "e", **nameless}
    assert code(await edit(system, "x13", first, "x", **change_it, ce_physicalConnectionId="p-2")) == "not_the_author"
    assert (await edit(system, "x13", first, "x", **change_it, ce_physicalConnectionId="p-1"))[0] == 204


@pytest.mark.parametrize("verdict", [None, 0, "", 1, "Ask a moderator."])
async def test_only_true_lets_a_message_be_changed(
    system: System, monkeypatch: pytest.MonkeyPatch, verdict: object
) -> None:
    first = await say(system, "x14", f"mine {verdict}")
    monkeypatch.setattr(chat.policy, "may_change", lambda *_: verdict)
    for _, answer in (await edit(system, "x14", first, "x"), await delete(system, "x14", first)):
        expected = verdict if isinstance(verdict, str) and verdict else "You may not change this message."
        assert (answer["code"], answer["message"]) == ("not_the_author", expected)


async def test_a_moderator_is_one_line_of_the_policy(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    def may_change(context: ConnectionContext, message: Message) -> bool | str:
        return is_author(context, message) or context.user_id in {"ben"}

    monkeypatch.setattr(chat.policy, "may_change", may_change)
    first = await say(system, "x15", "rude")
    assert code(await delete(system, "x15", first, **as_other(user="cleo"))) == "not_the_author"
    assert await delete(system, "x15", first, **as_other(user="ben")) == (204, b"")


async def test_two_users_who_edit_at_once_are_both_answered_and_the_one_applied_last_stands(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    ben = await system.connect("x16", "ben")
    first = await say(system, "x16", "0")
    get, waiting = Table.get, asyncio.Barrier(2)
    reads = 0

    async def get_together(table: Table, partition: str, row: str) -> Any:
        nonlocal reads
        found = await get(table, partition, row)
        if row == row_key(first):
            reads += 1
            if reads <= 2:  # both have the same ETag in hand
                await waiting.wait()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Table, "get", get_together)
        answers = await asyncio.gather(
            edit(system, "x16", first, "one"), edit(system, "x16", first, "two", **as_other(user="ana"))
        )
    assert list(answers) == [(204, b"")] * 2
    assert reads == 3
    told = [(await ben.until(change))["data"] for _ in range(2)]
    last = max(told, key=lambda envelope: envelope["time"])
    message = (await system.history("x16"))[-1]
    assert told[0]["time"] != told[1]["time"]
    assert (message["data"], message["editedAt"]) == (last["data"], last["time"])


async def test_the_changes_of_a_message_have_times_that_only_grow_whatever_the_clock_says(
    system: System, azurite: Azurite
) -> None:
    ben = await system.connect("x35", "ben")
    first = await say(system, "x35", "0")
    ahead = {"PartitionKey": partition_key("chat", "x35"), "RowKey": row_key(first), "time": "2099-01-01T00:00:00.000Z"}
    async with make_client(StorageAccount(azurite.connection_string), TABLE_NAME) as table:
        await table.update_entity(ahead)  # by a host whose clock is ahead
    await edit(system, "x35", first, "one")
    await edit(system, "x35", first, "two")
    await delete(system, "x35", first)
    times = [(await ben.until(change))["data"]["time"] for _ in range(3)]
    assert times == [f"2099-01-01T00:00:00.00{number}Z" for number in (1, 2, 3)]


async def test_an_edit_and_a_deletion_at_once_leave_the_message_deleted_or_refuse_the_edit(system: System) -> None:
    for number in range(5):
        first = await say(system, "x17", f"text {number}")
        edited, deleted = await asyncio.gather(
            edit(system, "x17", first, f"edited {number}"), delete(system, "x17", first, event_id=f"d{number}")
        )
        assert deleted == (204, b"")
        assert edited == (204, b"") or code(edited) == "not_found"
        kinds = [one["type"] for one in await system.history("x17") if one["id"] == first]
        assert set(kinds) == {"deleted"}


async def test_an_edit_that_is_redelivered_after_a_later_one_changes_nothing_and_is_a_success(
    system: System, azurite: Azurite
) -> None:
    ben = await system.connect("x18", "ben")
    first = await say(system, "x18", "0")
    for text in ("one", "two", "one"):  # the third is the first again, with the same event id
        assert await edit(system, "x18", first, text) == (204, b"")
    told = [(await ben.until(change))["data"]["data"] for _ in range(3)]
    assert told == ["one", "two", "two"]
    assert (await system.history("x18"))[-1]["data"] == "two"
    assert len([row for row in await rows(azurite, "x18") if "kind" in row]) == 2


async def test_an_edit_that_is_redelivered_after_the_deletion_is_a_success_and_brings_nothing_back(
    system: System,
) -> None:
    ben = await system.connect("x19", "ben")
    first = await say(system, "x19", "0")
    assert await edit(system, "x19", first, "one") == (204, b"")
    assert await delete(system, "x19", first) == (204, b"")
    assert await edit(system, "x19", first, "one") == (204, b"")
    assert [(await ben.until(change))["data"]["type"] for _ in range(3)] == ["edited", "deleted", "deleted"]
    assert {one["type"] for one in await system.history("x19")} == {"deleted"}


@pytest.mark.parametrize("refusal", ["may_join", "may_change", "max_messages_per_second"])
async def test_a_change_that_was_made_is_not_refused_when_it_is_redelivered(
    system: System, monkeypatch: pytest.MonkeyPatch, refusal: str
) -> None:
    room = f"x20 {refusal}"
    first = await say(system, room, "0")
    assert await edit(system, room, first, "one") == (204, b"")
    monkeypatch.setattr(chat.policy, refusal, lambda *_: 0.0001 if refusal.startswith("max") else False)
    await edit(system, room, first, "uses up the rate")
    assert await edit(system, room, first, "one") == (204, b"")


class DiedError(Exception):
    """The process is gone: nothing after this runs."""


def dies_before(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
    async def die(*_: object, **__: object) -> None:
        raise DiedError

    monkeypatch.setattr(owner, name, die)


def dies_after(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
    step: Callable[..., Any] = getattr(owner, name)

    async def die(*arguments: object, **options: object) -> None:
        await step(*arguments, **options)
        raise DiedError

    monkeypatch.setattr(owner, name, die)


STEPS = {
    "before it read the message": (dies_before, Table, "get"),
    "after it read the message": (dies_after, Table, "get"),
    "before the transaction": (dies_before, Table, "insert_and_replace"),
    "after the transaction": (dies_after, Table, "insert_and_replace"),
    "before the broadcast": (dies_before, Service, "broadcast"),
    "after the broadcast": (dies_after, Service, "broadcast"),
    "before the answer": (dies_after, Delivery, "deliver"),
}


@pytest.mark.parametrize("kind", ["edit", "delete"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_process_that_dies_at_any_step_changes_the_message_once_and_the_room_hears_it(
    system: System, azurite: Azurite, monkeypatch: pytest.MonkeyPatch, step: str, kind: str
) -> None:
    room = f"x21 {step} {kind}"
    ben = await system.connect(room, "ben")
    first = await say(system, room, "0")

    async def deliver() -> tuple[int, Any]:
        return await (edit(system, room, first, "one") if kind == "edit" else delete(system, room, first))

    die, owner, name = STEPS[step]
    with monkeypatch.context() as patch:
        die(patch, owner, name)
        assert (await deliver())[0] >= 500
    assert await deliver() == (204, b"")
    told = (await ben.until(change))["data"]
    assert (told["type"], told["id"]) == ("edited" if kind == "edit" else "deleted", first)
    assert (await system.history(room))[-1].get("data") == ("one" if kind == "edit" else None)
    assert len([row for row in await rows(azurite, room) if "kind" in row]) == 1


async def test_a_change_that_the_service_does_not_take_waits_in_the_outbox_without_its_text(
    system: System, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    ben = await system.connect("x22", "ben")
    first = await say(system, "x22", "0")

    async def refuse(*_: object, **__: object) -> None:
        raise ServiceUnavailableError("the service answered 503", 503)

    with monkeypatch.context() as patch:
        patch.setattr(Service, "broadcast", refuse)
        assert await edit(system, "x22", first, "confidential") == (204, b"")
        async with make_client(StorageAccount(azurite.connection_string), OUTBOX_TABLE_NAME) as table:
            waiting = [dict(row) async for row in table.list_entities() if row["room"] == "x22"]
        assert len(waiting) == 1
        assert "confidential" not in json.dumps(waiting, default=str)
        assert await edit(system, "x22", first, "final") == (204, b"")
    told = [(await ben.until(change))["data"] for _ in range(2)]
    assert [(one["type"], one["id"], one["data"]) for one in told] == [("edited", first, "final")] * 2


async def test_a_message_that_waits_in_the_outbox_and_is_deleted_is_not_broadcast_any_more(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    ben = await system.connect("x23", "ben")

    async def refuse(*_: object, **__: object) -> None:
        raise ServiceUnavailableError("the service answered 503", 503)

    with monkeypatch.context() as patch:
        patch.setattr(Service, "broadcast", refuse)
        first = await say(system, "x23", "secret")
        assert await delete(system, "x23", first) == (204, b"")
    told = (await ben.until(lambda frame: "secret" in json.dumps(frame) or change(frame)))["data"]
    assert (told["type"], told["id"]) == ("deleted", first)


@pytest.mark.parametrize("kind", ["edit", "delete"])
async def test_an_honest_resend_after_a_change_is_acknowledged_and_brings_nothing_back(
    system: System, azurite: Azurite, kind: str
) -> None:
    room = f"x24 {kind}"
    sent = {"key": "k", "dataType": "text", "data": "first"}
    assert await post(system, room, "send", sent, event_id="1") == (204, b"")
    [message] = await system.history(room)
    await (edit(system, room, message["id"], "second") if kind == "edit" else delete(system, room, message["id"]))
    now = await system.history(room)
    again = {"event_id": "99", **as_other(user="ana")}
    assert await post(system, room, "send", sent, **again) == (204, b"")
    status, answer = await post(system, room, "send", {**sent, "data": "second"}, event_id="100")
    assert (status, answer["code"]) == (200, "key_taken")
    assert await system.history(room) == now
    assert len(await rows(azurite, room)) == 3


@pytest.mark.parametrize("kind", ["edit", "delete"])
async def test_a_changed_message_keeps_its_key_so_that_both_rows_can_be_erased(
    system: System, azurite: Azurite, kind: str
) -> None:
    room = f"x38 {kind}"
    assert await post(system, room, "send", {"key": "k", "dataType": "text", "data": "x"}, event_id="1") == (204, b"")
    [message] = await system.history(room)
    await (edit(system, room, message["id"], "y") if kind == "edit" else delete(system, room, message["id"]))
    assert next(row for row in await rows(azurite, room) if row["RowKey"] == row_key(message["id"]))["key"] == "k"


@pytest.mark.parametrize("kind", ["edit", "delete"])
async def test_a_redelivered_message_after_a_change_is_acknowledged_and_brings_nothing_back(
    system: System, kind: str
) -> None:
    room = f"x25 {kind}"
    event = {"event_id": "1", "ce_time": TIME}
    first = await say(system, room, "first", **event)
    await (edit(system, room, first, "second") if kind == "edit" else delete(system, room, first))
    assert await system.post_event(b"first", room=room, **event) == (204, b"")
    assert (await system.history(room))[-1].get("data") == ("second" if kind == "edit" else None)


@pytest.mark.parametrize("kind", ["edit", "delete"])
async def test_a_redelivered_message_that_was_changed_is_not_refused(
    system: System, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    room = f"x26 {kind}"
    event = {"event_id": "1", "ce_time": TIME}
    first = await say(system, room, "first", **event)
    await (edit(system, room, first, "second") if kind == "edit" else delete(system, room, first))
    monkeypatch.setattr(chat.policy, "may_send", lambda _: False)
    assert await system.post_event(b"first", room=room, **event) == (204, b"")


async def test_who_was_away_learns_of_changes_by_reading_on(system: System) -> None:
    ids = [await say(system, "x27", f"text {number}") for number in range(5)]
    seen = (await page(system, "x27"))["newest"]
    await edit(system, "x27", ids[0], "edited", ce_time="2026-11-24T09:32:00Z")
    await delete(system, "x27", ids[1], ce_time="2026-11-24T09:32:01Z")
    await say(system, "x27", "new", ce_time="2026-11-24T09:32:02Z")
    later = await page(system, "x27", after=seen)
    assert [(one["type"], one["id"]) for one in later["messages"][1:]] == [("deleted", ids[1]), ("edited", ids[0])]
    assert later["messages"][2]["data"] == "edited"
    assert await page(system, "x27", after=later["newest"]) == {"messages": [], "next": None, "newest": None}


async def test_pages_lead_through_messages_and_changes_and_several_changes_of_a_message_are_one(
    system: System,
) -> None:
    ids = [await say(system, "x28", f"text {number}") for number in range(4)]
    for number in range(6):
        await edit(system, "x28", ids[0], f"edit {number}", ce_time=f"2026-11-24T09:32:0{number}Z")
    found: list[Any] = []
    before: dict[str, str] = {}
    while True:
        read = await page(system, "x28", limit=3, **before)
        assert len(read["messages"]) <= 3
        found += read["messages"]
        if read["next"] is None:
            break
        before = {"before": read["next"]}
    assert sorted(one["id"] for one in found if one["type"] == "message") == sorted(ids)
    assert [one["data"] for one in found if one["type"] == "edited"] == ["edit 5", "edit 5"]


async def test_who_has_read_a_change_does_not_read_it_again(system: System) -> None:
    first = await say(system, "x39", "0")
    await edit(system, "x39", first, "one")
    assert (await page(system, "x39", after=(await page(system, "x39"))["newest"]))["messages"] == []


async def test_pages_of_changes_of_large_messages_end_by_their_bytes_and_lose_none(start_system: StartSystem) -> None:
    system = await start_system(MAX_MESSAGE_BYTES="716800")
    ids = [await say(system, "x34", f"text {number}") for number in range(8)]
    seen = (await page(system, "x34"))["newest"]
    for number, one in enumerate(ids):
        large = f"{number}" * 700_000
        changed = {"event_id": f"e{number}", "ce_time": f"2026-11-24T09:32:{number:02}Z"}
        assert await edit(system, "x34", one, large, **changed) == (204, b"")
    found: list[str] = []
    query: dict[str, object] = {"after": seen}
    while True:
        read = await page(system, "x34", **query)
        assert sum(len(one["data"]) for one in read["messages"]) < 4.1 * 1024 * 1024
        found += [one["id"] for one in read["messages"]]
        if read["next"] is None:
            break
        query["before"] = read["next"]
    assert found == ids[::-1]


async def test_a_page_without_changes_is_one_request_and_one_with_changes_reads_each_message_once(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [await say(system, "x29", f"text {number}") for number in range(3)]
    seen = (await page(system, "x29"))["newest"]
    get, read = Table.get, []

    async def counted(table: Table, partition: str, row: str) -> Any:
        read.append(row)
        return await get(table, partition, row)

    with monkeypatch.context() as patch:
        patch.setattr(Table, "get", counted)
        await page(system, "x29")
        assert read == []
    for number in range(3):
        await edit(system, "x29", ids[number % 2], f"edit {number}", ce_time=f"2026-11-24T09:32:0{number}Z")
    monkeypatch.setattr(Table, "get", counted)
    assert len((await page(system, "x29", after=seen))["messages"]) == 2
    assert sorted(read) == sorted(row_key(one) for one in ids[:2])


async def test_a_change_whose_message_is_gone_is_in_no_page(system: System, azurite: Azurite) -> None:
    first = await say(system, "x30", "old")
    await edit(system, "x30", first, "edited", ce_time="2026-11-24T09:32:00Z")
    async with make_client(StorageAccount(azurite.connection_string), TABLE_NAME) as table:
        await table.delete_entity(partition_key("chat", "x30"), row_key(first))
    read = await page(system, "x30")
    assert (read["messages"], read["next"]) == ([], None)
    assert code(await edit(system, "x30", first, "again")) == "not_found"


async def test_a_storage_that_fails_is_503_and_a_redelivery_mends_it(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await say(system, "x31", "0")

    async def fail(*_: object) -> None:
        raise TimeoutError

    with monkeypatch.context() as patch:
        patch.setattr(Table, "insert_and_replace", fail)
        assert await edit(system, "x31", first, "one") == (503, b"Try again.")
    assert await edit(system, "x31", first, "one") == (204, b"")


async def test_a_conflict_without_the_row_of_the_change_is_not_taken_for_done(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await say(system, "x37", "0")

    async def conflict(*_: object) -> None:  # so storage answers while a table is being deleted, too
        raise RowExistsError

    with monkeypatch.context() as patch:
        patch.setattr(Table, "insert_and_replace", conflict)
        assert await edit(system, "x37", first, "one") == (503, b"Try again.")
    assert await edit(system, "x37", first, "one") == (204, b"")
    assert (await system.history("x37"))[-1]["data"] == "one"


async def test_a_key_of_an_older_version_stands_for_its_first_body_after_an_edit_and_a_deletion(
    system: System, azurite: Azurite
) -> None:
    await say(system, "x32", "first")
    partition = partition_key("chat", "x32")
    older = message_id(partition, datetime(2026, 11, 23, tzinfo=UTC), "conn-42", "7", "")
    async with make_client(StorageAccount(azurite.connection_string), TABLE_NAME) as table:
        (message,) = [row async for row in table.query_entities(f"PartitionKey eq '{partition}'")]
        await table.create_entity({**message, "RowKey": row_key(older), "key": "k"})
        sent = {"PartitionKey": partition, "RowKey": idempotency_row_key("ana", "conn-42", "k"), "messageId": older}
        await table.create_entity(sent)
    resent = {"key": "k", "dataType": "text", "data": "first"}
    for number, change_it in enumerate((edit(system, "x32", older, "second"), delete(system, "x32", older))):
        assert await change_it == (204, b"")
        assert await post(system, "x32", "send", resent, event_id=f"r{number}") == (204, b"")
        _, answer = await post(system, "x32", "send", {**resent, "data": "second"}, event_id=f"s{number}")
        assert answer["code"] == "key_taken"
