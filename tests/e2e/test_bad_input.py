"""Rubbish over HTTP: a clear 4xx or a sender error, never a 500, never a stack trace, nothing stored."""

from __future__ import annotations

import base64
import json

import pytest

import chat.policy
from tests.e2e.conftest import System

REQUIRED = ["ce-specversion", "ce-type", "ce-id", "ce-time", "ce-hub", "ce-eventName"]


async def stored(system: System, room: str) -> int:
    return len(await system.history(room))


@pytest.mark.parametrize("header", REQUIRED)
async def test_a_missing_attribute_is_400_that_names_it(system: System, header: str) -> None:
    status, body = await system.post_event(room="b1", drop=[header])
    assert status == 400
    assert header in body.decode()
    assert await stored(system, "b1") == 0


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("ce_time", "yesterday"),
        ("ce_time", "99999-01-01T00:00:00Z"),
        ("ce_specversion", "0.3"),
        ("ce_id", "x" * 2000),
    ],
)
async def test_a_malformed_attribute_is_400(system: System, header: str, value: str) -> None:
    status, _ = await system.post_event(room="b2", **{header: value})
    assert status == 400
    assert await stored(system, "b2") == 0


async def test_another_hub_is_404(system: System) -> None:
    status, _ = await system.post_event(room="b3", ce_hub="other", ce_source="/hubs/other/client/conn-42")
    assert status == 404


async def test_the_hub_s_case_does_not_matter(system: System) -> None:
    assert await system.post_event(room="b3-case", ce_hub="CHAT") == (204, b"")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{"),
        ("application/json", b"NaN"),
        ("application/json", b"[" * 100_000),
        ("application/json", b"9" * 5000),
        ("application/json", b"\xff"),
        ("text/plain", b"\xff\xfe"),
    ],
    ids=["broken", "not a number", "deep", "huge number", "json not utf-8", "text not utf-8"],
)
async def test_a_body_that_is_not_what_it_says_is_told_to_its_sender(
    system: System, content_type: str, body: bytes
) -> None:
    status, answer = await system.post_event(body, room="b4", Content_Type=content_type)
    assert (status, json.loads(answer)["code"]) == (200, "invalid_message")
    assert await stored(system, "b4") == 0


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b"", "text/plain", "empty"),
        (b"x", "image/png", "unsupported_type"),
        (b"x", "nonsense", "unsupported_type"),
        (b"x" * 65537, "text/plain", "too_large"),
        (b"x" * 1024 * 1024, "text/plain", "too_large"),
    ],
)
async def test_a_user_s_mistake_is_a_sender_error(system: System, body: bytes, content_type: str, code: str) -> None:
    status, answer = await system.post_event(body, room="b5", Content_Type=content_type)
    assert status == 200
    assert json.loads(answer)["code"] == code
    assert await stored(system, "b5") == 0


async def test_a_body_over_what_the_service_sends_is_413(system: System) -> None:
    status, _ = await system.post_event(b"x" * (1024 * 1024 + 1), room="b6")
    assert status == 413


@pytest.mark.parametrize("state", ["%%%", "e30", "WzFd", base64.b64encode(b'{"room":7}').decode(), "é"])
async def test_a_state_of_somebody_else_is_not_a_room(system: System, state: str) -> None:
    status, answer = await system.post_event(room=None, connection_id="foreign-state", ce_connectionState=state)
    assert status == 200
    assert json.loads(answer)["code"] == "not_a_member"
    _, page = await system.get("messages", limit=200)
    assert "foreign-state" not in json.dumps(page)


async def test_thousands_of_header_values_are_refused(system: System) -> None:
    status, _ = await system.post_event(room="b7", ce_signature=",".join(["sha256=" + "ab" * 32] * 80))
    assert status == 401


async def test_a_get_on_the_webhook_is_404_as_the_host_says(system: System) -> None:
    async with system.http.get(f"{system.url}/api/eventhandler/message") as answer:
        assert answer.status == 404


@pytest.mark.parametrize("room", ["a/b", "a\\b", "a#b", "a?b", "it's", '"x"', "😀", "a b", "a%2Fb", "../x", "a|b"])
async def test_every_printable_room_works_from_end_to_end(system: System, room: str) -> None:
    ana, ben = await system.connect(room, "ana"), await system.connect(room, "ben")
    ack, _ = await ana.send("hello")
    assert ack["success"]
    received = await ben.message()
    assert (received["room"], received["data"]) == (room, "hello")
    assert await system.history(room, limit=1) == [received]


@pytest.mark.parametrize("user", ["世界", "ana@contoso.com", "a b", "100%", "é", '"quoted"', "/"])
async def test_every_printable_user_works_from_end_to_end(system: System, user: str) -> None:
    room = f"b8 {user}"
    client = await system.connect(room, user)
    await client.send("hello")
    assert [message["from"] for message in await system.history(room)] == [user]


@pytest.mark.parametrize("room", ["x" * 129, "a\nb", " ", "\u2028", ".", ".."])
async def test_an_impossible_room_is_400_everywhere(system: System, room: str) -> None:
    for route in ("negotiate", "messages"):
        status, body = await system.get(route, room=room)
        assert (status, body["code"]) == (400, "invalid_room")


async def test_a_message_for_a_room_whose_name_is_a_step_in_a_path_never_leaves_for_the_whole_hub(
    system: System,
) -> None:
    status, answer = await system.post_event(room="..")
    assert (status, json.loads(answer)["code"]) == (200, "not_a_member")


async def test_a_room_that_only_the_client_s_url_names_is_checked_too(system: System) -> None:
    _, access = await system.get("negotiate", userId="ana")
    url = access["url"].partition("&room=")[0]
    assert await system.upgrade_status(f"{url}&room={'x' * 129}") == 403


async def test_a_second_room_in_the_client_s_url_is_asked_about_too(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat.policy, "may_join", lambda _, room: room != "b12-other")
    _, access = await system.get("negotiate", userId="ana", room="b12")
    assert await system.upgrade_status(f"{access['url']}&room=b12-other") == 403


@pytest.mark.parametrize("limit", ["-1", "0", "201", "ten", "1.5", "1e2", "٣", "9" * 400])
async def test_an_impossible_limit_is_400(system: System, limit: str) -> None:
    status, body = await system.get("messages", room="b9", limit=limit)
    assert (status, body["code"]) == (400, "invalid_limit")


@pytest.mark.parametrize("cursor", ["x", "' or '1' eq '1", "0" * 50, "../..", "é", "\u0000"])
@pytest.mark.parametrize("parameter", ["before", "after"])
async def test_a_foreign_cursor_is_400(system: System, parameter: str, cursor: str) -> None:
    status, body = await system.get("messages", room="b10", **{parameter: cursor})
    assert (status, body["code"]) == (400, "invalid_cursor")


async def test_a_cursor_of_another_room_is_400(system: System) -> None:
    await system.post_event(room="b11-a")
    cursor = (await system.history("b11-a"))[0]["id"]
    status, body = await system.get("messages", room="b11-b", before=cursor)
    assert (status, body["code"]) == (400, "invalid_cursor")


async def test_an_unknown_room_has_an_empty_history(system: System) -> None:
    assert await system.history("nobody was ever here") == []


@pytest.mark.parametrize("user", ["x" * 129, "a\nb", "%41na"])
async def test_an_impossible_user_is_400(system: System, user: str) -> None:
    status, body = await system.get("negotiate", userId=user)
    assert (status, body["code"]) == (400, "invalid_user_id")


@pytest.mark.parametrize("file", ["../host.json", "..%2Fhost.json", "%2e%2e/host.json", "a/../../host.json", "nope"])
async def test_the_demo_page_s_route_serves_nothing_else(system: System, file: str) -> None:
    from yarl import URL  # noqa: PLC0415

    async with system.http.get(URL(f"{system.url}/api/demo/{file}", encoded=True)) as answer:
        assert answer.status == 404
