"""Old messages are deleted room by room with the rows of their keys; users are exported and erased."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import function_app
from chat import admin
from chat.backends.change_store import ChangeStore, RequestedChange
from chat.backends.history import History
from chat.backends.maintenance import Maintenance
from chat.backends.service import Service
from chat.backends.table import make_client
from chat.backends.table_store import TABLE_NAME, TableStore
from chat.messaging.outbox import Outbox
from chat.model.keys import body_digest, hub_partition, message_id, partition_key, row_key
from chat.model.messages import ChangeKind, DeletedMessage, Message
from chat.settings import Settings, StorageAccount
from chat.upkeep.retention import Retention
from local.azurite import Azurite
from local.functions_host import FunctionsHost
from tests.clock import Clock
from tests.e2e.conftest import kind_of, running_system
from tests.patience import PATIENCE_SECONDS
from webpubsub_handler import DataType

DAY = timedelta(days=1)
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
NO_SERVICE = "Endpoint=http://127.0.0.1:9;AccessKey=a-key-of-the-tests-long-enough-for-HS256;Version=1.0;"


@pytest_asyncio.fixture
async def store(own_azurite: Azurite) -> AsyncIterator[TableStore]:
    """The messages of that storage, none at first."""
    opened = TableStore("chat", StorageAccount(own_azurite.connection_string))
    await opened.check()
    yield opened
    await opened.aclose()
    async with make_client(opened.account, TABLE_NAME) as client:
        async for row in client.list_entities():
            await client.delete_entity(row)


async def put(
    store: TableStore, room: str, age: timedelta, number: int = 0, user: str = "ana", key: str = "", hub: str = "chat"
) -> str:
    """Store a message that was sent some time ago; return its id."""
    sent = datetime.now(UTC) - age
    body = f"{room} {number}".encode()
    message = Message(
        id=message_id(partition_key(hub, room), sent, "c", str(number), body_digest("text", body)),
        time=sent,
        room=room,
        user_id=user,
        connection_id="c",
        event_id=str(number),
        event_name="message",
        data_type=DataType.TEXT,
        content_type="text/plain",
        body=body,
        key=key or None,
    )
    await store.append(message)
    return message.id


async def rows(store: TableStore, partition: str | None = None) -> list[str]:
    """Return the row keys of a partition, or of the whole table."""
    async with make_client(store.account, TABLE_NAME) as client:
        found = [row async for row in client.list_entities()]
    return [row["RowKey"] for row in found if partition in (None, row["PartitionKey"])]


async def history(store: TableStore, room: str) -> list[str]:
    page = await History(store).page(room, limit=200, before=None, after=None)
    return [json.loads(envelope)["data"] for envelope in page.envelopes]


async def without_room(store: TableStore, number: int, key: str = "") -> None:
    """Store a message as older versions stored one without a room."""
    partition = hub_partition("chat")
    cursor = message_id(partition, NOW, "c", str(number), "")
    row = {"PartitionKey": partition, "RowKey": row_key(cursor), "connectionId": "c", "eventId": str(number)}
    row |= {"eventName": "message", "time": "2026-11-26T12:00:00.000Z", "dataType": "text", "userId": "ana"}
    row |= {"contentType": "text/plain", "text": f"homeless {number}"} | ({"key": key} if key else {})
    async with make_client(store.account, TABLE_NAME) as client:
        await client.create_entity(row)


def run_admin(store: TableStore, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command as its user does; for a thread, as it makes its own loop."""
    monkeypatch.setenv("AzureWebJobsStorage", store.account.connection_string or "")
    return admin.main(arguments)


async def test_what_is_older_is_deleted_with_the_rows_of_its_keys_and_what_is_newer_stays(store: TableStore) -> None:
    for room in ("a", "b|c", "é"):
        for number in range(3):
            await put(store, room, 31 * DAY, number, key=f"k{number}" if number else "")
        await put(store, room, 29 * DAY, 7, key="kept")
    assert await Retention(store, 30).run() == 9
    for room in ("a", "b|c", "é"):
        assert await history(store, room) == [f"{room} 7"]
        assert len(await rows(store, partition_key("chat", room))) == 2
    assert await Retention(store, 30).run() == 0


async def test_more_than_one_page_of_old_messages_is_deleted(store: TableStore) -> None:
    for number in range(120):
        await put(store, "many", 40 * DAY, number, key=f"k{number}")
    assert await Retention(store, 30).run() == 120
    assert await rows(store, partition_key("chat", "many")) == []


async def test_another_hub_s_messages_stay(store: TableStore) -> None:
    other = TableStore("chat2", store.account)
    await put(store, "a", 40 * DAY)
    assert await Retention(other, 30).run() == 0
    await other.aclose()
    assert await history(store, "a") == ["a 0"]


async def test_a_retention_that_runs_out_of_time_goes_on_in_the_room_where_it_stopped(store: TableStore) -> None:
    for room in ("a", "b", "c"):
        for number in range(60):
            await put(store, room, 40 * DAY, number)

    class Hurry(Clock):
        """Every look at the clock costs ten seconds."""

        def __call__(self) -> float:
            self.now += 10
            return self.now

    deleted = [await Retention(store, 30, Hurry(0)).run()]
    assert 0 < deleted[0] < 180
    stopped = await Maintenance(store).bookmark()
    assert stopped in [partition_key("chat", room) for room in ("a", "b", "c")]
    while deleted[-1]:
        deleted.append(await Retention(store, 30, Hurry(0)).run())
    assert sum(deleted) == 180
    await Retention(store, 30).run()
    assert await Maintenance(store).bookmark() == ""


async def test_a_row_that_is_gone_already_stops_nothing(store: TableStore) -> None:
    await put(store, "a", 40 * DAY, 1, key="k")
    await put(store, "a", 40 * DAY, 2)
    async with make_client(store.account, TABLE_NAME) as client:
        (sent,) = [row for row in await rows(store) if row.startswith("sent-")]
        await client.delete_entity(partition_key("chat", "a"), sent)
    assert await Retention(store, 30).run() == 2
    assert await rows(store, partition_key("chat", "a")) == []


async def test_rooms_are_found_by_skipping_and_only_those_of_the_hub(store: TableStore) -> None:
    names = ["a", "a b", "a|b", "z", "é", "~"]
    other = TableStore("chatter", store.account)
    await put(other, "foreign", DAY)
    await other.aclose()
    for room in names:
        for number in range(3):
            await put(store, room, DAY, number)
    found = [partition async for partition in Maintenance(store).partitions()]
    assert sorted(found) == found == sorted(partition_key("chat", room) for room in names)
    later = [partition async for partition in Maintenance(store).partitions(found[2])]
    assert later == found[2:]


async def test_the_timer_is_registered_only_when_messages_are_to_be_deleted(store: TableStore) -> None:
    for days, names in (("0", []), ("30", ["retention"])):
        async with running_app(store, MESSAGE_RETENTION_DAYS=days) as host:
            assert [timer.name for timer in host.timers.functions] == names


def running_app(store: TableStore, **changes: str) -> FunctionsHost:
    settings = Settings.from_env(
        {
            "AzureWebJobsStorage": store.account.connection_string or "",
            "WebPubSubConnectionString": "Endpoint=http://localhost:1;AccessKey=k;",
            **changes,
        }
    )
    service = Service("chat", settings.endpoints[0])
    return FunctionsHost(function_app.build(settings, store, service, Outbox(store, service)))


async def test_the_admin_endpoint_of_the_host_starts_the_retention(store: TableStore, own_azurite: Azurite) -> None:
    await put(store, "a", 40 * DAY)
    async with running_system(own_azurite, MESSAGE_RETENTION_DAYS="30") as system, asyncio.timeout(PATIENCE_SECONDS):
        async with system.http.post(f"{system.url}/admin/functions/retention", json={"input": ""}) as answer:
            assert answer.status == 202
        while await system.history("a"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_admin_lists_rooms_and_moves_what_has_none(
    store: TableStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        await without_room(store, number, key="k" if number == 2 else "")
    await put(store, "lobby", DAY, 9)
    assert await asyncio.to_thread(run_admin, store, monkeypatch, "rooms") == 0
    listed = capsys.readouterr().out
    assert [line.split()[0] for line in listed.splitlines() if "lobby" in line or "(no room)" in line] == ["3", "1"]
    assert "--move-to" in listed
    assert await asyncio.to_thread(run_admin, store, monkeypatch, "rooms", "--move-to", "lobby") == 2
    assert "--yes" in capsys.readouterr().err
    assert await asyncio.to_thread(run_admin, store, monkeypatch, "rooms", "--move-to", "lobby", "--yes") == 0
    assert sorted(await history(store, "lobby")) == ["homeless 0", "homeless 1", "homeless 2", "lobby 9"]
    assert await rows(store, hub_partition("chat")) == []
    page = await History(store).page("lobby", limit=2, before=None, after=None)
    assert len((await History(store).page("lobby", limit=9, before=page.next, after=None)).envelopes) == 2
    assert len(await rows(store, partition_key("chat", "lobby"))) == 5


async def test_a_message_whose_key_is_taken_in_the_other_room_is_moved_all_the_same(
    store: TableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await without_room(store, 0, key="k")
    await put(store, "lobby", DAY, 9, key="k")
    assert await asyncio.to_thread(run_admin, store, monkeypatch, "rooms", "--move-to", "lobby", "--yes") == 0
    assert sorted(await history(store, "lobby")) == ["homeless 0", "lobby 9"]


async def test_a_retention_ends_before_the_function_s_time_does_whatever_hangs(
    store: TableStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    await put(store, "a", 40 * DAY)
    monkeypatch.setattr(Maintenance, "delete", hang)
    monkeypatch.setattr("chat.upkeep.retention._MAX_SECONDS", 0.5)
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await Retention(store, 30).run() == 0
    assert "The retention continues next time" in caplog.text


async def test_admin_exports_and_erases_a_user_in_every_room(
    store: TableStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for room in ("a", "b"):
        await put(store, room, DAY, 1, user="ana", key="k")
        await put(store, room, DAY, 2, user="ben", key="k")
    output = tmp_path / "ana.jsonl"
    assert (
        await asyncio.to_thread(run_admin, store, monkeypatch, "export", "--user", "ana", "--output", str(output)) == 0
    )
    exported: list[Any] = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    assert [(message["room"], message["data"], message["from"]) for message in exported] == [
        ("a", "a 1", "ana"),
        ("b", "b 1", "ana"),
    ]
    assert await asyncio.to_thread(run_admin, store, monkeypatch, "erase", "--user", "ana", "--dry-run") == 0
    assert "2  messages of the user 'ana'" in capsys.readouterr().out
    assert await history(store, "a") == ["a 2", "a 1"]
    assert await asyncio.to_thread(run_admin, store, monkeypatch, "erase", "--user", "ana", "--yes") == 0
    for room in ("a", "b"):
        assert await history(store, room) == [f"{room} 2"]
        assert len(await rows(store, partition_key("chat", room))) == 2


async def test_admin_gets_past_a_partition_that_somebody_edited(
    store: TableStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await put(store, "a", DAY)
    async with make_client(store.account, TABLE_NAME) as client:
        await client.create_entity({"PartitionKey": "chat|=FF", "RowKey": "0", "userId": "ana"})
    await put(store, "é", DAY)
    for command in (["rooms"], ["export", "--user", "ana"], ["erase", "--user", "ana", "--yes"]):
        assert await asyncio.to_thread(run_admin, store, monkeypatch, *command) == 0
        assert "=FF" in capsys.readouterr().out or command[0] == "export"
    assert await rows(store) == []


def test_admin_writes_what_people_write_whatever_the_console_s_encoding(own_azurite: Azurite) -> None:
    async def prepare() -> None:
        opened = TableStore("emoji", StorageAccount(own_azurite.connection_string))
        await put(opened, "😀", DAY, hub="emoji")
        await opened.aclose()

    asyncio.run(prepare())
    environment = {**os.environ, "AzureWebJobsStorage": own_azurite.connection_string, "WebPubSubHub": "emoji"}
    for command in (["rooms"], ["export", "--user", "ana"]):
        done = subprocess.run(
            [sys.executable, "-m", "chat.admin", *command],
            env=environment | {"PYTHONIOENCODING": "ascii"},
            capture_output=True,
            check=False,
        )
        assert (done.returncode, "😀" in done.stdout.decode("utf-8")) == (0, True), done.stderr


async def test_an_odd_user_id_erases_its_own_messages_only(store: TableStore, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = "x' or userId ne '"
    await put(store, "a", DAY, 1, user=odd)
    await put(store, "a", DAY, 2)
    assert await asyncio.to_thread(run_admin, store, monkeypatch, "erase", "--user", odd, "--yes") == 0
    assert await history(store, "a") == ["a 2"]


@pytest.mark.parametrize(("answer", "left"), [("no", 1), ("", 1), ("YES", 0)])
async def test_admin_asks_before_it_deletes(
    store: TableStore, monkeypatch: pytest.MonkeyPatch, answer: str, left: int
) -> None:
    await put(store, "a", 40 * DAY)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _question: answer)
    await asyncio.to_thread(run_admin, store, monkeypatch, "retention", "--days", "30")
    assert len(await history(store, "a")) == left


async def test_admin_retention_takes_its_days_from_the_setting_and_only_counts_when_it_is_dry(
    store: TableStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await put(store, "a", 40 * DAY)
    assert await asyncio.to_thread(run_admin, store, monkeypatch, "retention", "--dry-run") == 2
    assert "--days" in capsys.readouterr().err
    monkeypatch.setenv("MESSAGE_RETENTION_DAYS", "30")
    assert await asyncio.to_thread(run_admin, store, monkeypatch, "retention", "--dry-run") == 0
    assert "1  messages sent before" in capsys.readouterr().out
    assert await history(store, "a") == ["a 0"]


def test_admin_takes_local_settings_but_never_another_account_than_the_environment_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "WebPubSubHub": "local"}
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": values}), "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AzureWebJobsStorage__tableServiceUri", "https://127.0.0.1:9")
    assert admin.main(["rooms"]) == 1
    told = capsys.readouterr().err
    assert "'local' in https://127.0.0.1:9" in told
    assert "run it again" in told


def test_admin_without_settings_names_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)
    assert admin.main(["rooms"]) == 2
    assert "AzureWebJobsStorage: set" in capsys.readouterr().err


async def change(store: TableStore, room: str, cursor: str, age: timedelta, text: str | None) -> None:
    """Edit a message, or delete it, some time ago."""
    sent = datetime.now(UTC) - age
    kind = ChangeKind.DELETED if text is None else ChangeKind.EDITED
    change_id = message_id(partition_key("chat", room), sent, "c", "99", body_digest(kind, cursor.encode()))

    def revise(message: Message) -> Message | DeletedMessage:
        if text is not None:
            return replace(message, body=text.encode(), edited_at=sent)
        return DeletedMessage(message.id, message.time, room, message.user_id, "c", message.key, sent)

    assert await ChangeStore(store).apply(RequestedChange(change_id, room, kind, cursor), revise)


async def test_what_is_left_of_old_messages_goes_with_its_age_and_is_not_counted(store: TableStore) -> None:
    await put(store, "a", 40 * DAY, 1, key="k")
    await change(store, "a", await put(store, "a", 40 * DAY, 2, key="l"), 40 * DAY, None)
    await change(store, "a", await put(store, "a", 40 * DAY, 3), 1 * DAY, "edited")
    assert await Retention(store, 30).run() == 2
    assert len(await rows(store, partition_key("chat", "a"))) == 1  # the change is a day old
    assert (await History(store).page("a", limit=9, before=None, after=None)).envelopes == []


async def test_admin_counts_messages_and_neither_changes_nor_deleted_ones(
    store: TableStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await put(store, "a", 3 * DAY, 1)
    await change(store, "a", await put(store, "a", 2 * DAY, 2), DAY, None)
    await change(store, "b", await put(store, "b", 2 * DAY, 1), DAY, "edited")
    assert await asyncio.to_thread(run_admin, store, monkeypatch, "rooms") == 0
    counts = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]
    assert counts == ["1", "1", "2"]


async def test_admin_exports_messages_as_they_are_now(
    store: TableStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await change(store, "a", await put(store, "a", 2 * DAY, 1), DAY, "edited")
    await change(store, "b", await put(store, "b", 2 * DAY, 1), DAY, None)
    output = tmp_path / "ana.jsonl"
    await asyncio.to_thread(run_admin, store, monkeypatch, "export", "--user", "ana", "--output", str(output))
    exported: list[Any] = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    assert [(one["type"], one["room"], one.get("data")) for one in exported] == [
        ("message", "a", "edited"),
        ("deleted", "b", None),
    ]


async def test_admin_erases_what_is_left_of_changed_messages_and_tells_connected_clients(
    store: TableStore,
    own_azurite: Azurite,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = await put(store, "a", 2 * DAY, 1, user="ben", key="k")
    plain = await put(store, "a", 2 * DAY, 2, key="k")
    edited = await put(store, "a", 2 * DAY, 3)
    await change(store, "a", edited, DAY, "edited")
    await change(store, "a", await put(store, "a", 2 * DAY, 4), DAY, None)
    async with running_system(own_azurite) as system:
        ben = await system.connect("a", "ben")
        monkeypatch.setenv("WebPubSubConnectionString", system.emulator.connection_string)
        assert await asyncio.to_thread(run_admin, store, monkeypatch, "erase", "--user", "ana", "--yes") == 0
        told = [(await ben.until(lambda frame: kind_of(frame) == "deleted"))["data"] for _ in range(2)]
    assert {one["id"] for one in told} == {plain, edited}
    assert {one["room"] for one in told} == {"a"}
    assert "Deleted 2 messages" in capsys.readouterr().out
    left = await rows(store, partition_key("chat", "a"))
    assert [row for row in left if not row.startswith("sent-")] == [row_key(kept)]
    assert len(left) == 2


@pytest.mark.parametrize(
    ("connection_string", "told"),
    [
        ("", "do not say where"),
        (NO_SERVICE, "not told of 1 messages"),
    ],
    ids=["no service", "a service that does not answer"],
)
async def test_admin_erases_also_where_no_client_can_be_told_and_says_so(
    store: TableStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    connection_string: str,
    told: str,
) -> None:
    await put(store, "a", DAY)
    monkeypatch.setenv("WebPubSubConnectionString", connection_string)
    assert await asyncio.to_thread(run_admin, store, monkeypatch, "erase", "--user", "ana", "--yes") == 0
    assert told in capsys.readouterr().err
    assert await rows(store) == []


async def test_admin_erases_nothing_where_the_settings_of_the_service_are_wrong_and_names_them(
    store: TableStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await put(store, "a", DAY)
    monkeypatch.setenv("WebPubSubConnectionString", "garbage")
    assert await asyncio.to_thread(run_admin, store, monkeypatch, "erase", "--user", "ana", "--yes") == 2
    assert "WebPubSubConnectionString: " in (told := capsys.readouterr().err)
    assert "garbage" not in told
    assert len(await rows(store)) == 1
    assert await asyncio.to_thread(run_admin, store, monkeypatch, "rooms") == 0


async def test_admin_erases_also_in_a_room_that_nobody_can_be_in(
    store: TableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for room in ("..", ".", "a"):
        await put(store, room, DAY)
    monkeypatch.setenv("WebPubSubConnectionString", NO_SERVICE)
    assert await asyncio.to_thread(run_admin, store, monkeypatch, "erase", "--user", "ana", "--yes") == 0
    assert await rows(store) == []
